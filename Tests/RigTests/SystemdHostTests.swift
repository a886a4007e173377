import Rig
import Testing

@Suite(.systemdHost)
struct SystemdHostTests {
    @Test func `two hosts run beside each other, each with a systemd of its own, and nothing of them is left`()
        async throws
    {
        let names = try await SystemdHost.with { one in
            try await SystemdHost.with { two in
                for host in [one, two] {
                    #expect(try await host.shell("systemctl is-system-running; hostname") == "running\n\(host.name)\n")
                }
                try await one.write(
                    "[Service]\nType=oneshot\nExecStart=touch /ran\n", to: "/etc/systemd/system/mark.service")
                try await one.shell("systemctl daemon-reload; systemctl start mark; test -e /ran")
                #expect(try await two.exec("test", ["-e", "/ran"]).status == 1)
                #expect(try await two.exec("systemctl", ["start", "mark"]).status == 5, "it is the other host's unit")
                return [one.name, two.name]
            }
        }
        let engine = try await DockerEngine.shared()
        let left = try await engine.docker(["ps", "--all", "--format", "{{.Names}}"]).stdout
        #expect(names.allSatisfy { !left.contains($0) })
    }

    @Test func `no program of the host's packages runs, and what a test gives it is there`() async throws {
        try await TemporaryDirectory.with { directory in
            _ = try await check("sh", ["-c", "echo mounted > \(directory)/file"])
            try await SystemdHost.with(mounts: [(source: directory, place: "/srv/given")]) { host in
                #expect(try await host.shell("cat /srv/given/file") == "mounted\n")
                #expect(try await host.exec("touch", ["/srv/given/file"]).status == 1, "read-only")
                try await host.write("#!/bin/sh\necho \"said $1\"\n", to: "/opt/new/tool", mode: "755")
                #expect(try await host.exec("/opt/new/tool", ["it's"]).stdout == "said it's\n")
                try await host.copy("\(directory)/file", to: "/opt/copy")
                #expect(try await host.shell("cat /opt/copy") == "mounted\n")
                let programs = try await host.shell("ps -eo comm=").split(separator: "\n").map(String.init)
                #expect(!programs.contains { ["nginx", "certbot", "cron"].contains($0) }, "\(programs)")
                #expect(try await host.shell("systemctl is-enabled certbot.timer") == "enabled\n")
            }
        }
    }
}

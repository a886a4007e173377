import FoundationEssentials
import Rig
import Testing

/// reload-nginx against an nginx of the host's, with a `docker` that knows no containers.
@Suite(.stack)
struct ReloadHostTests {
    @Test(arguments: ["", "host = yes\n"])
    func `the host's nginx serves the new certificate where no container has the tree`(settings: String) async throws {
        try await withHost { stack, host in
            let before = try await placeSelfSigned(["a.example"], inTree: stack.tree)
            try await stack.nginx.serve([stack.site(["a.example"])])
            #expect(try await stack.nginx.servedSerial(name: "a.example") == before)
            let after = try await placeSelfSigned(["a.example"], inTree: stack.tree)
            let output = try await host.reload(settings)
            #expect(output.status == 0 && output.stderr == "", "\(output)")
            #expect(output.stdout == "reload-nginx: host: nginx reloaded\n")
            let deadline = ContinuousClock.now + .seconds(180)
            while try await stack.nginx.servedSerial(name: "a.example") != after && ContinuousClock.now < deadline {
                try await Task.sleep(for: .milliseconds(20))
            }
            #expect(try await stack.nginx.servedSerial(name: "a.example") == after)
        }
    }

    @Test func `a configuration that the host's nginx refuses is shown`() async throws {
        try await withHost { stack, host in
            let file = "\(stack.nginx.directory)/nginx.conf"
            try write(try #require(contents(ofFile: file)) + "no_such_directive on;\n", to: file)
            let output = try await host.reload("")
            #expect(output.status == 1)
            #expect(output.stderr.contains("host: nginx -t fails"))
            #expect(output.stderr.contains("unknown directive \"no_such_directive\""))
            #expect(output.stdout == "")
        }
    }

    @Test func `an nginx of the host's that does not run is an error if the settings ask for it`() async throws {
        try await withHost { stack, host in
            try write("999999999\n", to: "\(stack.nginx.directory)/nginx.pid")
            let output = try await host.reload("host = yes\n")
            #expect(output.status == 1)
            #expect(output.stderr.contains("host: nginx -s reload fails:"))
        }
    }

    @Test func `the host's nginx is left alone if the settings say so`() async throws {
        try await withHost { stack, host in
            let output = try await host.reload("host = no\n")
            #expect(output.status == 1)
            #expect(
                output.stderr == """
                    reload-nginx: no nginx found to reload: no running container mounts \(stack.tree) and runs nginx

                    """)
        }
    }

    private struct Host {
        let stack: Stack
        let commands: String

        func reload(_ settings: String) async throws -> Output {
            let file = "\(stack.directory)/settings.conf"
            try write(settings, to: file)
            return try await ShippedHook("reload-nginx").run([
                "PATH": "\(commands):/usr/bin:/bin", "CERTCTL_CONFIG_DIR": stack.tree,
                "CERTCTL_RELOAD_NGINX_CONF": file,
            ])
        }
    }

    /// A stack whose nginx is what the command `nginx` means.
    private func withHost(_ body: (Stack, Host) async throws -> Void) async throws {
        try await Rig.withStack { stack in
            let commands = "\(stack.directory)/bin"
            _ = try await check("mkdir", [commands])
            let nginx = stack.nginx.reloadCommand.replacing(" -s reload", with: " \"$@\"")
            let real = try await check("sh", ["-c", "command -v nginx"]).dropLast()
            try write(
                "#!/bin/sh\n" + nginx.replacing("PATH=\"$PATH:/usr/sbin\" nginx", with: real) + "\n",
                to: "\(commands)/nginx", mode: 0o755)
            try write("#!/bin/sh\nexit 0\n", to: "\(commands)/docker", mode: 0o755)
            // This nginx is no service of systemd's, whatever else is on the machine.
            try write("#!/bin/sh\nexit 3\n", to: "\(commands)/systemctl", mode: 0o755)
            try await body(stack, Host(stack: stack, commands: commands))
        }
    }
}

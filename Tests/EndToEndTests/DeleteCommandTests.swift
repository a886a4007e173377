import FoundationEssentials
import Glibc
import Rig
import Testing

/// `certctl delete`: a certificate that is not used any more.
@Suite(.parts("openssl"))
struct DeleteCommandTests {
    private static func withTree(_ body: (Certctl, String) async throws -> Void) async throws {
        try await TemporaryDirectory.with { directory in
            let ca = try await DatedCA(in: directory)
            let settings = "\(directory)/certctl.conf"
            try "verify = none\n".write(toFile: settings, atomically: true, encoding: .utf8)
            var certctl = Certctl(tree: "\(directory)/letsencrypt", state: "\(directory)/state")
            certctl.settings = settings
            for name in ["a.example", "b.example"] { try await ca.addLineage(name, tree: certctl.tree) }
            #expect(try await certctl.renew().status == 0)
            try await body(certctl, directory)
        }
    }

    /// What is left of a certificate.
    private static func traces(_ certctl: Certctl) async throws -> String {
        try await check("find", [certctl.tree, "-name", "*a.example*"])
    }

    @Test(.parts("certbot")) func `it is moved away with all that belongs to it, and certbot finds no trace`()
        async throws
    {
        try await Self.withTree { certctl, directory in
            let deleted = try await certctl.delete("a.example")
            #expect(deleted.status == 0, "\(deleted.stderr)")
            #expect(
                deleted.stdout.hasPrefix("a.example: deleted; its files are in \(certctl.state)/deleted/a.example-"))
            #expect(try await Self.traces(certctl).isEmpty)
            #expect(!FileManager.default.fileExists(atPath: "\(certctl.state)/lineages/a.example.json"))
            let kept = try await check(
                "sh",
                [
                    "-c",
                    "cd \(certctl.state)/deleted/*/; openssl x509 -in live/a.example/cert.pem -noout -subject; ls renewal",
                ])
            #expect(kept.hasSuffix("a.example.conf\n"), "\(kept)")
            let listed = try await sh(
                "certbot",
                [
                    "certificates", "--config-dir", certctl.tree, "--work-dir", "\(directory)/w", "--logs-dir",
                    "\(directory)/l",
                ])
            #expect(listed.stdout.contains("b.example") && !listed.stdout.contains("a.example"), "\(listed)")
            #expect(try await certctl.lineage("b.example").state == "ok")
            let again = try await certctl.delete("a.example")
            #expect(again.status == 64 && again.stderr.contains("there is no certificate a.example"), "\(again.stderr)")
        }
    }

    @Test func `purge keeps no copy`() async throws {
        try await Self.withTree { certctl, _ in
            let deleted = try await certctl.delete("--purge", "a.example")
            #expect(deleted.stdout == "a.example: deleted\n", "\(deleted.stderr)")
            let (traces, kept) = (
                try await Self.traces(certctl), try await check("ls", ["\(certctl.state)/deleted"])
            )
            #expect(traces.isEmpty && kept.isEmpty)
        }
    }

    @Test(.enabled(if: geteuid() == 0, "mounts: run as root")) func `the state may be on another file system`()
        async throws
    {
        try await Self.withTree { certctl, directory in
            let (mount, other) = ("\(directory)/other", "\(directory)/other/state")
            try await check("sh", ["-c", "mkdir \(mount); mount -t tmpfs tmpfs \(mount)"])
            var elsewhere = Certctl(tree: certctl.tree, state: other)
            elsewhere.settings = certctl.settings
            let before = try await check(
                "sh",
                [
                    "-c",
                    "cd \(certctl.tree); find archive/a.example live/a.example -printf '%p %y %m %l\\n' | sort; cat archive/a.example/*",
                ])
            let deleted = try await elsewhere.delete("a.example")
            let kept = try await sh(
                "sh",
                [
                    "-c",
                    "cd \(other)/deleted/*/ && find archive/a.example live/a.example -printf '%p %y %m %l\\n' | sort; cat archive/a.example/*",
                ])
            try await check("umount", [mount])
            #expect(deleted.status == 0, "\(deleted.stderr)")
            #expect(kept.stdout == before)
            #expect(try await Self.traces(certctl).isEmpty)
        }
    }

    @Test(.parts("strace"), arguments: [1, 2, 3, 4])
    func `killed between two moves, it is done by the next call`(time: Int) async throws {
        try await Self.withTree { certctl, _ in
            var killed = certctl
            killed.prefix = [
                "strace", "-f", "-qq", "-o", "/dev/null", "-P", "\(certctl.tree)/renewal/a.example.conf", "-P",
                "\(certctl.tree)/live/a.example", "-P", "\(certctl.tree)/archive/a.example", "-e", "trace=renameat2",
                "-e",
                "inject=renameat2:signal=SIGKILL:when=\(time)",
            ]
            let output = try await killed.delete("a.example")
            #expect(output.status == (time < 4 ? 137 : 0), "\(output.stderr)")
            #expect(try await certctl.status("--format", "json").stdout.contains("broken") == false)
            let next = try await certctl.delete("a.example")
            #expect(next.status == 0 || next.status == 64, "\(next.stderr)")
            #expect(try await Self.traces(certctl).isEmpty)
        }
    }

    @Test func `a copy of a conf is deleted alone`() async throws {
        try await Self.withTree { certctl, _ in
            try await check("cp", ["renewal/a.example.conf", "renewal/copy.conf"], directory: certctl.tree)
            let deleted = try await certctl.delete("copy")
            #expect(deleted.status == 0, "\(deleted.stderr)")
            #expect(
                deleted.stdout.contains("live/a.example stays: another certificate has it, too"), "\(deleted.stdout)")
            #expect(try await certctl.lineage("a.example").state == "ok")
        }
    }

    @Test(.enabled(if: geteuid() == 0, "mounts: run as root"), .parts("nginx", "unshare"))
    func `while the host's nginx names it, it is refused unless it is forced`() async throws {
        try await Self.withTree { certctl, directory in
            let nginx = "\(directory)/nginx"
            let live = "\(certctl.tree)/live/a.example"
            try await check("sh", ["-ec", "mkdir -p \(nginx)/conf.d; : > \(nginx)/nginx.conf"])
            var hidden = certctl
            // Its own /etc/nginx, with a configuration that nginx itself refuses.
            hidden.prefix = ["unshare", "-m", "sh", "-c", #"mount --bind "$0" /etc/nginx && exec "$@""#, nginx]
            let conf = "# \(live)/fullchain.pem\nserver {\n  ssl_certificate \(live)/fullchain.pem;\n}\n"
            try conf.write(toFile: "\(nginx)/conf.d/site.conf", atomically: true, encoding: .utf8)
            let refused = try await hidden.delete("a.example")
            #expect(refused.status == 1, "\(refused.stdout)")
            #expect(
                refused.stderr.contains(
                    "nginx's configuration names it: /etc/nginx/conf.d/site.conf: ssl_certificate \(live)/fullchain.pem;\n"
                ), "\(refused.stderr)")
            #expect(try await certctl.lineage("a.example").state == "ok")
            #expect(try await hidden.delete("b.example").status == 0)
            #expect(try await hidden.delete("--force", "a.example").status == 0)
        }
    }
}

/// The same on a host whose nginx is a container.
@Suite(.docker)
struct DeleteDockerTests {
    @Test func `while a container's nginx names it, it is refused unless it is forced`() async throws {
        try await DockerHost.serving { host in
            let refused = try await host.certctl.delete(DockerHost.name)
            #expect(refused.status == 1, "\(refused.stdout)")
            #expect(
                refused.stderr.contains("not deleted: nginx's configuration names it: container "), "\(refused.stderr)")
            #expect(
                refused.stderr.contains(
                    #/container \S+, /etc/nginx/conf.d/\S+: ssl_certificate +/etc/letsencrypt/live/example.com/fullchain.pem;/#
                ),
                "\(refused.stderr)")
            #expect(try await host.entry().state == "ok")

            // The container has the tree at /etc/letsencrypt, where a certbot in a container would have made the confs.
            let conf = "\(host.stack.tree)/renewal/example.com.conf"
            let text = string(conf)
            try text.replacing(host.stack.tree, with: "/etc/letsencrypt").write(
                toFile: conf, atomically: true, encoding: .utf8)
            let repair = try await host.certctl.repair("example.com")
            #expect(repair.status == 1 && repair.stderr.contains("is mounted at /etc/letsencrypt"), "\(repair.stderr)")
            try text.write(toFile: conf, atomically: true, encoding: .utf8)

            let forced = try await host.certctl.delete("--force", DockerHost.name)
            #expect(forced.status == 0, "\(forced.stderr)")
        }
    }
}

import FoundationEssentials
import Glibc
import Rig
import Testing

/// Faults that no list has, made for real: each is named in the first line, and what doctor says leads to green.
@Suite(.stack, .enabled(if: geteuid() == 0, "mounts, and changes attributes of files: run as root"))
struct DoctorOddFaultTests {
    @Test func `files and file systems that refuse to be written to`() async throws {
        try await DoctorHost.with { host in
            let (tree, webroot) = (host.stack.tree, host.stack.webroot)
            for path in ["\(tree)/archive/example.org", "\(tree)/renewal", webroot] {
                try await check("chattr", ["+i", path])
                do {
                    let id = path == webroot ? "webroot-not-writable" : "disk-read-only"
                    try await host.follow("\(path.dropFirst(host.stack.directory.count + 1)) is immutable")
                        .expectCause(id, remedy: "chattr -i \(path)", evidence: "Operation not permitted")
                } catch {
                    _ = try? await check("chattr", ["-i", path])
                    throw error
                }
            }

            try await mounted("tmpfs", on: webroot, ["-t", "tmpfs", "-o", "size=16k,mode=755"]) {
                _ = try await sh("dd", ["if=/dev/zero", "of=\(webroot)/filler", "bs=4k"])
                try await host.follow("the webroot's file system is full") {
                    try FileManager.default.removeItem(atPath: "\(webroot)/filler")
                }.expectCause("webroot-not-writable", remedy: "make room on the file system of \(webroot)")
                try await check("mount", ["-o", "remount,ro", webroot])
                try await host.follow("the webroot's file system is read-only") {
                    try await check("mount", ["-o", "remount,rw", webroot])
                }.expectCause("webroot-not-writable", remedy: "mount -o remount,rw")
            }
            let state = host.certctl.state
            try await mounted("tmpfs", on: state, ["-t", "tmpfs", "-o", "size=16k,mode=755"]) {
                _ = try await sh("dd", ["if=/dev/zero", "of=\(state)/filler", "bs=4k"])
                try await host.follow("the state directory's file system is full") {
                    try FileManager.default.removeItem(atPath: "\(state)/filler")
                    try await check("mount", ["-o", "remount,size=8m", state])
                }.expectCause("disk-full", remedy: "make room on the file system of \(state)")
            }
            try await mounted(tree, on: tree, ["--bind"]) {
                try await check("mount", ["-o", "remount,bind,ro", tree])
                try await host.follow("the config directory is mounted read-only") {
                    try await check("mount", ["-o", "remount,bind,rw", tree])
                }.expectCause("disk-read-only", remedy: "mount -o remount,rw")
            }
        }
    }

    @Test func `what stands in the way in the webroot, and who may read it`() async throws {
        try await DoctorHost.with { host in
            let webroot = host.stack.webroot
            let wellKnown = "\(webroot)/.well-known"
            func removed() throws { try FileManager.default.removeItem(atPath: wellKnown) }
            try "not a directory\n".write(toFile: wellKnown, atomically: false, encoding: .utf8)
            try await host.follow("a file stands in place of .well-known") { try removed() }
                .expectCause("webroot-not-writable", evidence: "it is not a directory")
            try await check("mkfifo", [wellKnown])
            try await host.follow("a named pipe stands in place of .well-known") { try removed() }
                .expectCause("webroot-not-writable", evidence: "it is not a directory")
            try await check("ln", ["-s", "/nonexistent", wellKnown])
            try await host.follow("a dangling symlink stands in place of .well-known") { try removed() }
                .expectCause("webroot-not-writable", evidence: "/nonexistent, which is not there")
            let secret = "\(host.stack.directory)/secret"
            try await check("mkdir", ["-m", "700", secret])
            try await check("ln", ["-s", secret, wellKnown])
            try await check("chown", ["-h", "33:33", wellKnown])
            try await host.follow("another user's symlink stands in place of .well-known") { try removed() }
                .expectCause("webroot-not-writable", evidence: "it is a link that uid 33 owns")

            // As an earlier run with a strict umask leaves it.
            try await check("mkdir", ["-p", "-m", "755", wellKnown])
            try await check("mkdir", ["-m", "700", "\(wellKnown)/acme-challenge"])
            try await host.follow("the directory of challenges has mode 700")
                .expectCause("webroot-unreadable", remedy: "chmod o+x \(wellKnown)/acme-challenge")

            // Above the webroot, as a home directory is.
            try await check("chmod", ["700", host.stack.directory])
            try await host.follow("a directory above the webroot has mode 700")
                .expectCause("webroot-unreadable", remedy: "chmod o+x \(host.stack.directory)")
        }
    }

    @Test func `what nginx does before it looks at a location`() async throws {
        try await DoctorHost.with { host in
            let locations =
                "location /.well-known/acme-challenge/ { root \"\(host.stack.webroot)\"; default_type text/plain; }"
            let rest = "location / { return 404; }"
            /// Makes the edit that the remedy quotes: in place of "A" write "B" and "C".
            func edit(_ first: Diagnosed) throws {
                let quoted = first.lines[1].split(separator: "\"", omittingEmptySubsequences: false).map(String.init)
                try #require(quoted.count > 5, "\(first.lines[1])")
                let path = "\(host.stack.nginx.directory)/nginx.conf"
                // As nginx's configuration was written: the page quotes it with its own blanks.
                let old = string(path)
                let new = old.replacing(quoted[1], with: "\(quoted[3])\n\(quoted[5])")
                try #require(new != old, "\(first.lines[1])")
                try new.write(toFile: path, atomically: true, encoding: .utf8)
            }
            for (fault, directive, id) in [
                ("nginx closes connections without an answer", "return 444;", "challenge-denied"),
                ("nginx refuses everything on port 80", "return 403;", "challenge-denied"),
                (
                    "nginx redirects everything, and the other server has no file",
                    "return 301 https://$host$request_uri;",
                    "challenge-redirected"
                ),
                (
                    "nginx redirects everything with if",
                    "if ($host = example.org) { return 301 https://$host$request_uri; }",
                    "challenge-redirected"
                ),
                (
                    "nginx rewrites everything", "rewrite ^ https://$host$request_uri? permanent;",
                    "challenge-redirected"
                ),
            ] {
                try await host.nginx { $0.replacing(locations, with: directive).replacing(rest, with: "") }
                let first = try await host.diagnosed()
                first.expectCause(id, remedy: "in place of \"\(directive)\" write", action: "operator")
                try await host.follow(fault) {
                    try edit(first)
                    try await host.stack.nginx.reload()
                }
            }

            try await host.nginx { $0.replacing(rest, with: "auth_basic x; auth_basic_user_file /dev/null; \(rest)") }
            let protected = try await host.diagnosed()
            protected.expectCause("challenge-denied", remedy: "auth_basic off;", evidence: "answers 401")
            try await host.follow("nginx asks for a password") {
                try await host.nginx {
                    $0.replacing(rest, with: "auth_basic x; auth_basic_user_file /dev/null; \(rest)")
                        .replacing(
                            locations, with: locations.replacing("default_type", with: "auth_basic off; default_type"))
                }
            }
            try await host.nginx { $0 }
        }
    }

    @Test func `nginx that cannot read a file, or listens elsewhere`() async throws {
        try await DoctorHost.with { host in
            let conf = "\(host.stack.nginx.directory)/nginx.conf"
            let text = string(conf)
            func write(_ text: String) throws { try text.write(toFile: conf, atomically: true, encoding: .utf8) }
            try write(
                text.replacing(
                    "ssl_reject_handshake on;", with: "ssl_reject_handshake on; ssl_dhparam /nonexistent.pem;"))
            try await host.follow("the file of DH parameters is missing") { try write(text) }
                .expectCause("nginx-config-invalid", remedy: "/nonexistent.pem", evidence: "/nonexistent.pem")
            try write(text.replacing("\(host.stack.nginx.directory)/access.log", with: "/nonexistent/access.log"))
            try await host.follow("the directory of a log is missing") { try write(text) }
                .expectCause("nginx-config-invalid", evidence: "/nonexistent/access.log")

            guard access("/proc/net/if_inet6", F_OK) == 0 else { return }
            let tls = host.stack.nginx.tlsPort
            try await host.nginx { $0.replacing("listen 127.0.0.1:\(tls) ssl", with: "listen [::1]:\(tls) ssl") }
            try await host.follow("nginx listens for TLS on IPv6 alone") { try await host.nginx { $0 } }
                .expectCause("served-unreachable", remedy: "give nginx: listen 127.0.0.1:\(tls) ssl")
        }
    }

    @Test func `nginx of the host that is stopped, and would not start`() async throws {
        try await DoctorHost.with { host in
            let nginx = host.stack.nginx
            // The configuration with which the host's service would be started.
            let conf = "\(host.stack.directory)/service.conf"
            try "events {}\nno_such_directive on;\n".write(toFile: conf, atomically: false, encoding: .utf8)
            var certctl = host.certctl
            certctl.prefix = [
                "unshare", "--mount", "sh", "-ec", "mount --bind \(conf) /etc/nginx/nginx.conf; exec \"$@\"", "sh",
            ]
            try await check("kill", ["\(nginx.daemon.pid)"])
            try await eventually("nginx is gone") { !Daemon.isRunning(nginx.daemon.pid) }
            let robot = RobotOperator(
                certctl: certctl, arguments: ["--resolver", host.stack.pebble.resolver],
                programs: ["systemctl": host.startingNginx])
            let first = try await robot.follow("nginx is stopped, and its configuration is broken") {
                try "events {}\n".write(toFile: conf, atomically: false, encoding: .utf8)
            }
            first.expectCause(
                "nginx-config-invalid", remedy: "correct /etc/nginx/nginx.conf:2", evidence: "no_such_directive")
            #expect(
                first.checks("http-not-listening").first { $0.verdict == "failure" }?.causedBy == "nginx-config-invalid"
            )
            try await check("sh", ["-c", "kill $(cat \(nginx.directory)/nginx.pid)"])
        }
    }

    @Test func `hooks that look right and do not run`() async throws {
        try await DoctorHost.with { host in
            let hooks = "\(host.stack.tree)/renewal-hooks"
            try "\u{FEFF}#!/bin/sh\nexit 0\n".write(toFile: "\(hooks)/deploy/mark", atomically: false, encoding: .utf8)
            chmod("\(hooks)/deploy/mark", 0o755)
            try await host.follow("a byte order mark stands before a hook's first line")
                .expectCause("hook-bad-interpreter", remedy: "sed -i", evidence: "byte order mark")
            #expect(string("\(hooks)/deploy/mark") == "#!/bin/sh\nexit 0\n")

            try "".write(toFile: "\(hooks)/pre", atomically: false, encoding: .utf8)
            try await host.follow("a file stands in place of a directory of hooks") {
                try FileManager.default.removeItem(atPath: "\(hooks)/pre")
            }.expectCause("hooks-unreadable", remedy: "make \(hooks)/pre a directory", evidence: "Not a directory")

            // It ends by a signal, and then not at all within its time.
            for (fault, body) in [
                ("a hook is killed", "kill -9 $$"), ("a hook calls a program that is missing", "nosuch-reload"),
            ] {
                try addHook("deploy", "odd", host.stack, body)
                #expect(try await host.certctl.renew("--force", "--yes").status == 1)
                try await host.follow(fault) {
                    try FileManager.default.removeItem(atPath: "\(hooks)/deploy/odd")
                    #expect(try await host.certctl.deploy("example.org").status == 0)
                }.expectCause("hook-failed", remedy: "certctl deploy example.org")
            }
        }
    }

    @Test func `files of the certificate and of the state that are gone`() async throws {
        try await DoctorHost.with { host in
            let tree = host.stack.tree
            try await check("rm", ["-r", "\(tree)/live/example.org"])
            try await host.follow("live/NAME is gone").expectCause("live-missing", remedy: "certctl repair example.org")
            try await check("mv", ["\(tree)/archive/example.org", "\(tree)/archive/moved"])
            try await host.follow("archive/NAME has another name").expectCause(
                "live-missing", remedy: "certctl repair example.org", action: "operator")
            try await check("mv", ["\(tree)/live/example.org", "\(tree)/live/moved"])
            try await host.follow("live/NAME has another name").expectCause(
                "live-missing", remedy: "certctl repair example.org", action: "operator")
            try await check("rm", ["-r", "\(tree)/live/moved"])

            let conf = "\(tree)/renewal/example.org.conf"
            try await check("mv", [conf, "\(conf).bak"])
            try await host.follow("the renewal config has another name").expectCause(
                "conf-unreadable", remedy: "certctl repair example.org", evidence: "\(conf) is missing")
            try await check("mv", [conf, "\(host.stack.directory)/away.conf"])
            try await check("rm", ["-f", "\(conf).bak"])
            try await host.follow("the renewal config is gone") {
                try await check("mv", ["\(host.stack.directory)/away.conf", conf])
            }.expectCause(
                "conf-unreadable", remedy: "restore \(conf) from a backup, or make it again: certctl issue --name")
            let state = "\(host.certctl.state)/lineages/example.org.json"
            try #require(FileManager.default.fileExists(atPath: state))
            try "{".write(toFile: state, atomically: false, encoding: .utf8)
            let damaged = try await host.diagnosed()
            #expect(damaged.status == 0 || damaged.lines[0].contains("state"), "\(damaged.text)")
            #expect(try await host.certctl.renew("--force", "--yes").status == 0)
        }
    }

    /// Mounts something on a directory for a while.
    private func mounted(
        _ source: String, on directory: String, _ options: [String], _ body: () async throws -> Void
    ) async throws {
        try await check("mount", options + [source, directory])
        let outcome: Result<Void, any Error>
        do {
            try await body()
            outcome = .success(())
        } catch {
            outcome = .failure(error)
        }
        try await check("umount", [directory])
        try outcome.get()
    }
}

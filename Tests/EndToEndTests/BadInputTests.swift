import FoundationEssentials
import Glibc
import Rig
import Testing

/// Bad input: a clear error, a true exit code, and nothing changed on disk.
@Suite(.stack, .parts("certbot"))
struct BadInputTests {
    @Test func `an unknown lineage is a usage error`() async throws {
        try await Self.withTree { stack, certctl in
            try await unchanged(stack, status: 64) { try await certctl.renew("--force", "nosuch.example") }
                .says("there is no certificate nosuch.example")
            try await unchanged(stack, status: 64) { try await certctl.status("nosuch.example") }
                .says("there is no certificate nosuch.example")
        }
    }

    @Test func `a CA that is down is for later`() async throws {
        try await Self.withTree { stack, certctl in
            let conf = "\(stack.tree)/renewal/good.example.conf"
            let port = Ports.free()
            try await edit(conf) { $0.replacing(stack.pebble.directoryURL, with: "https://127.0.0.1:\(port)/dir") }
            // The account belongs to the CA, whose address is part of its path.
            let accounts = "\(stack.tree)/accounts"
            let old = try await check("ls", [accounts]).split(separator: "\n")[0]
            try FileManager.default.moveItem(atPath: "\(accounts)/\(old)", toPath: "\(accounts)/127.0.0.1:\(port)")
            try await unchanged(stack, status: 75) { try await certctl.renew("--force") }
                .says("cannot connect to 127.0.0.1:\(port)")
        }
    }

    @Test func `a CA that is not trusted is named, with the option that helps`() async throws {
        try await Self.withTree { stack, certctl in
            let system = Certctl(tree: certctl.tree, state: certctl.state)
            try await unchanged(stack, status: 1) { try await system.renew("--force") }
                .says("TLS certificate is not trusted", "--ca-bundle")
        }
    }

    @Test func `a challenge that fails shows the CA's own words and the name`() async throws {
        try await Self.withTree { stack, certctl in
            try await check("kill", ["\(stack.nginx.daemon.pid)"])
            try await eventually("nginx is gone") { !Daemon.isRunning(stack.nginx.daemon.pid) }
            // One time in a hundred Pebble takes the name as valid, whatever its settings say: see Pebble.Options.authzReuse.
            var hasFailed = false
            for _ in 0..<4 where !hasFailed {
                let (orders, challenges) = (requests(stack, "/order-plz"), requests(stack, "/chalZ/"))
                let before = try await snapshot(of: stack.tree)
                let output = try await certctl.renew("--force")
                #expect(requests(stack, "/order-plz") == orders + 1)
                if requests(stack, "/chalZ/") == challenges { continue }
                #expect(output.status == 1, "\(output.stdout)\(output.stderr)")
                #expect(output.stdout.isEmpty)
                #expect(try await snapshot(of: stack.tree) == before)
                Refusal(output: output)
                    .says("the CA could not validate good.example", "connection refused", "(connection)")
                hasFailed = true
            }
            #expect(hasFailed)
            #expect(try await check("find", ["."], directory: stack.webroot) == ".\n", "the challenge is taken away")
        }
    }

    @Test func `a webroot that is missing is told before anything is ordered`() async throws {
        try await Self.withTree { stack, certctl in
            try await edit("\(stack.tree)/renewal/good.example.conf") {
                $0.replacing(stack.webroot, with: "\(stack.directory)/nowhere")
            }
            let orders = stack.pebble.requestCount("/order-plz")
            try await unchanged(stack, status: 1) { try await certctl.renew("--force") }
                .says("webroot \(stack.directory)/nowhere does not exist")
            #expect(stack.pebble.requestCount("/order-plz") == orders)
        }
    }

    @Test(.enabled(if: geteuid() == 0, "needs root, to mount a read-only file system"))
    func `a webroot that cannot be written to is told before anything is ordered`() async throws {
        try await Self.withTree { stack, certctl in
            try await check("mount", ["-t", "tmpfs", "-o", "ro", "none", stack.webroot])
            let orders = stack.pebble.requestCount("/order-plz")
            let result = try await unchanged(stack, status: 1) { try await certctl.renew("--force") }
            try await check("umount", [stack.webroot])
            result.says("webroot \(stack.webroot) is not writable: Read-only file system")
            #expect(stack.pebble.requestCount("/order-plz") == orders)
        }
    }

    @Test(.enabled(if: geteuid() == 0, "gives a link to another user: run as root"))
    func `a link that the webroot's owner has planted is told before anything is ordered, with the way out`()
        async throws
    {
        try await Self.withTree { stack, certctl in
            let (link, secret) = ("\(stack.webroot)/.well-known", "\(stack.directory)/secret")
            try await check("mkdir", ["-m", "700", secret])
            try await check("ln", ["-s", secret, link])
            try await check("chown", ["-h", "33:33", stack.webroot, link])
            let orders = stack.pebble.requestCount("/order-plz")
            try await unchanged(stack, status: 1) { try await certctl.renew("--force") }
                .says(
                    "webroot \(stack.webroot) takes no challenge files: cannot enter \(link): it is a link that uid 33 owns",
                    "next: put a directory there", "chown -h root \(link)")
            #expect(stack.pebble.requestCount("/order-plz") == orders)
            #expect(try await check("stat", ["-c", "%u %a %h", secret]) == "0 700 2\n")
            // What it says helps.
            try await check("chmod", ["755", secret])
            try await check("chown", ["-h", "root", link])
            let renewed = try await certctl.renew("--force")
            #expect(renewed.stdout.contains("version 2 is installed"), "\(renewed.stdout)\(renewed.stderr)")
            #expect(try await check("find", [secret]) == "\(secret)\n")
        }
    }

    @Test(arguments: ["empty", "truncated"])
    func `a damaged conf is one row, and the good lineage is renewed`(damage: String) async throws {
        try await Self.withTree { stack, certctl in
            let conf = "\(stack.tree)/renewal/bad.example.conf"
            let good = string("\(stack.tree)/renewal/good.example.conf")
            let half = String(good.prefix(good.count / 2)) + "\nserv"
            try (damage == "empty" ? "" : half).write(toFile: conf, atomically: true, encoding: .utf8)
            let bad = try await certctl.lineage("bad.example")
            #expect(bad.state == "broken")
            #expect(bad.problems.first?.code == "conf-malformed")
            #expect(bad.problems.first?.message.contains(conf) == true)
            let table = try await certctl.status()
            #expect(table.status == 0)
            #expect(table.stdout.contains("ok      good.example"))

            let due = try await certctl.renew()
            #expect(due.status == 1, "a broken conf is not silence")
            let renewal = try await certctl.renew("--force")
            #expect(renewal.status == 1)
            #expect(renewal.stderr.contains("bad.example: \(conf)"))
            #expect(renewal.stdout.contains("good.example: version 2 is installed"))
            #expect(string(conf) == (damage == "empty" ? "" : half))
        }
    }

    @Test func `a key that does not fit is told, and nothing is ordered`() async throws {
        try await Self.withTree { stack, certctl in
            let key = "\(stack.tree)/archive/good.example/privkey1.pem"
            _ = try await check("openssl", ["genpkey", "-algorithm", "RSA", "-out", key])
            #expect(try await certctl.lineage("good.example").problems.first?.code == "key-mismatch")
            let orders = stack.pebble.requestCount("/order-plz")
            try await unchanged(stack, status: 1) { try await certctl.renew("--force") }
                .says("does not fit the certificate", "certctl repair good.example")
            #expect(stack.pebble.requestCount("/order-plz") == orders)
        }
    }

    @Test func `a tree that another program has locked is for later`() async throws {
        try await Self.withTree { stack, certctl in
            let lock = "\(stack.tree)/.certbot.lock"
            try await Daemon.with(
                "python3",
                [
                    "-c",
                    """
                    import fcntl, sys, time
                    file = open(sys.argv[1], "w")
                    fcntl.lockf(file, fcntl.LOCK_EX)
                    print("locked", flush=True)
                    time.sleep(600)
                    """, lock,
                ], log: "\(stack.directory)/locker.log",
                ready: .predicate { string("\(stack.directory)/locker.log").contains("locked") }
            ) { locker in
                let output = try await certctl.renew("--force")
                #expect(output.status == 75)
                #expect(output.stderr.contains("is locked by process \(locker.pid) (python3)"))
                #expect(try await certctl.status().status == 0, "status takes no lock")
            }
            #expect(try await certctl.renew("--force").status == 0)
        }
    }

    @Test func `a tree that is not there is a matter of configuration`() async throws {
        try await TemporaryDirectory.with { directory in
            let certctl = Certctl(tree: "\(directory)/nothing", state: "\(directory)/state")
            for output in [try await certctl.status(), try await certctl.renew()] {
                #expect(output.status == 78)
                #expect(output.stderr.contains("\(directory)/nothing"))
                #expect(output.stdout.isEmpty)
            }
        }
    }

    @Test func `a failing hook shows its output and fails the run, the certificate stays`() async throws {
        try await Self.withTree { stack, certctl in
            try addHook("deploy", "10-bad", stack, "echo cannot reach the load balancer >&2; exit 3")
            try addHook("deploy", "20-next", stack)
            let output = try await certctl.renew("--force", "--quiet")
            #expect(output.status == 1)
            #expect(output.stderr.contains("deploy hook 10-bad exited with 3"))
            #expect(output.stderr.contains("cannot reach the load balancer"))
            #expect(try takeHookLog(stack).count == 2, "the next hook runs all the same")
            #expect(try await certctl.lineage("good.example").version == 2)
        }
    }

    @Test func `a hook that hangs is ended with all its children`() async throws {
        try await Self.withTree { stack, certctl in
            let pids = "\(stack.directory)/pids"
            try addHook("deploy", "10-hangs", stack, "sleep 600 & echo $! > \(shellQuoted(pids)); wait")
            let settings = "\(stack.directory)/certctl.conf"
            try "hook_timeout = 10\n".write(toFile: settings, atomically: true, encoding: .utf8)
            let output = try await certctl.renew("--force", "--config", settings)
            #expect(output.status == 1)
            #expect(output.stderr.contains("did not end within 10 s"))
            let child = try #require(Int32(string(pids).trimmingPrefix(" ").prefix { $0 != "\n" }))
            try await eventually("the hook's child is gone") { !Daemon.isRunning(child) }
        }
    }

    private func requests(_ stack: Stack, _ path: String) -> Int { stack.pebble.requestCount(path) }

    /// What a command printed, after the check that it changed nothing.
    private struct Refusal {
        let output: Output

        func says(_ words: String...) {
            for word in words { #expect(output.stderr.lowercased().contains(word.lowercased()), "\(output.stderr)") }
        }
    }

    @discardableResult
    private func unchanged(
        _ stack: Stack, status: Int32, _ body: () async throws -> Output
    ) async throws -> Refusal {
        let before = try await snapshot(of: stack.tree)
        let output = try await body()
        #expect(output.status == status, "\(output.stdout)\(output.stderr)")
        #expect(output.stdout.isEmpty)
        #expect(try await snapshot(of: stack.tree) == before)
        return Refusal(output: output)
    }

    private func edit(_ path: String, _ change: (String) -> String) async throws {
        try change(string(path)).write(toFile: path, atomically: true, encoding: .utf8)
    }

    /// A tree of certbot's with one good lineage.
    private static func withTree(_ body: (Stack, Certctl) async throws -> Void) async throws {
        try await Rig.withStack { stack in
            try await stack.certbot.certonly(
                names: ["good.example"], webroot: stack.webroot, extra: ["--key-type", "ecdsa"])
            try await body(stack, Certctl(stack))
        }
    }
}

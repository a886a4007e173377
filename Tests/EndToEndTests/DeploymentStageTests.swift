import FoundationEssentials
import Rig
import Testing

/// A certificate is done when nginx serves it: failures on the way are finished by later runs, without the CA.
@Suite(.stack)
struct DeploymentStageTests {
    @Test func `a reload that failed is run again by the next run, without a request to the CA`() async throws {
        try await Self.withServedLineage { stack, certctl in
            let flag = "\(stack.directory)/broken"
            try addHook("post", "10-reload", stack, "[ ! -e \(shellQuoted(flag)) ]; " + stack.nginx.reloadCommand)
            try "".write(toFile: flag, atomically: true, encoding: .utf8)
            let failed = try await certctl.renew("--force")
            #expect(failed.status == 1)
            #expect(failed.stderr.contains("pending"), "\(failed.stderr)")
            let pending = try await certctl.lineage("one.example")
            #expect(pending.state == "pending")
            #expect(pending.version == 2)
            #expect(pending.stage == "installed")
            #expect(pending.problems.contains { $0.code == "hook-failed" })

            let requests = stack.pebble.requests().count
            let again = try await certctl.renew()
            #expect(again.status == 1, "still broken: \(again.stderr)")
            try FileManager.default.removeItem(atPath: flag)
            let mended = try await certctl.renew()
            #expect(mended.status == 0, "\(mended.stderr)")
            #expect(stack.pebble.requests().count == requests)
            let done = try await certctl.lineage("one.example")
            #expect((done.state, done.stage) == ("ok", "verified"))
            #expect(try await stack.nginx.servedSerial(name: "one.example") == done.serial?.uppercased())
        }
    }

    @Test func `the metrics of a run are those of its end, also where nothing was due`() async throws {
        try await Self.withServedLineage { stack, certctl in
            try addHook("post", "10-reload", stack, stack.nginx.reloadCommand)
            let settings = try #require(certctl.settings)
            let file = "\(stack.directory)/metrics/certctl.prom"
            // Nobody listens at ::1, and one loopback address is enough.
            let both = "127.0.0.1:\(stack.nginx.tlsPort), [::1]:\(stack.nginx.tlsPort)"
            try "verify = \(both)\nmetrics_file = \(file)\n".write(
                toFile: settings, atomically: true, encoding: .utf8)
            // Without a directory the run says so, and does its work.
            let unheard = try await certctl.renew("--force", "--quiet")
            #expect(unheard.status == 0)
            #expect(unheard.stderr.contains("the metrics of this run cannot be left in \(file): "), "\(unheard.stderr)")
            try await check("mkdir", ["\(stack.directory)/metrics"])
            #expect(try await certctl.renew("--force").status == 0)
            for line in [
                #"certctl_lineage_state{lineage="one.example",state="ok"} 1"#,
                #"certctl_lineage_stage{lineage="one.example",stage="verified"} 1"#, "certctl_last_run_success 1",
                "certctl_served_match{lineage=\"one.example\",endpoint=\"127.0.0.1:\(stack.nginx.tlsPort)\","
                    + "name=\"one.example\"} 1",
            ] { #expect(string(file).contains("\n\(line)\n"), "\(line) is not in:\n\(string(file))") }
            #expect(!string(file).contains("::1"))
            #expect(try await check("stat", ["-c", "%a", file]) == "644\n")
            let lint = try await sh("promtool", ["check", "metrics"], input: string(file))
            #expect(lint.status == 0 && lint.stderr.isEmpty, "\(lint.stdout)\(lint.stderr)")

            try FileManager.default.removeItem(atPath: file)
            #expect(try await certctl.renew().status == 0)
            #expect(string(file).contains(#"{lineage="one.example",state="ok"} 1"#))
            try await check("kill", ["\(stack.nginx.daemon.pid)"])
            try await eventually("nginx is gone") { !Daemon.isRunning(stack.nginx.daemon.pid) }
            _ = try await certctl.renew()
            #expect(string(file).contains(#",name="one.example"} 0"#), "\(string(file))")
            #expect(try await check("ls", ["\(stack.directory)/metrics"]) == "certctl.prom\n")
        }
    }

    @Test func `a hook that lies leaves the lineage pending, and names the listener`() async throws {
        try await Self.withServedLineage(timeout: 3) { stack, certctl in
            try addHook("post", "10-reload", stack, "exit 0")
            let lied = try await certctl.renew("--force")
            #expect(lied.status == 1)
            #expect(lied.stderr.contains("127.0.0.1:\(stack.nginx.tlsPort) still serves the old certificate"))
            let entry = try await certctl.lineage("one.example")
            #expect(entry.state == "pending")
            #expect(entry.problems.contains { $0.code == "served-wrongly" })
            _ = try takeHookLog(stack)
            // A hook that succeeded runs again while the listener is seen stale.
            #expect(try await certctl.renew().status == 1)
            #expect(try takeHookLog(stack).count == 1)
            // Somebody reloads by hand: the next run sees it and runs nothing.
            try await stack.nginx.reload()
            #expect(try await certctl.renew().status == 0)
            #expect(try takeHookLog(stack).isEmpty)
            #expect(try await certctl.lineage("one.example").state == "ok")
        }
    }

    @Test func `hooks that succeeded do not run again because another one failed`() async throws {
        try await Self.withServedLineage { stack, certctl in
            try addHook("deploy", "10-good", stack)
            try addHook("deploy", "20-bad", stack, "exit 1")
            try addHook("post", "10-reload", stack, stack.nginx.reloadCommand)
            let renewal = try await certctl.renew("--force")
            #expect(renewal.status == 1)
            let entry = try await certctl.lineage("one.example")
            #expect(entry.state == "ok", "the listener serves the new leaf")
            #expect(entry.problems.map(\.code) == ["hook-failed"])
            #expect(try takeHookLog(stack).count == 3)
            #expect(try await certctl.renew().status == 1)
            #expect(try takeHookLog(stack).map { $0.prefix(13) } == ["deploy/20-bad"])
            #expect(try await certctl.renew("one.example").status == 1)
            #expect(try takeHookLog(stack).count == 1)
            // `deploy` runs them all.
            #expect(try await certctl.deploy("one.example").status == 1)
            #expect(try takeHookLog(stack).count == 3)
        }
    }

    @Test func `a listener left stale by certbot is found and mended by the first run`() async throws {
        try await Self.withServedLineage { stack, certctl in
            // certbot's hook fails, and certbot forgets about it.
            try addHook("deploy", "10-reload", stack, "exit 1")
            #expect(try await stack.certbot.renew(force: true).status == 0)
            let serial = try await certctl.lineage("one.example").serial?.uppercased()
            #expect(try await stack.nginx.servedSerial(name: "one.example") != serial)
            try addHook("deploy", "10-reload", stack, stack.nginx.reloadCommand)
            _ = try takeHookLog(stack)
            let first = try await certctl.renew()
            #expect(first.status == 0, "\(first.stderr)")
            #expect(try takeHookLog(stack).count == 1)
            #expect(try await stack.nginx.servedSerial(name: "one.example") == serial)
        }
    }

    @Test func `a lineage that is served rightly is entered without running a hook`() async throws {
        try await Self.withServedLineage { stack, certctl in
            try addHook("deploy", "10-deploy", stack)
            #expect(try await certctl.renew().status == 0)
            #expect(try takeHookLog(stack).isEmpty)
            #expect(try await certctl.lineage("one.example").stage == "verified")
        }
    }

    @Test func `a lineage that nobody serves here is done when its hooks have run, once`() async throws {
        try await Self.withServedLineage(verify: "none") { stack, certctl in
            try addHook("deploy", "10-mail", stack)
            #expect(try await certctl.renew("--force").status == 0)
            #expect(try takeHookLog(stack).count == 1)
            #expect(try await certctl.renew().status == 0)
            #expect(try takeHookLog(stack).isEmpty)
            let entry = try await certctl.lineage("one.example")
            #expect((entry.state, entry.stage) == ("ok", "deployed"))
        }
    }

    @Test(arguments: ["", "{", #"{"schema": 99, "name": "one.example"}"#])
    func `books that are damaged or too new stop nothing`(contents: String) async throws {
        try await Self.withServedLineage { stack, certctl in
            #expect(try await certctl.renew().status == 0)
            let path = "\(certctl.state)/lineages/one.example.json"
            try contents.write(toFile: path, atomically: true, encoding: .utf8)
            let run = try await certctl.renew()
            #expect(run.status == 0, "\(run.stderr)")
            #expect(run.stderr.contains(path))
            #expect(try await certctl.lineage("one.example").stage == "verified")
            #expect(try await certctl.renew().stderr.isEmpty)
        }
    }

    @Test func `failure and recovered hooks are told once a change`() async throws {
        try await Self.withServedLineage { stack, certctl in
            try addHook("failure", "10-tell", stack, #"echo "$CERTCTL_LINEAGE $CERTCTL_STAGE" >&2"#)
            try addHook("recovered", "10-tell", stack)
            try addHook("post", "10-reload", stack, "exit 1")
            #expect(try await certctl.renew("--force").status == 1)
            #expect(try takeHookLog(stack).map { $0.prefix(9) } == ["post/10-r", "failure/1"])
            #expect(try await certctl.renew().status == 1)
            #expect(try takeHookLog(stack).map { $0.prefix(9) } == ["post/10-r"])
            try addHook("post", "10-reload", stack, stack.nginx.reloadCommand)
            #expect(try await certctl.renew().status == 0)
            #expect(try takeHookLog(stack).map { $0.prefix(9) } == ["post/10-r", "recovered"])
        }
    }

    @Test func `post hooks that a killed run owed are run by the next one first`() async throws {
        try await Self.withServedLineage { stack, certctl in
            try addHook("pre", "10-stop", stack, "kill -9 $(ps -o ppid= -p $$)")
            try addHook("post", "10-start", stack)
            let killed = try await certctl.renew("--force")
            #expect(killed.status == 137)
            #expect(try takeHookLog(stack).map { $0.prefix(10) } == ["pre/10-sto"])
            let next = try await certctl.renew()
            #expect(next.status == 0, "\(next.stderr)")
            let log = try takeHookLog(stack)
            #expect(log.map { $0.prefix(10) } == ["post/10-st"], "\(log)")
            #expect(try await certctl.renew().status == 0)
            #expect(try takeHookLog(stack).isEmpty)
        }
    }

    @Test func `killed between install and hook, the next run deploys`() async throws {
        try await Self.withServedLineage { stack, certctl in
            try addHook("deploy", "10-dies", stack, "kill -9 $(ps -o ppid= -p $$)")
            try addHook("post", "10-reload", stack, stack.nginx.reloadCommand)
            #expect(try await certctl.renew("--force").status == 137)
            #expect(try await certctl.lineage("one.example").version == 2)
            try addHook("deploy", "10-dies", stack)
            let requests = stack.pebble.requests().count
            _ = try takeHookLog(stack)
            let next = try await certctl.renew()
            #expect(next.status == 0, "\(next.stderr)")
            #expect(try takeHookLog(stack).count == 2)
            #expect(stack.pebble.requests().count == requests)
            let serial = try await certctl.lineage("one.example").serial?.uppercased()
            #expect(try await stack.nginx.servedSerial(name: "one.example") == serial)
        }
    }

    @Test func `rollback makes a copy of an earlier version live, and certbot keeps it`() async throws {
        try await Self.withServedLineage { stack, certctl in
            try addHook("post", "10-reload", stack, stack.nginx.reloadCommand)
            let first = try await certctl.lineage("one.example").serial
            #expect(try await certctl.renew("--force").status == 0)
            let back = try await certctl.rollback("one.example")
            #expect(back.status == 0, "\(back.stderr)")
            let entry = try await certctl.lineage("one.example")
            #expect((entry.serial, entry.version) == (first, 3))
            #expect(try await stack.nginx.servedSerial(name: "one.example") == first?.uppercased())
            #expect(try await stack.certbot.renew().status == 0)
            #expect(try await certctl.lineage("one.example").serial == first)
            #expect(try await certctl.rollback("one.example", "--to", "9").status == 64)
            let history = try await certctl.history("one.example")
            for event in ["installed", "deployed", "verified", "rolled-back"] {
                #expect(history.stdout.contains(event), "\(history.stdout)")
            }
        }
    }

    @Test func `a renewal that breaks the handshake is taken back, held, and deployed again when it can be`()
        async throws
    {
        try await Self.withServedLineage(timeout: 20) { stack, certctl in
            let old = try #require(try await certctl.lineage("one.example").serial)
            let mended = "\(stack.directory)/mended"
            let good = string("\(stack.nginx.directory)/nginx.conf")
            try addRejectingReload(stack, unless: "[ -e \(shellQuoted(mended)) ] || \(accepts(old))")
            #expect(good.contains("ssl_certificate "))
            let orders = stack.pebble.requestCount("/order-plz")
            let broken = try await certctl.renew("--force")
            #expect(broken.status == 1)
            #expect(
                broken.stderr.contains("version 1 is installed again, and the new certificate is quarantined"),
                "\(broken.stderr)")
            let held = try await certctl.lineage("one.example")
            #expect((held.serial, held.version, held.state) == (old, 1, "pending"))
            #expect(try await stack.nginx.servedSerial(name: "one.example") == old.uppercased())
            let left = try await check("ls", ["\(stack.tree)/archive/one.example"])
            #expect(!left.contains("2.pem"), "certbot would make it live again: \(left)")
            #expect(try await stack.certbot.renew().status == 0)
            #expect(try await certctl.lineage("one.example").serial == old)

            // Its time has not come: nothing is done, and the exit code says so.
            #expect(try await certctl.renew().status == 1)
            try "".write(toFile: mended, atomically: true, encoding: .utf8)
            let books = "\(certctl.state)/lineages/one.example.json"
            _ = try await check("sed", ["-i", "/nextAttempt/d", books])
            let again = try await certctl.renew()
            #expect(again.status == 0, "\(again.stderr)")
            let done = try await certctl.lineage("one.example")
            #expect((done.state, done.stage, done.version) == ("ok", "verified", 2))
            #expect(done.serial != old)
            #expect(stack.pebble.requestCount("/order-plz") == orders + 1, "nothing was ordered in its place")
        }
    }

    @Test func `a certificate that the check hooks refuse is taken back before anything is reloaded`() async throws {
        try await Self.withServedLineage { stack, certctl in
            let old = try #require(try await certctl.lineage("one.example").serial)
            try addHook("post", "10-reload", stack, stack.nginx.reloadCommand)
            // A server that takes the old certificate only, until it is mended.
            let mended = "\(stack.directory)/mended"
            try addHook("check", "10-test", stack, "[ -e \(shellQuoted(mended)) ] || \(accepts(old))")
            let refused = try await certctl.renew("--force")
            #expect(refused.status == 1)
            #expect(refused.stderr.contains("version 1 is installed again"), "\(refused.stderr)")
            #expect(try takeHookLog(stack).filter { $0.hasPrefix("check") }.count == 3)
            let held = try await certctl.lineage("one.example")
            #expect((held.serial, held.version, held.state) == (old, 1, "pending"))
            let orders = stack.pebble.requestCount("/order-plz")
            try "".write(toFile: mended, atomically: true, encoding: .utf8)
            _ = try await check("sed", ["-i", "/nextAttempt/d", "\(certctl.state)/lineages/one.example.json"])
            #expect(try await certctl.renew().status == 0)
            let done = try await certctl.lineage("one.example")
            #expect((done.state, done.stage, done.version) == ("ok", "verified", 2))
            #expect(stack.pebble.requestCount("/order-plz") == orders)
        }
    }

    @Test func `what is live is deployed although nothing newer can be had`() async throws {
        try await Self.withServedLineage { stack, certctl in
            try addHook("post", "10-reload", stack, "exit 1")
            #expect(try await certctl.renew("--force").status == 1)
            try addHook("post", "10-reload", stack, stack.nginx.reloadCommand)
            try await check("kill", ["\(stack.pebble.server.pid)"])
            try await eventually("the CA is gone") { !Daemon.isRunning(stack.pebble.server.pid) }
            let run = try await certctl.renew("--force", "--yes")
            #expect(run.status == 75, "\(run.stderr)")
            let entry = try await certctl.lineage("one.example")
            #expect(entry.stage == "verified")
            #expect(try await stack.nginx.servedSerial(name: "one.example") == entry.serial?.uppercased())
        }
    }

    @Test func `a dry run goes through the whole exchange and leaves the tree as it was`() async throws {
        try await Self.withServedLineage { stack, certctl in
            for kind in ["pre", "deploy", "post"] { try addHook(kind, "10-\(kind)", stack) }
            let before = try await snapshot(of: stack.tree)
            let dry = try await certctl.renew("--dry-run")
            #expect(dry.status == 0, "\(dry.stderr)")
            #expect(dry.stdout.contains("one.example: the dry run at \(stack.pebble.directoryURL) went through"))
            #expect(try await snapshot(of: stack.tree) == before)
            #expect(try takeHookLog(stack).map { $0.prefix(5) } == ["pre/1", "post/"])
            #expect(try await certctl.renew("--dry-run", "--run-deploy-hooks", "one.example").status == 0)
            #expect(try takeHookLog(stack).count == 3)
            #expect(try await certctl.renew("--server", stack.pebble.directoryURL).status == 64)
            try await check("kill", ["\(stack.nginx.daemon.pid)"])
            try await eventually("nginx is gone") { !Daemon.isRunning(stack.nginx.daemon.pid) }
            var failed = try await certctl.renew("--dry-run")
            // One time in a hundred Pebble takes the name as valid: see Pebble.Options.authzReuse.
            for _ in 0..<3 where failed.status == 0 { failed = try await certctl.renew("--dry-run") }
            #expect(failed.status == 1)
            #expect(failed.stderr.contains("could not validate one.example"))
        }
    }

    /// A lineage of certbot's that nginx serves, and where certctl is to look for it.
    ///
    /// - Parameter timeout: in seconds, how long it is looked for; short where it is not to be found.
    static func withServedLineage(
        verify: String? = nil, timeout: Int = 120, _ body: (Stack, Certctl) async throws -> Void
    ) async throws {
        try await Rig.withStack { stack in
            try await stack.certbot.certonly(
                names: ["one.example"], webroot: stack.webroot, extra: ["--key-type", "ecdsa"])
            try await stack.nginx.serve([stack.site(["one.example"])])
            let settings = "\(stack.directory)/certctl.conf"
            try "verify = \(verify ?? "127.0.0.1:\(stack.nginx.tlsPort)")\nverify_timeout = \(timeout)\n"
                .write(toFile: settings, atomically: true, encoding: .utf8)
            try await body(stack, Certctl(stack, settings: settings))
        }
    }
}

import FoundationEssentials
import Glibc
import Rig
import Testing

/// What one run leaves undone reaches the next one as it is: nothing is waited for that nobody asked for, nothing is ordered
/// that nobody needs, and nobody is told that all is well.
@Suite(.stack, .parts("certbot", "python3", "strace"))
struct UnfinishedWorkTests {
    @Test func `what a CA asked a renewal to wait for is kept while a deployment is tried`() async throws {
        try await DeploymentStageTests.withServedLineage(timeout: 3) { stack, certctl in
            try addHook("post", "10-reload", stack, "exit 0")
            #expect(try await certctl.renew("--force").status == 1, "the listener is stale")
            try await Self.makeDue(stack)
            try await Self.edit(certctl, "book.update(acquisition=failing(2, soon(1)))")
            let orders = stack.pebble.requestCount("/order-plz")
            for _ in 1...3 {
                #expect(try await certctl.renew().status == 1)
                #expect(stack.pebble.requestCount("/order-plz") == orders)
            }
        }
    }

    @Test func `a time that a wrong clock noted keeps nobody from renewing`() async throws {
        try await DeploymentStageTests.withServedLineage(verify: "none") { stack, certctl in
            #expect(try await certctl.renew().status == 0)
            try await Self.makeDue(stack)
            try await Self.edit(certctl, "book.update(acquisition=failing(1, soon(400)))")
            let run = try await certctl.renew()
            #expect(run.status == 0, "\(run.stderr)")
            #expect(try await certctl.lineage("one.example").version == 2)
        }
    }

    @Test func `a hook that failed when the clock was wrong is run again`() async throws {
        try await DeploymentStageTests.withServedLineage(verify: "none") { stack, certctl in
            try addHook("deploy", "10-bad", stack, "exit 1")
            #expect(try await certctl.renew("--force").status == 1)
            try await Self.edit(
                certctl, "book['host']['live']['installed']['rollout']['hooks'][0].update(failures=6, at=soon(400))")
            try addHook("deploy", "10-bad", stack)
            #expect(try await certctl.renew().status == 0)
            #expect(try await certctl.lineage("one.example").problems.isEmpty)
        }
    }

    @Test func `an order for other names is not taken for a renewal that has begun`() async throws {
        try await DeploymentStageTests.withServedLineage(verify: "none") { stack, certctl in
            #expect(try await certctl.renew().status == 0)
            let server = stack.pebble.directoryURL
            try await Self.edit(
                certctl, "book.update(acquisition=ordered('\(server)', ['one.example', 'two.example'], {'issue': {}}))")
            let orders = stack.pebble.requestCount("/order-plz")
            let run = try await certctl.renew()
            #expect(run.status == 0, "\(run.stderr)")
            #expect(stack.pebble.requestCount("/order-plz") == orders, "the certificate is not due")
            #expect(try await certctl.lineage("one.example").state == "ok")
        }
    }

    @Test func `an order in flight is gone on with though the lineage is not renewed by itself`() async throws {
        try await DeploymentStageTests.withServedLineage(verify: "none") { stack, certctl in
            let conf = "\(stack.tree)/renewal/one.example.conf"
            try (string(conf).replacing("[renewalparams]\n", with: "[renewalparams]\nautorenew = False\n"))
                .write(toFile: conf, atomically: true, encoding: .utf8)
            #expect(try await certctl.renew().status == 0)
            let staged = "\(certctl.state)/staged/one.example"
            try await check("mkdir", ["-p", staged])
            try await check(
                "openssl",
                ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "\(staged)/privkey.pem"])
            let server = stack.pebble.directoryURL
            try await Self.edit(certctl, "book.update(acquisition=ordered('\(server)', ['one.example'], due))")
            // The CA does not have it, which is history then: the certificate is not due.
            let run = try await certctl.renew()
            #expect(run.status == 1)
            #expect(run.stderr.contains("HTTP status 404"), "\(run.stderr)")
            #expect(try await certctl.renew().status == 0)
            #expect(try await certctl.lineage("one.example").state == "ok")
        }
    }

    @Test func `an order whose key is lost makes nobody order another one`() async throws {
        try await DeploymentStageTests.withServedLineage(verify: "none") { stack, certctl in
            #expect(try await certctl.renew().status == 0)
            let server = stack.pebble.directoryURL
            try await Self.edit(certctl, "book.update(acquisition=ordered('\(server)', ['one.example'], due))")
            let orders = stack.pebble.requestCount("/order-plz")
            #expect(try await certctl.renew().status == 0)
            #expect(stack.pebble.requestCount("/order-plz") == orders, "the certificate is not due")
        }
    }

    @Test func `a lineage that something else renews is deployed where its listener is stale`() async throws {
        try await DeploymentStageTests.withServedLineage { stack, certctl in
            try addHook("deploy", "10-reload", stack, "exit 1")
            #expect(try await stack.certbot.renew(force: true).status == 0)
            try addHook("deploy", "10-reload", stack, stack.nginx.reloadCommand)
            _ = try takeHookLog(stack)
            let conf = "\(stack.tree)/renewal/one.example.conf"
            try string(conf).replacing("authenticator = webroot", with: "authenticator = nginx")
                .write(toFile: conf, atomically: true, encoding: .utf8)
            let run = try await certctl.renew()
            #expect(run.status == 0, "\(run.stderr)")
            #expect(try takeHookLog(stack).count == 1)
            let serial = try await certctl.lineage("one.example").serial?.uppercased()
            #expect(try await stack.nginx.servedSerial(name: "one.example") == serial)
        }
    }

    @Test func `a CA that is down does not hide a deployment that is pending`() async throws {
        try await DeploymentStageTests.withServedLineage(timeout: 3) { stack, certctl in
            try addHook("post", "10-reload", stack, "exit 0")
            #expect(try await certctl.renew("--force").status == 1)
            try await Self.makeDue(stack)
            try await check("kill", ["\(stack.pebble.server.pid)"])
            try await eventually("the CA is gone") { !Daemon.isRunning(stack.pebble.server.pid) }
            let run = try await certctl.renew()
            #expect(run.status == 1, "75 would be for the CA alone: \(run.stderr)")
            #expect(run.stderr.contains("still serves the old certificate"), "\(run.stderr)")
        }
    }

    @Test func `a lineage that nobody serves where it counts is entered as pending`() async throws {
        try await DeploymentStageTests.withServedLineage(timeout: 3) { stack, certctl in
            try await check("kill", ["\(stack.nginx.daemon.pid)"])
            try await eventually("nginx is gone") { !Daemon.isRunning(stack.nginx.daemon.pid) }
            for _ in 1...2 {
                let run = try await certctl.renew("--quiet")
                #expect(run.status == 1)
                #expect(run.stderr.contains("cannot be reached"), "\(run.stderr)")
            }
            #expect(try await certctl.lineage("one.example").state == "pending")
        }
    }

    @Test func `a post hook that failed after a failed renewal is owed until it succeeds`() async throws {
        try await DeploymentStageTests.withServedLineage(verify: "none") { stack, certctl in
            // The CA has answered when pre hooks run, and is gone after them.
            let ca = stack.pebble.server.pid
            try addHook("pre", "10-stop", stack, "kill \(ca); sleep 1")
            try addHook("post", "10-start", stack, "exit 1")
            #expect(try await certctl.renew("--force").status == 1)
            _ = try takeHookLog(stack)
            // Still not; and a run with hooks of its own does not forget about it.
            let unpaid = try await certctl.renew()
            #expect(unpaid.status == 1)
            #expect(!unpaid.stdout.contains("nothing is due"), "\(unpaid.stdout)")
            #expect(
                unpaid.stderr.contains("this run is not finished: 1 hook failed\n  next: certctl doctor"),
                "\(unpaid.stderr)")
            #expect(try takeHookLog(stack).map { $0.prefix(10) } == ["post/10-st"])
            try addHook("post", "10-start", stack, #"set -u; : "$RENEWED_DOMAINS" "$FAILED_DOMAINS""#)
            let paid = try await certctl.renew()
            #expect(try takeHookLog(stack).map { $0.prefix(10) } == ["post/10-st"])
            #expect(paid.status == 0, "\(paid.stderr)")
            #expect(try await certctl.renew().status == 0)
            #expect(try takeHookLog(stack).isEmpty)
        }
    }

    @Test func `hooks run pays what an earlier run owes`() async throws {
        try await DeploymentStageTests.withServedLineage(verify: "none") { stack, certctl in
            try addHook("pre", "10-stop", stack, "kill -9 $(ps -o ppid= -p $$)")
            try addHook("post", "10-start", stack, #"set -u; : "$RENEWED_DOMAINS" "$FAILED_DOMAINS""#)
            #expect(try await certctl.renew("--force").status == 137)
            try addHook("pre", "10-stop", stack)
            _ = try takeHookLog(stack)
            let run = try await certctl.hooksRun("one.example")
            #expect(run.status == 0, "\(run.stderr)")
            #expect(
                try takeHookLog(stack).map { $0.prefix(10) } == ["post/10-st", "pre/10-sto", "post/10-st"])
        }
    }

    @Test(arguments: [SIGINT, SIGTERM])
    func `a signal to hooks run ends the pre hook, and the post hook runs`(number: Int32) async throws {
        try await DeploymentStageTests.withServedLineage(verify: "none") { stack, certctl in
            let begun = "\(stack.directory)/begun"
            try addHook("pre", "10-stop", stack, "echo $$ > \(shellQuoted(begun)); exec sleep 600")
            try addHook("deploy", "10-copy", stack)
            try addHook("post", "10-start", stack)
            let words = certctl.commandLine("hooks", ["one.example"], subcommand: ["run"])
            try await Daemon.with(
                words[0], Array(words.dropFirst()), environment: certctl.variables,
                log: "\(stack.directory)/hooks-run.log", ready: .predicate { string(begun).hasSuffix("\n") }
            ) { daemon in
                kill(daemon.pid, number)
                try await eventually("it has ended") { !daemon.isRunning }
                #expect(daemon.output().contains("interrupted: the post hooks have run"), "\(daemon.output())")
            }
            let hook = try #require(Int32(string(begun).dropLast()))
            #expect(!Daemon.isRunning(hook))
            #expect(try takeHookLog(stack).map { $0.prefix(10) } == ["pre/10-sto", "post/10-st"])
        }
    }

    @Test func `a failure that could not be told is told by the next run`() async throws {
        try await DeploymentStageTests.withServedLineage { stack, certctl in
            try addHook("post", "10-reload", stack, "exit 1")
            try addHook("failure", "10-works", stack)
            try addHook("failure", "20-down", stack, "exit 1")
            #expect(try await certctl.renew("--force").status == 1)
            #expect(try takeHookLog(stack).filter { $0.hasPrefix("failure") }.count == 2)
            try addHook("failure", "20-down", stack)
            #expect(try await certctl.renew().status == 1)
            #expect(
                try takeHookLog(stack).filter { $0.hasPrefix("failure") }.map { $0.prefix(15) } == ["failure/20-down"])
            #expect(try await certctl.renew().status == 1)
            #expect(try takeHookLog(stack).filter { $0.hasPrefix("failure") }.isEmpty)
        }
    }

    @Test func `issue does not say that all is well while the certificate is not served`() async throws {
        try await DeploymentStageTests.withServedLineage { stack, certctl in
            try addHook("post", "10-reload", stack, "exit 1")
            #expect(try await certctl.renew("--force").status == 1)
            let names = ["-d", "one.example", "--server", stack.pebble.directoryURL, "--webroot", stack.webroot]
            let again = try await certctl.issue(names)
            #expect(again.status == 1, "\(again.stdout)")
            #expect(again.stderr.contains("pending"), "\(again.stderr)")
            try addHook("post", "10-reload", stack, stack.nginx.reloadCommand)
            let mended = try await certctl.issue(names)
            #expect(mended.status == 0, "\(mended.stderr)")
            #expect(try await certctl.lineage("one.example").stage == "verified")
        }
    }

    @Test func `what keeps the books from being written is told with --quiet, too`() async throws {
        try await DeploymentStageTests.withServedLineage(verify: "none") { stack, certctl in
            try await check("mkdir", ["-p", "\(certctl.state)/history.jsonl"])
            let run = try await certctl.renew("--quiet", "--force")
            #expect(run.status == 1)
            #expect(run.stderr.contains("history.jsonl"), "\(run.stderr)")
        }
    }

    @Test func `what is live is deployed although the books fail`() async throws {
        try await DeploymentStageTests.withServedLineage(verify: "none") { stack, certctl in
            try addHook("deploy", "10-deploy", stack)
            var version = 1
            for moment in 1...12 {
                var run = certctl
                run.prefix = [
                    "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=rename", "-e",
                    "inject=rename:error=ENOSPC:when=\(moment)",
                ]
                let output = try await run.renew("--force")
                let entry = try await certctl.lineage("one.example")
                let isNew = entry.version != version
                version = entry.version ?? 0
                #expect(try takeHookLog(stack).isEmpty != isNew, "rename number \(moment): \(output.stderr)")
                try await check("rm", ["-rf", certctl.state])
            }
            #expect(version > 6)
        }
    }

    @Test func `a setting of verify that cannot be used fails the run, and the renewal goes on`() async throws {
        try await DeploymentStageTests.withServedLineage { stack, certctl in
            let conf = "\(stack.tree)/renewal/one.example.conf"
            try (string(conf) + "[certctl]\nverify = localhost:https\n")
                .write(toFile: conf, atomically: true, encoding: .utf8)
            let run = try await certctl.renew("--quiet", "--force")
            #expect(run.status == 1)
            #expect(run.stderr.contains("verify = localhost:https is not an endpoint"), "\(run.stderr)")
            #expect(try await certctl.lineage("one.example").version == 2)
        }
    }

    @Test func `hooks that could not be listed are run when they can be`() async throws {
        try await DeploymentStageTests.withServedLineage(verify: "none") { stack, certctl in
            let hooks = "\(stack.tree)/renewal-hooks"
            try await check("rm", ["-rf", "\(hooks)/deploy"])
            try await check("mkdir", ["-p", hooks])
            try "".write(toFile: "\(hooks)/deploy", atomically: true, encoding: .utf8)
            #expect(try await certctl.renew("--force").status == 1)
            #expect(try await certctl.lineage("one.example").state == "pending")
            try await check("rm", ["\(hooks)/deploy"])
            try addHook("deploy", "10-deploy", stack)
            #expect(try await certctl.renew().status == 0)
            #expect(try takeHookLog(stack).count == 1)
            let entry = try await certctl.lineage("one.example")
            #expect((entry.state, entry.problems.isEmpty) == ("ok", true))
        }
    }

    @Test func `a failed hook that was taken away is forgotten`() async throws {
        try await DeploymentStageTests.withServedLineage(verify: "none") { stack, certctl in
            try addHook("deploy", "10-bad", stack, "exit 1")
            #expect(try await certctl.renew("--force").status == 1)
            try await check("rm", ["\(stack.tree)/renewal-hooks/deploy/10-bad"])
            #expect(try await certctl.renew().status == 0)
            let entry = try await certctl.lineage("one.example")
            #expect((entry.state, entry.stage, entry.problems.isEmpty) == ("ok", "deployed", true))
        }
    }

    @Test func `who has mended a webroot need not wait`() async throws {
        try await DeploymentStageTests.withServedLineage(verify: "none") { stack, certctl in
            try await check("mv", [stack.webroot, "\(stack.webroot)-away"])
            try await Self.makeDue(stack)
            for _ in 1...2 {
                let run = try await certctl.renew()
                #expect(run.status == 1)
                #expect(run.stderr.contains("webroot"), "\(run.stderr)")
            }
            try await check("mv", ["\(stack.webroot)-away", stack.webroot])
            #expect(try await certctl.renew().status == 0)
            #expect(try await certctl.lineage("one.example").version == 2)
        }
    }

    @Test func `what is issued is installed by the next run, without a wait`() async throws {
        try await DeploymentStageTests.withServedLineage(verify: "none") { stack, certctl in
            var killed = certctl
            killed.prefix = [
                "strace", "-f", "-qq", "-o", "/dev/null", "-P", "\(stack.tree)/archive/one.example", "-e",
                "inject=renameat2:error=ENOSPC",
            ]
            let full = try await killed.renew("--force")
            #expect(full.status == 1)
            #expect(full.stderr.contains("No space left on device"), "\(full.stderr)")
            let orders = stack.pebble.requestCount("/order-plz")
            let run = try await certctl.renew()
            #expect(run.status == 0, "\(run.stderr)")
            #expect(try await certctl.lineage("one.example").version == 2)
            #expect(stack.pebble.requestCount("/order-plz") == orders)
        }
    }

    /// Lets the lineage be due: what the rig issues is valid for five years.
    private static func makeDue(_ stack: Stack) async throws {
        let script = """
            import ssl, subprocess, sys, time
            tree = sys.argv[1]
            dates = ["openssl", "x509", "-noout", "-startdate", "-enddate", "-in", f"{tree}/live/one.example/cert.pem"]
            start, end = [ssl.cert_time_to_seconds(line.split("=")[1]) for line in
                subprocess.check_output(dates, text=True).splitlines()]
            path = f"{tree}/renewal/one.example.conf"
            text = open(path).read()
            open(path, "w").write(f"renew_before_expiry = {end - start - 1} seconds\\n" + text)
            time.sleep(max(0, start + 2 - time.time()))
            """
        try await check("python3", ["-c", script, stack.tree])
    }

    /// Changes the state of the lineage, `book`, by a statement of Python's; `soon(days)` is a date to come.
    private static func edit(_ certctl: Certctl, _ statement: String) async throws {
        let script = """
            import datetime, json, sys
            def soon(days):
                date = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
                return date.strftime("%Y-%m-%dT%H:%M:%SZ")
            book = json.load(open(sys.argv[1]))
            due = dict(due=dict(live=book["host"]["live"]["installed"]["version"]["sha256"]))
            def failing(count, date):
                cause = dict(code="rateLimited", message="rate limited", isTemporary=True)
                return dict(failing=dict(need=due, retry=dict(failures=count, cause=cause, nextAttempt=date, since=soon(0),
                    at=soon(0))))
            def ordered(server, names, need):
                return dict(ordered=dict(order=dict(url=server.replace('/dir', '/my-order/gone'), server=server, names=names, need=need,
                    placedAt=soon(0), isFinalizing=False, refusals=0)))
            \(statement)
            json.dump(book, open(sys.argv[1], "w"))
            """
        try await check("python3", ["-c", script, "\(certctl.state)/lineages/one.example.json"])
    }
}

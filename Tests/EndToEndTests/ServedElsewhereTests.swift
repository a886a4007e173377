import FoundationEssentials
import Rig
import Testing

/// What listeners show beside the expected: silence, another lineage's certificate, and what somebody else has put in its place.
@Suite(.stack, .parts("certbot", "python3", "strace"))
struct ServedElsewhereTests {
    @Test func `a listener that never answers takes no longer than verify_timeout and a look`() async throws {
        try await DeploymentStageTests.withServedLineage { stack, certctl in
            let port = Ports.free()
            let listener = """
                import socket, time
                server = socket.create_server(("127.0.0.1", \(port)))
                time.sleep(600)
                """
            try await Daemon.with(
                "python3", ["-c", listener], log: "\(stack.directory)/listener", ready: .ports([port])
            ) { _ in
                let settings = try #require(certctl.settings)
                try "verify = 127.0.0.1:\(port)\nverify_timeout = 12\n"
                    .write(toFile: settings, atomically: true, encoding: .utf8)
                let started = ContinuousClock.now
                #expect(try await certctl.deploy("one.example").status == 1)
                // Two or three looks of five seconds, and not one every quarter of a second.
                #expect(started.duration(to: .now) < .seconds(90))
            }
        }
    }

    @Test func `the certificate of a twin is another one, and not an old one`() async throws {
        try await DeploymentStageTests.withServedLineage { stack, certctl in
            try await stack.certbot.certonly(
                names: ["one.example"], webroot: stack.webroot,
                extra: ["--cert-name", "one.example-0001", "--duplicate", "--key-type", "rsa"])
            let status = try await certctl.status("--probe", "--format", "json", "one.example-0001")
            #expect(status.stdout.contains(#""verdict" : "other""#), "\(status.stdout)")
            #expect(!status.stdout.contains("stale"), "\(status.stdout)")
        }
    }

    @Test func `a run that is asked to stop takes no certificate back`() async throws {
        try await DeploymentStageTests.withServedLineage { stack, certctl in
            try addHook(
                "post", "10-reload", stack,
                """
                sed -i 's/ssl_certificate_key .*//; s/ssl_certificate .*/ssl_reject_handshake on;/' \
                    \(shellQuoted(stack.nginx.directory))/nginx.conf
                \(stack.nginx.reloadCommand)
                sleep 1
                kill -TERM $(ps -o ppid= -p $$)
                sleep 1
                """)
            let run = try await certctl.renew("--force")
            #expect(run.status == 1)
            #expect(!run.stderr.contains("going back"), "\(run.stderr)")
            #expect(try await certctl.lineage("one.example").version == 2)
        }
    }

    @Test func `what is held does not take the place of what certbot has renewed since`() async throws {
        try await DeploymentStageTests.withServedLineage { stack, certctl in
            try addHook("post", "10-reload", stack, stack.nginx.reloadCommand)
            #expect(try await certctl.renew("--force").status == 0)
            try await Self.hold(stack, certctl)
            #expect(try await stack.certbot.renew(force: true).status == 0)
            try await stack.nginx.reload()
            let serial = try await certctl.lineage("one.example").serial
            let run = try await certctl.renew()
            #expect(run.status == 0, "\(run.stderr)")
            #expect(try await certctl.lineage("one.example").serial == serial)
        }
    }

    @Test func `what is held does not undo a rollback`() async throws {
        try await DeploymentStageTests.withServedLineage { stack, certctl in
            try addHook("post", "10-reload", stack, stack.nginx.reloadCommand)
            for _ in 1...2 { #expect(try await certctl.renew("--force").status == 0) }
            try await Self.hold(stack, certctl)
            #expect(try await certctl.rollback("one.example").status == 0)
            let serial = try await certctl.lineage("one.example").serial
            #expect(try await certctl.renew().status == 0)
            #expect(try await certctl.lineage("one.example").serial == serial)
        }
    }

    @Test func `what is held is done when its hooks have run, where nobody serves it here`() async throws {
        try await DeploymentStageTests.withServedLineage(verify: "none") { stack, certctl in
            let old = try #require(try await certctl.lineage("one.example").serial)
            let mended = "\(stack.directory)/mended"
            try addHook("check", "10-test", stack, "[ -e \(shellQuoted(mended)) ] || \(accepts(old))")
            #expect(try await certctl.renew("--force").status == 1)
            try "".write(toFile: mended, atomically: true, encoding: .utf8)
            let run = try await certctl.deploy("one.example")
            #expect(run.status == 0, "\(run.stderr)")
            let entry = try await certctl.lineage("one.example")
            #expect((entry.state, entry.version) == ("ok", 2))
            #expect(try await certctl.renew().status == 0)
        }
    }

    @Test func `deploy tries again what is held, whatever its time, and orders nothing`() async throws {
        try await DeploymentStageTests.withServedLineage { stack, certctl in
            try addHook("post", "10-reload", stack, stack.nginx.reloadCommand)
            #expect(try await certctl.renew("--force").status == 0)
            let held = try await Self.hold(stack, certctl)
            let orders = stack.pebble.requestCount("/order-plz")
            let run = try await certctl.deploy("one.example")
            #expect(run.status == 0, "\(run.stderr)")
            #expect(try await certctl.lineage("one.example").serial == held, "\(run.stdout)\(run.stderr)")
            #expect(stack.pebble.requestCount("/order-plz") == orders)
        }
    }

    @Test func `a rollback that is killed after the switch is deployed by the next run`() async throws {
        try await DeploymentStageTests.withServedLineage(verify: "none") { stack, certctl in
            #expect(try await certctl.renew("--force").status == 0)
            try addHook("deploy", "10-deploy", stack)
            // Killed when it comes to write its state: the second time, after the switch.
            var killed = certctl
            killed.prefix = [
                "strace", "-f", "-qq", "-o", "/dev/null",
                "-P", "\(certctl.state)/lineages", "-e", "inject=renameat:signal=SIGKILL:when=2",
            ]
            #expect(try await killed.rollback("one.example").status == 137)
            #expect(try await certctl.lineage("one.example").version == 3)
            #expect(try takeHookLog(stack).isEmpty)
            #expect(try await certctl.renew().status == 0)
            #expect(try takeHookLog(stack).count == 1)
        }
    }

    /// Puts a copy of the first version into the state as one that was rolled back, and that waits for its time; gives its serial
    /// number.
    @discardableResult
    private static func hold(_ stack: Stack, _ certctl: Certctl) async throws -> String {
        let script = """
            import datetime, json, os, shutil, sys
            tree, state = sys.argv[1:]
            os.makedirs(f"{state}/held/one.example", mode=0o700)
            for kind in ["privkey", "cert", "chain", "fullchain"]:
                shutil.copy(f"{tree}/archive/one.example/{kind}1.pem", f"{state}/held/one.example/{kind}.pem")
            path = f"{state}/lineages/one.example.json"
            book = json.load(open(path))
            date = datetime.datetime.now(datetime.timezone.utc)
            at, then = [d.strftime("%Y-%m-%dT%H:%M:%SZ") for d in (date, date + datetime.timedelta(hours=1))]
            cause = dict(code="brokenHandshake", message="a test", isTemporary=False)
            book["host"]["quarantine"] = dict(sha256=book["host"]["earlier"][0], serial="00", at=at, isProven=True,
                retry=dict(failures=1, cause=cause, nextAttempt=then, since=at, at=at))
            json.dump(book, open(path, "w"))
            """
        try await check("python3", ["-c", script, stack.tree, certctl.state])
        let line = try await check(
            "openssl", ["x509", "-noout", "-serial", "-in", "\(stack.tree)/archive/one.example/cert1.pem"])
        return line.dropFirst("serial=".count).prefix { $0 != "\n" }.lowercased()
    }
}

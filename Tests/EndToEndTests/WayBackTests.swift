import FoundationEssentials
import Lineages
import Rig
import Testing

/// A run that is killed while it takes a new certificate back: the next one finishes the way, and orders nothing.
@Suite(.stack, .parts("python3", "strace"))
struct WayBackTests {
    /// Calls and at which of them the run is killed.
    private static let moments: [(call: String, times: [Int])] = [
        ("renameat2", [2, 4, 5, 6]), ("renameat", [1, 2, 3, 5, 7, 8, 9]), ("unlinkat", [1, 3, 4, 5]),
        ("fsync", [3, 9, 14, 20]),
    ]

    @Test func `killed between the switch back and the books`() async throws {
        try await DeploymentStageTests.withServedLineage { stack, certctl in
            let old = try #require(try await certctl.lineage("one.example").serial)
            try addHook("post", "10-reload", stack, stack.nginx.reloadCommand)
            // The third of its runs comes after the switch back.
            let count = "\(stack.directory)/count"
            try addHook(
                "check", "10-test", stack,
                """
                echo >> \(shellQuoted(count))
                [ "$(wc -l < \(shellQuoted(count)))" != 3 ] || { \(dies); }
                \(accepts(old))
                """)
            #expect(try await certctl.renew("--force").status == 137)
            #expect(try await certctl.lineage("one.example").state == "pending")
            try await Self.isHeld(stack, certctl, old: old)
        }
    }

    @Test func `killed while the version before is deployed`() async throws {
        try await DeploymentStageTests.withServedLineage(timeout: 8) { stack, certctl in
            let old = try #require(try await certctl.lineage("one.example").serial)
            let once = shellQuoted("\(stack.directory)/once")
            try addRejectingReload(
                stack, unless: accepts(old), whenGood: "[ -e \(once) ] || { touch \(once); \(dies); }")
            #expect(try await certctl.renew("--force").status == 137)
            try await Self.isHeld(stack, certctl, old: old)
            #expect(try await stack.nginx.servedSerial(name: "one.example") == old.uppercased())
        }
    }

    @Test func `killed at any change of a file while a held certificate is tried again`() async throws {
        try await DeploymentStageTests.withServedLineage(verify: "none") { stack, certctl in
            let old = try #require(try await certctl.lineage("one.example").serial)
            try addHook("check", "10-test", stack, accepts(old))
            #expect(try await certctl.renew("--force").status == 1)
            let books = "\(certctl.state)/lineages/one.example.json"
            var killed = 0
            for (call, times) in Self.moments {
                for time in times {
                    // The held one is tried again, and is refused again.
                    _ = try await check("sed", ["-i", "/nextAttempt/d", books])
                    var run = certctl
                    run.prefix = [
                        "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=\(call)", "-e",
                        "inject=\(call):signal=SIGKILL:when=\(time)",
                    ]
                    let status = try await run.renew().status
                    #expect(status == 137 || status == 1, "\(call) number \(time)")
                    if status == 137 { killed += 1 }
                    try await Self.isHeld(stack, certctl, old: old, "killed at \(call) number \(time)")
                }
            }
            #expect(killed > 10, "most of the moments are in every such run")
            #expect(!string(books).contains("\"failures\" : 1,"), "each time it is left alone for longer")
        }
    }

    @Test(arguments: [[], ["--force", "--yes"]])
    func `killed while it waits for the listeners`(next: [String]) async throws {
        try await DeploymentStageTests.withServedLineage(timeout: 8) { stack, certctl in
            let old = try #require(try await certctl.lineage("one.example").serial)
            let once = shellQuoted("\(stack.directory)/once")
            try addRejectingReload(
                stack, unless: accepts(old), whenBad: "[ -e \(once) ] || { touch \(once); \(signalLater("KILL")); }")
            #expect(try await certctl.renew("--force").status == 137)
            #expect(try await certctl.lineage("one.example").version == 2)
            let run = try await certctl.renew(next)
            #expect(run.status == 1)
            #expect(run.stderr.contains("version 1 is installed again"), "\(run.stderr)")
            #expect(try await certctl.lineage("one.example").serial == old)
            let archive = try Archive(directory: "\(stack.tree)/archive/one.example")
            #expect(archive.latestComplete == 1, "certbot would make another live again: \(archive.versions)")
            #expect(try await stack.nginx.servedSerial(name: "one.example") == old.uppercased())
        }
    }

    @Test func `killed after the server has refused both versions, nothing is lost`() async throws {
        try await DeploymentStageTests.withServedLineage(verify: "none") { stack, certctl in
            let first = shellQuoted("\(stack.directory)/first")
            try addHook("check", "10-test", stack, "[ ! -e \(first) ] && touch \(first)")
            try addHook("deploy", "10-dies", stack, dies)
            #expect(try await certctl.renew("--force").status == 137)
            for hook in ["check/10-test", "deploy/10-dies"] {
                try FileManager.default.removeItem(atPath: "\(stack.tree)/renewal-hooks/\(hook)")
            }
            let next = try await certctl.renew()
            #expect(next.status == 0, "\(next.stdout)\(next.stderr)")
            let entry = try await certctl.lineage("one.example")
            #expect((entry.version, entry.state) == (2, "ok"))
        }
    }

    @Test func `what certbot has renewed since the run was killed stays`() async throws {
        try await DeploymentStageTests.withServedLineage { stack, certctl in
            let old = try #require(try await certctl.lineage("one.example").serial)
            try addHook("post", "10-reload", stack, stack.nginx.reloadCommand)
            try addHook("check", "10-test", stack, "\(accepts(old)) || { \(dies); }")
            #expect(try await certctl.renew("--force").status == 137)
            #expect(try await stack.certbot.renew(force: true).status == 0)
            let newest = try await certctl.lineage("one.example").serial
            try FileManager.default.removeItem(atPath: "\(stack.tree)/renewal-hooks/check/10-test")
            #expect(try await certctl.renew().status == 0)
            let entry = try await certctl.lineage("one.example")
            #expect((entry.serial, entry.state) == (newest, "ok"))
        }
    }

    /// Whether the next run leaves the old version live and the new one held, out of archive/ and without a new order.
    private static func isHeld(_ stack: Stack, _ certctl: Certctl, old: String, _ moment: String = "") async throws {
        let orders = stack.pebble.requestCount("/order-plz")
        let next = try await certctl.renew()
        #expect(next.status == 1, "\(moment): \(next.stdout)\(next.stderr)")
        #expect(stack.pebble.requestCount("/order-plz") == orders, "\(moment): ordered anew")
        let entry = try await certctl.lineage("one.example")
        #expect((entry.serial, entry.version, entry.state) == (old, 1, "pending"), "\(moment): \(next.stderr)")
        let archive = try Archive(directory: "\(stack.tree)/archive/one.example")
        #expect(archive.latestComplete == 1, "\(moment): certbot would make another live again: \(archive.versions)")
        let books = string("\(certctl.state)/lineages/one.example.json")
        #expect(books.contains("\"quarantine\"") && !books.contains("\"back\""), "\(moment): \(books)")
        #expect(try await check("ls", ["\(certctl.state)/held/one.example"]).contains("privkey.pem"), "\(moment)")
    }
}

/// What stays, and what does not, of a certificate that is held or on trial.
@Suite(.stack)
struct TrialTests {
    @Test func `a run that is asked to stop while it goes back leaves the version before live`() async throws {
        try await DeploymentStageTests.withServedLineage(timeout: 8) { stack, certctl in
            let old = try #require(try await certctl.lineage("one.example").serial)
            try addRejectingReload(stack, unless: accepts(old), whenGood: "kill -TERM $(ps -o ppid= -p $$); sleep 1")
            let run = try await certctl.renew("--force")
            #expect(run.status == 1, "\(run.stderr)")
            let entry = try await certctl.lineage("one.example")
            #expect((entry.serial, entry.state) == (old, "pending"), "\(run.stderr)")
            // Nobody has waited for the reload.
            try await eventually("the old one is served") {
                (try? await stack.nginx.servedSerial(name: "one.example")) == old.uppercased()
            }
            let books = string("\(certctl.state)/lineages/one.example.json")
            #expect(books.contains("\"quarantine\""))
            let next = try #require(entry.renewal.at.flatMap { try? Date($0, strategy: .iso8601) })
            #expect(next > .now + 80_000, "each try takes the site down for a while")
        }
    }

    @Test func `a run that is asked to stop while it waits notes no failure`() async throws {
        try await DeploymentStageTests.withServedLineage { stack, certctl in
            try addHook("failure", "10-tell", stack)
            try addHook("post", "10-lies", stack, signalLater("TERM"))
            let run = try await certctl.renew("--force")
            #expect(run.status == 1, "\(run.stderr)")
            let entry = try await certctl.lineage("one.example")
            #expect((entry.version, entry.state) == (2, "pending"))
            #expect(entry.renewal.reason == "deployed, not verified yet")
            #expect(!string("\(certctl.state)/lineages/one.example.json").contains("cancelled"))
            #expect(try takeHookLog(stack).filter { $0.hasPrefix("failure") }.isEmpty)
            try addHook("post", "10-lies", stack, stack.nginx.reloadCommand)
            try await stack.nginx.reload()
            #expect(try await certctl.renew().status == 0)
            #expect(try takeHookLog(stack).isEmpty, "they had exited with 0")
            #expect(try await certctl.lineage("one.example").stage == "verified")
        }
    }

    @Test func `what one certificate breaks is not taken for the fault of the others`() async throws {
        try await DeploymentStageTests.withServedLineage(timeout: 8) { stack, certctl in
            let old = try #require(try await certctl.lineage("one.example").serial)
            try await stack.certbot.certonly(names: ["two.example"], webroot: stack.webroot)
            try await stack.nginx.serve([stack.site(["one.example"]), stack.site(["two.example"])])
            // It brings the whole server down.
            try addRejectingReload(stack, unless: accepts(old))
            let run = try await certctl.renew("--force")
            #expect(run.status == 1)
            let (one, two) = (try await certctl.lineage("one.example"), try await certctl.lineage("two.example"))
            #expect((one.version, one.state) == (1, "pending"), "\(run.stderr)")
            #expect((two.version, two.state) == (2, "ok"), "\(run.stderr)")
        }
    }

    @Test func `what two certificates break together is mended by going back with both`() async throws {
        try await DeploymentStageTests.withServedLineage(timeout: 8) { stack, certctl in
            try await stack.certbot.certonly(names: ["two.example"], webroot: stack.webroot)
            try await stack.nginx.serve([stack.site(["one.example"]), stack.site(["two.example"])])
            let live = "\(shellQuoted(stack.tree))/live"
            try addRejectingReload(stack, unless: "[ \"$(readlink \(live)/*/cert.pem | grep -c cert1.pem)\" = 2 ]")
            let run = try await certctl.renew("--force")
            #expect(run.status == 1)
            for name in ["one.example", "two.example"] {
                let entry = try await certctl.lineage(name)
                #expect((entry.version, entry.state) == (1, "pending"), "\(run.stderr)")
            }
            #expect(try await stack.nginx.servedSerial(name: "two.example") != "")
        }
    }

    @Test func `a hook that fails on the way back is run again, and nobody goes forward`() async throws {
        try await DeploymentStageTests.withServedLineage(timeout: 8) { stack, certctl in
            let old = try #require(try await certctl.lineage("one.example").serial)
            let once = shellQuoted("\(stack.directory)/once")
            try addRejectingReload(
                stack, unless: accepts(old), whenGood: "[ -e \(once) ] || { touch \(once); exit 1; }")
            let run = try await certctl.renew("--force")
            #expect(run.status == 1)
            #expect(try await certctl.lineage("one.example").serial == old, "\(run.stderr)")
            #expect(try await certctl.renew().status == 1, "the new one is held")
            let entry = try await certctl.lineage("one.example")
            #expect((entry.serial, entry.state) == (old, "pending"))
            #expect(try await stack.nginx.servedSerial(name: "one.example") == old.uppercased())
        }
    }

    @Test func `what is held is kept until there is another one`() async throws {
        try await DeploymentStageTests.withServedLineage { stack, certctl in
            let old = try #require(try await certctl.lineage("one.example").serial)
            try addHook("check", "10-test", stack, accepts(old))
            #expect(try await certctl.renew("--force").status == 1)
            let orders = stack.pebble.requestCount("/order-plz")
            let deployed = try await certctl.renew("--force")
            #expect(deployed.stderr.contains("was rolled back"), "\(deployed.stderr)")
            #expect(stack.pebble.requestCount("/order-plz") == orders, "a deployment is what helps")
            try await check("kill", ["\(stack.pebble.server.pid)"])
            try await eventually("the CA is gone") { !Daemon.isRunning(stack.pebble.server.pid) }
            #expect(try await certctl.renew("--force", "--yes").status == 75)
            #expect(try await certctl.lineage("one.example").state == "pending")
            try FileManager.default.removeItem(atPath: "\(stack.tree)/renewal-hooks/check/10-test")
            try addHook("post", "10-reload", stack, stack.nginx.reloadCommand)
            #expect(try await certctl.deploy("one.example").status == 0)
            let entry = try await certctl.lineage("one.example")
            #expect((entry.version, entry.state) == (2, "ok"))
        }
    }

    @Test func `certctl issue that is asked to stop before it is served does not end with 0`() async throws {
        try await DeploymentStageTests.withServedLineage { stack, certctl in
            try addHook("post", "10-lies", stack, signalLater("TERM"))
            #expect(try await Self.issue(stack, certctl, keyType: "rsa").status == 1)
            #expect(try await certctl.lineage("one.example").state == "pending")
        }
    }

    @Test func `what certctl issue breaks is taken back, too`() async throws {
        try await DeploymentStageTests.withServedLineage { stack, certctl in
            let old = try #require(try await certctl.lineage("one.example").serial)
            try addHook("check", "10-test", stack, accepts(old))
            let run = try await Self.issue(stack, certctl, keyType: "rsa")
            #expect(run.status == 1)
            #expect(run.stderr.contains("version 1 is installed again"), "\(run.stderr)")
            let entry = try await certctl.lineage("one.example")
            #expect((entry.serial, entry.version, entry.state) == (old, 1, "pending"))
        }
    }

    @Test func `what is held does not take the place of what certctl issue has made since`() async throws {
        try await DeploymentStageTests.withServedLineage { stack, certctl in
            let old = try #require(try await certctl.lineage("one.example").serial)
            try addHook("post", "10-reload", stack, stack.nginx.reloadCommand)
            try addHook("check", "10-test", stack, accepts(old))
            #expect(try await certctl.renew("--force").status == 1)
            try await Self.isKept(stack, certctl)
        }
    }

    @Test func `a way back is not gone any more once certctl issue has made a new certificate`() async throws {
        try await DeploymentStageTests.withServedLineage { stack, certctl in
            let old = try #require(try await certctl.lineage("one.example").serial)
            try addHook("post", "10-reload", stack, stack.nginx.reloadCommand)
            try addHook("check", "10-test", stack, "\(accepts(old)) || kill -9 $(ps -o ppid= -p $$)")
            #expect(try await certctl.renew("--force").status == 137)
            try await Self.isKept(stack, certctl)
        }
    }

    @Test func `what is held does not take the place of a rollback that was killed`() async throws {
        try await DeploymentStageTests.withServedLineage(verify: "none") { stack, certctl in
            #expect(try await certctl.renew("--force").status == 0)
            let second = try #require(try await certctl.lineage("one.example").serial)
            try addHook("check", "10-test", stack, accepts(second))
            #expect(try await certctl.renew("--force").status == 1)
            try addHook("check", "10-test", stack)
            try addHook("deploy", "10-dies", stack, dies)
            #expect(try await certctl.rollback("one.example", "--to", "1").status == 137)
            try addHook("deploy", "10-dies", stack)
            let chosen = try await certctl.lineage("one.example").serial
            #expect(try await certctl.renew().status == 0)
            #expect(try await certctl.lineage("one.example").serial == chosen)
        }
    }

    private static func issue(_ stack: Stack, _ certctl: Certctl, keyType: String) async throws -> Output {
        try await certctl.issue(
            "-d", "one.example", "--key-type", keyType, "--server", stack.pebble.directoryURL, "--webroot",
            stack.webroot)
    }

    /// Whether a certificate that is issued now is still live after the next run.
    private static func isKept(_ stack: Stack, _ certctl: Certctl) async throws {
        try FileManager.default.removeItem(atPath: "\(stack.tree)/renewal-hooks/check/10-test")
        let issued = try await issue(stack, certctl, keyType: "rsa")
        #expect(issued.status == 0, "\(issued.stdout)\(issued.stderr)")
        let serial = try await certctl.lineage("one.example").serial
        let next = try await certctl.renew()
        #expect(next.status == 0, "\(next.stdout)\(next.stderr)")
        let entry = try await certctl.lineage("one.example")
        #expect((entry.serial, entry.state) == (serial, "ok"), "\(next.stdout)\(next.stderr)")
    }
}

/// What a hook ends the run with that called it, as a power cut would.
private let dies = "kill -9 $(ps -o ppid= -p $$); sleep 1"

/// What a hook has the run get a signal with, a moment after the hook's own end.
private func signalLater(_ signal: String) -> String {
    // In a session of its own, and with time to begin it, so that the end of the hook is not its own.
    "setsid sh -c \"sleep 1; kill -\(signal) $(ps -o ppid= -p $$)\" >/dev/null 2>&1 & sleep 0.5"
}

/// A command that takes a certificate with that serial number only.
func accepts(_ serial: String) -> String {
    #"openssl x509 -noout -serial -in "$RENEWED_LINEAGE/cert.pem" | grep -q "# + serial.uppercased()
}

/// A post hook whose nginx shakes hands while a condition holds, for one.example as RENEWED_LINEAGE, and refuses to otherwise.
func addRejectingReload(
    _ stack: Stack, unless condition: String, whenGood: String = ":", whenBad: String = ":"
) throws {
    try addHook(
        "post", "10-reload", stack,
        """
        cd \(shellQuoted(stack.nginx.directory))
        [ -e good.conf ] || cp nginx.conf good.conf
        RENEWED_LINEAGE=\(shellQuoted(stack.tree))/live/one.example
        if \(condition); then
            cp good.conf nginx.conf
            \(whenGood)
        else
            sed 's/ssl_certificate_key .*//; s/ssl_certificate .*/ssl_reject_handshake on;/' good.conf > nginx.conf
            \(whenBad)
        fi
        \(stack.nginx.reloadCommand)
        """)
}

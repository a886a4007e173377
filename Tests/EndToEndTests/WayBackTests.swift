import FoundationEssentials
import Rig
import Testing

/// A run that is killed while it takes a new certificate back: the next one finishes the way, and orders nothing.
@Suite(.stack, .parts("python3", "strace"))
struct WayBackTests {
    /// Ends the run that called the hook, as a power cut would.
    private static let dies = "kill -9 $(ps -o ppid= -p $$); sleep 1"

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
                [ "$(wc -l < \(shellQuoted(count)))" != 3 ] || { \(Self.dies); }
                \(Self.accepts(old))
                """)
            #expect(try await certctl.renew("--force").status == 137)
            try await Self.isHeld(stack, certctl, old: old)
        }
    }

    @Test func `killed while the version before is deployed`() async throws {
        try await DeploymentStageTests.withServedLineage(timeout: 20) { stack, certctl in
            let old = try #require(try await certctl.lineage("one.example").serial)
            let once = "\(stack.directory)/once"
            try addHook(
                "post", "10-reload", stack,
                """
                cd \(shellQuoted(stack.nginx.directory))
                [ -e good.conf ] || cp nginx.conf good.conf
                RENEWED_LINEAGE=\(shellQuoted(stack.tree))/live/one.example
                if \(Self.accepts(old)); then
                    cp good.conf nginx.conf
                    [ -e \(shellQuoted(once)) ] || { touch \(shellQuoted(once)); \(Self.dies); }
                else
                    sed 's/ssl_certificate_key .*//; s/ssl_certificate .*/ssl_reject_handshake on;/' good.conf > nginx.conf
                fi
                \(stack.nginx.reloadCommand)
                """)
            #expect(try await certctl.renew("--force").status == 137)
            try await Self.isHeld(stack, certctl, old: old)
            #expect(try await stack.nginx.servedSerial(name: "one.example") == old.uppercased())
        }
    }

    @Test func `killed at any of the times that the books are written`() async throws {
        try await DeploymentStageTests.withServedLineage(verify: "none") { stack, certctl in
            let old = try #require(try await certctl.lineage("one.example").serial)
            try addHook("check", "10-test", stack, Self.accepts(old))
            #expect(try await certctl.renew("--force").status == 1)
            let books = "\(certctl.state)/lineages/one.example.json"
            var killed = 0
            for time in 1...5 {
                // The held one is tried again, and is refused again.
                _ = try await check("sed", ["-i", "/nextAttempt/d", books])
                var run = certctl
                run.prefix = [
                    "strace", "-f", "-qq", "-o", "/dev/null",
                    "-P", "\(certctl.state)/lineages/.one.example.json.certctl-new", "-e", "trace=openat", "-e",
                    "inject=openat:signal=SIGKILL:when=\(time)",
                ]
                let status = try await run.renew().status
                #expect(status == 137 || status == 1)
                if status == 137 { killed += 1 }
                try await Self.isHeld(stack, certctl, old: old)
            }
            #expect(killed > 1)
        }
    }

    @Test func `what certbot has renewed since the run was killed stays`() async throws {
        try await DeploymentStageTests.withServedLineage { stack, certctl in
            let old = try #require(try await certctl.lineage("one.example").serial)
            try addHook("post", "10-reload", stack, stack.nginx.reloadCommand)
            try addHook("check", "10-test", stack, "\(Self.accepts(old)) || { \(Self.dies); }")
            #expect(try await certctl.renew("--force").status == 137)
            #expect(try await stack.certbot.renew(force: true).status == 0)
            let newest = try await certctl.lineage("one.example").serial
            try FileManager.default.removeItem(atPath: "\(stack.tree)/renewal-hooks/check/10-test")
            #expect(try await certctl.renew().status == 0)
            let entry = try await certctl.lineage("one.example")
            #expect((entry.serial, entry.state) == (newest, "ok"))
        }
    }

    /// A command that takes a certificate with that serial number only.
    private static func accepts(_ serial: String) -> String {
        #"openssl x509 -noout -serial -in "$RENEWED_LINEAGE/cert.pem" | grep -q "#
            + serial.uppercased()
    }

    /// Whether the next run leaves the old version live and the new one held, out of archive/ and without a new order.
    private static func isHeld(_ stack: Stack, _ certctl: Certctl, old: String) async throws {
        let orders = stack.pebble.requestCount("/order-plz")
        let next = try await certctl.renew()
        #expect(next.status == 1, "\(next.stdout)\(next.stderr)")
        #expect(stack.pebble.requestCount("/order-plz") == orders, "nothing is ordered in its place")
        let entry = try await certctl.lineage("one.example")
        #expect((entry.serial, entry.version, entry.state) == (old, 1, "pending"), "\(next.stderr)")
        let archive = try await check("ls", ["\(stack.tree)/archive/one.example"])
        #expect(!archive.contains("2.pem"), "certbot would make it live again: \(archive)")
        let books = string("\(certctl.state)/lineages/one.example.json")
        #expect(books.contains("\"held\"") && !books.contains("wayBack"), "\(books)")
        #expect(try await check("ls", ["\(certctl.state)/held/one.example"]).contains("privkey.pem"))
    }
}

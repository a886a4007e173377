import FoundationEssentials
import Rig
import Testing

/// A renewal by force says what it would spend, and does not spend what would not help.
@Suite(.stack)
struct ForceTests {
    private static let names = ["-d", "one.example.org"]

    private static func withLineage(_ body: (Stack, Certctl) async throws -> Void) async throws {
        try await Rig.withStack { stack in
            let settings = "\(stack.directory)/certctl.conf"
            try "verify = 127.0.0.1:\(stack.nginx.tlsPort)\nduplicate_limit = 5\nverify_timeout = 2\n"
                .write(toFile: settings, atomically: true, encoding: .utf8)
            let certctl = Certctl(stack, settings: settings)
            let issued = try await certctl.issue(
                names + ["--server", stack.pebble.directoryURL, "--webroot", stack.webroot, "--agree-tos"])
            // Nobody serves it yet, which verify says is wrong.
            #expect(issued.status == 1, "\(issued.stderr)")
            let live = "\(stack.tree)/live/one.example.org"
            try await stack.nginx.serve([
                (names: ["one.example.org"], certificate: "\(live)/fullchain.pem", key: "\(live)/privkey.pem")
            ])
            try await body(stack, certctl)
        }
    }

    @Test func `where only the reload is missing it deploys instead, and says so`() async throws {
        try await Self.withLineage { stack, certctl in
            #expect(try await certctl.deploy().status == 0)
            try addHook("post", "lies", stack)
            let renewed = try await certctl.renew("--force", "--yes")
            #expect(renewed.status == 1 && renewed.stderr.contains("still serves the old certificate"))
            let requests = stack.pebble.requests().count
            try addHook("post", "reload", stack, "kill -HUP $(cat \(stack.nginx.directory)/nginx.pid)")
            let forced = try await certctl.renew("--force", "one.example.org")
            #expect(forced.status == 0, "\(forced.stderr)")
            #expect(forced.stderr.contains("and the one on the disk is valid for"))
            #expect(
                forced.stderr.contains("certctl deploy is enough: deploying it instead (--yes renews it anyway)"))
            #expect(stack.pebble.requests().count == requests, "the CA was not asked")
            #expect(try await certctl.lineage("one.example.org").version == 2)
        }
    }

    @Test func `a chain that clients cannot follow is what is wrong, and is renewed where an old one is served too`()
        async throws
    {
        try await Self.withLineage { stack, certctl in
            #expect(try await certctl.deploy().status == 0)
            try addHook("post", "lies", stack)
            #expect(try await certctl.renew("--force", "--yes").status == 1)
            let live = "\(stack.tree)/live/one.example.org"
            try string("\(live)/cert.pem").write(toFile: "\(live)/fullchain.pem", atomically: false, encoding: .utf8)
            #expect(string("\(stack.tree)/archive/one.example.org/fullchain2.pem") == string("\(live)/cert.pem"))
            try addHook("post", "reload", stack, "kill -HUP $(cat \(stack.nginx.directory)/nginx.pid)")
            let forced = try await certctl.renew("--force", "one.example.org")
            #expect(forced.status == 0, "\(forced.stderr)")
            #expect(forced.stderr.contains("one.example.org: fullchain.pem ends with the leaf"), "\(forced.stderr)")
            #expect(try await certctl.lineage("one.example.org").version == 3)
        }
    }

    @Test func `the last certificate of the CA's limit takes a yes`() async throws {
        try await Self.withLineage { stack, certctl in
            try addHook("post", "reload", stack, "kill -HUP $(cat \(stack.nginx.directory)/nginx.pid)")
            #expect(try await certctl.deploy().status == 0)
            for used in 1...3 {
                let forced = try await certctl.renew("--force")
                #expect(forced.status == 0, "\(forced.stderr)")
                #expect(forced.stderr.contains("\(used) of 5 certificates for exactly these names in the last 7 days"))
                // The proof: what took the place of what, how fast, and what is left.
                let proof = try #require(
                    forced.stdout.firstMatch(
                        of:
                            /127\.0\.0\.1:\d+ serves ([0-9a-f]{4})(?:…→|\.\.\.->)([0-9a-f]{4})(?:…|\.\.\.), \d+\.\d s after the reload; (\d) of 5 certificates left this week/
                    ), "\(forced.stdout)")
                let serial = try #require(try await certctl.lineage("one.example.org").serial)
                #expect(serial.hasPrefix(proof.output.2) && proof.output.3 == "\(4 - used)", "\(forced.stdout)")
            }
            let requests = stack.pebble.requests().count
            let refused = try await certctl.renew("--force")
            #expect(refused.status == 75, "\(refused.stderr)")
            #expect(refused.stderr.contains("not ordered: 4 of 5 certificates for exactly these names"))
            #expect(
                refused.stderr.contains(
                    "next: if you are sure that a new one is what is missing: certctl renew --force --yes"))
            #expect(stack.pebble.requests().count == requests)
            #expect(try await certctl.lineage("one.example.org").state == "ok", "a refusal leaves no mark in the books")
            #expect(try await certctl.renew("--force", "--yes").status == 0)
            #expect(try await certctl.lineage("one.example.org").version == 5)
            // A copy made by a rollback is no certificate of the CA's.
            #expect(try await certctl.rollback("one.example.org").status == 0)
            let counted = try await certctl.renew("--force")
            #expect(counted.stderr.contains("5 of 5 certificates"), "\(counted.stderr)")
        }
    }

    @Test func `on a terminal it asks, shows the stages, and ends with a table`() async throws {
        try await Self.withLineage { stack, certctl in
            try addHook("post", "reload", stack, "kill -HUP $(cat \(stack.nginx.directory)/nginx.pid)")
            #expect(try await certctl.deploy().status == 0)
            let second = try await certctl.issue([
                "-d", "two.example.org", "--server", stack.pebble.directoryURL, "--webroot", stack.webroot,
            ])
            // Nobody serves this one: pending, so that a deployment is enough.
            #expect(second.status == 1)
            let words = certctl.commandLine("renew", ["--ca-bundle", stack.pebble.caBundle, "--force"])
            let shown = try await sh(
                "script", ["-qec", words.map(shellQuoted).joined(separator: " "), "/dev/null"],
                environment: certctl.variables.merging(["TERM": "xterm", "NO_COLOR": "1"]) { $1 }, input: "n\ny\n")
            #expect(
                shown.stdout.contains(
                    "two.example.org: certctl deploy is enough. Order a new certificate anyway? [y/N]"))
            #expect(
                shown.stdout.split(whereSeparator: \.isWhitespace).joined(separator: " ").contains(
                    "nothing is wrong with one.example.org. A new certificate uses up one of those that the CA makes for its names"
                        + " (4 of 5 left this week). Order it? [y/N]"))
            for stage in [
                "ordering one.example.org (forced) …",
                "the CA issues the certificate …",
            ] {
                #expect(shown.stdout.contains("one.example.org  \(stage)"), "\(stage)")
            }
            #expect(shown.stdout.contains("post hook reload  running …"))
            #expect(shown.stdout.contains(/one\.example\.org  waiting for 127\.0\.0\.1:\d+ to serve it \(0 of 2 s\)/))
            #expect(shown.stdout.contains(/NAME +RESULT +EXPIRES/))
            #expect(shown.stdout.contains(/one\.example\.org +version 2 is installed/))
            #expect(shown.stdout.contains(/two\.example\.org +pending:/))
        }
    }
}

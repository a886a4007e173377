import FoundationEssentials
import Rig
import Testing

/// `certctl revoke`, and that nothing goes back to what was revoked.
@Suite(.stack)
struct RevokeTests {
    private static func withLineage(
        _ options: [String] = [], _ body: (Stack, Certctl) async throws -> Void
    ) async throws {
        try await Rig.withStack { stack in
            let settings = "\(stack.directory)/certctl.conf"
            try "verify = none\n".write(toFile: settings, atomically: true, encoding: .utf8)
            let certctl = Certctl(stack, settings: settings)
            let issued = try await certctl.issue(
                ["-d", "a.example", "--server", stack.pebble.directoryURL, "--webroot", stack.webroot, "--agree-tos"]
                    + options)
            #expect(issued.status == 0, "\(issued.stderr)")
            try await body(stack, certctl)
        }
    }

    /// Whether everything that an operator reads names the installed version as revoked, and how to replace it.
    private static func isShownAsRevoked(_ certctl: Certctl, _ serial: String) async throws {
        let entry = try await certctl.lineage("a.example")
        #expect(entry.state == "due" && entry.problems.map(\.code) == ["revoked"], "\(entry)")
        #expect(entry.renewal.reason == "revoked (superseded)")
        let check = try await certctl.status("--check")
        #expect(check.status == 2 && check.stdout.contains("is revoked (superseded)"), "\(check)")
        let explained = try await certctl.status("--explain", "a.example")
        #expect(explained.stdout.contains("revoked (superseded): renew"), "\(explained)")
        let history = try await certctl.history("--format", "json", "a.example")
        #expect(history.stdout.contains("\"event\" : \"revoked\"") && history.stdout.contains(serial), "\(history)")
        let doctor = try await certctl.doctor(["--format", "json", "a.example"])
        #expect(doctor.stdout.contains("\"revoked\"") && doctor.stdout.contains("renew --force --new-key a.example"))
    }

    @Test func `what is revoked is replaced by the next run, and green after it`() async throws {
        try await Self.withLineage { _, certctl in
            #expect(try await certctl.renew().stdout.hasPrefix("nothing is due"))
            #expect(try await certctl.revoke("a.example", "--yes", "--reason", "superseded").status == 0)
            let renewed = try await certctl.renew()
            #expect(renewed.status == 0 && renewed.stderr.contains("revoked (superseded)"), "\(renewed)")
            let entry = try await certctl.lineage("a.example")
            #expect(entry.version == 2 && entry.state == "ok" && entry.problems.isEmpty, "\(entry)")
            #expect(try await certctl.renew().stdout.hasPrefix("nothing is due"))
        }
    }

    private static func publicKey(_ certctl: Certctl) async throws -> String {
        try await check(
            "openssl", ["x509", "-in", "\(certctl.tree)/live/a.example/cert.pem", "-noout", "-pubkey"])
    }

    @Test func `it asks first, revokes by the account, and rollback never takes the version`() async throws {
        try await Self.withLineage { stack, certctl in
            #expect(try await certctl.renew("--force", "--yes", "a.example").status == 0)
            let unasked = try await certctl.revoke("a.example")
            #expect(unasked.status == 64 && unasked.stderr.contains("give --yes"), "\(unasked.stderr)")
            let unknown = try await certctl.revoke("a.example", "--yes", "--reason", "boredom")
            #expect(unknown.status == 64 && unknown.stderr.contains("keyCompromise"), "\(unknown.stderr)")
            let entry = try await certctl.lineage("a.example")
            let serial = try #require(entry.serial)
            #expect(try await stack.pebble.revocation(of: serial).contains("\"Valid\""))

            let revoked = try await certctl.revoke("a.example", "--yes", "--reason", "Superseded")
            #expect(revoked.status == 0, "\(revoked.stderr)")
            #expect(revoked.stdout == "a.example: serial \(serial) is revoked (superseded)\n")
            #expect(revoked.stderr.contains("certctl renew --force --new-key a.example"))
            #expect(try await stack.pebble.revocation(of: serial).contains("\"Revoked\""))
            #expect(string("\(certctl.state)/revoked.json").contains(try #require(entry.sha256)))
            try await Self.isShownAsRevoked(certctl, serial)
            let again = try await certctl.revoke("a.example", "--yes")
            #expect(again.status == 0 && again.stdout.hasSuffix("was revoked before\n"), "\(again)")

            let forced = try await certctl.renew("--force", "a.example")
            #expect(forced.status == 0 && forced.stderr.contains("it is revoked (superseded)"), "\(forced.stderr)")
            #expect(try await certctl.lineage("a.example").version == 3)
            let refused = try await certctl.rollback("a.example", "--to", "2", "--force")
            #expect(refused.status == 1 && refused.stderr.contains("is not installed again"), "\(refused.stderr)")
            let back = try await certctl.rollback("a.example")
            #expect(back.status == 0, "\(back.stderr)")
            let first = try await check(
                "openssl", ["x509", "-in", "\(certctl.tree)/archive/a.example/cert1.pem", "-noout", "-serial"])
            let live = try await check(
                "openssl", ["x509", "-in", "\(certctl.tree)/live/a.example/cert.pem", "-noout", "-serial"])
            #expect(live == first, "version 2 is passed over")
        }
    }

    @Test func `a key that somebody else has is not used again, also where the renewal config says so`() async throws {
        try await Self.withLineage(["--reuse-key"]) { stack, certctl in
            let first = try await Self.publicKey(certctl)
            let live = "\(certctl.tree)/live/a.example"
            let usage = try await certctl.revoke("--cert", "\(live)/cert.pem", "--yes")
            #expect(usage.status == 64, "\(usage.stderr)")
            let revoked = try await certctl.revoke(
                "--cert", "\(live)/cert.pem", "--key", "\(live)/privkey.pem", "--reason", "keycompromise", "--yes")
            #expect(revoked.status == 0, "\(revoked.stderr)")
            let serial = try #require(try await certctl.lineage("a.example").serial)
            #expect(try await stack.pebble.revocation(of: serial).contains("\"Reason\":1"))
            #expect(try await certctl.renew("--force", "--yes", "a.example").status == 0)
            let second = try await Self.publicKey(certctl)
            #expect(second != first)
            #expect(try await certctl.renew("--force", "--yes", "a.example").status == 0)
            #expect(try await Self.publicKey(certctl) == second, "reuse_key holds for the new one")
            let refused = try await certctl.rollback("a.example", "--to", "1")
            #expect(refused.status == 1 && refused.stderr.contains("revoked (keyCompromise)"), "\(refused.stderr)")

            let rotated = try await certctl.renew("--force", "--yes", "--new-key", "a.example")
            #expect(rotated.status == 0, "\(rotated.stderr)")
            let third = try await Self.publicKey(certctl)
            #expect(third != second)
            #expect(string("\(certctl.tree)/renewal/a.example.conf").contains("reuse_key = True"))
        }
    }

    @Test func `names are added and removed, and the difference is shown first`() async throws {
        try await Self.withLineage { stack, certctl in
            let changed = try await certctl.names("a.example", "--add", "b.example", "--add", "c.example")
            #expect(changed.status == 0, "\(changed.stderr)")
            #expect(changed.stdout.hasPrefix("a.example: adds b.example\na.example: adds c.example\n"))
            #expect(try await certctl.lineage("a.example").domains == ["a.example", "b.example", "c.example"])
            let removed = try await certctl.names("a.example", "--remove", "b.example")
            #expect(removed.status == 0 && removed.stdout.hasPrefix("a.example: removes b.example\n"), "\(removed)")
            #expect(try await certctl.lineage("a.example").domains == ["a.example", "c.example"])
            #expect(try await certctl.names("a.example").status == 64)
            let unknown = try await certctl.names("a.example", "--remove", "x.example")
            #expect(unknown.status == 64 && unknown.stderr.contains("a.example is not for x.example"))
            let none = try await certctl.names("a.example", "--remove", "a.example,c.example")
            #expect(none.status == 64 && none.stderr.contains("certctl delete a.example"), "\(none.stderr)")
            let issued = try await certctl.issue("--name", "a.example", "-d", "a.example", "-d", "d.example")
            #expect(issued.status == 0, "\(issued.stderr)")
            #expect(issued.stdout.hasPrefix("a.example: adds d.example\na.example: removes c.example\n"))
        }
    }

    @Test
    func `other names keep a key that the renewal config keeps, and a new one is made once where it is asked for`()
        async throws
    {
        try await Self.withLineage(["--reuse-key"]) { stack, certctl in
            let first = try await Self.publicKey(certctl)
            #expect(try await certctl.names("a.example", "--add", "b.example").status == 0)
            #expect(try await Self.publicKey(certctl) == first)
            let issued = try await certctl.issue("--name", "a.example", "-d", "a.example", "-d", "c.example")
            #expect(issued.status == 0, "\(issued.stderr)")
            #expect(try await Self.publicKey(certctl) == first)
            #expect(try await certctl.names("a.example", "--add", "d.example", "--new-key").status == 0)
            let second = try await Self.publicKey(certctl)
            #expect(second != first)
            let conf = string("\(certctl.tree)/renewal/a.example.conf")
            #expect(conf.contains("reuse_key = True"), "\(conf)")
            #expect(try await certctl.renew("--force", "--yes", "a.example").status == 0)
            #expect(try await Self.publicKey(certctl) == second)
            let typed = try await certctl.issue(
                "--name", "a.example", "-d", "a.example", "-d", "d.example", "--key-type", "p384")
            #expect(typed.status == 0, "\(typed.stderr)")
            #expect(try await certctl.lineage("a.example").keyType == "ECDSA P-384")
        }
    }

    // Killed at the key's way into archive/.
    @Test(.parts("strace"))
    func `a new key replaces what an earlier run has issued for the old one`() async throws {
        try await Self.withLineage(["--reuse-key"]) { _, certctl in
            let first = try await Self.publicKey(certctl)
            var killed = certctl
            killed.prefix = [
                "strace", "-f", "-qq", "-o", "/dev/null", "-P", "\(certctl.tree)/archive/a.example", "-e",
                "inject=renameat2:signal=SIGKILL:when=1",
            ]
            #expect(try await killed.renew("--force", "--yes", "a.example").status == 137)
            #expect(try await certctl.lineage("a.example").stage == "issued")
            let rotated = try await certctl.renew("--new-key", "a.example")
            #expect(rotated.status == 0 && rotated.stderr.contains("is given up for a new key"), "\(rotated.stderr)")
            let entry = try await certctl.lineage("a.example")
            #expect(entry.state == "ok" && entry.version == 2, "\(entry)")
            #expect(try await Self.publicKey(certctl) != first)
        }
    }

    @Test func `a preferred root is saved, and one that the host does not have is refused`() async throws {
        try await Self.withLineage { stack, certctl in
            let stranger = String(repeating: "ab", count: 32)
            let refused = try await certctl.issue(
                "-d", "a.example", "--key-type", "p384", "--preferred-chain-root", stranger)
            #expect(refused.status == 64 && refused.stderr.contains("this host has no root"), "\(refused.stderr)")
            // The host knows the root, though the CA has no chain to it.
            let known = try await check(
                "openssl", ["x509", "-in", stack.pebble.caBundle, "-noout", "-fingerprint", "-sha256"])
            let digest = String(known.drop { $0 != "=" }.dropFirst()).filter { !$0.isWhitespace }
            let issued = try await certctl.issue(
                "-d", "a.example", "--key-type", "p384", "--preferred-chain-root", digest)
            #expect(issued.status == 0 && issued.stderr.contains("its default is taken"), "\(issued.stderr)")
            let conf = string("\(certctl.tree)/renewal/a.example.conf")
            let saved = digest.lowercased().filter { $0 != ":" }
            #expect(conf.contains("[certctl]\npreferred_chain_root = \(saved)"), "\(conf)")
            let renewed = try await certctl.renew("--force", "--yes", "a.example")
            #expect(renewed.status == 0 && renewed.stderr.contains("no chain to"), "\(renewed.stderr)")
        }
    }
}

/// What a dry run does not prove.
@Suite(.stack)
struct RehearsalValidationTests {
    @Test func `a dry run says which names the CA has not validated for it`() async throws {
        var options = Pebble.Options()
        options.authzReuse = 100
        try await Rig.withStack(options) { stack in
            let settings = "\(stack.directory)/certctl.conf"
            try "verify = none\n".write(toFile: settings, atomically: true, encoding: .utf8)
            let certctl = Certctl(stack, settings: settings)
            let issued = try await certctl.issue(
                "-d", "a.example", "--server", stack.pebble.directoryURL, "--webroot", stack.webroot, "--agree-tos")
            #expect(issued.status == 0, "\(issued.stderr)")
            let tried = try await certctl.renew("--dry-run", "a.example")
            #expect(tried.status == 0, "\(tried.stderr)")
            let lines = tried.stdout.split(separator: "\n")
            #expect(
                lines.first?.hasPrefix("a.example: not validated: the authorization of a.example is valid until 20")
                    == true,
                "\(tried.stdout)")
            #expect(lines.dropFirst().first?.contains("went through") == true, "\(tried.stdout)")
        }
    }
}

/// A CA that says when to renew.
@Suite(.otherCAs, .timeLimit(.minutes(5)))
struct SuggestedTimeTests {
    private static func withLineage(
        _ ari: [String], _ body: (Acme2Certifier, Certctl) async throws -> Void
    ) async throws {
        try await TemporaryDirectory.with { directory in
            try await Acme2Certifier.with(directory, settings: ari) { ca in
                let (settings, webroot) = ("\(directory)/certctl.conf", "\(directory)/webroot")
                try "verify = none\n".write(toFile: settings, atomically: true, encoding: .utf8)
                try await check("mkdir", [webroot])
                var certctl = Certctl(
                    tree: "\(directory)/letsencrypt", state: "\(directory)/state", caBundle: ca.caBundle)
                certctl.settings = settings
                let issued = try await certctl.issue(
                    "-d", "ari.example", "--server", ca.directoryURL, "--webroot", webroot, "--agree-tos", "--email",
                    "a@example.org")
                #expect(issued.status == 0, "\(issued.stderr)")
                try await body(ca, certctl)
            }
        }
    }

    private static func looks(_ ca: Acme2Certifier) -> Int { ca.requests().count { $0.contains("/renewal-info/") } }

    @Test func `a window in the past renews, and the order says what it replaces`() async throws {
        try await Self.withLineage(["Renewalinfo.renewal_force=True"]) { ca, certctl in
            let renewed = try await certctl.renew()
            #expect(renewed.status == 0, "\(renewed.stderr)")
            #expect(renewed.stderr.contains("(suggested by the CA)"), "\(renewed.stderr)")
            #expect(!renewed.stderr.contains("as a replacement"), "\(renewed.stderr)")
            #expect(try await certctl.lineage("ari.example").version == 2)
            #expect(Self.looks(ca) == 1)
            // The window of the fresh one is over as well.
            let again = try await certctl.renew()
            #expect(again.status == 0 && again.stdout.hasPrefix("nothing is due"), "\(again)")
            #expect(try await certctl.lineage("ari.example").version == 2)
            #expect(Self.looks(ca) == 2)
        }
    }

    @Test func `a window to come is waited for, and the CA is not asked again before it wants to be`() async throws {
        try await Self.withLineage(["Renewalinfo.retry_after_timeout=7200"]) { ca, certctl in
            for _ in 0..<2 {
                let run = try await certctl.renew()
                #expect(run.status == 0 && run.stdout.hasPrefix("nothing is due"), "\(run)")
            }
            #expect(Self.looks(ca) == 1)
            let explained = try await certctl.status("--explain", "ari.example")
            #expect(explained.stdout.contains("suggested by the CA: 20"), "\(explained)")
            let forced = try await certctl.renew("--force", "--yes", "ari.example")
            #expect(forced.status == 0, "\(forced.stderr)")
            #expect(Self.looks(ca) == 1, "what is forced needs no advice")
        }
    }
}

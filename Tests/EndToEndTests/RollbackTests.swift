import FoundationEssentials
import Rig
import Testing

/// `certctl rollback` to versions that an operator may want, and to one that nobody can.
@Suite(.parts("openssl"))
struct RollbackTests {
    /// A lineage whose version 2 is live, with a version 1 of a test's choice.
    private static func withVersions(
        _ names: [String] = ["a.example"], from: String = "-2 days", to: String = "80 days",
        _ body: (Certctl) async throws -> Void
    ) async throws {
        try await TemporaryDirectory.with { directory in
            let ca = try await DatedCA(in: directory)
            let settings = "\(directory)/certctl.conf"
            try "verify = none\n".write(toFile: settings, atomically: true, encoding: .utf8)
            var certctl = Certctl(tree: "\(directory)/letsencrypt", state: "\(directory)/state")
            certctl.settings = settings
            try await ca.addLineage("a.example", tree: certctl.tree)
            let earlier = try await ca.leaf(names, from: from, to: to)
            try await check(
                "sh",
                [
                    "-ec",
                    """
                    for kind in cert chain fullchain privkey; do
                        mv ${kind}1.pem ${kind}2.pem
                        ln -sfn ../../archive/a.example/${kind}2.pem ../../live/a.example/$kind.pem
                    done
                    cp "$1" cert1.pem; cp chain2.pem chain1.pem; cat "$1" chain1.pem >fullchain1.pem; cp privkey2.pem privkey1.pem
                    """, "sh", earlier,
                ], directory: "\(certctl.tree)/archive/a.example")
            try await body(certctl)
        }
    }

    @Test func `force takes a version that is fit without it`() async throws {
        try await Self.withVersions { certctl in
            let back = try await certctl.rollback("--force", "a.example")
            #expect(back.status == 0, "\(back.stderr)")
            #expect(try await certctl.lineage("a.example").version == 3)
        }
    }

    @Test func `force takes a version that has expired, which is refused without it`() async throws {
        try await Self.withVersions(from: "-91 days", to: "-1 days") { certctl in
            let refused = try await certctl.rollback("a.example")
            #expect(refused.status == 1 && refused.stderr.contains("the certificate expired at"), "\(refused.stderr)")
            #expect(refused.stderr.contains("next: --force takes it all the same"))
            let back = try await certctl.rollback("--force", "a.example")
            #expect(back.status == 0, "\(back.stderr)")
            let entry = try await certctl.lineage("a.example")
            #expect((entry.version, entry.state) == (3, "expired"))
        }
    }

    @Test func `force takes a version for other names, which is refused without it`() async throws {
        try await Self.withVersions(["other.example"]) { certctl in
            let refused = try await certctl.rollback("a.example")
            #expect(refused.status == 1, "\(refused.stderr)")
            #expect(refused.stderr.contains("the certificate lacks a.example"), "\(refused.stderr)")
            #expect(refused.stderr.contains("next: --force takes it all the same"))
            let back = try await certctl.rollback("--force", "a.example")
            #expect(back.status == 0, "\(back.stderr)")
            #expect(try await certctl.lineage("a.example").domains == ["other.example"])
        }
    }

    @Test(arguments: [[], ["--force"]])
    func `a version whose key does not fit is refused, also with force, which is not offered`(
        arguments: [String]
    ) async throws {
        try await Self.withVersions { certctl in
            try await check(
                "openssl",
                ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "privkey1.pem"],
                directory: "\(certctl.tree)/archive/a.example")
            let before = try await snapshot(of: certctl.tree)
            let refused = try await certctl.rollback(arguments + ["a.example"])
            #expect(refused.status == 1 && refused.stderr.contains("not for the key"), "\(refused.stderr)")
            #expect(refused.stderr.contains("next: take another version with --to"), "\(refused.stderr)")
            #expect(try await snapshot(of: certctl.tree) == before)
        }
    }
}

import FoundationEssentials
import PKI
import Rig
import Testing

/// Which chains lead somewhere, of a hierarchy that openssl made.
@Suite(.parts("openssl"))
struct ChainPathTests {
    /// A root, two intermediates of it one below the other, leaves of each, and what does not belong to them.
    private struct Hierarchy {
        let forge: Forge
        private(set) var certificates: [String: Certificate] = [:]

        static func with(_ body: (Hierarchy) async throws -> Void) async throws {
            try await Forge.with { forge in
                var all = Hierarchy(forge: forge)
                try await all.make("root", by: nil, isCA: true)
                try await all.make("other-root", by: nil, isCA: true)
                try await all.make("upper", by: "root", isCA: true)
                try await all.make("lower", by: "upper", isCA: true)
                try await all.make("other", by: "other-root", isCA: true)
                try await all.makeExpired("expired", by: "other-root")
                for leaf in ["old", "new"] { try await all.make(leaf, by: "lower") }
                for leaf in ["old-direct", "new-direct"] { try await all.make(leaf, by: "root") }
                try await all.make("foreign", by: "other")
                try await all.make("foreign-direct", by: "other-root")
                try await body(all)
            }
        }

        private mutating func make(_ name: String, by issuer: String?, isCA: Bool = false) async throws {
            let extensions = isCA ? "basicConstraints=critical,CA:TRUE" : "subjectAltName=DNS:a.example"
            let signing = issuer.map { ["-CA", "\($0).pem", "-CAkey", "\($0).key"] } ?? []
            certificates[name] = try await forge.certificate(
                name, subject: isCA ? "/CN=\(name)" : "/", more: ["-addext", extensions] + signing)
        }

        /// `openssl req` makes none that has expired.
        private mutating func makeExpired(_ name: String, by issuer: String) async throws {
            try await forge.openssl(
                "req", "-new", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-subj", "/CN=\(name)",
                "-addext", "basicConstraints=critical,CA:TRUE", "-keyout", "\(name).key", "-out", "\(name).csr")
            try await forge.openssl(
                "x509", "-req", "-in", "\(name).csr", "-copy_extensions", "copy", "-days", "-1", "-CA", "\(issuer).pem",
                "-CAkey", "\(issuer).key", "-CAcreateserial", "-out", "\(name).pem")
            certificates[name] = try Certificate.chain(pem: forge.bytes("\(name).pem")).first
        }

        func chain(_ names: String...) throws -> [Certificate] {
            try names.map { name in try #require(certificates[name], "\(name)") }
        }

        func trusting(_ names: String...) -> TrustStore {
            TrustStore(files: names.map { forge.path("\($0).pem") })
        }
    }

    private func isNowhere(_ verdict: ChainPath.Verdict) -> Bool {
        if case .leadsNowhere = verdict { true } else { false }
    }

    @Test func `a path ends at a root of the file, or at one that the host trusts, in whatever order the file is`()
        async throws
    {
        try await Hierarchy.with { all in
            let before = try all.chain("old", "lower", "upper")
            let trusted = all.trusting("root")
            for chain in [
                try all.chain("new", "lower", "upper"), try all.chain("new", "upper", "lower"),
                try all.chain("new", "other", "lower", "upper"), try all.chain("new", "lower", "upper", "expired"),
            ] {
                #expect(try ChainPath.judge(chain, after: before, trust: trusted) == .whole(.trusted))
            }
            let withRoot = try all.chain("new", "lower", "upper", "root")
            #expect(try ChainPath.judge(withRoot, after: before, trust: TrustStore()) == .whole(.selfSigned))
            // An intermediate that the host trusts by itself will do.
            #expect(
                try ChainPath.judge(all.chain("new", "lower"), after: before, trust: all.trusting("upper"))
                    == .whole(.trusted))
        }
    }

    @Test func `the leaf alone, or with what is not its issuer, leads nowhere where a path did before`() async throws {
        try await Hierarchy.with { all in
            for (before, trust) in [
                (try all.chain("old", "lower", "upper"), all.trusting("root")),
                (try all.chain("old", "lower", "upper", "root"), TrustStore()),
                // A private CA whose root this host does not know: the leaf's issuer was there, at least.
                (try all.chain("old", "lower", "upper"), TrustStore()), (try all.chain("old", "lower"), TrustStore()),
            ] {
                for chain in [
                    try all.chain("new"), try all.chain("new", "other"), try all.chain("new", "other", "other-root"),
                    try all.chain("new", "upper", "root"), try all.chain("foreign"),
                ] {
                    let verdict = try ChainPath.judge(chain, after: before, trust: trust)
                    #expect(isNowhere(verdict), "\(chain.map(\.subject)) after \(before.map(\.subject)): \(verdict)")
                }
            }
            let verdict = try ChainPath.judge(
                all.chain("new"), after: all.chain("old", "lower"), trust: TrustStore())
            #expect(verdict == .leadsNowhere(reason: "the leaf comes alone: that of CN = lower is missing"))
        }
    }

    @Test func `a path that ends where the one before went on leads nowhere`() async throws {
        try await Hierarchy.with { all in
            let before = try all.chain("old", "lower", "upper")
            let short = try all.chain("new", "lower")
            #expect(
                try ChainPath.judge(short, after: before, trust: TrustStore())
                    == .leadsNowhere(
                        reason: "it ends with CN = lower, whose issuer CN = upper the chain before had"))
            #expect(isNowhere(try ChainPath.judge(short, after: before, trust: all.trusting("root"))))
        }
    }

    @Test func `a private CA whose root signs directly is legitimate`() async throws {
        try await Hierarchy.with { all in
            let alone = try all.chain("new-direct")
            // The host knows the root, or the file had it before, or it never was there.
            #expect(
                try ChainPath.judge(alone, after: all.chain("old-direct", "root"), trust: all.trusting("root"))
                    == .whole(.trusted))
            #expect(
                try ChainPath.judge(alone, after: all.chain("old-direct", "root"), trust: TrustStore())
                    == .whole(.outside))
            #expect(try ChainPath.judge(alone, after: all.chain("old-direct"), trust: TrustStore()) == .noWorse)
        }
    }

    @Test func `where the one before led nowhere, or there is none, nothing is refused`() async throws {
        try await Hierarchy.with { all in
            for before in [
                [], try all.chain("old"), try all.chain("old", "other"), try all.chain("foreign-direct"),
                // Somebody's placeholder.
                try all.chain("other-root"),
            ] {
                for chain in [
                    try all.chain("new"), try all.chain("new", "other"), try all.chain("new", "lower"),
                    try all.chain("foreign"),
                ] {
                    #expect(try ChainPath.judge(chain, after: before, trust: TrustStore()) == .noWorse)
                }
            }
            // Another private hierarchy in place of one that nobody knows either.
            #expect(
                try ChainPath.judge(
                    all.chain("foreign", "other"), after: all.chain("old", "lower"), trust: TrustStore())
                    == .noWorse)
        }
    }

    @Test func `another hierarchy that nobody knows is refused where the one before was trusted`() async throws {
        try await Hierarchy.with { all in
            let (chain, before) = (try all.chain("foreign", "other"), try all.chain("old", "lower", "upper"))
            #expect(isNowhere(try ChainPath.judge(chain, after: before, trust: all.trusting("root"))))
            #expect(
                try ChainPath.judge(chain, after: before, trust: all.trusting("root", "other-root")) == .whole(.trusted)
            )
        }
    }

    @Test func `a name is no signature`() async throws {
        try await Hierarchy.with { all in
            // An issuer of the same name with another key.
            let impostor = try await all.forge.certificate(
                "impostor", subject: "/CN=lower",
                more: ["-addext", "basicConstraints=critical,CA:TRUE", "-CA", "upper.pem", "-CAkey", "upper.key"])
            let chain = try all.chain("new") + [impostor] + all.chain("upper")
            let before = try all.chain("old", "lower", "upper")
            #expect(isNowhere(try ChainPath.judge(chain, after: before, trust: all.trusting("root"))))
            let completed = try ChainPath.completed(chain, from: before, trust: all.trusting("root"))
            #expect(try completed == all.chain("new", "lower", "upper"))
        }
    }

    @Test func `a new leaf is completed with the issuers that the chain before had`() async throws {
        try await Hierarchy.with { all in
            let before = try all.chain("old", "lower", "upper")
            for trust in [all.trusting("root"), TrustStore()] {
                for chain in [
                    try all.chain("new"), try all.chain("new", "other"), try all.chain("new", "lower"),
                    try all.chain("new", "upper"),
                ] {
                    #expect(
                        try ChainPath.completed(chain, from: before, trust: trust)
                            == all.chain("new", "lower", "upper"))
                }
                // Nothing is missing, or the chain before does not help.
                #expect(try ChainPath.completed(before, from: before, trust: trust) == nil)
                #expect(try ChainPath.completed(all.chain("foreign"), from: before, trust: trust) == nil)
                #expect(try ChainPath.completed(all.chain("new"), from: all.chain("old"), trust: trust) == nil)
            }
            #expect(
                try ChainPath.completed(
                    all.chain("new-direct"), from: all.chain("old-direct", "root"), trust: TrustStore())
                    == all.chain("new-direct", "root"))
        }
    }

    @Test func `the system's roots are found, and a bundle that is not there adds none`() async throws {
        try await Hierarchy.with { all in
            let store = TrustStore.system(caBundle: all.forge.path("root.pem"))
            let chain = try all.chain("new", "lower", "upper")
            #expect(try ChainPath.judge(chain, after: [], trust: store) == .whole(.trusted))
            #expect(
                try ChainPath.judge(chain, after: [], trust: .system(caBundle: all.forge.path("none.pem"))) == .noWorse)
        }
    }
}

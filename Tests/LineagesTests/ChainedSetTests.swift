import FoundationEssentials
import Lineages
import PKI
import Rig
import Testing

/// Sets whose chain leads nowhere, and what makes them whole.
@Suite(.parts("openssl"))
struct ChainedSetTests {
    /// The chain that is live, a new one in PEM with its key, of a CA with an intermediate; the file `other.pem` is none of it.
    private func withChains(
        _ body: (_ live: [Certificate], _ key: PrivateKey, _ leaf: [UInt8], _ tree: TestTree) throws -> Void
    ) async throws {
        try await TestTree.with { tree in
            let key = try PrivateKey(generating: .ec(.p256))
            try write("\(tree.directory)/key.pem", key.pem())
            try await tree.shell(
                """
                authority() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -subj "/CN=$1" \
                    -addext basicConstraints=critical,CA:TRUE -keyout "$1-key.pem" -out "$1.pem" -CA ca.pem -CAkey ca-key.pem; }
                authority intermediate
                authority other
                for leaf in old new; do
                    openssl req -x509 -new -key key.pem -days 5 -subj / -CA intermediate.pem -CAkey intermediate-key.pem \
                        -addext subjectAltName=DNS:one -out $leaf.pem
                done
                cat old.pem intermediate.pem >live.pem
                """)
            let live = try Certificate.chain(pem: read("\(tree.directory)/live.pem"))
            try body(live, key, try read("\(tree.directory)/new.pem"), tree)
        }
    }

    @Test func `a leaf without its issuer is unfit, and completed with the live chain's it is fit`() async throws {
        try await withChains { live, key, leaf, tree in
            for chain in [leaf, leaf + (try read("\(tree.directory)/other.pem"))] {
                let set = try CertificateSet(key: key, chain: chain, names: [.dns("one")], after: nil, now: Date())
                let error = #expect(throws: CertificateSet.Unfit.self) {
                    try set.requirePath(after: live, trust: TrustStore())
                }
                #expect(error?.description.hasPrefix("the certificate chain leads to no root: ") == true)
                #expect(error?.isDamaged == false)
                let chain = try #require(
                    try ChainPath.completed(Certificate.chain(pem: chain), from: live, trust: TrustStore()))
                let whole = try CertificateSet(
                    key: key, chain: ChainPath.pem(chain), names: [.dns("one")], after: nil, now: Date())
                try whole.requirePath(after: live, trust: TrustStore())
                #expect(whole.leaf == set.leaf)
                #expect(whole.bytes(.privkey) == set.bytes(.privkey))
                #expect(whole.bytes(.cert) == set.bytes(.cert))
                let intermediate = try Certificate.chain(pem: read("\(tree.directory)/intermediate.pem"))
                #expect(try Certificate.chain(pem: whole.bytes(.chain)) == intermediate)
                #expect(whole.bytes(.fullchain) == whole.bytes(.cert) + whole.bytes(.chain))
            }
        }
    }

    @Test func `where nothing was live, or it led nowhere, the leaf alone is fit`() async throws {
        try await withChains { live, key, leaf, _ in
            let set = try CertificateSet(key: key, chain: leaf, names: [.dns("one")], after: nil, now: Date())
            try set.requirePath(after: [], trust: TrustStore())
            try set.requirePath(after: Array(live.prefix(1)), trust: TrustStore())
        }
    }

    @Test func `a whole chain is fit, and needs nothing`() async throws {
        try await withChains { live, key, leaf, tree in
            let chain = leaf + (try read("\(tree.directory)/intermediate.pem"))
            let set = try CertificateSet(key: key, chain: chain, names: [.dns("one")], after: nil, now: Date())
            try set.requirePath(after: live, trust: .system(caBundle: "\(tree.directory)/ca.pem"))
        }
    }
}

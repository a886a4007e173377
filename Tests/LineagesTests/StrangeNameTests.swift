import FoundationEssentials
import Lineages
import PKI
import Rig
import Testing

/// What a CA puts among the names of a certificate, beyond what it was asked for.
@Suite(.parts("openssl"))
struct StrangeNameTests {
    private static let strange: [String] = [
        "a b.example", "a.example\nb.example", "$(touch /tmp/owned).example", "`id`.example", "a;b.example",
        "a.example\u{1B}[2J",
        "-a.example", "a..example", "", "*", "a.*.example", "*a.example",
        String(repeating: "a", count: 64) + ".example",
        String(repeating: "a.", count: 130) + "example", "https://a.example", "a@b.example", "größe.example",
        "a/b.example",
    ]

    @Test(arguments: strange + ["a.example\0.evil.example", "192.0.2.1"])
    func `a certificate with a name that is none is refused, and what is refused is said in a line`(name: String)
        async throws
    {
        try await TestTree.with { tree in
            let (key, chain) = try await StrangeNameTests.pair(["a.example", name], in: tree)
            let error = #expect(throws: CertificateSet.Unfit.self) {
                try CertificateSet(key: key, chain: chain, names: [.dns("a.example")], after: nil, now: Date())
            }
            guard case .notNames? = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            let text = try #require(error).description
            #expect(text.contains("neither a DNS name nor an address"))
            #expect(text.utf8.count < 500)
            #expect(text.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control })
            // An operator who goes back to it knows what it is.
            _ = try CertificateSet(key: key, chain: chain, names: [], after: nil, now: nil)
        }
    }

    @Test(arguments: [
        "_service.a.example", "a_b.example", "*.a.example", "localhost", "xn--gre-hka.example", "A.Example",
        "1.a.example",
    ])
    func `names that are in use are names`(name: String) async throws {
        try await TestTree.with { tree in
            let (key, chain) = try await StrangeNameTests.pair(["a.example", name], in: tree)
            let set = try CertificateSet(key: key, chain: chain, names: [.dns("a.example")], after: nil, now: Date())
            #expect(set.leaf.names == [.dns("a.example"), .dns(name.lowercased())])
        }
    }

    @Test func `an address among the DNS names is taken where it was asked for`() async throws {
        try await TestTree.with { tree in
            let (key, chain) = try await StrangeNameTests.pair(["192.0.2.1"], in: tree)
            _ = try CertificateSet(key: key, chain: chain, names: [.dns("192.0.2.1")], after: nil, now: Date())
        }
    }

    @Test func `other kinds of names are no names of certctl's, and an address of five octets is none`() async throws {
        try await TestTree.with { tree in
            // URI (6), e-mail (1), directory name left out; iPAddress of 4 octets (7).
            let mail = Array("a@b.example".utf8)
            let (key, chain) = try await StrangeNameTests.pair(
                [
                    (0x82, Array("a.example".utf8)), (0x81, mail), (0x86, Array("spiffe://a b".utf8)),
                    (0x87, [192, 0, 2, 1]),
                ],
                in: tree)
            let set = try CertificateSet(key: key, chain: chain, names: [.dns("a.example")], after: nil, now: Date())
            #expect(set.leaf.names == [.dns("a.example"), .ip([192, 0, 2, 1])])
            let (other, five) = try await StrangeNameTests.pair(
                [(0x82, Array("a.example".utf8)), (0x87, [1, 2, 3, 4, 5])], in: tree)
            #expect(throws: CertificateSet.Unfit.self) {
                try CertificateSet(key: other, chain: five, names: [.dns("a.example")], after: nil, now: Date())
            }
        }
    }

    private static func pair(_ names: [String], in tree: TestTree) async throws -> (key: PrivateKey, chain: [UInt8]) {
        try await pair(names.map { (0x82, Array($0.utf8)) }, in: tree)
    }

    /// A key and a certificate with these general names, by their tag (RFC 5280 §4.2.1.6), octet for octet.
    private static func pair(
        _ names: [(tag: UInt8, octets: [UInt8])], in tree: TestTree
    ) async throws -> (key: PrivateKey, chain: [UInt8]) {
        func element(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
            let count = content.count
            let length: [UInt8] = count < 128 ? [UInt8(count)] : [0x82, UInt8(count >> 8), UInt8(count & 0xFF)]
            return [tag] + length + content
        }
        let value = element(0x30, names.flatMap { element($0.tag, $0.octets) })
        let hexadecimal = value.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
        let key = try PrivateKey(generating: .ec(.p256))
        try write("\(tree.directory)/strange-key.pem", key.pem())
        try await tree.shell(
            """
            openssl req -x509 -new -key strange-key.pem -days 5 -subj / -CA ca.pem -CAkey ca-key.pem \
                -addext subjectAltName=DER:\(hexadecimal) -out strange.pem
            """)
        return (key, try read("\(tree.directory)/strange.pem"))
    }
}

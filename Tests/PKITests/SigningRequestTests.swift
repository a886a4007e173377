import PKI
import Rig
import Testing

@Suite(.parts("openssl"))
struct SigningRequestTests {
    /// What `openssl req -verify -text` prints of a request.
    private func printed(_ request: SigningRequest) async throws -> String {
        try await Forge.with { forge in
            try forge.write(request.der, to: "request.der")
            return try await forge.openssl("req", "-inform", "DER", "-in", "request.der", "-verify", "-text", "-noout")
        }
    }

    @Test(arguments: [KeyType.ec(.p256), .ec(.p384), .rsa(bits: 2048)])
    func `openssl verifies a request and finds its names and no subject`(type: KeyType) async throws {
        let names = try ["example.org", "*.example.org", "192.0.2.1", "2001:db8::1"].map {
            try #require(SubjectName($0))
        }
        let text = try await printed(SigningRequest(for: names, key: PrivateKey(generating: type)))
        #expect(
            text.contains(
                "DNS:example.org, DNS:*.example.org, IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1\n"))
        #expect(text.contains("Subject: \n") || text.contains("Subject:\n"))
        #expect(text.contains("Version: 1 (0x0)"))
        #expect(!text.contains("TLS Feature"))
    }

    @Test func `must-staple is asked for when it is wanted`() async throws {
        let request = try SigningRequest(
            for: [.dns("example.org")], key: PrivateKey(generating: .ec(.p256)), mustStaple: true)
        let text = try await printed(request)
        #expect(text.contains("TLS Feature"))
        #expect(text.contains("status_request"))
        #expect(text.contains("DNS:example.org\n"))
    }

    @Test func `a hundred names fit`() async throws {
        let names = (1...100).map { SubjectName.dns("host-\($0).example.org") }
        let text = try await printed(SigningRequest(for: names, key: PrivateKey(generating: .ec(.p256))))
        #expect(text.split(separator: "DNS:").count == 101)
    }

    @Test func `an Ed25519 key signs a request`() async throws {
        let text = try await Forge.with { forge in
            try await forge.openssl("genpkey", "-algorithm", "ED25519", "-out", "key.pem")
            return try await printed(
                SigningRequest(for: [.dns("a.example")], key: PrivateKey(pem: forge.bytes("key.pem"))))
        }
        #expect(text.contains("ED25519"))
    }

    @Test func `a request for nothing is refused`() throws {
        let key = try PrivateKey(generating: .ec(.p256))
        #expect(throws: PKIError.self) { try SigningRequest(for: [], key: key) }
    }
}

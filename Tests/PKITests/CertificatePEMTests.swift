import PKI
import Rig
import Testing

/// PEM files as they are found in real trees.
@Suite(.parts("openssl"))
struct CertificatePEMTests {
    /// Two certificates in PEM, and what they are.
    private static func pair() async throws -> (first: String, second: String, certificates: [Certificate]) {
        try await Forge.with { forge in
            let certificates = [
                try await forge.certificate("one", subject: "/CN=one.example"),
                try await forge.certificate("two", subject: "/CN=two.example"),
            ]
            let text = try ["one.pem", "two.pem"].map { String(decoding: try forge.bytes($0), as: UTF8.self) }
            return (text[0], text[1], certificates)
        }
    }

    private func chain(_ text: String) throws -> [Certificate] { try Certificate.chain(pem: Array(text.utf8)) }

    @Test func `all certificates are read, in order`() async throws {
        let (first, second, certificates) = try await Self.pair()
        #expect(try chain(first + second) == certificates)
        #expect(try chain(second + first) == certificates.reversed())
        #expect(try chain(first + "\n\n" + second) == certificates)
    }

    @Test func `CRLF, a byte order mark, Bag Attributes and a missing last newline do no harm`() async throws {
        let (first, second, certificates) = try await Self.pair()
        let attributes = "Bag Attributes\r\n    friendlyName: one\r\nsubject=CN = one.example\r\n"
        let text = "\u{FEFF}" + attributes + first.replacing("\n", with: "\r\n") + second.dropLast()
        #expect(try chain(text) == certificates)
        #expect(try chain("\u{FEFF}" + first + second) == certificates)
    }

    @Test func `a private key in the same file is passed over`() async throws {
        let (first, second, certificates) = try await Self.pair()
        let key = String(decoding: try PrivateKey(generating: .ec(.p256)).pem(), as: UTF8.self)
        #expect(try chain(key + first + key + second) == certificates)
    }

    @Test(arguments: [
        "", "\n", "junk\n", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
    ])
    func `without a certificate there is none`(text: String) {
        #expect(throws: PKIError.noCertificate) { try chain(text) }
    }

    @Test(arguments: [UInt8(0), 0x0A, 0x2D, 0x41, 0xFF])
    func `a mebibyte of junk is no certificate`(byte: UInt8) {
        #expect(throws: PKIError.noCertificate) {
            try Certificate.chain(pem: Array(repeating: byte, count: 1 << 20))
        }
    }

    @Test func `a certificate is found after a mebibyte of junk`() async throws {
        let (first, _, certificates) = try await Self.pair()
        let junk = String(repeating: "junk junk junk\n", count: 70_000)
        #expect(try chain(junk + first) == [certificates[0]])
    }

    @Test func `a damaged block is an error that says which`() async throws {
        let (first, second, _) = try await Self.pair()
        let lines = second.split(separator: "\n")
        let damaged = [
            (lines.prefix(2) + ["!!!!"] + lines.dropFirst(3)).joined(separator: "\n"),
            lines.dropLast().joined(separator: "\n"),
            (lines.prefix(2) + lines.suffix(1)).joined(separator: "\n"),
            "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
            "-----BEGIN CERTIFICATE-----",
        ]
        for block in damaged {
            #expect("\(block)") { try chain(first + block + "\n") } throws: { error in
                if case .malformed("certificate 2", _) = error as? PKIError { true } else { false }
            }
        }
    }

    @Test func `a block that says it is encrypted is an error, not a question`() throws {
        let block = """
            -----BEGIN CERTIFICATE-----
            Proc-Type: 4,ENCRYPTED
            DEK-Info: AES-256-CBC,00112233445566778899AABBCCDDEEFF

            AAAAAAAAAAAAAAAAAAAAAA==
            -----END CERTIFICATE-----

            """
        let (unread, error) = try StandardInput.holding("secret\n") {
            #expect(throws: PKIError.self) { try chain(block) }
        }
        #expect(unread == "secret\n")
        #expect("\(String(describing: error))".contains("certificate 1 is malformed"))
    }
}

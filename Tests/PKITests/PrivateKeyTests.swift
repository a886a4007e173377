import PKI
import Rig
import Testing

@Suite(.parts("openssl"))
struct PrivateKeyTests {
    @Test func `keys in PKCS#8, SEC 1 and PKCS#1 are read`() async throws {
        try await Forge.with { forge in
            try await forge.openssl("genpkey", "-algorithm", "RSA", "-out", "rsa.pkcs8")
            try await forge.openssl("rsa", "-in", "rsa.pkcs8", "-traditional", "-out", "rsa.pkcs1")
            try await forge.openssl("ecparam", "-name", "prime256v1", "-genkey", "-out", "ec.sec1")
            try await forge.openssl("pkcs8", "-topk8", "-nocrypt", "-in", "ec.sec1", "-out", "ec.pkcs8")
            #expect(String(decoding: try forge.bytes("rsa.pkcs1"), as: UTF8.self).contains("BEGIN RSA PRIVATE KEY"))
            #expect(String(decoding: try forge.bytes("ec.sec1"), as: UTF8.self).hasPrefix("-----BEGIN EC PARAMETERS"))
            for (first, second) in [("rsa.pkcs8", "rsa.pkcs1"), ("ec.pkcs8", "ec.sec1")] {
                let keys = try [first, second].map { try PrivateKey(pem: forge.bytes($0)) }
                #expect(try keys[0].publicKeyPEM() == keys[1].publicKeyPEM())
                #expect(try keys[0].pem() == forge.bytes(first))
                #expect(try keys[1].pem() == forge.bytes(first), "it is written as PKCS#8")
            }
        }
    }

    @Test func `CRLF, a byte order mark and text around a key do no harm`() throws {
        let key = try PrivateKey(generating: .ec(.p256))
        let text = String(decoding: try key.pem(), as: UTF8.self)
        for variant in [
            "\u{FEFF}" + text, text.replacing("\n", with: "\r\n"), "Bag Attributes\n    friendlyName: x\n" + text,
            String(text.dropLast()), "junk\n" + text + "junk",
        ] {
            #expect(try PrivateKey(pem: Array(variant.utf8)).pem() == key.pem())
        }
    }

    @Test(arguments: [KeyType.ec(.p256), .ec(.p384), .ec(.p521), .rsa(bits: 2048)])
    func `openssl reads a key that was generated, and its public half`(type: KeyType) async throws {
        try await Forge.with { forge in
            let key = try PrivateKey(generating: type)
            #expect(key.type == type)
            #expect(try key.pem().starts(with: "-----BEGIN PRIVATE KEY-----\n".utf8))
            try forge.write(key.pem(), to: "key.pem")
            try await forge.openssl("pkey", "-in", "key.pem", "-check", "-noout")
            let publicKey = try await forge.openssl("pkey", "-in", "key.pem", "-pubout")
            #expect(try key.publicKeyPEM() == Array(publicKey.utf8))
        }
    }

    @Test(arguments: [KeyType.rsa(bits: 1024), .rsa(bits: 0), .rsa(bits: 16_384), .other("ED25519")])
    func `a key that no CA takes is not generated`(type: KeyType) {
        #expect(throws: PKIError.unsupportedKey("\(type)")) { try PrivateKey(generating: type) }
    }

    @Test func `an encrypted key is refused at once, and nobody is asked`() async throws {
        try await Forge.with { forge in
            try await forge.openssl("genrsa", "-traditional", "-aes128", "-passout", "pass:secret", "-out", "old.pem")
            try await forge.openssl("genrsa", "-aes128", "-passout", "pass:secret", "-out", "new.pem")
            try await forge.openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "plain.pem")
            try await forge.openssl("ec", "-in", "plain.pem", "-aes128", "-passout", "pass:secret", "-out", "ec.pem")
            for name in ["old.pem", "new.pem", "ec.pem"] {
                let pem = try forge.bytes(name)
                #expect(String(decoding: pem, as: UTF8.self).contains("ENCRYPTED"))
                let crlf = Array(String(decoding: pem, as: UTF8.self).replacing("\n", with: "\r\n").utf8)
                for text in [pem, crlf, Array("\u{FEFF}".utf8) + pem] {
                    let (unread, _) = try StandardInput.holding("secret\n") {
                        #expect(throws: PKIError.encryptedKey) { try PrivateKey(pem: text) }
                    }
                    #expect(unread == "secret\n")
                }
            }
        }
    }

    @Test func `where there is no key, that is said`() async throws {
        try await Forge.with { forge in
            let publicKey = try PrivateKey(generating: .ec(.p256)).publicKeyPEM()
            try await forge.certificate()
            for bytes in [
                [], Array("junk\n".utf8), Array(repeating: 0x41, count: 1 << 20), publicKey,
                try forge.bytes("leaf.pem"),
                Array("no BEGIN PRIVATE KEY here\n".utf8),
            ] {
                #expect(throws: PKIError.noPrivateKey) { try PrivateKey(pem: bytes) }
            }
        }
    }

    @Test func `a damaged key is malformed, and its bytes are not in the error`() throws {
        let text = String(decoding: try PrivateKey(generating: .ec(.p256)).pem(), as: UTF8.self)
        let lines = text.split(separator: "\n")
        let damaged = [
            lines.dropLast().joined(separator: "\n"),
            ([lines[0], "!!!!"] + lines.dropFirst(2)).joined(separator: "\n"),
            (lines.prefix(2) + lines.suffix(1)).joined(separator: "\n"), "-----BEGIN PRIVATE KEY-----",
        ]
        for block in damaged {
            #expect("\(block)") { try PrivateKey(pem: Array(block.utf8)) } throws: { error in
                guard case .malformed("the private key", _) = error as? PKIError else { return false }
                return !"\(error)".contains(lines[1].prefix(8))
            }
        }
    }

    @Test func `no way of printing a key shows its bytes`() throws {
        let key = try PrivateKey(generating: .ec(.p256))
        let jwk = try PrivateJSONWebKey(key)
        var dumped = ""
        dump(key, to: &dumped)
        dump(jwk, to: &dumped)
        dump([Optional(key)], to: &dumped)
        let texts = [
            "\(key)", String(reflecting: key), "\([key])", "\(jwk)", String(reflecting: jwk), "\([jwk])", dumped,
        ]
        #expect(texts[0] == "a private key (ECDSA P-256)")
        let numbers = try StoredKey(jwk)
        for text in texts {
            #expect(text.contains("ECDSA P-256") || text.contains("EC"))
            #expect(!text.contains(numbers.d ?? "") && !text.contains("UInt8") && !text.contains("elements, ["))
            #expect(text.utf8.count < 300)
        }
    }
}

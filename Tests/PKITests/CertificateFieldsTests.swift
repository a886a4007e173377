import FoundationEssentials
import PKI
import Rig
import Testing

/// Certificates are read without OpenSSL's own structure of one: it has to say the same, and junk has to do no harm.
@Suite(.parts("openssl"))
struct CertificateFieldsTests {
    @Test func `no change of a byte does harm, and none goes unnoticed by both OpenSSL and certctl`() async throws {
        try await Forge.with { forge in
            let leaf = try await forge.certificate(
                subject: "/CN=a.example", names: "DNS:a.example,DNS:*.b.example,IP:192.0.2.1",
                more: ["-addext", "authorityKeyIdentifier=keyid"])
            var read = 0
            for index in leaf.der.indices {
                for change: UInt8 in [0x01, 0x80, 0xFF] {
                    var der = leaf.der
                    der[index] ^= change
                    guard let certificate = try? Certificate(der: der) else { continue }
                    read += 1
                    // Whatever it is, it can be shown.
                    _ = (
                        certificate.subject, certificate.issuerNames, certificate.names.map(\.description),
                        certificate.serial
                    )
                    _ = try? certificate.sha256()
                }
            }
            #expect(read > 0, "changes of a signature are read")
            for count in 0..<leaf.der.count {
                #expect(throws: PKIError.self) { try Certificate(der: Array(leaf.der.prefix(count))) }
            }
            #expect(throws: PKIError.self) { try Certificate(der: leaf.der + [0]) }
        }
    }

    @Test(
        arguments: [
            ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
            ["ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"], ["rsa:2048"], ["rsa-pss:2048"], ["ed25519"],
        ])
    func `a key fits its certificate in every form, and no other`(kind: [String]) async throws {
        try await Forge.with { forge in
            let leaf = try await forge.certificate("one", key: kind)
            let other = try await forge.certificate("two", key: kind)
            let key = try forge.bytes("one.key")
            #expect(try PrivateKey.fits(pem: key, leaf))
            #expect(try !PrivateKey.fits(pem: key, other))
            #expect(try !PrivateKey.fits(pem: forge.bytes("two.key"), leaf))
            guard kind[0] == "ec" || kind[0].hasPrefix("rsa:") else { return }
            // The forms of old: SEC 1 and PKCS#1.
            try await forge.openssl("pkey", "-traditional", "-in", "one.key", "-out", "old.key")
            #expect(String(decoding: try forge.bytes("old.key"), as: UTF8.self).contains(" PRIVATE KEY-----\n"))
            #expect(try PrivateKey.fits(pem: forge.bytes("old.key"), leaf))
            #expect(try !PrivateKey.fits(pem: forge.bytes("old.key"), other))
        }
    }

    @Test func `a key that does not tell its public half fits all the same`() async throws {
        try await Forge.with { forge in
            let leaf = try await forge.certificate("one")
            try await forge.openssl("ec", "-in", "one.key", "-no_public", "-out", "bare.key")
            #expect(try PrivateKey.fits(pem: forge.bytes("bare.key"), leaf))
        }
    }

    @Test func `an encrypted key is refused, and a half one`() async throws {
        try await Forge.with { forge in
            let leaf = try await forge.certificate("one")
            try await forge.openssl("pkey", "-aes256", "-passout", "pass:x", "-in", "one.key", "-out", "secret.key")
            #expect(throws: PKIError.encryptedKey) { try PrivateKey.fits(pem: forge.bytes("secret.key"), leaf) }
            #expect(throws: PKIError.self) { try PrivateKey.fits(pem: Array(forge.bytes("one.key").prefix(100)), leaf) }
            #expect(throws: PKIError.noPrivateKey) { try PrivateKey.fits(pem: forge.bytes("one.pem"), leaf) }
        }
    }

    @Test func `a trusted certificate of OpenSSL's is the certificate in it`() async throws {
        try await Forge.with { forge in
            let leaf = try await forge.certificate("one")
            try await forge.openssl(
                "x509", "-in", "one.pem", "-trustout", "-addtrust", "serverAuth", "-out", "trusted.pem")
            #expect(try Certificate.chain(pem: forge.bytes("trusted.pem")) == [leaf])
        }
    }
}

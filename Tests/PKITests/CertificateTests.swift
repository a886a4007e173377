import FoundationEssentials
import PKI
import Rig
import Testing

@Suite(.parts("openssl"))
struct CertificateTests {
    @Test func `subject and issuer are one line each, as openssl prints them`() async throws {
        try await Forge.with { forge in
            let leaf = try await forge.certificate(subject: "/C=DE/O=Bücher, Inc./CN=Example Root", more: ["-utf8"])
            #expect(leaf.subject == #"C = DE, O = "Bücher, Inc.", CN = Example Root"#)
            #expect(leaf.issuer == leaf.subject)
            #expect(leaf.issuerCommonName == "Example Root")
            #expect(leaf.names.isEmpty, "a name with a space is for nobody")
        }
    }

    @Test func `a certificate without a subject has an empty one`() async throws {
        try await Forge.with { forge in
            let leaf = try await forge.certificate(names: "DNS:example.org")
            #expect(leaf.subject == "")
            #expect(leaf.issuerCommonName == nil)
        }
    }

    @Test func `what a certificate says of itself is plain and bounded where it is read`() async throws {
        try await Forge.with { forge in
            let strange = Array(("x\u{1B}[2J\r\n" + String(repeating: "y", count: 20_000)).utf8)
            func element(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
                [tag, 0x82, UInt8(content.count >> 8), UInt8(content.count & 0xFF)] + content
            }
            let names = element(0x30, element(0x82, strange))
            // Too long for an argument of openssl's that is a word; a section of its configuration takes it.
            try forge.write(
                Array(
                    """
                    [req]
                    distinguished_name = dn
                    x509_extensions = x
                    prompt = no
                    utf8 = yes
                    [dn]
                    CN = a
                    [x]
                    subjectAltName = DER:\(names.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined())
                    """.utf8), to: "conf")
            let leaf = try await forge.certificate(subject: "/", more: ["-config", "conf", "-extensions", "x"])
            let (name, other) = (try #require(leaf.names.first), leaf.names.count)
            #expect(other == 1)
            #expect(name.description.hasPrefix("x?[2J yyy"))
            #expect(name.description.unicodeScalars.count <= 254)
            #expect(!name.isWellFormed)
        }
        try await Forge.with { forge in
            let leaf = try await forge.certificate(subject: "/CN=a\u{202E}b\u{9B}2Jc", more: ["-utf8"])
            for text in [leaf.issuerCommonName ?? "", leaf.issuer, leaf.subject, leaf.issuerNames.text] {
                #expect(!text.isEmpty)
                #expect(
                    text.unicodeScalars.allSatisfy { ![.control, .format].contains($0.properties.generalCategory) },
                    "\(text.debugDescription)")
            }
        }
    }

    @Test func `control characters of a subject are escaped`() async throws {
        try await Forge.with { forge in
            let leaf = try await forge.certificate(subject: "/CN=a\u{1B}[31mb")
            #expect(leaf.subject == #"CN = a\1B[31mb"#)
        }
    }

    @Test func `names are DNS names in lower case and addresses, in the certificate's order`() async throws {
        try await Forge.with { forge in
            let leaf = try await forge.certificate(
                subject: "/CN=other.example",
                names: "DNS:WWW.Example.ORG,IP:192.0.2.1,DNS:*.example.org,IP:2001:db8::1,email:a@example.org")
            let names: [SubjectName] = [
                .dns("www.example.org"), .ip([192, 0, 2, 1]), .dns("*.example.org"),
                .ip([0x20, 0x01, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
            ]
            #expect(leaf.names == names)
        }
    }

    @Test func `a common name counts only where there are no other names`() async throws {
        try await Forge.with { forge in
            let leaf = try await forge.certificate(subject: "/CN=Example.org")
            #expect(leaf.names == [.dns("example.org")])
        }
    }

    @Test(arguments: ["192.0.2.1", "with space.example", "a..b"])
    func `a DNS name stays one, whatever a CA wrote there`(name: String) async throws {
        try await Forge.with { forge in
            let leaf = try await forge.certificate(names: "DNS:\(name)")
            #expect(leaf.names == [.dns(name)])
        }
    }

    @Test(
        arguments: [
            ("0x8f01020304050607", [0x00, 0x8F, 1, 2, 3, 4, 5, 6, 7], "8f01020304050607"),
            ("0x7f01", [0x7F, 0x01], "7f01"), ("0", [0x00], "00"), ("1", [0x01], "01"),
        ] as [(String, [UInt8], String)])
    func `a serial number is its DER octets`(serial: String, octets: [UInt8], text: String) async throws {
        try await Forge.with { forge in
            let leaf = try await forge.certificate(more: ["-set_serial", serial])
            #expect(leaf.serialNumber == octets)
            #expect(leaf.serial == text)
            #expect(try await forge.field("-serial").lowercased() == text)
        }
    }

    @Test(arguments: [10, 36_500])
    func `dates are as openssl reads them, also after 2050`(days: Int) async throws {
        try await Forge.with { forge in
            let leaf = try await forge.certificate(more: ["-days", "\(days)"])
            func date(_ option: String) async throws -> String {
                try await forge.field(option, ["-dateopt", "iso_8601"]).replacing(" ", with: "T")
            }
            let dates = (try await date("-startdate"), try await date("-enddate"))
            #expect(leaf.notBefore.ISO8601Format() == dates.0)
            #expect(leaf.notAfter.ISO8601Format() == dates.1)
            #expect(leaf.lifetime == TimeInterval(days) * 86_400)
        }
    }

    @Test(
        arguments: [
            (["rsa:1024"], .rsa(bits: 1024), "RSA 1024"), (["rsa:2048"], .rsa(bits: 2048), "RSA 2048"),
            (["rsa:4096"], .rsa(bits: 4096), "RSA 4096"), (Forge.p256, .ec(.p256), "ECDSA P-256"),
            (["ec", "-pkeyopt", "ec_paramgen_curve:P-384"], .ec(.p384), "ECDSA P-384"),
            (["ec", "-pkeyopt", "ec_paramgen_curve:P-521"], .ec(.p521), "ECDSA P-521"),
            (["ed25519"], .other("ED25519"), "Ed25519"), (["rsa-pss:2048"], .other("RSA-PSS"), "RSA-PSS"),
            (["ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"], .other("EC secp256k1"), "EC secp256k1"),
        ] as [([String], KeyType, String)])
    func `the key's type is told, and the key fits`(
        arguments: [String], type: KeyType, text: String
    ) async throws {
        try await Forge.with { forge in
            let leaf = try await forge.certificate(key: arguments)
            #expect(leaf.keyType == type)
            #expect("\(leaf.keyType)" == text)
            let key = try PrivateKey(pem: forge.bytes("leaf.key"))
            #expect(key.type == type)
            #expect(key.fits(leaf))
        }
    }

    @Test func `another key of the same type does not fit`() async throws {
        try await Forge.with { forge in
            let leaf = try await forge.certificate()
            for type in [KeyType.ec(.p256), .rsa(bits: 2048)] {
                let other = try PrivateKey(generating: type)
                #expect(!other.fits(leaf))
            }
        }
    }

    @Test func `the authority key identifier and the fingerprint are openssl's`() async throws {
        try await Forge.with { forge in
            let leaf = try await forge.certificate(
                more: ["-addext", "subjectKeyIdentifier=hash", "-addext", "authorityKeyIdentifier=keyid:always"])
            let printed = try await forge.openssl("x509", "-noout", "-ext", "authorityKeyIdentifier", "-in", "leaf.pem")
            let identifier = try #require(leaf.authorityKeyIdentifier?.hexadecimal)
            #expect(identifier.count == 40)
            #expect(printed.replacing(":", with: "").lowercased().contains(identifier))
            let fingerprint = try await forge.field("-fingerprint", ["-sha256"])
            #expect(try leaf.sha256() == fingerprint.replacing(":", with: "").lowercased())
        }
    }

    @Test func `a certificate may have no authority key identifier`() async throws {
        try await Forge.with { forge in
            try forge.write(Array("[req]\ndistinguished_name = dn\n[dn]\n".utf8), to: "bare.cnf")
            let leaf = try await forge.certificate(more: ["-config", "bare.cnf"])
            #expect(leaf.authorityKeyIdentifier == nil)
        }
    }

    @Test func `a certificate in DER is the one in PEM, and is written as openssl writes it`() async throws {
        try await Forge.with { forge in
            let leaf = try await forge.certificate()
            try await forge.openssl("x509", "-in", "leaf.pem", "-outform", "DER", "-out", "leaf.der")
            #expect(try Certificate(der: forge.bytes("leaf.der")) == leaf)
            #expect(try leaf.pem() == forge.bytes("leaf.pem"))
        }
    }

    @Test(arguments: [[], [0x30], Array("hello".utf8), [0x30, 0x82, 0xFF, 0xFF, 0x00]] as [[UInt8]])
    func `what is not DER is refused`(bytes: [UInt8]) throws {
        #expect { try Certificate(der: bytes) } throws: { error in
            if case .malformed("the certificate", _) = error as? PKIError { true } else { false }
        }
    }
}

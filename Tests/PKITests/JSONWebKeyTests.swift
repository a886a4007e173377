import FoundationEssentials
import PKI
import Rig
import Testing

/// A private JWK as certbot's `private_key.json` has it.
struct StoredKey: Codable {
    var kty: String
    var n, e, d, p, q, dp, dq, qi: String?
    var crv, x, y: String?

    init(_ key: PrivateJSONWebKey) throws {
        self = try JSONDecoder().decode(StoredKey.self, from: JSONEncoder().encode(key))
    }

    init(json: String) throws {
        self = try JSONDecoder().decode(StoredKey.self, from: Data(json.utf8))
    }

    func privateKey() throws -> PrivateKey {
        try JSONDecoder().decode(PrivateJSONWebKey.self, from: JSONEncoder().encode(self)).privateKey()
    }

    /// RFC 7517 A.2's RSA key: its public half is the example of RFC 7638 §3.1.
    static let rsa = """
        {"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRX\
        jBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zg\
        dAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8a\
        wapJzKnqDKgw","e":"AQAB","d":"X4cTteJY_gn4FYPsXB8rdXix5vwsg1FLN5E3EaG6RJoVH-HLLKD9M7dx5oo7GURknchnrRweUkC7hT5fJLM0Wb\
        FAKNLWY2vv7B6NqXSzUvxT0_YSfqijwp3RTzlBaCxWp4doFk5N2o8Gy_nHNKroADIkJ46pRUohsXywbReAdYaMwFs9tv8d_cPVY3i07a3t8MN6TNwm0d\
        Sawm9v47UiCl3Sk5ZiG7xojPLu4sbg1U2jx4IBTNBznbJSzFHK66jT8bgkuqsk0GjskDJk19Z4qwjwbsnn4j2WBii3RL-Us2lGVkY8fkFzme1z0HbIkf\
        z0Y6mqnOYtqc0X4jfcKoAC8Q","p":"83i-7IvMGXoMXCskv73TKr8637FiO7Z27zv8oj6pbWUQyLPQBQxtPVnwD20R-60eTDmD2ujnMt5PoqMrm8Rfm\
        NhVWDtjjMmCMjOpSXicFHj7XOuVIYQyqVWlWEh6dN36GVZYk93N8Bc9vY41xy8B9RzzOGVQzXvNEvn7O0nVbfs","q":"3dfOR9cuYq-0S-mkFLzgItg\
        MEfFzB2q3hWehMuG0oCuqnb3vobLyumqjVZQO1dIrdwgTnCdpYzBcOfW5r370AFXjiWft_NGEiovonizhKpo9VVS78TzFgxkIdrecRezsZ-1kYd_s1qD\
        bxtkDEgfAITAG9LUnADun4vIcb6yelxk","dp":"G4sPXkc6Ya9y8oJW9_ILj4xuppu0lzi_H7VTkS8xj5SdX3coE0oimYwxIi2emTAue0UOa5dpgFGy\
        BJ4c8tQ2VF402XRugKDTP8akYhFo5tAA77Qe_NmtuYZc3C3m3I24G2GvR5sSDxUyAN2zq8Lfn9EUms6rY3Ob8YeiKkTiBj0","dq":"s9lAH9fggBsoF\
        R8Oac2R_E2gw282rT2kGOAhvIllETE1efrA6huUUvMfBcMpn8lqeW6vzznYY5SSQF7pMdC_agI3nG8Ibp1BUb0JUiraRNqUfLhcQb_d9GF4Dh7e74WbR\
        sobRonujTYN1xCaP6TO61jvWrX-L18txXw494Q_cgk","qi":"GyM_p6JrXySiz1toFgKbWV-JdI3jQ4ypu9rbMWx3rQJBfmt0FoYzgUIZEVFEcOqwem\
        RN81zoDAaa-Bk0KWNGDjJHZDdDmFhW3AN7lI-puxk_mHZGJ11rxyR8O55XLSe3SPmRfKwZI6yU24ZxvQKFYItdldUKGzO6Ia6zTKhAVRU"}
        """

    /// RFC 7517 A.2's EC key.
    static let ec = """
        {"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",\
        "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE",\
        "use":"enc","kid":"1"}
        """
}

struct JSONWebKeyTests {
    @Test func `the thumbprint of RFC 7638's example`() throws {
        let key = try StoredKey(json: StoredKey.rsa).privateKey()
        #expect(key.type == .rsa(bits: 2048))
        #expect(try JSONWebKey(key).thumbprint() == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs")
    }

    @Test func `an EC key's JWK has the members of RFC 7518, in order`() throws {
        let key = try StoredKey(json: StoredKey.ec).privateKey()
        #expect(
            try JSONWebKey(key).json == """
                {"crv":"P-256","kty":"EC","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",\
                "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}
                """)
    }

    @Test(arguments: [KeyType.ec(.p256), .ec(.p384), .ec(.p521), .rsa(bits: 2048)])
    func `a private JWK is the same key again`(type: KeyType) throws {
        let key = try PrivateKey(generating: type)
        let stored = try StoredKey(PrivateJSONWebKey(key))
        #expect(try stored.privateKey().pem() == key.pem())
        let members = try JSONWebKey(key).members
        #expect(members["n"] == stored.n && members["x"] == stored.x && members["y"] == stored.y)
    }

    @Test func `coordinates keep their leading zeros`() throws {
        // One key in 256 has an x that begins with a zero octet, so that a run of so many without one does not happen.
        var members: [String: String] = [:]
        for _ in 0..<20_000 where Base64URL.decode(members["x"] ?? "")?.first != 0 {
            members = try JSONWebKey(PrivateKey(generating: .ec(.p256))).members
            #expect(members["x"]?.utf8.count == 43 && members["y"]?.utf8.count == 43)
        }
        #expect(Base64URL.decode(members["x"] ?? "")?.first == 0)
    }

    @Test func `a JWK whose numbers do not belong together is refused`() throws {
        let (one, two) = (
            try StoredKey(json: StoredKey.ec), try StoredKey(PrivateJSONWebKey(PrivateKey(generating: .ec(.p256))))
        )
        var keys = [one, one]
        keys[0].d = two.d
        keys[1].y = two.y
        keys += [try StoredKey(json: StoredKey.rsa), try StoredKey(json: StoredKey.rsa)]
        (keys[2].dp, keys[2].dq) = (keys[2].dq, keys[2].dp)
        keys[3].d = keys[3].p
        for key in keys {
            #expect(throws: PKIError.self) { try key.privateKey() }
        }
    }

    @Test(arguments: ["crv", "x", "y", "d"])
    func `a JWK with a member missing or ill-formed is refused`(member: String) throws {
        for value in [nil, "", "a+b=", "P-999", "AAAA"] {
            var key = try StoredKey(json: StoredKey.ec)
            switch member {
            case "crv": key.crv = value
            case "x": key.x = value
            case "y": key.y = value
            default: key.d = value
            }
            let altered = key
            #expect("\(value ?? "nil")") { try altered.privateKey() } throws: { error in
                if case .malformed("the JWK", _) = error as? PKIError { true } else { false }
            }
        }
    }

    @Test func `a kind of key that ACME does not know is refused by name`() throws {
        #expect(throws: PKIError.unsupportedKey("OKP")) { try StoredKey(json: #"{"kty":"OKP"}"#).privateKey() }
    }

    @Test(.parts("openssl")) func `an account's name is the MD5 of its public key in PEM`() async throws {
        try await Forge.with { forge in
            let key = try PrivateKey(generating: .rsa(bits: 2048))
            try forge.write(key.pem(), to: "key.pem")
            try await forge.openssl("pkey", "-in", "key.pem", "-pubout", "-out", "public.pem")
            let printed = try await forge.openssl("dgst", "-md5", "-r", "public.pem")
            #expect(try Digest.md5(key.publicKeyPEM()).hexadecimal == printed.prefix(32))
        }
    }
}

@Suite(.parts("openssl"))
struct SignatureTests {
    @Test(arguments: [
        (KeyType.ec(.p256), "ES256", "-sha256"), (.ec(.p384), "ES384", "-sha384"), (.ec(.p521), "ES512", "-sha512"),
        (.rsa(bits: 2048), "RS256", "-sha256"),
    ])
    func `openssl verifies a signature`(type: KeyType, algorithm: String, digest: String) async throws {
        try await Forge.with { forge in
            let key = try PrivateKey(generating: type)
            #expect(try key.signatureAlgorithm() == algorithm)
            try forge.write(key.publicKeyPEM(), to: "public.pem")
            try forge.write(Array("message".utf8), to: "message")
            // Several, as r and s are shorter than their fields now and then.
            for _ in 0..<4 {
                let signature = try key.signature(of: Array("message".utf8))
                let der: [UInt8]
                if case .ec = type {
                    let half = signature.count / 2
                    #expect(half == ["ES256": 32, "ES384": 48, "ES512": 66][algorithm])
                    der = sequence([integer(signature.prefix(half)), integer(signature.suffix(half))])
                } else {
                    der = signature
                }
                try forge.write(der, to: "signature")
                try await forge.openssl("dgst", digest, "-verify", "public.pem", "-signature", "signature", "message")
            }
        }
    }

    @Test func `a key without an algorithm of JOSE's does not sign`() async throws {
        try await Forge.with { forge in
            for (algorithm, name) in [("ED25519", "ED25519"), ("RSA-PSS", "RSA-PSS")] {
                try await forge.openssl("genpkey", "-algorithm", algorithm, "-out", "key.pem")
                let key = try PrivateKey(pem: forge.bytes("key.pem"))
                #expect(throws: PKIError.unsupportedKey(name)) { try key.signature(of: []) }
                #expect(throws: PKIError.unsupportedKey(name)) { try JSONWebKey(key) }
            }
        }
    }

    private func integer(_ bytes: some Collection<UInt8>) -> [UInt8] {
        var digits = Array(bytes.drop { $0 == 0 })
        if digits.first.map({ $0 & 0x80 != 0 }) ?? true { digits.insert(0, at: 0) }
        return [0x02, UInt8(digits.count)] + digits
    }

    private func sequence(_ parts: [[UInt8]]) -> [UInt8] {
        let content = Array(parts.joined())
        return [0x30] + (content.count > 127 ? [0x81] : []) + [UInt8(content.count)] + content
    }
}

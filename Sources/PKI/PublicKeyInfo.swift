/// A SubjectPublicKeyInfo (RFC 5280 §4.1) as its bytes tell it: OpenSSL takes a quarter of a millisecond to make a key of one,
/// and what kind it is, or whether two are the same, can be found out without.
struct PublicKeyInfo: Hashable {
    /// The algorithm's object identifier and, with elliptic curves, the curve's; DER contents.
    private let algorithm: [UInt8]
    private let curve: [UInt8]?
    /// RSA: RSAPublicKey. Elliptic curves: the point.
    private let key: [UInt8]

    private static let rsa: [UInt8] = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01]
    private static let ec: [UInt8] = [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01]
    private static let ed25519: [UInt8] = [0x2B, 0x65, 0x70]
    private static let curves: [[UInt8]: KeyType.Curve] = [
        [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07]: .p256,
        [0x2B, 0x81, 0x04, 0x00, 0x22]: .p384,
        [0x2B, 0x81, 0x04, 0x00, 0x23]: .p521,
    ]

    /// Reads a SubjectPublicKeyInfo.
    init(_ der: DER) throws(DER.Malformed) {
        var fields = der
        (algorithm, curve) = try PublicKeyInfo.identifier(fields.sequence())
        key = Array(try fields.bits(fields.take()))
        guard fields.isAtEnd else { throw DER.Malformed() }
    }

    /// Finds the public half in a private key: PKCS#8, SEC 1 or PKCS#1. Nil where only arithmetic would tell it, or the key is of
    /// another kind.
    ///
    /// - Parameter label: the PEM block's.
    init?(ofPrivateKey der: [UInt8], label: String) {
        do {
            var outer = DER(der)
            let body = try outer.take(DER.Tag.sequence)
            guard outer.isAtEnd else { return nil }
            switch label {
            case "PRIVATE KEY":
                var fields = outer.inside(body)
                _ = try fields.take(DER.Tag.integer)
                let (algorithm, curve) = try PublicKeyInfo.identifier(fields.sequence())
                let inner = Array(fields.octets(try fields.take(DER.Tag.octetString)))
                try self.init(algorithm, curve, privateKey: inner)
            case "RSA PRIVATE KEY": try self.init(PublicKeyInfo.rsa, nil, privateKey: der)
            case "EC PRIVATE KEY": try self.init(PublicKeyInfo.ec, nil, privateKey: der)
            default: return nil
            }
        } catch {
            return nil
        }
    }

    private init?(_ algorithm: [UInt8], _ curve: [UInt8]?, privateKey: [UInt8]) throws(DER.Malformed) {
        var outer = DER(privateKey)
        var fields = try outer.sequence()
        guard outer.isAtEnd else { return nil }
        self.algorithm = algorithm
        switch algorithm {
        case PublicKeyInfo.rsa:
            // RFC 8017 A.1.2: version, modulus, public exponent, and the secret numbers.
            _ = try fields.take(DER.Tag.integer)
            let numbers = [try fields.take(DER.Tag.integer), try fields.take(DER.Tag.integer)]
            for _ in 0..<6 { _ = try fields.take(DER.Tag.integer) }
            guard fields.isAtEnd else { return nil }
            self.curve = nil
            key = PublicKeyInfo.sequence(numbers.flatMap { fields.encoding($0) })
        case PublicKeyInfo.ec:
            // RFC 5915 §3: version, secret, [0] curve, [1] point; OpenSSL writes the point, and not everybody does.
            _ = try fields.take(DER.Tag.integer)
            _ = try fields.take(DER.Tag.octetString)
            var named: [UInt8]?
            if let parameters = try fields.takeOptional(DER.Tag.explicit(0)) {
                var inner = fields.inside(parameters)
                named = Array(inner.octets(try inner.take(DER.Tag.objectIdentifier)))
            }
            guard let curve = curve ?? named, let point = try fields.takeOptional(DER.Tag.explicit(1)) else {
                return nil
            }
            var inner = fields.inside(point)
            self.curve = curve
            key = Array(try inner.bits(inner.take()))
        default: return nil
        }
    }

    /// The kind of key; nil where it takes OpenSSL to name it.
    var type: KeyType? {
        switch algorithm {
        case PublicKeyInfo.rsa:
            var outer = DER(key)
            guard var fields = try? outer.sequence(), let modulus = try? fields.take(DER.Tag.integer) else {
                return nil
            }
            let digits = fields.octets(modulus).drop { $0 == 0 }
            guard let first = digits.first else { return nil }
            return .rsa(bits: digits.count * 8 - first.leadingZeroBitCount)
        case PublicKeyInfo.ec: return curve.flatMap { PublicKeyInfo.curves[$0] }.map(KeyType.ec)
        case PublicKeyInfo.ed25519: return .other("ED25519")
        default: return nil
        }
    }

    /// An AlgorithmIdentifier: what kind of key, and on which curve.
    private static func identifier(_ der: DER) throws(DER.Malformed) -> (algorithm: [UInt8], curve: [UInt8]?) {
        var fields = der
        let algorithm = Array(fields.octets(try fields.take(DER.Tag.objectIdentifier)))
        guard algorithm == ec, let parameters = try fields.takeOptional(DER.Tag.objectIdentifier) else {
            return (algorithm, nil)
        }
        return (algorithm, Array(fields.octets(parameters)))
    }

    private static func sequence(_ contents: [UInt8]) -> [UInt8] {
        let count = contents.count
        let length: [UInt8] =
            switch count {
            case ..<0x80: [UInt8(count)]
            case ..<0x100: [0x81, UInt8(count)]
            case ..<0x10000: [0x82, UInt8(count >> 8), UInt8(count & 0xFF)]
            default: [0x83, UInt8(count >> 16 & 0xFF), UInt8(count >> 8 & 0xFF), UInt8(count & 0xFF)]
            }
        return [DER.Tag.sequence] + length + contents
    }
}

/// What kind of key this is, and how strong.
package enum KeyType: Hashable, Sendable, CustomStringConvertible {
    /// ECDSA on one of the curves that CAs take.
    case ec(Curve)
    /// RSA with its modulus in bits.
    case rsa(bits: Int)
    /// Any other, by OpenSSL's name for it (`ED25519`).
    case other(String)

    /// The curves that certificates are issued on.
    package enum Curve: String, Sendable, CaseIterable {
        case p256 = "P-256"
        case p384 = "P-384"
        case p521 = "P-521"

        /// SEC 2's name, as certbot's `elliptic_curve` has it.
        package var secName: String {
            switch self {
            case .p256: "secp256r1"
            case .p384: "secp384r1"
            case .p521: "secp521r1"
            }
        }

        /// Takes SEC 2's, NIST's and OpenSSL's names.
        package init?(named name: String) {
            switch name.lowercased() {
            case "secp256r1", "prime256v1", "p-256": self = .p256
            case "secp384r1", "p-384": self = .p384
            case "secp521r1", "p-521": self = .p521
            default: return nil
            }
        }

        /// Bytes of one coordinate.
        var coordinateSize: Int {
            switch self {
            case .p256: 32
            case .p384: 48
            case .p521: 66
            }
        }
    }

    /// For people and for JSON: `ECDSA P-256`, `RSA 2048`, `Ed25519`.
    package var description: String {
        switch self {
        case .ec(let curve): "ECDSA \(curve.rawValue)"
        case .rsa(let bits): "RSA \(bits)"
        case .other("ED25519"): "Ed25519"
        case .other(let name): name
        }
    }
}

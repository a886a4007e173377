import PKI

/// What a CA has given to a customer, with which a new account becomes that customer's (RFC 8555 §7.3.4).
///
/// The key is a secret: it is never printed, and never leaves this process.
package struct ExternalAccountBinding: Sendable, CustomStringConvertible, CustomReflectable {
    /// The CA's name for the key.
    package let keyIdentifier: String
    private let key: [UInt8]
    private let algorithm: Algorithm

    /// The MAC that the CA expects; most expect HS256.
    package enum Algorithm: String, Sendable, CaseIterable {
        case hs256 = "HS256"
        case hs384 = "HS384"
        case hs512 = "HS512"

        fileprivate var function: HMAC.Function {
            switch self {
            case .hs256: .sha256
            case .hs384: .sha384
            case .hs512: .sha512
            }
        }
    }

    /// - Parameter key: base64url, as CAs give it; padding and the characters of plain base64 are taken as well. Nil where it is
    ///   none of these.
    package init?(keyIdentifier: String, key: String, algorithm: Algorithm = .hs256) {
        let text = String(
            key.filter { !$0.isWhitespace && $0 != "=" }.map { $0 == "+" ? "-" : $0 == "/" ? "_" : $0 })
        guard let bytes = Base64URL.decode(text), !bytes.isEmpty, !keyIdentifier.isEmpty else { return nil }
        (self.keyIdentifier, self.key, self.algorithm) = (keyIdentifier, bytes, algorithm)
    }

    /// The binding of an account key, for the newAccount request at `url`.
    func jws(for accountKey: PrivateKey, url: String) throws(PKIError) -> FlattenedJWS {
        let header = Header(alg: algorithm.rawValue, kid: keyIdentifier, url: url)
        let protected = Base64URL.encode(try RequestSigner.json(header))
        let payload = Base64URL.encode(Array(try JSONWebKey(accountKey).json.utf8))
        let mac = try HMAC.authenticate(Array("\(protected).\(payload)".utf8), key: key, algorithm.function)
        return FlattenedJWS(protected: protected, payload: payload, signature: Base64URL.encode(mac))
    }

    private struct Header: Encodable {
        let alg: String
        let kid: String
        let url: String
    }

    package var description: String { "the external account key \(keyIdentifier.line(atMost: 100))" }
    package var customMirror: Mirror { Mirror(self, children: ["keyIdentifier": keyIdentifier]) }
}

/// A signed object (RFC 7515 §7.2.2).
struct FlattenedJWS: Encodable, Sendable {
    let protected: String
    let payload: String
    let signature: String
}

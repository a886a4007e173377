import FoundationEssentials
import HTTP
import PKI

/// Signs requests as an account (RFC 8555 §6.2).
struct RequestSigner: Sendable {
    /// Who the CA is to think it hears.
    enum Identity: Sendable {
        /// A key that has no account yet.
        case key(JSONWebKey)
        /// An account, by its URL.
        case account(String)
    }

    let key: PrivateKey
    let identity: Identity

    /// The flattened JWS of a payload; nil is the empty payload of POST-as-GET.
    func sign(payload: [UInt8]?, nonce: String, url: String) throws(PKIError) -> [UInt8] {
        var header = Header(alg: try key.signatureAlgorithm(), nonce: nonce, url: url)
        switch identity {
        case .key(let jwk): header.jwk = jwk.members
        case .account(let url): header.kid = url
        }
        let protected = Base64URL.encode(try RequestSigner.json(header))
        let payload = Base64URL.encode(payload ?? [])
        let signature = Base64URL.encode(try key.signature(of: Array("\(protected).\(payload)".utf8)))
        return Array(#"{"protected":"\#(protected)","payload":"\#(payload)","signature":"\#(signature)"}"#.utf8)
    }

    private struct Header: Encodable {
        var alg: String
        var nonce: String
        var url: String
        var kid: String?
        var jwk: [String: String]?
    }

    /// JSON without `\/`, which some servers' parsers have tripped over.
    static func json(_ value: some Encodable) throws(PKIError) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return Array(try encoder.encode(value))
        } catch {
            throw .failed("encode a request", detail: "\(error)")
        }
    }
}

extension Session {
    /// Signs a request by a key without an account, and sends it (RFC 8555 §6.2).
    func post(
        _ url: String, _ payload: some Encodable & Sendable, signedBy key: PrivateKey
    ) async throws(ACMEError) -> HTTPResponse {
        let (signer, body) = try signing { () throws(PKIError) in
            (RequestSigner(key: key, identity: .key(try JSONWebKey(key))), try RequestSigner.json(payload))
        }
        return try await post(url, payload: body, signer: signer)
    }
}

import COpenSSL

/// Why a key, a certificate or a signature could not be had.
package enum PKIError: Error, Hashable, Sendable, CustomStringConvertible {
    /// There is no certificate in what should be PEM.
    case noCertificate
    /// There is no private key in what should be PEM.
    case noPrivateKey
    /// The private key is encrypted; certctl never asks for a passphrase.
    case encryptedKey
    /// A certificate, key or JWK is malformed: what, and what OpenSSL says.
    case malformed(String, detail: String)
    /// The key is of a kind that the operation has no use for.
    case unsupportedKey(String)
    /// OpenSSL failed at an operation: what was tried, and what it says.
    case failed(String, detail: String)

    package var description: String {
        switch self {
        case .noCertificate: "it holds no certificate"
        case .noPrivateKey: "it holds no private key"
        case .encryptedKey: "the key is encrypted, and certctl has no passphrase for it"
        case .malformed(let what, ""): "\(what) is malformed"
        case .malformed(let what, let detail): "\(what) is malformed (\(detail))"
        case .unsupportedKey(let kind): "keys of type \(kind) are not supported here"
        case .failed(let action, let detail): "could not \(action)\(detail.isEmpty ? "" : ": \(detail)")"
        }
    }

    /// The failure of an OpenSSL call that has just returned; takes its reason off the error queue.
    static func openSSL(_ action: String) -> PKIError {
        .failed(action, detail: OpenSSLErrors.drain().reason)
    }
}

/// The error queue of the calling thread. Every failing call drains it, so that no later one finds a stale reason.
enum OpenSSLErrors {
    struct Drained {
        /// Library and reason of the first error, as `ERR_GET_LIB` and `ERR_GET_REASON` give them; 0 when there was none.
        var library: Int32 = 0
        var code: Int32 = 0
        /// The first error's words, for people.
        var reason = ""
    }

    /// Empties the queue and returns its first entry, the root cause.
    @discardableResult
    static func drain() -> Drained {
        var first = Drained()
        var isFirst = true
        while case let error = ERR_get_error(), error != 0 {
            guard isFirst else { continue }
            isFirst = false
            first.library = ERR_GET_LIB(error)
            first.code = ERR_GET_REASON(error)
            if let words = unsafe ERR_reason_error_string(error) { first.reason = unsafe String(cString: words) }
        }
        return first
    }
}

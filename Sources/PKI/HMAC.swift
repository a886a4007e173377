import COpenSSL

/// Message authentication with a shared key (RFC 2104).
package enum HMAC {
    /// The hash functions that JOSE uses it with (RFC 7518 §3.2).
    package enum Function: String, Sendable, CaseIterable {
        case sha256 = "SHA256"
        case sha384 = "SHA384"
        case sha512 = "SHA512"
    }

    /// As many bytes as the hash has.
    package static func authenticate(
        _ message: [UInt8], key: [UInt8], _ function: Function
    ) throws(PKIError) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var length = 0
        let done = unsafe EVP_Q_mac(
            nil, "HMAC", nil, function.rawValue, nil, key, key.count, message, message.count, &result, result.count,
            &length)
        guard unsafe done != nil else { throw PKIError.openSSL("compute an HMAC") }
        return Array(result.prefix(length))
    }
}

import COpenSSL

/// Hashes of byte strings.
package enum Digest {
    /// SHA-256, 32 bytes.
    package static func sha256(_ bytes: [UInt8]) throws(PKIError) -> [UInt8] { try digest("SHA256", bytes) }

    /// MD5, 16 bytes: certbot names account directories with it, nothing else may rest on it.
    package static func md5(_ bytes: [UInt8]) throws(PKIError) -> [UInt8] { try digest("MD5", bytes) }

    private static func digest(_ algorithm: String, _ bytes: [UInt8]) throws(PKIError) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var length = 0
        guard unsafe EVP_Q_digest(nil, algorithm, nil, bytes, bytes.count, &result, &length) == 1 else {
            throw PKIError.openSSL("compute \(algorithm)")
        }
        return Array(result.prefix(length))
    }
}

extension Sequence<UInt8> {
    /// Lower-case hexadecimal digits, two a byte.
    package var hexadecimal: String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for byte in self {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }
}

import COpenSSL

/// PEM as it is found in real trees: with a byte order mark, CRLF, Bag Attributes, no last newline (RFC 7468).
enum PEM {
    private static let mark: [UInt8] = [0xEF, 0xBB, 0xBF]

    /// The bytes without a leading UTF-8 byte order mark, which would hide the first BEGIN line from OpenSSL.
    static func withoutMark(_ bytes: [UInt8]) -> [UInt8] {
        bytes.starts(with: mark) ? Array(bytes.dropFirst(mark.count)) : bytes
    }

    /// Whether the text has the beginning of a private key, of any kind.
    static func announcesKey(_ bytes: [UInt8]) -> Bool {
        String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
            .contains { $0.hasPrefix("-----BEGIN ") && $0.contains("PRIVATE KEY-----") }
    }

    /// Whether the text announces an encrypted key, in PKCS#8's way or in OpenSSL's old one.
    static func isEncryptedKey(_ bytes: [UInt8]) -> Bool {
        let text = String(decoding: bytes, as: UTF8.self)
        return text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED")
    }
}

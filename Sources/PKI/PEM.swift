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

    /// What a BEGIN line announces, decoded.
    struct Block {
        let label: String
        let der: [UInt8]

        /// OpenSSL's three names for a certificate.
        var isCertificate: Bool { ["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"].contains(label) }

        /// The certificate alone: OpenSSL's trusted form has settings after it.
        var certificate: [UInt8] {
            var cursor = DER(der)
            guard label == "TRUSTED CERTIFICATE", let first = try? cursor.take() else { return der }
            return Array(der[first.whole])
        }
    }

    /// A block that is damaged: what OpenSSL says.
    struct Malformed: Error { let reason: String }

    /// Takes one block after the other, whatever stands between them.
    struct Reader: ~Copyable {
        private let bio: OpenSSLObject

        init(_ pem: [UInt8]) throws(PKIError) { bio = try OpenSSLObject.reading(PEM.withoutMark(pem)) }

        /// The next block; nil after the last.
        func next() throws(Malformed) -> Block? {
            var (name, header) = unsafe (UnsafeMutablePointer<CChar>?.none, UnsafeMutablePointer<CChar>?.none)
            var data: UnsafeMutablePointer<UInt8>?
            var count = 0
            guard unsafe PEM_read_bio(bio.pointer, &name, &header, &data, &count) == 1 else {
                let error = OpenSSLErrors.drain()
                if error.library == ERR_LIB_PEM, error.code == PEM_R_NO_START_LINE { return nil }
                throw Malformed(reason: error.reason)
            }
            defer {
                unsafe CRYPTO_free(name, #file, #line)
                unsafe CRYPTO_free(header, #file, #line)
                // It may be a key.
                unsafe CRYPTO_clear_free(data, count, #file, #line)
            }
            guard let name = unsafe name, let data = unsafe data else { throw Malformed(reason: "") }
            return unsafe Block(
                label: String(cString: name), der: Array(UnsafeBufferPointer(start: data, count: count)))
        }
    }
}

import COpenSSL

/// A private key, held as PKCS#8.
///
/// Its description is its type only: a key never reaches an output by way of an interpolated string.
package struct PrivateKey: Sendable, CustomStringConvertible, CustomReflectable {
    /// What kind of key it is.
    package let type: KeyType
    let pkcs8: [UInt8]

    /// Generates a key; RSA takes 2048 to 4096 bits.
    package init(generating type: KeyType) throws(PKIError) {
        let pointer: OpaquePointer?
        switch type {
        case .ec(let curve): unsafe pointer = certctl_generate_ec(curve.rawValue)
        case .rsa(let bits) where (2048...4096).contains(bits): unsafe pointer = certctl_generate_rsa(bits)
        case .rsa, .other: throw .unsupportedKey("\(type)")
        }
        try self.init(owning: unsafe PrivateKey.handle(pointer, "generate a key"))
    }

    /// Reads the first private key in PEM: PKCS#8, SEC 1 or PKCS#1. An encrypted one is refused, never asked for.
    package init(pem: [UInt8]) throws(PKIError) {
        let pem = PEM.withoutMark(pem)
        let bio = try OpenSSLObject.reading(pem)
        // Without a callback OpenSSL asks for a passphrase on the terminal.
        let pointer = unsafe PEM_read_bio_PrivateKey(bio.pointer, nil, { _, _, _, _ in -1 }, nil)
        guard unsafe pointer != nil else {
            // OpenSSL's versions differ in the error for each of these; the text does not.
            let reason = OpenSSLErrors.drain().reason
            if !PEM.announcesKey(pem) { throw .noPrivateKey }
            throw PEM.isEncryptedKey(pem) ? .encryptedKey : .malformed("the private key", detail: reason)
        }
        try self.init(owning: unsafe PrivateKey.handle(pointer, "read a key"))
    }

    init(owning handle: consuming OpenSSLObject) throws(PKIError) {
        let type = PrivateKey.type(of: handle)
        let info = try unsafe OpenSSLObject(
            EVP_PKEY2PKCS8(handle.pointer), freedBy: { unsafe PKCS8_PRIV_KEY_INFO_free($0) }, "encode a key")
        let pkcs8 = try unsafe encoded("encode a key") { unsafe i2d_PKCS8_PRIV_KEY_INFO(info.pointer, $0) }
        self.type = type
        self.pkcs8 = pkcs8
    }

    /// PKCS#8 in PEM, as certbot writes keys.
    package func pem() throws(PKIError) -> [UInt8] {
        let handle = try handle()
        let bio = try OpenSSLObject.writing()
        guard unsafe PEM_write_bio_PKCS8PrivateKey(bio.pointer, handle.pointer, nil, nil, 0, nil, nil) == 1 else {
            throw PKIError.openSSL("encode a key")
        }
        return bio.contents()
    }

    /// The public half as SubjectPublicKeyInfo in PEM, with its last line feed.
    package func publicKeyPEM() throws(PKIError) -> [UInt8] {
        let handle = try handle()
        let bio = try OpenSSLObject.writing()
        guard unsafe PEM_write_bio_PUBKEY(bio.pointer, handle.pointer) == 1 else {
            throw PKIError.openSSL("encode a public key")
        }
        return bio.contents()
    }

    /// Whether the certificate is for this key.
    package func fits(_ certificate: Certificate) -> Bool {
        guard let mine = try? handle(), let theirs = try? certificate.publicKeyHandle() else { return false }
        let equal = unsafe EVP_PKEY_eq(mine.pointer, theirs.pointer) == 1
        OpenSSLErrors.drain()
        return equal
    }

    /// Whether the first private key in PEM is the certificate's.
    ///
    /// Where the key tells its public half, and it is the certificate's, no key is made of it.
    ///
    /// - Throws: what is wrong with the key.
    package static func fits(pem: [UInt8], _ certificate: Certificate) throws(PKIError) -> Bool {
        let reader = try PEM.Reader(pem)
        while let block = try? reader.next() {
            guard block.label.hasSuffix("PRIVATE KEY") else { continue }
            if PublicKeyInfo(ofPrivateKey: block.der, label: block.label) == certificate.publicKey { return true }
            break
        }
        return try PrivateKey(pem: pem).fits(certificate)
    }

    package var description: String { "a private key (\(type))" }
    package var customMirror: Mirror { Mirror(self, children: ["type": type]) }

    func handle() throws(PKIError) -> OpenSSLObject {
        let pointer = unsafe pkcs8.withUnsafeBufferPointer { bytes in
            var position = bytes.baseAddress
            return unsafe d2i_AutoPrivateKey(nil, &position, bytes.count)
        }
        return try unsafe PrivateKey.handle(pointer, "decode a key")
    }

    static func handle(_ pointer: OpaquePointer?, _ action: String) throws(PKIError) -> OpenSSLObject {
        try unsafe OpenSSLObject(pointer, freedBy: { unsafe EVP_PKEY_free($0) }, action)
    }

    static func type(of handle: borrowing OpenSSLObject) -> KeyType {
        let name = unsafe EVP_PKEY_get0_type_name(handle.pointer).map { unsafe String(cString: $0) } ?? "unknown"
        switch name {
        case "RSA": return .rsa(bits: unsafe Int(EVP_PKEY_get_bits(handle.pointer)))
        case "EC":
            var group = [CChar](repeating: 0, count: 64)
            var length = 0
            guard unsafe EVP_PKEY_get_group_name(handle.pointer, &group, group.count, &length) == 1 else {
                OpenSSLErrors.drain()
                return .other("EC")
            }
            let curve = String(decoding: group.prefix(length).map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
            return KeyType.Curve(named: curve).map(KeyType.ec) ?? .other("EC \(curve)")
        default: return .other(name)
        }
    }
}

import COpenSSL

/// Signing for JOSE with an account key: ES256, ES384, ES512 and RS256 (RFC 7518 §3).
extension PrivateKey {
    /// The `alg` that goes with the key.
    package func signatureAlgorithm() throws(PKIError) -> String {
        switch type {
        case .ec(.p256): "ES256"
        case .ec(.p384): "ES384"
        case .ec(.p521): "ES512"
        case .rsa: "RS256"
        case .other(let name): throw .unsupportedKey(name)
        }
    }

    /// Signs `message` as JOSE wants it: PKCS#1 v1.5 for RSA, r‖s at the curve's full width for EC.
    package func signature(of message: [UInt8]) throws(PKIError) -> [UInt8] {
        let digest =
            switch try signatureAlgorithm() {
            case "ES384": "SHA384"
            case "ES512": "SHA512"
            default: "SHA256"
            }
        let key = try handle()
        let context = try unsafe OpenSSLObject(EVP_MD_CTX_new(), freedBy: { unsafe EVP_MD_CTX_free($0) }, "sign")
        guard unsafe EVP_DigestSignInit_ex(context.pointer, nil, digest, nil, nil, key.pointer, nil) == 1 else {
            throw PKIError.openSSL("sign")
        }
        var length = 0
        guard unsafe EVP_DigestSign(context.pointer, nil, &length, message, message.count) == 1 else {
            throw PKIError.openSSL("sign")
        }
        var signature = [UInt8](repeating: 0, count: length)
        guard unsafe EVP_DigestSign(context.pointer, &signature, &length, message, message.count) == 1 else {
            throw PKIError.openSSL("sign")
        }
        signature.removeLast(signature.count - length)
        guard case .ec(let curve) = type else { return signature }
        return try PrivateKey.fixedWidth(signature, size: curve.coordinateSize)
    }

    /// An ECDSA signature in DER as r‖s.
    private static func fixedWidth(_ der: [UInt8], size: Int) throws(PKIError) -> [UInt8] {
        let pointer = unsafe der.withUnsafeBufferPointer { bytes in
            var position = bytes.baseAddress
            return unsafe d2i_ECDSA_SIG(nil, &position, bytes.count)
        }
        let parsed = try unsafe OpenSSLObject(pointer, freedBy: { unsafe ECDSA_SIG_free($0) }, "sign")
        var r = [UInt8](repeating: 0, count: size)
        var s = [UInt8](repeating: 0, count: size)
        guard unsafe BN_bn2binpad(ECDSA_SIG_get0_r(parsed.pointer), &r, Int32(size)) == Int32(size),
            unsafe BN_bn2binpad(ECDSA_SIG_get0_s(parsed.pointer), &s, Int32(size)) == Int32(size)
        else { throw PKIError.openSSL("sign") }
        return r + s
    }
}

import COpenSSL

/// The public half of an account key as a JWK (RFC 7517), in the one form that a thumbprint is taken of (RFC 7638).
package struct JSONWebKey: Hashable, Sendable {
    /// The required members.
    package let members: [String: String]

    /// The required members only, in lexicographic order, without white space: none needs escaping.
    package var json: String {
        let pairs = members.sorted { $0.key < $1.key }.map { #""\#($0.key)":"\#($0.value)""# }
        return "{\(pairs.joined(separator: ","))}"
    }

    /// The JWK of an RSA key or of an EC key on P-256, P-384 or P-521.
    package init(_ key: PrivateKey) throws(PKIError) {
        let handle = try key.handle()
        switch key.type {
        case .rsa:
            let e = try KeyParameters.number("e", of: handle)
            let n = try KeyParameters.number("n", of: handle)
            members = ["kty": "RSA", "e": Base64URL.encode(e), "n": Base64URL.encode(n)]
        case .ec(let curve):
            let x = try KeyParameters.coordinate("qx", of: handle, curve)
            let y = try KeyParameters.coordinate("qy", of: handle, curve)
            members = ["kty": "EC", "crv": curve.rawValue, "x": Base64URL.encode(x), "y": Base64URL.encode(y)]
        case .other(let name): throw .unsupportedKey(name)
        }
    }

    /// The SHA-256 thumbprint in base64url, the second half of a key authorization (RFC 8555 §8.1).
    package func thumbprint() throws(PKIError) -> String {
        Base64URL.encode(try Digest.sha256(Array(json.utf8)))
    }
}

/// A private key as the JWK in which certbot stores account keys (RFC 7518 §6.2, §6.3).
///
/// Its description is its type only, as ``PrivateKey``'s is.
package struct PrivateJSONWebKey: Codable, Sendable, CustomStringConvertible, CustomReflectable {
    private var kty: String
    private var n, e, d, p, q, dp, dq, qi: String?
    private var crv, x, y: String?

    /// The JWK of an RSA or EC key.
    package init(_ key: PrivateKey) throws(PKIError) {
        let handle = try key.handle()
        func number(_ name: String) throws(PKIError) -> String {
            Base64URL.encode(try KeyParameters.number(name, of: handle))
        }
        switch key.type {
        case .rsa:
            kty = "RSA"
            n = try number("n")
            e = try number("e")
            d = try number("d")
            p = try number("rsa-factor1")
            q = try number("rsa-factor2")
            dp = try number("rsa-exponent1")
            dq = try number("rsa-exponent2")
            qi = try number("rsa-coefficient1")
        case .ec(let curve):
            kty = "EC"
            crv = curve.rawValue
            x = Base64URL.encode(try KeyParameters.coordinate("qx", of: handle, curve))
            y = Base64URL.encode(try KeyParameters.coordinate("qy", of: handle, curve))
            d = Base64URL.encode(try KeyParameters.coordinate("priv", of: handle, curve))
        case .other(let name): throw .unsupportedKey(name)
        }
    }

    /// The key that the JWK stands for; a missing, ill-formed or inconsistent member is ``PKIError/malformed``.
    package func privateKey() throws(PKIError) -> PrivateKey {
        func member(_ value: String?, _ name: String) throws(PKIError) -> [UInt8] {
            guard let bytes = value.flatMap({ Base64URL.decode($0) }), !bytes.isEmpty else {
                throw .malformed("the JWK", detail: "member \(name) is missing or not base64url")
            }
            return bytes
        }
        switch kty {
        case "RSA":
            return try KeyParameters.key(
                "RSA",
                numbers: [
                    ("n", member(n, "n")), ("e", member(e, "e")),
                    ("d", member(d, "d")), ("rsa-factor1", member(p, "p")),
                    ("rsa-factor2", member(q, "q")), ("rsa-exponent1", member(dp, "dp")),
                    ("rsa-exponent2", member(dq, "dq")), ("rsa-coefficient1", member(qi, "qi")),
                ])
        case "EC":
            guard let curve = crv.flatMap(KeyType.Curve.init(rawValue:)) else {
                throw .malformed("the JWK", detail: "curve \(crv ?? "none") is not known")
            }
            func padded(_ bytes: [UInt8]) -> [UInt8] {
                Array(repeating: 0, count: max(0, curve.coordinateSize - bytes.count)) + bytes
            }
            return try KeyParameters.key(
                "EC", group: curve, publicKey: [4] + padded(member(x, "x")) + padded(member(y, "y")),
                numbers: [("priv", member(d, "d"))])
        default: throw .unsupportedKey(kty)
        }
    }

    package var description: String { "a private JWK (\(kty))" }
    package var customMirror: Mirror { Mirror(self, children: ["kty": kty]) }
}

/// A key's numbers, in and out of OpenSSL, by their names in EVP_PKEY-RSA(7) and EVP_PKEY-EC(7).
private enum KeyParameters {
    /// A number in as few big-endian octets as it takes.
    static func number(_ name: String, of key: borrowing OpenSSLObject) throws(PKIError) -> [UInt8] {
        var pointer: OpaquePointer?
        guard unsafe EVP_PKEY_get_bn_param(key.pointer, name, &pointer) == 1 else {
            throw PKIError.openSSL("read a key's \(name)")
        }
        let number = try unsafe OpenSSLObject(pointer, freedBy: { unsafe BN_clear_free($0) }, "read a key's \(name)")
        var bytes = unsafe [UInt8](repeating: 0, count: Int(BN_num_bits(number.pointer) + 7) / 8)
        let written = unsafe BN_bn2bin(number.pointer, &bytes)
        return Array(bytes.prefix(Int(written)))
    }

    /// A number in as many octets as the curve's field has (RFC 7518 §6.2.1.2).
    static func coordinate(
        _ name: String, of key: borrowing OpenSSLObject, _ curve: KeyType.Curve
    ) throws(PKIError) -> [UInt8] {
        let bytes = try number(name, of: key)
        return Array(repeating: 0, count: max(0, curve.coordinateSize - bytes.count)) + bytes
    }

    /// Builds a key from its parts.
    ///
    /// The builder keeps pointers: to the values until it is done, to the names for as long as its result lives. So the names
    /// are static, and the values outlive the call.
    static func key(
        _ algorithm: String, group: KeyType.Curve? = nil, publicKey: [UInt8]? = nil,
        numbers: [(name: StaticString, value: [UInt8])]
    ) throws(PKIError) -> PrivateKey {
        let action = "read a JWK"
        let builder = try unsafe OpenSSLObject(
            OSSL_PARAM_BLD_new(), freedBy: { unsafe OSSL_PARAM_BLD_free($0) }, action)
        var owned: [OpaquePointer] = unsafe []
        defer { unsafe owned.forEach { unsafe BN_clear_free($0) } }
        for number in numbers {
            guard let pointer = unsafe BN_bin2bn(number.value, Int32(number.value.count), nil) else {
                throw PKIError.openSSL(action)
            }
            unsafe owned.append(pointer)
            guard unsafe OSSL_PARAM_BLD_push_BN(builder.pointer, characters(number.name), pointer) == 1 else {
                throw PKIError.openSSL(action)
            }
        }
        let parameters = unsafe (group?.rawValue ?? "").withCString { group in
            unsafe (publicKey ?? []).withUnsafeBytes { octets -> UnsafeMutablePointer<OSSL_PARAM>? in
                if publicKey != nil {
                    guard unsafe OSSL_PARAM_BLD_push_utf8_string(builder.pointer, characters("group"), group, 0) == 1,
                        unsafe OSSL_PARAM_BLD_push_octet_string(
                            builder.pointer, characters("pub"), octets.baseAddress, octets.count) == 1
                    else { return nil }
                }
                return unsafe OSSL_PARAM_BLD_to_param(builder.pointer)
            }
        }
        guard let parameters = unsafe parameters else { throw PKIError.openSSL(action) }
        defer { unsafe OSSL_PARAM_free(parameters) }

        let context = try unsafe OpenSSLObject(
            EVP_PKEY_CTX_new_from_name(nil, algorithm, nil), freedBy: { unsafe EVP_PKEY_CTX_free($0) }, action)
        var pointer: OpaquePointer?
        guard unsafe EVP_PKEY_fromdata_init(context.pointer) == 1,
            unsafe EVP_PKEY_fromdata(context.pointer, &pointer, certctl_key_pair_selection(), parameters) == 1
        else { throw .malformed("the JWK", detail: OpenSSLErrors.drain().reason) }
        let handle = try unsafe PrivateKey.handle(pointer, action)
        let check = try unsafe OpenSSLObject(
            EVP_PKEY_CTX_new_from_pkey(nil, handle.pointer, nil), freedBy: { unsafe EVP_PKEY_CTX_free($0) }, action)
        guard unsafe EVP_PKEY_pairwise_check(check.pointer) == 1 else {
            OpenSSLErrors.drain()
            throw .malformed("the JWK", detail: "its public and private numbers do not belong together")
        }
        return try PrivateKey(owning: handle)
    }

    private static func characters(_ name: StaticString) -> UnsafePointer<CChar> {
        unsafe UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)
    }
}

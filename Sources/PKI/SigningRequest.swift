import COpenSSL

/// A PKCS#10 request for a certificate (RFC 2986), for a CA that takes the names from the extension, not the subject.
package struct SigningRequest: Sendable {
    /// The signed request.
    package let der: [UInt8]

    /// Signs a request for `names` with the key that the certificate is for.
    ///
    /// - Parameter mustStaple: asks for the TLS feature extension (RFC 7633). Most CAs refuse it by now.
    package init(for names: [SubjectName], key: PrivateKey, mustStaple: Bool = false) throws(PKIError) {
        guard !names.isEmpty else { throw .failed("make a request", detail: "it would be for no name") }
        let request = try unsafe OpenSSLObject(X509_REQ_new(), freedBy: { unsafe X509_REQ_free($0) }, "make a request")
        let handle = try key.handle()
        guard unsafe X509_REQ_set_version(request.pointer, 0) == 1,
            unsafe X509_REQ_set_pubkey(request.pointer, handle.pointer) == 1
        else { throw PKIError.openSSL("make a request") }
        try SigningRequest.addExtensions(to: request, names: names, mustStaple: mustStaple)
        // Ed25519 signs without a digest; every other key with SHA-256.
        let digest = unsafe key.type == .other("ED25519") ? nil : EVP_sha256()
        guard unsafe X509_REQ_sign(request.pointer, handle.pointer, digest) > 0 else {
            throw PKIError.openSSL("sign a request")
        }
        der = try unsafe encoded("encode a request") { unsafe i2d_X509_REQ(request.pointer, $0) }
    }

    private static func addExtensions(
        to request: borrowing OpenSSLObject, names: [SubjectName], mustStaple: Bool
    ) throws(PKIError) {
        let alternatives = try unsafe OpenSSLObject(
            GENERAL_NAMES_new(), freedBy: { unsafe GENERAL_NAMES_free($0) }, "list the names")
        for name in names { try unsafe append(name, to: alternatives.pointer) }

        var extensions: OpaquePointer?
        defer { unsafe certctl_extensions_free(extensions) }
        guard
            unsafe X509V3_add1_i2d(
                &extensions, NID_subject_alt_name, UnsafeMutableRawPointer(alternatives.pointer), 0, 0) == 1
        else { throw PKIError.openSSL("add the names to a request") }
        if mustStaple {
            guard let feature = unsafe X509V3_EXT_conf_nid(nil, nil, NID_tlsfeature, "status_request") else {
                throw PKIError.openSSL("ask for must-staple")
            }
            guard unsafe certctl_extensions_push(&extensions, feature) > 0 else {
                unsafe X509_EXTENSION_free(feature)
                throw PKIError.openSSL("ask for must-staple")
            }
        }
        guard unsafe X509_REQ_add_extensions(request.pointer, extensions) == 1 else {
            throw PKIError.openSSL("add extensions to a request")
        }
    }

    private static func append(_ name: SubjectName, to names: OpaquePointer) throws(PKIError) {
        let octets: [UInt8]
        let kind: Int32
        let value: UnsafeMutablePointer<ASN1_STRING>?
        switch name {
        case .dns(let text):
            (octets, kind) = (Array(text.utf8), GEN_DNS)
            unsafe value = ASN1_STRING_type_new(V_ASN1_IA5STRING)
        case .ip(let address):
            (octets, kind) = (address, GEN_IPADD)
            unsafe value = ASN1_STRING_type_new(V_ASN1_OCTET_STRING)
        }
        guard let value = unsafe value, let entry = unsafe GENERAL_NAME_new() else {
            throw PKIError.openSSL("add a name to a request")
        }
        unsafe GENERAL_NAME_set0_value(entry, kind, value)
        guard unsafe ASN1_STRING_set(value, octets, Int32(octets.count)) == 1,
            unsafe certctl_general_names_push(names, entry) > 0
        else {
            unsafe GENERAL_NAME_free(entry)
            throw PKIError.openSSL("add a name to a request")
        }
    }
}

import COpenSSL
package import FoundationEssentials
import Glibc

/// An X.509 certificate, as the values that a client of a CA looks at (RFC 5280).
package struct Certificate: Hashable, Sendable {
    /// The certificate itself.
    package let der: [UInt8]
    /// The subject's distinguished name on one line (`CN = example.org`); often empty now.
    package let subject: String
    /// The issuer's distinguished name on one line (`C = US, O = Let's Encrypt, CN = E7`).
    package let issuer: String
    /// The issuer's common name, if it has one.
    package let issuerCommonName: String?
    /// The subject alternative names that are DNS names or addresses, in their order; a leaf without any that has a
    /// common name is for that.
    package let names: [SubjectName]
    /// The serial number's content octets in DER: big-endian, with a leading zero where the first bit is set.
    package let serialNumber: [UInt8]
    /// The first moment at which it is valid.
    package let notBefore: Date
    /// The last moment at which it is valid.
    package let notAfter: Date
    /// What kind of key it is for.
    package let keyType: KeyType
    /// The authority key identifier's key identifier, if there is one.
    package let authorityKeyIdentifier: [UInt8]?

    /// Reads one certificate in DER.
    package init(der: [UInt8]) throws(PKIError) {
        let handle = try Certificate.handle(der: der)
        try self.init(handle)
    }

    private init(_ handle: borrowing OpenSSLObject) throws(PKIError) {
        let pointer = unsafe handle.pointer
        self.der = try unsafe encoded("encode a certificate") { unsafe i2d_X509(pointer, $0) }
        self.subject = try unsafe Certificate.text(ofName: X509_get_subject_name(pointer))
        self.issuer = try unsafe Certificate.text(ofName: X509_get_issuer_name(pointer))
        self.issuerCommonName = unsafe Certificate.commonName(in: X509_get_issuer_name(pointer))
        var names = unsafe Certificate.alternativeNames(of: pointer)
        if names.isEmpty, let name = unsafe Certificate.commonName(in: X509_get_subject_name(pointer)) {
            names = SubjectName(name).map { [$0] } ?? []
        }
        self.names = names
        self.serialNumber = try unsafe Certificate.serialNumber(of: pointer)
        self.notBefore = try unsafe Certificate.date(X509_get0_notBefore(pointer), "notBefore")
        self.notAfter = try unsafe Certificate.date(X509_get0_notAfter(pointer), "notAfter")
        if let key = unsafe X509_get0_pubkey(pointer) {
            unsafe EVP_PKEY_up_ref(key)
            self.keyType = try unsafe PrivateKey.type(of: PrivateKey.handle(key, "read a public key"))
        } else {
            OpenSSLErrors.drain()
            self.keyType = .other("unknown")
        }
        if let identifier = unsafe X509_get0_authority_key_id(pointer) {
            self.authorityKeyIdentifier = unsafe Certificate.bytes(of: identifier)
        } else {
            self.authorityKeyIdentifier = nil
        }
        OpenSSLErrors.drain()
    }

    /// Reads every certificate in PEM, in order. Text around the blocks, CRLF and a byte order mark are passed over;
    /// a damaged block is an error, none at all is ``PKIError/noCertificate``.
    package static func chain(pem: [UInt8]) throws(PKIError) -> [Certificate] {
        let bio = try OpenSSLObject.reading(PEM.withoutMark(pem))
        var certificates: [Certificate] = []
        // Without a callback OpenSSL asks for a passphrase on the terminal.
        while true {
            guard let pointer = unsafe PEM_read_bio_X509(bio.pointer, nil, { _, _, _, _ in -1 }, nil) else {
                let error = OpenSSLErrors.drain()
                guard error.library == ERR_LIB_PEM, error.code == PEM_R_NO_START_LINE else {
                    throw .malformed("certificate \(certificates.count + 1)", detail: error.reason)
                }
                if certificates.isEmpty { throw .noCertificate }
                return certificates
            }
            certificates.append(try Certificate(unsafe Certificate.handle(pointer)))
        }
    }

    /// The certificate in PEM, with its last line feed.
    package func pem() throws(PKIError) -> [UInt8] {
        let handle = try Certificate.handle(der: der)
        let bio = try OpenSSLObject.writing()
        guard unsafe PEM_write_bio_X509(bio.pointer, handle.pointer) == 1 else {
            throw PKIError.openSSL("encode a certificate")
        }
        return bio.contents()
    }

    /// The serial number in lower-case hexadecimal, two digits an octet, without the leading zero octet of DER.
    package var serial: String {
        let digits = serialNumber.count > 1 && serialNumber[0] == 0 ? Array(serialNumber.dropFirst()) : serialNumber
        return digits.hexadecimal
    }

    /// SHA-256 of the DER form, in lower-case hexadecimal.
    package func sha256() throws(PKIError) -> String { try Digest.sha256(der).hexadecimal }

    /// How long it is valid, in seconds.
    package var lifetime: TimeInterval { notAfter.timeIntervalSince(notBefore) }

    func publicKeyHandle() throws(PKIError) -> OpenSSLObject {
        let handle = try Certificate.handle(der: der)
        return try unsafe PrivateKey.handle(X509_get_pubkey(handle.pointer), "read a certificate's key")
    }
}

extension Certificate {
    static func handle(der: [UInt8]) throws(PKIError) -> OpenSSLObject {
        let pointer = unsafe der.withUnsafeBufferPointer { bytes in
            var position = bytes.baseAddress
            return unsafe d2i_X509(nil, &position, bytes.count)
        }
        guard let pointer = unsafe pointer else {
            throw .malformed("the certificate", detail: OpenSSLErrors.drain().reason)
        }
        return try unsafe handle(pointer)
    }

    static func handle(_ pointer: OpaquePointer) throws(PKIError) -> OpenSSLObject {
        try unsafe OpenSSLObject(pointer, freedBy: { unsafe X509_free($0) }, "read a certificate")
    }

    private static func text(ofName name: OpaquePointer?) throws(PKIError) -> String {
        let bio = try OpenSSLObject.writing()
        guard unsafe X509_NAME_print_ex(bio.pointer, name, 0, certctl_name_on_one_line()) >= 0 else {
            throw PKIError.openSSL("read a name")
        }
        return String(decoding: bio.contents(), as: UTF8.self)
    }

    private static func commonName(in name: OpaquePointer?) -> String? {
        let index = unsafe X509_NAME_get_index_by_NID(name, NID_commonName, -1)
        guard index >= 0, let entry = unsafe X509_NAME_get_entry(name, index) else { return nil }
        var text: UnsafeMutablePointer<UInt8>?
        let length = unsafe ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry))
        guard length >= 0, let text = unsafe text else {
            OpenSSLErrors.drain()
            return nil
        }
        defer { unsafe CRYPTO_free(text, #file, #line) }
        return unsafe String(decoding: UnsafeBufferPointer(start: text, count: Int(length)), as: UTF8.self)
    }

    private static func alternativeNames(of certificate: OpaquePointer) -> [SubjectName] {
        guard let names = unsafe certctl_subject_alternative_names(certificate) else { return [] }
        defer { unsafe GENERAL_NAMES_free(names) }
        var result: [SubjectName] = []
        for index in unsafe 0..<certctl_general_names_count(names) {
            var kind: Int32 = 0
            guard let name = unsafe certctl_general_name(names, index),
                let value = unsafe GENERAL_NAME_get0_value(name, &kind)
            else { continue }
            let octets = unsafe bytes(of: value.assumingMemoryBound(to: ASN1_STRING.self))
            switch kind {
            case GEN_DNS:
                // What a CA put there is kept, even where SubjectName's own rules would refuse it or see an address.
                let text = String(decoding: octets, as: UTF8.self)
                if case .dns(let name)? = SubjectName(text) {
                    result.append(.dns(name))
                } else {
                    result.append(.dns(text))
                }
            case GEN_IPADD: result.append(.ip(octets))
            default: continue
            }
        }
        return result
    }

    private static func serialNumber(of certificate: OpaquePointer) throws(PKIError) -> [UInt8] {
        guard let serial = unsafe X509_get0_serialNumber(certificate) else { throw PKIError.openSSL("read a serial") }
        let der = try unsafe encoded("read a serial") { unsafe i2d_ASN1_INTEGER(serial, $0) }
        // A serial is at most 20 octets (RFC 5280 §4.1.2.2), so its length takes one octet; a longer one is cut as it is.
        return Array(der.dropFirst(der.count > 1 && der[1] & 0x80 != 0 ? 2 + Int(der[1] & 0x7F) : 2))
    }

    private static func date(_ time: UnsafePointer<ASN1_TIME>?, _ what: String) throws(PKIError) -> Date {
        var parts = unsafe tm()
        guard unsafe ASN1_TIME_to_tm(time, &parts) == 1 else {
            throw .malformed(what, detail: OpenSSLErrors.drain().reason)
        }
        let seconds = unsafe timegm(&parts)
        return Date(timeIntervalSince1970: TimeInterval(seconds))
    }

    private static func bytes(of string: UnsafePointer<ASN1_STRING>) -> [UInt8] {
        let count = unsafe Int(ASN1_STRING_length(string))
        guard count > 0, let data = unsafe ASN1_STRING_get0_data(string) else { return [] }
        return unsafe Array(UnsafeBufferPointer(start: data, count: count))
    }
}

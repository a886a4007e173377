import COpenSSL
package import FoundationEssentials

/// An X.509 certificate, as the values that a client of a CA looks at (RFC 5280).
///
/// It is read without making a key of its public key, which takes OpenSSL longer than all the rest together.
package struct Certificate: Hashable, Sendable {
    /// The certificate itself.
    package let der: [UInt8]
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
    /// Whether it may issue certificates (basicConstraints).
    package let isAuthority: Bool
    /// Where in `der` the distinguished names are.
    private let issuerRange: Range<Int>
    private let subjectRange: Range<Int>
    let publicKey: PublicKeyInfo

    /// Reads one certificate in DER.
    package init(der: [UInt8]) throws(PKIError) {
        let fields: CertificateFields
        do throws(DER.Malformed) {
            fields = try CertificateFields(der)
        } catch {
            // OpenSSL's words are better than none.
            _ = try Certificate.handle(der: der)
            throw .malformed("the certificate", detail: "")
        }
        self.der = der
        (serialNumber, notBefore, notAfter) = (fields.serialNumber, fields.notBefore, fields.notAfter)
        (authorityKeyIdentifier, isAuthority) = (fields.authorityKeyIdentifier, fields.isAuthority)
        (issuerRange, subjectRange, publicKey) = (fields.issuer, fields.subject, fields.publicKey)
        var names = fields.alternativeNames
        if names.isEmpty,
            let name = try DistinguishedName(der[subjectRange]).commonName
        {
            names = SubjectName(name).map { [$0] } ?? []
        }
        self.names = names
        if let type = publicKey.type {
            keyType = type
        } else {
            let handle = try Certificate.handle(der: der)
            if let key = unsafe X509_get_pubkey(handle.pointer) {
                keyType = try unsafe PrivateKey.type(of: PrivateKey.handle(key, "read a public key"))
            } else {
                OpenSSLErrors.drain()
                keyType = .other("unknown")
            }
        }
    }

    /// The subject's distinguished name on one line (`CN = example.org`); often empty now.
    package var subject: String { text(of: subjectRange) }

    /// The issuer's distinguished name on one line (`C = US, O = Let's Encrypt, CN = E7`).
    package var issuer: String { text(of: issuerRange) }

    /// The issuer's common name, if it has one.
    package var issuerCommonName: String? { try? DistinguishedName(der[issuerRange]).commonName }

    /// ``issuer`` and ``issuerCommonName``, in the time of one of them.
    package var issuerNames: (text: String, commonName: String?) {
        guard let name = try? DistinguishedName(der[issuerRange]), let text = try? name.text else {
            return (text(of: issuerRange), nil)
        }
        return (text, name.commonName)
    }

    /// Whether its issuer has the name that a certificate has: the second one may have issued this one.
    package func isNamedAsIssued(by issuer: Certificate) -> Bool { der[issuerRange] == issuer.der[issuer.subjectRange] }

    private func text(of range: Range<Int>) -> String {
        (try? DistinguishedName(der[range]).text) ?? "(a name that cannot be read)"
    }

    /// Reads every certificate in PEM, in order. Text around the blocks, CRLF and a byte order mark are ignored;
    /// a damaged block is an error, none at all is ``PKIError/noCertificate``.
    package static func chain(pem: [UInt8]) throws(PKIError) -> [Certificate] {
        let reader = try PEM.Reader(pem)
        var certificates: [Certificate] = []
        while true {
            let block: PEM.Block?
            do throws(PEM.Malformed) {
                block = try reader.next()
            } catch {
                throw .malformed("certificate \(certificates.count + 1)", detail: error.reason)
            }
            guard let block else { break }
            guard block.isCertificate else { continue }
            do throws(PKIError) {
                certificates.append(try Certificate(der: block.certificate))
            } catch {
                guard case .malformed(_, let detail) = error else { throw error }
                throw .malformed("certificate \(certificates.count + 1)", detail: detail)
            }
        }
        if certificates.isEmpty { throw .noCertificate }
        return certificates
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

    /// Whether both are for the same key.
    package func hasKey(of other: Certificate) -> Bool { publicKey == other.publicKey }

    /// From when to when it is valid.
    package var validity: Validity { Validity(notBefore: notBefore, notAfter: notAfter) }

    /// How long it is valid, in seconds.
    package var lifetime: TimeInterval { validity.lifetime }

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

    private static func handle(_ pointer: OpaquePointer) throws(PKIError) -> OpenSSLObject {
        try unsafe OpenSSLObject(pointer, freedBy: { unsafe X509_free($0) }, "read a certificate")
    }
}

/// From when to when a certificate is valid (RFC 5280 §4.1.2.5).
package struct Validity: Hashable, Sendable {
    package let notBefore: Date
    package let notAfter: Date

    package init(notBefore: Date, notAfter: Date) { (self.notBefore, self.notAfter) = (notBefore, notAfter) }

    /// In seconds.
    package var lifetime: TimeInterval { notAfter.timeIntervalSince(notBefore) }
}

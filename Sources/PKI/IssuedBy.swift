import COpenSSL

extension Certificate {
    /// Whether the certificate names the other's subject as its issuer, and is signed by its key. Dates and what the issuer may
    /// do are not looked at.
    package func isIssued(by issuer: Certificate) -> Bool {
        guard isNamedAsIssued(by: issuer), let handle = try? Certificate.handle(der: der),
            let key = try? issuer.publicKeyHandle()
        else { return false }
        defer { OpenSSLErrors.drain() }
        return unsafe X509_verify(handle.pointer, key.pointer) == 1
    }
}

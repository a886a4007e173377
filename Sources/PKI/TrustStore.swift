import COpenSSL

/// The roots that a host trusts, by where their certificates are. They are read when they are asked for.
package struct TrustStore: Hashable, Sendable {
    /// PEM files.
    package let files: [String]
    /// Directories of PEM files that are named by the hash of their subject (openssl-rehash(1)).
    let directories: [String]

    package init(files: [String] = [], directories: [String] = []) {
        (self.files, self.directories) = (files, directories)
    }

    /// The system's, where its OpenSSL was built to look, whatever the environment says.
    ///
    /// - Parameter caBundle: a PEM file whose certificates are trusted as well.
    package static func system(caBundle: String? = nil) -> TrustStore {
        let file = unsafe String(cString: X509_get_default_cert_file())
        let directory = unsafe String(cString: X509_get_default_cert_dir())
        return TrustStore(files: [file] + systemBundles + (caBundle.map { [$0] } ?? []), directories: [directory])
    }

    /// Where distributions have all of them in one file: not every host has the hashed directory.
    private static let systemBundles = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"]

    /// A store of OpenSSL's with these roots and some more. A file that is missing or holds no certificate adds none.
    func opened(with more: [Certificate]) throws(PKIError) -> OpenSSLObject {
        let store = try unsafe OpenSSLObject(
            X509_STORE_new(), freedBy: { unsafe X509_STORE_free($0) }, "prepare a trust store")
        for file in files { unsafe _ = X509_STORE_load_file(store.pointer, file) }
        for directory in directories { unsafe _ = X509_STORE_load_path(store.pointer, directory) }
        OpenSSLErrors.drain()
        for certificate in more {
            let handle = try Certificate.handle(der: certificate.der)
            guard unsafe X509_STORE_add_cert(store.pointer, handle.pointer) == 1 else {
                throw PKIError.openSSL("prepare a trust store")
            }
        }
        return store
    }
}

import COpenSSL

/// The OpenSSL that the program runs with, which need not be the one it was built with.
package enum OpenSSLLibrary {
    /// Its version, as in `3.0.19` (OpenSSL_version(3)).
    package static var version: String {
        unsafe String(cString: OpenSSL_version(OPENSSL_VERSION_STRING))
    }
}

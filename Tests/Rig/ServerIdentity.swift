/// A key and a certificate for a TLS server on loopback, and the root that signed it, as PEM files.
package struct ServerIdentity: Sendable {
    package let root: String
    package let certificate: String
    package let key: String

    /// Makes a root and a certificate for `names` and 127.0.0.1, all valid for a day.
    ///
    /// The files are `PREFIX-root.pem`, `PREFIX-cert.pem` and `PREFIX-key.pem` in `directory`.
    package static func make(
        in directory: String, prefix: String = "tls", names: [String] = ["localhost"]
    ) async throws -> ServerIdentity {
        let identity = ServerIdentity(
            root: "\(directory)/\(prefix)-root.pem", certificate: "\(directory)/\(prefix)-cert.pem",
            key: "\(directory)/\(prefix)-key.pem")
        let rootKey = "\(directory)/\(prefix)-root-key.pem"
        let new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
        _ = try await check(
            "openssl", new + ["-subj", "/CN=rig root", "-keyout", rootKey, "-out", identity.root])
        let alternatives = (names.map { "DNS:\($0)" } + ["IP:127.0.0.1"]).joined(separator: ",")
        _ = try await check(
            "openssl",
            new + [
                "-subj", "/CN=\(names.first ?? "127.0.0.1")", "-CA", identity.root, "-CAkey", rootKey,
                "-addext", "subjectAltName=\(alternatives)", "-addext", "basicConstraints=critical,CA:FALSE",
                "-addext", "extendedKeyUsage=serverAuth", "-keyout", identity.key, "-out", identity.certificate,
            ])
        return identity
    }
}

import FoundationEssentials
import PKI
import Rig

/// Keys, certificates and requests as the openssl command makes and reads them, in a directory of its own.
struct Forge {
    let directory: String

    /// Runs `body` with an empty forge and removes it afterwards.
    static func with<R: Sendable>(_ body: (Forge) async throws -> R) async throws -> R {
        try await TemporaryDirectory.with { try await body(Forge(directory: $0)) }
    }

    func path(_ name: String) -> String { "\(directory)/\(name)" }

    func bytes(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(filePath: path(name))))
    }

    func write(_ bytes: [UInt8], to name: String) throws {
        try Data(bytes).write(to: URL(filePath: path(name)))
    }

    /// What openssl prints; throws what it complains of.
    @discardableResult func openssl(_ arguments: String...) async throws -> String {
        try await check("openssl", arguments, directory: directory)
    }

    /// A self-signed certificate, `NAME.pem`, and its key, `NAME.key`, and the certificate as PKI reads it.
    @discardableResult func certificate(
        _ name: String = "leaf", key: [String] = Forge.p256, subject: String = "/", names: String? = nil,
        more: [String] = []
    ) async throws -> Certificate {
        _ = try await check(
            "openssl",
            ["req", "-x509", "-nodes", "-newkey"] + key + ["-subj", subject, "-days", "10"]
                + (names.map { ["-addext", "subjectAltName=\($0)"] } ?? [])
                + ["-keyout", "\(name).key", "-out", "\(name).pem"] + more,
            directory: directory)
        let chain = try Certificate.chain(pem: bytes("\(name).pem"))
        guard let certificate = chain.first, chain.count == 1 else { throw RigError("\(chain.count) certificates") }
        return certificate
    }

    /// A field of a certificate as openssl prints it, without what stands before the `=`.
    func field(_ option: String, of name: String = "leaf", _ more: [String] = []) async throws -> String {
        let line = try await check(
            "openssl", ["x509", "-noout", option, "-in", "\(name).pem"] + more, directory: directory)
        return String(line.drop { $0 != "=" }.dropFirst().prefix { $0 != "\n" })
    }

    static let p256 = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
}

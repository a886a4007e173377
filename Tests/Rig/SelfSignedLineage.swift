import FoundationEssentials

/// Puts a certificate that nobody trusts into a tree as the lineage's next version, in certbot's layout, without a
/// renewal conf; gives its serial number as `openssl x509 -serial` writes it.
///
/// The first name is the lineage's.
package func placeSelfSigned(_ names: [String], inTree tree: String) async throws -> String {
    let name = names[0]
    let (live, archive) = ("\(tree)/live/\(name)", "\(tree)/archive/\(name)")
    let files = FileManager.default
    for parent in ["\(tree)/live", "\(tree)/archive"] {
        try files.createDirectory(
            atPath: parent, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }
    for directory in [live, archive] {
        try files.createDirectory(
            atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
    }
    var version = 1
    while files.fileExists(atPath: "\(archive)/privkey\(version).pem") { version += 1 }
    return try await TemporaryDirectory.with { scratch in
        let identity = try await ServerIdentity.make(in: scratch, names: names)
        let leaf = try String(contentsOfFile: identity.certificate, encoding: .utf8)
        let root = try String(contentsOfFile: identity.root, encoding: .utf8)
        let key = try String(contentsOfFile: identity.key, encoding: .utf8)
        for (kind, text) in [("privkey", key), ("cert", leaf), ("chain", root), ("fullchain", leaf + root)] {
            let file = "\(archive)/\(kind)\(version).pem"
            try text.write(toFile: file, atomically: false, encoding: .utf8)
            try files.setAttributes([.posixPermissions: kind == "privkey" ? 0o600 : 0o644], ofItemAtPath: file)
            _ = try await check("ln", ["-sfn", "../../archive/\(name)/\(kind)\(version).pem", "\(live)/\(kind).pem"])
        }
        return try await serial(ofPEM: leaf)
    }
}

import FoundationEssentials

/// A CA whose certificates have the dates that a test wants, which `openssl req` alone cannot give.
package struct DatedCA: Sendable {
    /// Where its files are.
    package let directory: String

    /// The CA's certificate in PEM.
    package var certificate: String { "\(directory)/ca.pem" }

    /// Makes the CA and one key that all its leaves have.
    package init(in directory: String) async throws {
        self.directory = directory
        try await shell(
            """
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 4000 -subj "/CN=Test CA" \
                -keyout ca.key -out ca.pem
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj / -keyout leaf.key -out leaf.csr
            """)
    }

    /// A leaf that is valid from one moment to another, as `date -d` reads them (`-3 hours`, `89 days`): the path of its PEM.
    package func leaf(_ names: [String], from: String = "-1 days", to: String = "89 days") async throws -> String {
        let stem = UUID().uuidString
        let alternatives = names.map { "DNS:\($0)" }.joined(separator: ",")
        let settings = """
            [ca]
            default_ca=d
            [d]
            database=\(stem)/index
            rand_serial=yes
            default_md=sha256
            policy=p
            email_in_dn=no
            unique_subject=no
            [p]
            [x]
            subjectAltName=\(alternatives)

            """
        try FileManager.default.createDirectory(atPath: "\(directory)/\(stem)", withIntermediateDirectories: false)
        try settings.write(toFile: "\(directory)/\(stem)/conf", atomically: false, encoding: .utf8)
        try await shell(
            """
            : >\(stem)/index
            openssl ca -batch -config \(stem)/conf -cert ca.pem -keyfile ca.key -in leaf.csr -extensions x -notext \
                -outdir \(stem) -startdate "$(date -u -d '\(from)' +%Y%m%d%H%M%SZ)" \
                -enddate "$(date -u -d '\(to)' +%Y%m%d%H%M%SZ)" -out \(stem).pem
            """)
        return "\(directory)/\(stem).pem"
    }

    private func shell(_ script: String) async throws {
        _ = try await check("sh", ["-ec", script], directory: directory)
    }

    /// Puts a lineage of one version into a tree, as certbot would have made it.
    ///
    /// - Parameters:
    ///   - params: lines of `[renewalparams]`.
    ///   - top: lines of the top level.
    package func addLineage(
        _ name: String, names: [String]? = nil, from: String = "-1 days", to: String = "89 days", tree: String,
        params: String = "authenticator = webroot\nwebroot_path = /nonexistent/webroot,", top: String = ""
    ) async throws {
        let leaf = try await leaf(names ?? [name], from: from, to: to)
        try await shell(
            """
            umask 022; tree=\(shellQuoted(tree)); name=\(shellQuoted(name))
            mkdir -p "$tree/renewal" "$tree/archive/$name" "$tree/live/$name"
            cp \(shellQuoted(leaf)) "$tree/archive/$name/cert1.pem"; cp ca.pem "$tree/archive/$name/chain1.pem"
            cp leaf.key "$tree/archive/$name/privkey1.pem"
            cat \(shellQuoted(leaf)) ca.pem >"$tree/archive/$name/fullchain1.pem"
            for kind in cert privkey chain fullchain; do
                ln -sfn "../../archive/$name/${kind}1.pem" "$tree/live/$name/$kind.pem"
            done
            """)
        let conf = """
            version = 2.1.0
            archive_dir = \(tree)/archive/\(name)
            cert = \(tree)/live/\(name)/cert.pem
            privkey = \(tree)/live/\(name)/privkey.pem
            chain = \(tree)/live/\(name)/chain.pem
            fullchain = \(tree)/live/\(name)/fullchain.pem
            \(top)
            [renewalparams]
            server = https://acme-v02.api.letsencrypt.org/directory
            key_type = ecdsa
            \(params)

            """
        try conf.write(toFile: "\(tree)/renewal/\(name).conf", atomically: false, encoding: .utf8)
    }
}

package import PKI

/// A lineage that is not in the tree yet, and what its conf is to say.
package struct NewLineage: Sendable {
    /// Its name, as certbot would choose it: the first name without `*.`.
    package let name: String
    private let tree: Tree

    /// What a conf records of how its certificate was got.
    package struct Settings: Sendable {
        package var server: String
        package var account: String
        package var keyType: KeyType
        /// How its names are proven; nil where that stays as it is.
        package var proof: ProofSettings?
        /// Further keys of `[renewalparams]`, such as hooks; those that are not among them stay as they are.
        package var options: [(key: String, value: String)]

        package init(
            server: String, account: String, keyType: KeyType, proof: ProofSettings?,
            options: [(key: String, value: String)] = []
        ) {
            (self.server, self.account, self.keyType, self.proof) = (server, account, keyType, proof)
            self.options = options
        }

        /// Writes the settings into a conf; what is there already and the same stays byte for byte.
        package func write(to conf: inout ConfFile) throws(ConfError) {
            let section = ["renewalparams"]
            try conf.set("account", to: .string(account), in: section)
            try conf.set("server", to: .string(server), in: section)
            switch keyType {
            case .rsa(let bits):
                try conf.set("key_type", to: .string("rsa"), in: section)
                conf.remove("elliptic_curve", in: section)
                if bits == 2048 {
                    conf.remove("rsa_key_size", in: section)
                } else {
                    try conf.set("rsa_key_size", to: .string("\(bits)"), in: section)
                }
            case .ec(let curve):
                try conf.set("key_type", to: .string("ecdsa"), in: section)
                conf.remove("rsa_key_size", in: section)
                if curve == .p256 {
                    conf.remove("elliptic_curve", in: section)
                } else {
                    try conf.set("elliptic_curve", to: .string(curve.secName), in: section)
                }
            case .other: break
            }
            for option in options { try conf.set(option.key, to: .string(option.value), in: section) }
            try proof?.write(to: &conf)
        }
    }

    /// The oldest certbot whose dialect the conf is in. One that is newer than the certbot that reads it gets a warning.
    static let confVersion = "2.1.0"

    /// Names a lineage.
    ///
    /// - Throws: a problem when the name could not be a directory's.
    package init(name: String, in tree: Tree) throws(LineageProblem) {
        guard !name.isEmpty, !name.hasPrefix("."), !name.contains("/"), !name.contains("\0"), name.utf8.count <= 200,
            name.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control })
        else { throw LineageProblem(.optionInvalid, "\(name) cannot be the name of a lineage") }
        (self.name, self.tree) = (name, tree)
    }

    /// Where its files will be.
    package var paths: LineagePaths { LineagePaths(configDirectory: tree.path, name: name) }

    /// Its conf, in the form that certbot writes.
    package func conf(_ settings: Settings) throws(ConfError) -> ConfFile {
        var conf = ConfFile()
        try conf.set("version", to: .string(NewLineage.confVersion))
        try conf.set("archive_dir", to: .string(paths.archive))
        for kind in [PEMKind.cert, .privkey, .chain, .fullchain] {
            try conf.set(kind.rawValue, to: .string(paths.link(kind)))
        }
        try settings.write(to: &conf)
        return conf
    }

    /// Makes the directories that certbot would have made, with its modes, and durably; its READMEs' counterparts, too.
    package func makeDirectories() throws(FileError) {
        try FileSystem.makeDirectories(tree.path, mode: 0o755)
        for (name, mode) in [("live", 0o700), ("archive", 0o700), ("renewal", 0o755)] as [(String, UInt32)]
        where try FileSystem.status("\(tree.path)/\(name)", followingLinks: true) == nil {
            try FileSystem.makeDirectory("\(tree.path)/\(name)", mode: mode)
        }
        if try FileSystem.status("\(tree.path)/live/README") == nil {
            try NewFile("\(tree.path)/live/README", Array(NewLineage.liveReadme.utf8), mode: 0o644).commit()
        }
        try FileSystem.makeDirectory(paths.archive, mode: 0o755)
        try FileSystem.makeDirectory(paths.live, mode: 0o755)
        if try FileSystem.status("\(paths.live)/README") == nil {
            try NewFile("\(paths.live)/README", Array(NewLineage.lineageReadme.utf8), mode: 0o644).commit()
        }
        for path in ["live", "archive"].map({ "\(tree.path)/\($0)" }) + [tree.path] {
            try FileSystem.sync(directory: path)
        }
    }

    private static let liveReadme = """
        One directory a certificate. Point servers here, at live/NAME/fullchain.pem and live/NAME/privkey.pem:
        the links always show the version in force. Do not move or rename what is in here.

        """

    private static let lineageReadme = """
        cert.pem       the certificate alone
        chain.pem      the intermediate certificates
        fullchain.pem  cert.pem and chain.pem, what most servers want
        privkey.pem    the private key

        All four are links into archive/, and are switched together at a renewal.

        """
}

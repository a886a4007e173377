package import PKI

/// A certificate's line of descent: its renewal conf, what `live/` shows of it, and what is wrong with either.
package struct Lineage: Sendable {
    /// The name of its conf and of its directories.
    package let name: String
    /// `renewal/NAME.conf`.
    package let confPath: String
    /// The conf, nil when it cannot be read.
    package let conf: ConfFile?
    /// What a renewal goes by, nil when the conf cannot be read or has a value that stops one.
    package let options: RenewalOptions?
    /// Where its files are, nil when the conf does not say.
    package let paths: LineagePaths?
    /// The leaf in live/, nil when it cannot be read.
    package let certificate: Certificate?
    /// The version that the links in live/ show; nil where they are no links, or do not agree.
    package let version: Int?
    /// What is wrong, the worst first.
    package let problems: [LineageProblem]
    /// The lineage that shows the same directory of live/, and comes before this one: this conf is a copy of that one's.
    package var original: String?

    /// The first problem that keeps the lineage from being renewed.
    package var fatalProblem: LineageProblem? { problems.first(where: \.isFatal) }

    /// Why certctl cannot renew it although nothing is wrong with it; nil when it can.
    package var reasonUnmanaged: String? {
        if let original {
            return "its renewal config leads to the certificate of \(original), which is renewed by its own"
        }
        guard let options else { return nil }
        guard let reason = options.proof.reasonUnproven(certificate?.names ?? []) else { return nil }
        return options.authenticatorSource.map { "authenticator \(options.authenticator ?? ""), which \($0) sets" }
            ?? reason
    }
}

extension Lineage {
    /// The names that a new certificate for it has to have: those of the newest certificate in its own archive, else of its conf's
    /// `[[webroot_map]]`. Never those of a certificate that live/ shows from elsewhere.
    ///
    /// - Parameter tree: the config directory, for a conf that does not say where its files are.
    package func ownNames(in tree: String) -> [SubjectName] {
        let directory = paths?.archive ?? "\(tree)/archive/\(name)"
        for place in [directory, "\(tree)/archive/\(name)"] {
            guard let archive = try? Archive(directory: place) else { continue }
            for (version, kinds) in archive.versions.sorted(by: { $0.key > $1.key }) {
                for kind in [PEMKind.cert, .fullchain] where kinds.contains(kind) {
                    if let bytes = try? FileSystem.read(archive.path(kind, version)),
                        let leaf = try? Certificate.chain(pem: bytes).first, !leaf.names.isEmpty
                    {
                        return leaf.names
                    }
                }
            }
        }
        return conf?.webrootNames.compactMap { SubjectName($0) } ?? []
    }
}

/// Where the files of a lineage are.
package struct LineagePaths: Hashable, Sendable {
    /// `archive/NAME`.
    package let archive: String
    /// `live/NAME/{cert,privkey,chain,fullchain}.pem`, as the conf has them.
    package let links: [PEMKind: String]

    /// The path of one link. Every kind has one, by construction.
    package func link(_ kind: PEMKind) -> String { links[kind, default: ""] }

    /// `live/NAME`, which hooks get as RENEWED_LINEAGE.
    package var live: String { FileSystem.directory(of: link(.fullchain)) ?? "." }

    /// Every directory that an installation writes to, each once.
    var directories: [String] {
        var directories = [live, archive]
        for kind in PEMKind.allCases {
            if let parent = FileSystem.directory(of: link(kind)), !directories.contains(parent) {
                directories.append(parent)
            }
        }
        return directories
    }

    /// The directories that others have as well, by whatever path.
    ///
    /// One of theirs that cannot be looked at is none of these: an installation would fail at it.
    package func directories(sharedWith others: LineagePaths) -> [String] {
        directories.filter { own in
            others.directories.contains { (try? FileSystem.isSame(own, $0)) == true }
        }
    }

    /// A new lineage's paths in a tree.
    package init(configDirectory: String, name: String) {
        archive = "\(configDirectory)/archive/\(name)"
        links = Dictionary(
            uniqueKeysWithValues: PEMKind.allCases.map { ($0, "\(configDirectory)/live/\(name)/\($0.rawValue).pem") })
    }

    /// What a conf says.
    init(_ conf: ConfFile, configDirectory: String, name: String) throws(LineageProblem) {
        var links: [PEMKind: String] = [:]
        for kind in [PEMKind.cert, .privkey, .chain, .fullchain] {
            guard case .string(let path) = conf.value(kind.rawValue) else {
                throw LineageProblem(.confIncomplete, "its renewal config has no line \(kind.rawValue) = …")
            }
            guard path.hasPrefix("/") else {
                throw LineageProblem(.confIncomplete, "\(kind.rawValue) = \(path) is not an absolute path")
            }
            links[kind] = path
        }
        self.links = links
        switch conf.value("archive_dir") {
        case .string(let path) where path.hasPrefix("/"): archive = path
        case nil: archive = "\(configDirectory)/archive/\(name)"
        default: throw LineageProblem(.confIncomplete, "archive_dir is not an absolute path")
        }
    }
}

package import PKI

/// What there is to see of a lineage's files: the entries of live/, the archive, and what they hold.
package struct RepairScan: Sendable {
    package let paths: LineagePaths
    /// Where its archive is, which somebody has renamed, and what stands where it should be; nil for one that has its name.
    let move: RepairMove?
    /// What stands at each of the four paths.
    package let links: [PEMKind: PathContent]
    /// The version of this lineage's archive that each symlink leads to.
    package let shown: [PEMKind: Int]
    /// What the four paths lead to.
    package let live: RepairMaterial
    /// Whether one of the four symlinks leads into a directory that is not this lineage's archive.
    package let leadsElsewhere: Bool
    /// The versions in the archive, by number.
    package let versions: [Int: RepairMaterial]
    /// What stands at each file of a version.
    package let archive: [Int: [PEMKind: PathContent]]
    /// The `previous_*.pem` in live/.
    package let leftovers: [String: PathContent]
    /// Directories that have to be made.
    package let missingDirectories: [String]
    /// What stands where a directory or a symlink belongs, and cannot be replaced.
    package let obstacle: String?
    /// The directory part of each symlink's text.
    package let linkDirectories: [PEMKind: String]
    /// The mode, owner and group that a new private key gets.
    package let keyAccess: PathContent.Access
    /// The names that the conf has for its webroots.
    package let confNames: Set<SubjectName>

    /// Looks at the files of a lineage.
    ///
    /// - Parameter renamed: where its archive is now; nil for where it should be.
    package init(_ paths: LineagePaths, confNames: Set<SubjectName>, renamed: String? = nil) throws(FileError) {
        (self.paths, self.confNames) = (paths, confNames)
        let source = renamed ?? paths.archive
        move =
            if let renamed {
                RepairMove(from: renamed, to: paths.archive, before: try PathContent(at: paths.archive))
            } else { nil }
        var links: [PEMKind: PathContent] = [:]
        var shown: [PEMKind: Int] = [:]
        var files: [PEMKind: [UInt8]] = [:]
        var linkDirectories: [PEMKind: String] = [:]
        var leadsElsewhere = false
        for kind in PEMKind.allCases {
            let link = paths.link(kind)
            let content = try PathContent(at: link)
            links[kind] = content
            files[kind] = try? FileSystem.read(link)
            var directory = RepairScan.usualDirectory(of: link, paths.archive)
            if case .link(let text) = content {
                let part = FileSystem.directory(of: text) ?? "."
                let target = text.hasPrefix("/") ? text : "\(FileSystem.directory(of: link) ?? ".")/\(text)"
                if let parent = FileSystem.directory(of: target), try RepairScan.isArchive(parent, paths, renamed) {
                    directory = part
                    if let (found, number) = Archive.parse(FileSystem.name(of: target)), found == kind {
                        shown[kind] = number
                    }
                } else if files[kind] != nil {
                    leadsElsewhere = true
                }
            }
            linkDirectories[kind] = directory
        }
        (self.links, self.shown, self.linkDirectories) = (links, shown, linkDirectories)
        self.leadsElsewhere = leadsElsewhere
        live = RepairMaterial(.live, files)
        (archive, versions) = try RepairScan.archive(source)
        leftovers = try RepairScan.leftovers(paths)
        let (missing, obstacle) = try RepairScan.directories(paths, links)
        // The renamed one brings its own.
        (missingDirectories, self.obstacle) = (missing.filter { renamed == nil || $0 != paths.archive }, obstacle)
        let keys =
            [paths.link(.privkey)] + versions.keys.sorted(by: >).map { Archive.path(.privkey, $0, in: source) }
        let rights = keys.lazy.compactMap { try? KeyRights(ofKeyAt: $0) }.first
        keyAccess = PathContent.Access(
            mode: rights?.mode ?? 0o600, owner: rights?.owner ?? .max, group: rights?.group ?? .max)
    }

    /// Whether a directory is the archive, or would be under the name that it had.
    private static func isArchive(
        _ directory: String, _ paths: LineagePaths, _ renamed: String?
    ) throws(FileError) -> Bool {
        if try FileSystem.isSame(directory, paths.archive) { return true }
        guard renamed != nil, FileSystem.name(of: directory) == FileSystem.name(of: paths.archive),
            let parent = FileSystem.directory(of: directory), let own = FileSystem.directory(of: paths.archive)
        else { return false }
        return try FileSystem.isSame(parent, own)
    }

    private static func archive(
        _ directory: String
    ) throws(FileError) -> ([Int: [PEMKind: PathContent]], [Int: RepairMaterial]) {
        let archive = try Archive(directory: directory)
        var contents: [Int: [PEMKind: PathContent]] = [:]
        var versions: [Int: RepairMaterial] = [:]
        for (number, kinds) in archive.versions {
            var files: [PEMKind: [UInt8]] = [:]
            for kind in kinds {
                let path = archive.path(kind, number)
                contents[number, default: [:]][kind] = try PathContent(at: path)
                files[kind] = try? FileSystem.read(path)
            }
            versions[number] = RepairMaterial(.version(number), files)
        }
        return (contents, versions)
    }

    private static func leftovers(_ paths: LineagePaths) throws(FileError) -> [String: PathContent] {
        var found: [String: PathContent] = [:]
        for path in paths.leftovers { found[path] = try PathContent(at: path) }
        return found
    }

    private static func directories(
        _ paths: LineagePaths, _ links: [PEMKind: PathContent]
    ) throws(FileError) -> (missing: [String], obstacle: String?) {
        var missing: [String] = []
        func add(_ directory: String) throws(FileError) {
            guard !missing.contains(directory), try FileSystem.status(directory, followingLinks: true) == nil else {
                return
            }
            if let parent = FileSystem.directory(of: directory), parent != directory { try add(parent) }
            missing.append(directory)
        }
        for directory in paths.directories {
            let kind = try FileSystem.status(directory, followingLinks: true)?.kind
            if let kind, kind != .directory { return ([], directory) }
            // A symlink to nothing: what it is to lead to is not known here.
            if kind == nil, try FileSystem.status(directory) != nil { return ([], directory) }
            try add(directory)
        }
        for (kind, content) in links {
            if case .directory = content { return ([], paths.link(kind)) }
        }
        return (missing, nil)
    }

    /// The directory part of a new symlink's text: relative where the tree is laid out as usual, as certbot writes it.
    private static func usualDirectory(of link: String, _ archive: String) -> String {
        let relative = "../../archive/\(FileSystem.name(of: archive))"
        guard let live = FileSystem.directory(of: link), let parts = FileSystem.directory(of: live),
            let root = FileSystem.directory(of: parts)
        else { return archive }
        // A symlink in the way would have the dots lead elsewhere.
        let isPlain = [live, parts].allSatisfy { (try? FileSystem.status($0))?.kind ?? .directory == .directory }
        return isPlain && "\(root)/archive/\(FileSystem.name(of: archive))" == archive ? relative : archive
    }
}

extension LineagePaths {
    /// The `previous_*.pem` beside the four symlinks, which an update of certbot's leaves when it is cut short. A dangling one
    /// makes certbot's next update fail.
    package var leftovers: [String] {
        PEMKind.allCases.map { kind in
            "\(FileSystem.directory(of: link(kind)) ?? ".")/previous_\(kind.rawValue).pem"
        }.filter { ((try? FileSystem.status($0)) ?? nil) != nil }
    }
}

import PKI

/// The archive of a lineage that has another name than its renewal config says: what is in the same directory, belongs to no
/// lineage, and holds certificates of these names.
struct ArchiveSearch {
    /// The directories that may be it.
    let found: [String]

    /// - Parameters:
    ///   - paths: where the lineage's files should be.
    ///   - confNames: the names that its renewal config has; where it has none, the lineage's own name counts.
    init(_ tree: Tree, _ name: String, _ paths: LineagePaths, confNames: Set<SubjectName>) throws(FileError) {
        guard let parent = FileSystem.directory(of: paths.archive),
            try FileSystem.isFree(paths.archive),
            let entries = try? FileSystem.entries(of: parent)
        else {
            found = []
            return
        }
        let shown = ArchiveSearch.shown(paths)
        let others = entries.filter { $0 != FileSystem.name(of: paths.archive) }.map { "\(parent)/\($0)" }.filter {
            guard (try? FileSystem.status($0))?.kind == .directory else { return false }
            return ArchiveSearch.isOf(name, $0, shown: shown, confNames)
        }
        guard !others.isEmpty else {
            found = []
            return
        }
        let taken = ArchiveSearch.taken(tree, besides: name)
        found = others.filter { !taken.contains(FileSystem.resolved($0)) }.sorted()
    }

    /// The versions that the symlinks name, whatever is there.
    private static func shown(_ paths: LineagePaths) -> Set<Int> {
        Set(
            PEMKind.allCases.compactMap { kind in
                guard let text = try? FileSystem.linkText(paths.link(kind)),
                    let (found, number) = Archive.parse(FileSystem.name(of: text)), found == kind
                else { return nil }
                return number
            })
    }

    /// Whether a directory has whole versions for the lineage's names, and those that its symlinks name.
    private static func isOf(
        _ name: String, _ directory: String, shown: Set<Int>, _ confNames: Set<SubjectName>
    ) -> Bool {
        guard let archive = try? Archive(directory: directory), shown.isSubset(of: archive.versions.keys) else {
            return false
        }
        let leaves = archive.versions.compactMap { number, kinds -> Certificate? in
            var files: [PEMKind: [UInt8]] = [:]
            for kind in kinds { files[kind] = try? FileSystem.read(archive.path(kind, number)) }
            let material = RepairMaterial(.version(number), files)
            return material.isWhole ? material.leaf : nil
        }
        // certbot's twin of a certificate is named after it.
        let suffix = name.suffix(5)
        let isTwin = suffix.first == "-" && suffix.dropFirst().allSatisfy(\.isNumber)
        let own = SubjectName(isTwin ? String(name.dropLast(5)) : name).map { Set([$0]) } ?? []
        return leaves.contains { leaf in
            let names = Set(leaf.names)
            if !confNames.isEmpty { return !names.isDisjoint(with: confNames) }
            return !names.isDisjoint(with: own) || names.contains { $0.description == "*.\(name)" }
        }
    }

    /// Directories that another lineage's renewal config or symlinks lead to, or that are named like one.
    private static func taken(_ tree: Tree, besides name: String) -> Set<String> {
        var taken: Set<String> = []
        for other in (try? tree.lineageNames()) ?? [] where other != name {
            taken.insert(FileSystem.resolved("\(tree.path)/archive/\(other)"))
            guard let paths = tree.lineage(other).paths else { continue }
            taken.insert(FileSystem.resolved(paths.archive))
            for kind in PEMKind.allCases {
                let file = FileSystem.resolved(paths.link(kind))
                if let directory = FileSystem.directory(of: file) { taken.insert(directory) }
            }
        }
        return taken
    }
}

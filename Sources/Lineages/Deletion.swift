/// Takes a lineage out of its tree: the conf first, so that a deletion which is cut short leaves no broken lineage to certbot, then
/// its directories, then what certctl keeps of it.
package struct Deletion: Sendable {
    package let name: String
    /// What is moved, in order, and where to below the destination.
    package let parts: [(path: String, target: String)]
    /// Directories that stay, since another lineage has them as well.
    package let shared: [String]

    /// Looks at what there is of a lineage; nil where there is nothing.
    ///
    /// - Throws: where its renewal config leads to a directory that is not to be taken for a lineage's.
    package init?(_ name: String, in tree: Tree, stateDirectory: String) throws(LineageProblem) {
        self.name = name
        let lineage = tree.lineage(name)
        if let problem = lineage.problems.first(where: { $0.code == .anotherTree }) { throw problem }
        let usual = LineagePaths(configDirectory: tree.path, name: name)
        let paths = lineage.paths.map { $0.live == usual.live && $0.archive == usual.archive ? usual : $0 } ?? usual
        var parts: [(path: String, target: String)] = []
        func add(_ path: String, _ target: String) {
            guard ((try? FileSystem.status(path)) ?? nil) != nil, !parts.contains(where: { $0.path == path }) else {
                return
            }
            parts.append((path, target))
        }
        add(tree.confPath(name), "renewal/\(name).conf")
        add("\(tree.confPath(name)).new", "renewal/\(name).conf.new")
        var shared: [String] = []
        let others = ((try? tree.lineages()) ?? []).filter { $0.name != name }.compactMap(\.paths)
        for (directory, kind) in [(paths.live, "live"), (paths.archive, "archive")] {
            let parent = FileSystem.directory(of: directory).map(FileSystem.name)
            guard parent == kind || directory == "\(tree.path)/\(kind)/\(name)" else {
                throw LineageProblem(
                    .confIncomplete, "its renewal config leads to \(directory), which is not in a directory \(kind)")
            }
            // A copy of a conf leads to the original's directories.
            if others.contains(where: { $0.directories.contains { (try? FileSystem.isSame($0, directory)) == true } }) {
                shared.append(directory)
            } else {
                add(directory, "\(kind)/\(FileSystem.name(of: directory))")
            }
        }
        add(
            "\(FileSystem.directory(of: paths.live) ?? ".")/.certctl-live-\(FileSystem.name(of: paths.live))",
            "replaced")
        for (path, target) in [
            ("lineages/\(name).json", "state/lineage.json"), ("staged/\(name)", "state/staged"),
            ("presented/\(name).json", "state/presented.json"), ("held/\(name)", "state/held"),
            ("repairs/\(name).json", "state/repair.json"),
            ("switches/\(FileSystem.name(of: paths.live)).json", "state/switch.json"),
        ] where shared.isEmpty || !path.hasPrefix("switches/") {
            add("\(stateDirectory)/\(path)", target)
        }
        guard !parts.isEmpty else { return nil }
        (self.parts, self.shared) = (parts, shared)
    }

    /// Moves everything to a directory, which is made with the mode 0700. What an earlier try has moved is there already.
    package func move(to destination: String) throws(FileError) {
        try FileSystem.makeDirectories(destination, mode: 0o700)
        for (path, target) in parts {
            let place = "\(destination)/\(target)"
            try FileSystem.makeDirectories(FileSystem.directory(of: place) ?? ".", mode: 0o700)
            try FileTree.move(path, to: place)
        }
    }
}

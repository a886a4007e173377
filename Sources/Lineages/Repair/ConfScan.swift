/// What there is to see of a lineage's renewal config, and of the places that it leads to.
package struct ConfScan: Sendable {
    /// The config directory.
    package let tree: String
    package let name: String
    /// Where the conf really stands: one that is a symlink stays one.
    package let path: String
    /// What stands there.
    package let content: PathContent
    /// Copies beside it, the likeliest first: what certbot, an editor or an operator left.
    package let spares: [Spare]
    /// The directories that paths of the conf have the tree at, other than where it is.
    package let otherPlaces: [OtherPlace]
    /// Whether the tree has `live/NAME` or `archive/NAME`.
    package let hasFiles: Bool

    /// A copy of the conf.
    package struct Spare: Hashable, Sendable {
        package let path: String
        package let bytes: [UInt8]
    }

    /// A directory where a conf says that the tree is.
    package struct OtherPlace: Hashable, Sendable {
        package let path: String
        /// Whether anything is there.
        package let exists: Bool
        /// Whether some process or container has the tree mounted there.
        package let isView: Bool
    }

    /// The endings of copies, with certbot's own first: `.conf.new` is the conf that it was about to rename into place.
    private static let endings = [".conf.new", ".conf~", ".conf.bak", ".conf.orig", ".conf.save", ".conf.old"]

    /// Other files that are named after the conf, the last in the order of their names first: many have a date.
    private static func others(_ tree: Tree, _ name: String) -> [String] {
        let usual = Set(endings.map { name + $0 })
        let files = (try? FileSystem.entries(of: "\(tree.path)/renewal")) ?? []
        return files.filter { $0.hasPrefix("\(name).conf") && $0 != "\(name).conf" && !usual.contains($0) }
            .sorted(by: >)
    }

    /// Looks at a lineage's conf.
    ///
    /// - Parameter views: where other processes and containers see this tree, besides its own path.
    package init(_ tree: Tree, _ name: String, views: Set<String> = []) throws(FileError) {
        self.tree = tree.path
        self.name = name
        path = FileSystem.resolved(tree.confPath(name))
        content = try PathContent(at: path)
        var spares: [Spare] = []
        for file in ConfScan.endings.map({ name + $0 }) + ConfScan.others(tree, name) {
            let path = "\(tree.path)/renewal/\(file)"
            if let bytes = try? FileSystem.read(path) { spares.append(Spare(path: path, bytes: bytes)) }
        }
        self.spares = spares
        var places: [String] = []
        let texts = ([content.bytes] + spares.map(\.bytes)).compactMap(\.self)
        for conf in texts.compactMap({ try? ConfFile(bytes: $0) }) {
            for (_, place) in ConfRepair.places(in: conf) where place != tree.path && !places.contains(place) {
                places.append(place)
            }
        }
        var others: [OtherPlace] = []
        for place in places where try !FileSystem.isSame(place, tree.path) {
            let exists = try FileSystem.status(place) != nil
            others.append(OtherPlace(path: place, exists: exists, isView: views.contains(place)))
        }
        otherPlaces = others
        hasFiles = ["live", "archive"].contains {
            (try? FileSystem.status("\(tree.path)/\($0)/\(name)", followingLinks: true))?.kind == .directory
        }
    }
}

extension PathContent {
    /// A regular file's bytes.
    var bytes: [UInt8]? { if case .file(let file) = self { file.bytes } else { nil } }
}

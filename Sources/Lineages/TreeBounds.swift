/// Tells what is a tree's own from the files of another tree: confs hold absolute paths, and those of a copied tree lead to the
/// original, which has a lock of its own.
///
/// What counts is what paths lead to. A tree may be a link or mounted twice, `live/` and `archive/` may be on another disk, and
/// `archive_dir` anywhere. Another tree's is only what a conf there, beside the files, has as its own.
struct TreeBounds {
    private let path: String
    private let root: FileSystem.Identity?
    private let renewal: FileSystem.Identity?
    /// Those of `live/` and `archive/` that are directories, and no links to elsewhere.
    private let parts: Set<String>

    init(_ path: String) {
        self.path = path
        root = TreeBounds.identity(path)
        renewal = TreeBounds.identity("\(path)/renewal")
        parts = Set(
            ["\(path)/live", "\(path)/archive"].filter {
                (try? FileSystem.status($0))?.kind == .directory
            })
    }

    /// What is wrong with a lineage's paths; nil where none is another tree's.
    func problem(with paths: LineagePaths, of name: String) -> LineageProblem? {
        for directory in paths.directories {
            guard let owner = owner(of: directory, name) else { continue }
            return LineageProblem(
                .anotherTree, "its renewal config leads to \(directory), which is in the config directory \(owner)")
        }
        return moved(paths)
    }

    /// The problem of a lineage whose directory in live/ is not there, and would not be in this tree: the tree was moved, or its
    /// confs were made where it is mounted at another path. An installation would go where no server looks.
    private func moved(_ paths: LineagePaths) -> LineageProblem? {
        let live = paths.live
        // A new tree has no live/ yet.
        guard let parent = FileSystem.directory(of: live), !parts.contains(parent), !live.hasPrefix(path + "/"),
            TreeBounds.isMissing(live)
        else { return nil }
        if let identity = TreeBounds.identity(parent), identity == TreeBounds.identity("\(path)/live") { return nil }
        // By another path, such as a symlink to the tree.
        if let above = FileSystem.directory(of: parent), let root, TreeBounds.identity(above) == root { return nil }
        return LineageProblem(
            .movedTree, "its renewal config leads to \(live), which does not exist and is not in \(path)")
    }

    /// The other tree that a directory of a lineage is of.
    private func owner(of directory: String, _ name: String) -> String? {
        guard let parent = FileSystem.directory(of: directory) else { return nil }
        // The usual case, and there are thousands.
        if parts.contains(parent), (try? FileSystem.status(directory))?.kind != .link { return nil }
        let last = FileSystem.name(of: directory)
        let places = [directory, "\(FileSystem.resolved(parent))/\(last)", FileSystem.resolved(directory)]
        for place in places {
            guard let other = FileSystem.directory(of: place).flatMap(FileSystem.directory),
                let identity = TreeBounds.identity(other), identity != root,
                let confs = TreeBounds.identity("\(other)/renewal"), confs != renewal
            else { continue }
            if Set([name, FileSystem.name(of: place)]).contains(where: {
                TreeBounds.claims(directory, $0, in: other, identity)
            }) {
                return other
            }
        }
        return nil
    }

    /// Whether a tree's conf of that name has a directory by a path of that tree's own. One that cannot be read may have.
    private static func claims(
        _ directory: String, _ name: String, in tree: String, _ identity: FileSystem.Identity
    ) -> Bool {
        let bytes: [UInt8]
        do throws(FileError) {
            bytes = try FileSystem.read("\(tree)/renewal/\(name).conf")
        } catch {
            return !error.isNotFound
        }
        guard let conf = try? ConfFile(bytes: bytes),
            let paths = try? LineagePaths(conf, configDirectory: tree, name: name)
        else { return true }
        return paths.directories.contains { own in
            (try? FileSystem.isSame(own, directory)) == true
                && FileSystem.directory(of: own).flatMap(FileSystem.directory).flatMap(TreeBounds.identity) == identity
        }
    }

    private static func isMissing(_ path: String) -> Bool {
        do throws(FileError) {
            return try FileSystem.identity(path) == nil
        } catch {
            return false
        }
    }

    /// What cannot be looked at is not taken for another tree's.
    private static func identity(_ path: String) -> FileSystem.Identity? {
        (try? FileSystem.identity(path)).flatMap(\.self)
    }
}

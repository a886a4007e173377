/// The tree that a state directory belongs to, as a file in it says: the books are kept by the names of lineages, and a lineage
/// of that name in another tree is another one.
package enum StateOwner {
    /// Why a state directory is not to be used.
    package enum Failure: Error, Sendable, CustomStringConvertible {
        /// It is another tree's.
        case another(directory: String, owner: String, tree: String)
        /// What it says cannot be read or written.
        case file(FileError)

        package var description: String {
            switch self {
            case .another(let directory, let owner, let tree):
                "\(directory) keeps the state of the tree \(owner), and not of \(tree)"
            case .file(let error): "\(error)"
            }
        }
    }

    /// The file that names the tree.
    package static func path(in directory: String) -> String { "\(directory)/tree" }

    /// Makes sure that a state directory is not another tree's; false where it is nobody's yet, or its tree is nowhere any more.
    @discardableResult
    package static func check(_ directory: String, for tree: Tree) throws(Failure) -> Bool {
        let noted: String
        let isOwn: Bool
        do throws(FileError) {
            noted = try owner(of: directory)
            // A tree that was moved leaves nothing to mix its books up with.
            guard try FileSystem.status(noted, followingLinks: true) != nil else { return false }
            isOwn = try FileSystem.isSame(noted, FileSystem.resolved(tree.path))
        } catch {
            if error.isNotFound { return false }
            throw .file(error)
        }
        guard isOwn else { throw .another(directory: directory, owner: noted, tree: tree.path) }
        return true
    }

    private static func owner(of directory: String) throws(FileError) -> String {
        let path = path(in: directory)
        var noted = String(decoding: try FileSystem.read(path), as: UTF8.self)
        if noted.hasSuffix("\n") { noted.removeLast() }
        guard noted.hasPrefix("/") else {
            throw FileError("read", path, because: "it names no tree; look at it and remove it")
        }
        return noted
    }

    /// Makes a state directory a tree's, unless it is another one's. To be called with the tree's lock held.
    package static func claim(_ directory: String, for tree: Tree) throws(Failure) {
        guard try !check(directory, for: tree) else { return }
        do throws(FileError) {
            let text = FileSystem.resolved(tree.path) + "\n"
            try NewFile(path(in: directory), Array(text.utf8), mode: 0o600).commit()
        } catch {
            throw .file(error)
        }
    }
}

/// The tree that a state directory belongs to, as a file in it says: the state is kept by the names of lineages, and a lineage
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
                "\(directory) keeps the state of \(owner), and not of \(tree)"
            case .file(let error): "\(error)"
            }
        }
    }

    /// The file that names the tree.
    package static func path(in directory: String) -> String { "\(directory)/tree" }

    /// Makes sure that a state directory is not another tree's; false where it is no tree's yet, its tree is nowhere any more, or
    /// what names the tree is empty or damaged (a full disk, a crash): then it is written again.
    @discardableResult
    package static func check(_ directory: String, for tree: Tree) throws(Failure) -> Bool {
        let noted: String
        let isOwn: Bool
        do throws(FileError) {
            guard let owner = try owner(of: directory) else { return false }
            noted = owner
            // A tree that was moved leaves nothing to mix its state up with.
            guard try FileSystem.status(noted, followingLinks: true) != nil else { return false }
            isOwn = try FileSystem.isSame(noted, FileSystem.resolved(tree.path))
        } catch {
            if error.isNotFound { return false }
            throw .file(error)
        }
        guard isOwn else { throw .another(directory: directory, owner: noted, tree: tree.path) }
        return true
    }

    /// Nil where it names no tree.
    private static func owner(of directory: String) throws(FileError) -> String? {
        let bytes: [UInt8]
        do throws(FileError) {
            bytes = try FileSystem.read(path(in: directory))
        } catch {
            // Not a regular file, or a huge one.
            if error.code == 0 { return nil }
            throw error
        }
        guard var noted = String(validating: bytes, as: UTF8.self) else { return nil }
        if noted.hasSuffix("\n") { noted.removeLast() }
        return noted.hasPrefix("/") && !noted.utf8.contains(0) ? noted : nil
    }

    /// Makes a state directory a tree's, unless it is another one's. To be called with the tree's lock held.
    package static func claim(_ directory: String, for tree: Tree) throws(Failure) {
        guard try !check(directory, for: tree) else { return }
        do throws(FileError) {
            let text = FileSystem.resolved(tree.path) + "\n"
            if try FileSystem.status(path(in: directory))?.kind == .directory {
                try FileSystem.removeDirectory(path(in: directory))
            }
            try NewFile(path(in: directory), Array(text.utf8), mode: 0o600).commit()
        } catch {
            throw .file(error)
        }
    }
}

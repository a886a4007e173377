/// A directory that somebody has renamed, and that gets its name back: at once, with all that is in it.
package struct RepairMove: Hashable, Sendable, Codable {
    package let from: String
    package let to: String
    /// What stands at `to`: nothing, or an empty directory.
    let before: PathContent

    /// Whether it has been done; nil where neither can be, because somebody has changed one of both since.
    private func isDone() throws(FileError) -> Bool? {
        let (source, target) = (try FileSystem.status(from), try FileSystem.status(to))
        if source?.kind == .directory { return try FileSystem.isFree(to) ? false : nil }
        return source == nil && target?.kind == .directory ? true : nil
    }

    /// The path that stands in the way of both; nil where none does.
    func overtaken() throws(FileError) -> String? { try isDone() == nil ? to : nil }

    func run() throws(FileError) {
        guard try isDone() == false else { return }
        try rename(from, to)
    }

    func undo() throws(FileError) {
        guard try isDone() == true else { return }
        try rename(to, from)
        if before != .nothing { try before.put(at: to) }
    }

    /// rename(2) takes the place of an empty directory, and of no other.
    private func rename(_ old: String, _ new: String) throws(FileError) {
        try FileSystem.rename(old, to: new)
        for directory in Set([old, new].compactMap(FileSystem.directory)) { try FileSystem.sync(directory: directory) }
    }
}

extension FileSystem {
    /// Whether a directory can get this path: nothing is there, or an empty directory.
    static func isFree(_ path: String) throws(FileError) -> Bool {
        guard let status = try status(path) else { return true }
        guard status.kind == .directory else { return false }
        return try entries(of: path).isEmpty
    }
}

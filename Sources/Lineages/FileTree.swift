import Glibc

/// A file or directory with all that is in it, moved or removed as a whole.
package enum FileTree {
    /// Moves to where nothing stands yet; across file systems by a copy that gets its name when it is whole and durable, after which
    /// the original is removed. Symlinks keep their text, and everything its mode and owner.
    package static func move(_ from: String, to: String) throws(FileError) {
        do throws(FileError) {
            try FileSystem.renameToNew(from, to: to, at: AT_FDCWD, to)
        } catch {
            guard error.code == EXDEV else { throw error }
            let temporary = NewFile.temporaryPath(for: to)
            try remove(temporary)
            try copy(from, to: temporary)
            try FileSystem.renameToNew(temporary, to: to, at: AT_FDCWD, to)
            try sync(parentOf: to)
            try remove(from)
        }
        try sync(parentOf: to)
        try sync(parentOf: from)
    }

    /// Removes all of it; what is not there is fine. Symlinks are removed, not followed.
    package static func remove(_ path: String) throws(FileError) {
        guard let status = try FileSystem.status(path) else { return }
        guard status.kind == .directory else { return try FileSystem.remove(path) }
        for name in try FileSystem.entries(of: path) { try remove("\(path)/\(name)") }
        try FileSystem.removeDirectory(path)
    }

    private static func copy(_ from: String, to: String) throws(FileError) {
        let content = try PathContent(at: from)
        guard case .directory(let access) = content else { return try content.put(at: to) }
        try PathContent.directory(PathContent.Access(mode: 0o700, owner: access.owner, group: access.group)).put(at: to)
        for name in try FileSystem.entries(of: from) { try copy("\(from)/\(name)", to: "\(to)/\(name)") }
        // Last: a directory without the right to write could not be filled.
        try content.put(at: to)
        try FileSystem.sync(directory: to)
    }

    private static func sync(parentOf path: String) throws(FileError) {
        try FileSystem.sync(directory: FileSystem.directory(of: path) ?? ".")
    }
}

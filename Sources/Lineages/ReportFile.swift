/// A file for other programs to read that root writes where the operator says: below a directory of another user, perhaps.
///
/// Debian gives `/var/lib/prometheus` to the user `prometheus`, who may rename and link there at any moment. The way to the
/// file goes by directories that are held open (``OpenDirectory``), so that no user leads root to what is not theirs.
package enum ReportFile {
    /// Puts a file in its place, world-readable and never half-written.
    ///
    /// - Parameters:
    ///   - path: absolute, or relative to the working directory.
    ///   - makingDirectories: whether missing directories are made, 0755 and owned like the one that each is in.
    /// - Throws: a refusal for a link on the way of somebody who does not own what it leads to.
    package static func write(
        _ bytes: [UInt8], to path: String, makingDirectories: Bool = false
    ) throws(FileError) {
        var directory = try OpenDirectory(path.hasPrefix("/") ? "/" : ".")
        let parts = path.split(separator: "/").map(String.init)
        guard let name = parts.last, name != ".", name != ".." else {
            throw FileError("write", path, because: "it is not the name of a file")
        }
        for part in parts.dropLast() where part != "." {
            var next = try directory.directory(part)
            if next == nil, makingDirectories {
                try directory.makeDirectory(part, mode: 0o755)
                next = try directory.directory(part)
            }
            guard let next else {
                throw FileError("write", path, because: "\(directory.path) has no directory \(part)")
            }
            directory = next
        }
        try directory.write(name, bytes, mode: 0o644)
    }
}

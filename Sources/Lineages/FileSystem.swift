import CLinux
import Glibc

/// The few calls to the file system that the tree needs, with errors that name the path.
package enum FileSystem {
    /// More than any PEM, renewal conf or account file holds; a larger one is not what it pretends to be.
    package static let largestFile = 1 << 20

    /// What `lstat(2)` or `stat(2)` says of a path.
    package struct Status: Sendable {
        /// What kind of thing it is.
        package enum Kind: Sendable { case file, directory, link, other }
        /// Regular file, directory, symbolic link, or anything else.
        package let kind: Kind
        /// The permission bits, `07777`.
        package let mode: UInt32
        /// The owner's id.
        package let owner: UInt32
        /// The group's id.
        package let group: UInt32
        /// Size in bytes.
        package let size: Int
        /// When its content was last changed, in seconds since 1970.
        package let modified: Int

        init(_ status: stat) {
            kind =
                switch status.st_mode & S_IFMT {
                case S_IFREG: .file
                case S_IFDIR: .directory
                case S_IFLNK: .link
                default: .other
                }
            (mode, owner, group) = (status.st_mode & 0o7777, status.st_uid, status.st_gid)
            (size, modified) = (Int(status.st_size), status.st_mtim.tv_sec)
        }
    }

    /// Looks at a path; follows links only if asked to. Nil when nothing is there.
    package static func status(_ path: String, followingLinks: Bool = false) throws(FileError) -> Status? {
        var status = stat()
        let result = unsafe followingLinks ? stat(path, &status) : lstat(path, &status)
        guard result == 0 else {
            let error = FileError("look at", path)
            if error.isNotFound { return nil }
            throw error
        }
        return Status(status)
    }

    /// What a path leads to, by whatever path: the file system and the inode.
    struct Identity: Hashable, Sendable {
        private let device: dev_t
        private let inode: ino_t

        fileprivate init(_ status: stat) { (device, inode) = (status.st_dev, status.st_ino) }
    }

    /// What a path leads to; nil when nothing is there.
    static func identity(_ path: String) throws(FileError) -> Identity? {
        var status = stat()
        guard unsafe stat(path, &status) != 0 else { return Identity(status) }
        let error = FileError("look at", path)
        if error.isNotFound { return nil }
        throw error
    }

    /// Whether two paths lead to the same thing; false where one does not exist.
    static func isSame(_ one: String, _ other: String) throws(FileError) -> Bool {
        if one == other { return true }
        guard let first = try identity(one), let second = try identity(other) else { return false }
        return first == second
    }

    /// Reads a regular file whole; anything else (a FIFO would hang, a device would not end) and a file above the limit
    /// is refused.
    package static func read(_ path: String, limit: Int = largestFile) throws(FileError) -> [UInt8] {
        let descriptor = unsafe certctl_open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0)
        guard descriptor >= 0 else { throw FileError("read", path) }
        defer { close(descriptor) }
        return try read(descriptor, path, limit: limit)
    }

    /// Reads a descriptor's regular file; `path` is for errors.
    package static func read(_ descriptor: Int32, _ path: String, limit: Int = largestFile) throws(FileError) -> [UInt8]
    {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw FileError("read", path) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw FileError("read", path, because: "not a regular file") }
        guard status.st_size <= limit else {
            throw FileError("read", path, because: "it has \(status.st_size) bytes, more than \(limit)")
        }
        return try read(descriptor, path, expecting: Int(status.st_size), limit: limit)
    }

    /// Reads a file of /proc, whose size is not known beforehand.
    package static func readAll(_ path: String, limit: Int = largestFile) throws(FileError) -> [UInt8] {
        let descriptor = unsafe certctl_open(path, O_RDONLY | O_CLOEXEC, 0)
        guard descriptor >= 0 else { throw FileError("read", path) }
        defer { close(descriptor) }
        return try read(descriptor, path, expecting: 0, limit: limit)
    }

    /// The process that holds a POSIX lock on a file, without a try to take it; nil where none does.
    ///
    /// Not for a file that this process itself has locked: to close any descriptor of it drops the lock.
    package static func lockHolder(of path: String) throws(FileError) -> Int32? {
        let descriptor = unsafe certctl_open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0)
        guard descriptor >= 0 else { throw FileError("read", path) }
        defer { close(descriptor) }
        let holder = certctl_lock_holder(descriptor)
        guard holder >= 0 else { throw FileError("read the lock of", path) }
        return holder == 0 ? nil : holder
    }

    /// Appends a line to a file, which is made where it is not there, and syncs it. A last line that a full disk or a crash has
    /// cut short does not take this one with it. A link in its place is refused: it may lead to anything.
    package static func append(
        line: [UInt8], to path: String, mode: UInt32, isDurable: Bool = true
    ) throws(FileError) {
        let descriptor = unsafe certctl_open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, mode)
        guard descriptor >= 0 else { throw FileError("write", path) }
        defer { close(descriptor) }
        let newline = UInt8(ascii: "\n")
        var last = newline
        let size = lseek(descriptor, 0, SEEK_END)
        if size > 0, unsafe pread(descriptor, &last, 1, size - 1) != 1 { throw FileError("read", path) }
        try write((last == newline ? [] : [newline]) + line + [newline], to: descriptor, path)
        if isDurable { guard fsync(descriptor) == 0 else { throw FileError("sync", path) } }
    }

    static func write(_ bytes: [UInt8], to descriptor: Int32, _ path: String) throws(FileError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw FileError("write", path) }
            rest = rest.dropFirst(count)
        }
    }

    private static func read(
        _ descriptor: Int32, _ path: String, expecting size: Int, limit: Int
    ) throws(FileError) -> [UInt8] {
        var bytes: [UInt8] = []
        // One more than it should have: the end is then seen with the first read.
        var buffer = [UInt8](repeating: 0, count: min(max(size + 1, 4096), limit + 1))
        while bytes.count <= limit {
            let count = unsafe Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw FileError("read", path) }
            if count == 0 { return bytes }
            if size > 0, count < buffer.count {
                // A regular file is read short at its end only.
                if bytes.isEmpty {
                    buffer.removeLast(buffer.count - count)
                    return buffer
                }
                return bytes + buffer.prefix(count)
            }
            bytes += buffer.prefix(count)
        }
        throw FileError("read", path, because: "it has more than \(limit) bytes")
    }

    /// The names in a directory, in byte order, without `.` and `..`.
    package static func entries(of directory: String) throws(FileError) -> [String] {
        guard let stream = unsafe opendir(directory) else { throw FileError("list", directory) }
        defer { unsafe closedir(stream) }
        return try unsafe entries(stream, directory)
    }

    /// The same of a stream, which stays open; `directory` is for errors.
    static func entries(_ stream: OpaquePointer, _ directory: String) throws(FileError) -> [String] {
        var names: [String] = []
        errno = 0
        while let entry = unsafe Glibc.readdir(stream) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
                unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
            errno = 0
        }
        guard errno == 0 else { throw FileError("list", directory) }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// The text of a symbolic link.
    package static func linkText(_ path: String) throws(FileError) -> String { try linkText(at: AT_FDCWD, path, path) }

    /// The same of a name in a directory, or with an empty name of the link that is open; `path` is for errors.
    static func linkText(at descriptor: Int32, _ name: String, _ path: String) throws(FileError) -> String {
        try linkResult(at: descriptor, name) { FileError("read the link", path) }.get()
    }

    /// The text of a symbolic link; nil where nothing is there, or something else.
    static func linkTextIfLink(_ path: String) throws(FileError) -> String? {
        switch linkResult(at: AT_FDCWD, path, failure: { FileError("look at", path) }) {
        case .success(let text): return text
        case .failure(let error):
            guard error.isNotFound || error.code == EINVAL else { throw error }
            return nil
        }
    }

    private static func linkResult(
        at descriptor: Int32, _ name: String, failure: () -> FileError
    ) -> Result<String, FileError> {
        unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(PATH_MAX)) { buffer in
            let count = unsafe buffer.baseAddress.map { unsafe readlinkat(descriptor, name, $0, buffer.count) } ?? -1
            guard count >= 0 else { return .failure(failure()) }
            return unsafe .success(String(decoding: UnsafeRawBufferPointer(buffer)[..<count], as: UTF8.self))
        }
    }

    /// Makes a directory; one that is there already is fine.
    package static func makeDirectory(_ path: String, mode: UInt32) throws(FileError) {
        if unsafe mkdir(path, mode) != 0 {
            let error = FileError("create", path)
            guard error.code == EEXIST, try status(path, followingLinks: true)?.kind == .directory else { throw error }
            return
        }
        // mkdir(2) takes the umask off; the tree's modes are fixed. By the descriptor: a link may have taken the name since.
        try setMode(ofDirectory: path, mode)
    }

    /// Sets mode, and where they are given owner and group, of a directory itself: a link in its place is refused.
    static func setMode(
        ofDirectory path: String, _ mode: UInt32, owner: UInt32? = nil, group: UInt32? = nil
    ) throws(FileError) {
        let descriptor = unsafe certctl_open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0)
        guard descriptor >= 0 else { throw FileError("set the mode of", path) }
        defer { close(descriptor) }
        try setOwner(of: descriptor, path, owner, group)
        guard fchmod(descriptor, mode) == 0 else { throw FileError("set the mode of", path) }
    }

    /// Sets owner and group where they are given and differ; `path` is for errors.
    static func setOwner(
        of descriptor: Int32, _ path: String, _ owner: UInt32?, _ group: UInt32?
    ) throws(FileError) {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw FileError("look at", path) }
        guard (owner ?? status.st_uid, group ?? status.st_gid) != (status.st_uid, status.st_gid) else { return }
        guard fchown(descriptor, owner ?? .max, group ?? .max) == 0 else { throw FileError("set the owner of", path) }
    }

    /// Makes a directory and what is missing above it.
    package static func makeDirectories(_ path: String, mode: UInt32) throws(FileError) {
        if try status(path, followingLinks: true) == nil, let parent = directory(of: path), parent != path {
            try makeDirectories(parent, mode: mode)
        }
        try makeDirectory(path, mode: mode)
    }

    /// Asks whether files can be made in a directory, with the rights (access(2)) and the space as they are.
    package static func requireWritable(_ directory: String) throws(FileError) {
        guard unsafe access(directory, W_OK | X_OK) == 0 else { throw FileError("write to", directory) }
        var space = statvfs()
        guard unsafe statvfs(directory, &space) == 0 else { throw FileError("write to", directory) }
        try requireSpace(space, directory)
    }

    static func requireSpace(_ space: statvfs, _ directory: String) throws(FileError) {
        let blocks = geteuid() == 0 ? space.f_bfree : space.f_bavail
        // A file system that does not count its inodes says that it has none.
        let isOutOfInodes = space.f_files > 0 && space.f_ffree < leastInodes
        guard UInt64(blocks) * UInt64(space.f_frsize) >= leastSpace, !isOutOfInodes else {
            throw FileError("write to", directory, code: ENOSPC)
        }
    }

    /// Bytes that a version of a lineage and what it takes to install it need at most; below that nothing is begun.
    private static let leastSpace: UInt64 = 128 << 10
    /// The same in files and directories.
    private static let leastInodes: UInt64 = 16

    /// Sets the permission bits of what a path leads to.
    package static func setMode(_ path: String, _ mode: UInt32) throws(FileError) {
        guard unsafe chmod(path, mode) == 0 else { throw FileError("set the mode of", path) }
    }

    /// Makes a symbolic link.
    package static func makeLink(_ path: String, to text: String) throws(FileError) {
        guard unsafe symlink(text, path) == 0 else { throw FileError("create the link", path) }
    }

    /// Renames, replacing what is there.
    package static func rename(_ from: String, to: String) throws(FileError) {
        guard unsafe Glibc.rename(from, to) == 0 else { throw FileError("rename", "\(from) to \(to)") }
    }

    /// Renames within a directory where nothing may be there yet; `path` is for errors.
    static func renameToNew(
        _ from: String, to: String, at directory: Int32, _ path: String
    ) throws(FileError) {
        guard unsafe certctl_rename_noreplace(directory, from, to) != 0 else { return }
        let error = FileError("write", path)
        // A file system without the flag (EINVAL): the tree's lock keeps others away between the look and the rename.
        guard error.code == EINVAL || error.code == ENOSYS else { throw error }
        var there = stat()
        if unsafe fstatat(directory, to, &there, AT_SYMLINK_NOFOLLOW) == 0 {
            throw FileError("write", path, code: EEXIST)
        }
        guard unsafe renameat(directory, from, directory, to) == 0 else { throw FileError("write", path) }
    }

    /// Removes a file or link; one that is not there is fine.
    package static func remove(_ path: String) throws(FileError) {
        guard unsafe unlink(path) != 0 else { return }
        let error = FileError("remove", path)
        if !error.isNotFound { throw error }
    }

    /// Removes an empty directory.
    package static func removeDirectory(_ path: String) throws(FileError) {
        guard unsafe rmdir(path) == 0 else { throw FileError("remove", path) }
    }

    /// Makes a directory's entries durable.
    package static func sync(directory path: String) throws(FileError) {
        let descriptor = unsafe certctl_open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
        guard descriptor >= 0 else { throw FileError("sync", path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 || errno == EINVAL else { throw FileError("sync", path) }
    }

    /// The path without its last component; nil for a bare name.
    package static func directory(of path: String) -> String? {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return nil }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// The last component of a path.
    package static func name(of path: String) -> String {
        path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[path.utf8.index(after: $0)...]) } ?? path
    }

    /// The path made absolute and, where it exists, free of links and dots (realpath(3)); else as given.
    package static func resolved(_ path: String) -> String {
        guard let resolved = unsafe realpath(path, nil) else { return path }
        defer { unsafe free(resolved) }
        return unsafe String(cString: resolved)
    }
}

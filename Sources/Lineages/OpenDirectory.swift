import CLinux
import Glibc

/// A directory that is held open: a user who may write above it cannot put another one in its place.
///
/// It is for directories of other users, in which root must not be led astray. Names are single ones, without a slash. A link
/// is followed where root (or the caller) owns it, or where its owner owns the directory that it leads to as well: so no user's
/// link leads to what is not theirs.
package struct OpenDirectory: ~Copyable {
    /// The way to it, for errors.
    package let path: String
    /// Opened for its place only, since a directory on the way need not be readable.
    private let descriptor: Int32

    /// As many links are followed on one way as Linux follows.
    private static let mostLinks = 40

    /// Opens a directory by its path, following every link.
    package init(_ path: String) throws(FileError) {
        let descriptor = unsafe certctl_open_place(AT_FDCWD, path, O_DIRECTORY)
        guard descriptor >= 0 else { throw FileError("enter", path) }
        self.init(descriptor, path)
    }

    private init(_ descriptor: Int32, _ path: String) { (self.descriptor, self.path) = (descriptor, path) }

    deinit { close(descriptor) }

    private func path(of name: String) -> String { path.hasSuffix("/") ? path + name : "\(path)/\(name)" }
}

// MARK: Ways

extension OpenDirectory {
    /// A directory in this one; nil where nothing has the name.
    ///
    /// - Throws: a refusal for what is no directory, and for a link that is not followed.
    package func directory(_ name: String) throws(FileError) -> OpenDirectory? {
        var links = 0
        return try directory(name, &links)
    }

    private func directory(_ name: String, _ links: inout Int) throws(FileError) -> OpenDirectory? {
        let path = path(of: name)
        let found = unsafe certctl_open_place(descriptor, name, O_DIRECTORY | O_NOFOLLOW)
        if found >= 0 { return OpenDirectory(found, path) }
        switch errno {
        case ENOENT: return nil
        case ENOTDIR, ELOOP: return try linked(name, path, &links)
        default: throw FileError("enter", path)
        }
    }

    /// Where a link leads.
    private func linked(_ name: String, _ path: String, _ links: inout Int) throws(FileError) -> OpenDirectory {
        // The link itself is held, too: its text and its owner are of one and the same.
        let link = unsafe certctl_open_place(descriptor, name, O_NOFOLLOW)
        guard link >= 0 else { throw FileError("enter", path) }
        defer { close(link) }
        let status = try OpenDirectory.status(link, path)
        guard status.kind == .link else { throw FileError("enter", path, because: "it is not a directory") }
        links += 1
        guard links <= OpenDirectory.mostLinks else { throw FileError("enter", path, code: ELOOP) }
        let text = try FileSystem.linkText(at: link, "", path)
        var place = try text.hasPrefix("/") ? OpenDirectory("/") : here()
        for part in text.split(separator: "/") {
            guard let next = try place.directory(String(part), &links) else {
                throw FileError("enter", path, because: "it is a link to \(text), which is not there")
            }
            place = next
        }
        let owner = try OpenDirectory.status(place.descriptor, place.path).owner
        guard [0, geteuid(), owner].contains(status.owner) else {
            throw FileError(
                "enter", path,
                because: "it is a link that uid \(status.owner) owns, to a directory that uid \(owner) owns")
        }
        return place
    }

    /// The same directory once more.
    private func here() throws(FileError) -> OpenDirectory {
        let descriptor = unsafe certctl_open_place(descriptor, ".", O_DIRECTORY)
        guard descriptor >= 0 else { throw FileError("enter", path) }
        return OpenDirectory(descriptor, path)
    }

    private static func status(_ descriptor: Int32, _ path: String) throws(FileError) -> FileSystem.Status {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw FileError("look at", path) }
        return FileSystem.Status(status)
    }
}

// MARK: Looking

extension OpenDirectory {
    /// The names in it, in byte order, without `.` and `..`.
    package func entries() throws(FileError) -> [String] { try OpenDirectory.entries(of: ".", in: descriptor, path) }

    private static func entries(of name: String, in directory: Int32, _ path: String) throws(FileError) -> [String] {
        let descriptor = unsafe certctl_openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0)
        guard descriptor >= 0 else { throw FileError("list", path) }
        guard let stream = unsafe fdopendir(descriptor) else {
            let error = FileError("list", path)
            close(descriptor)
            throw error
        }
        defer { unsafe closedir(stream) }
        return try unsafe FileSystem.entries(stream, path)
    }

    /// Looks at a name; never follows a link. Nil when nothing is there.
    package func status(_ name: String) throws(FileError) -> FileSystem.Status? {
        var status = stat()
        guard unsafe fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
            let error = FileError("look at", path(of: name))
            if error.isNotFound { return nil }
            throw error
        }
        return FileSystem.Status(status)
    }

    /// Reads a regular file whole; anything else, a link too, is refused.
    package func read(_ name: String) throws(FileError) -> [UInt8] {
        let path = path(of: name)
        let file = unsafe certctl_openat(descriptor, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0)
        guard file >= 0 else { throw FileError("read", path) }
        defer { close(file) }
        return try FileSystem.read(file, path)
    }

    /// The text of a link in it.
    func linkText(_ name: String) throws(FileError) -> String {
        try FileSystem.linkText(at: descriptor, name, path(of: name))
    }

    /// Opens a file, never by a link, and does something with its descriptor; one that does not exist is ignored.
    func change(_ name: String, _ body: (Int32, String) throws(FileError) -> Void) throws(FileError) {
        let path = path(of: name)
        let file = unsafe certctl_openat(descriptor, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0)
        guard file >= 0 else {
            let error = FileError("read", path)
            if error.isNotFound || error.code == ELOOP { return }
            throw error
        }
        defer { close(file) }
        try body(file, path)
    }

    /// Asks whether files can be made in it, as ``FileSystem/requireWritable(_:)`` does.
    package func requireWritable() throws(FileError) {
        guard unsafe faccessat(descriptor, ".", W_OK | X_OK, 0) == 0 else { throw FileError("write to", path) }
        var space = statvfs()
        guard unsafe fstatvfs(descriptor, &space) == 0 else { throw FileError("write to", path) }
        try FileSystem.requireSpace(space, path)
    }
}

// MARK: Changing

extension OpenDirectory {
    /// Puts a file in its place, over what is there and never half-written. A link in the way is replaced, not followed.
    package func write(_ name: String, _ bytes: [UInt8], mode: UInt32) throws(FileError) {
        let path = path(of: name)
        let temporary = ".\(name)\(NewFile.suffix)"
        try remove(temporary)
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW
        let file = unsafe certctl_openat(descriptor, temporary, flags, 0o600)
        guard file >= 0 else { throw FileError("write", path) }
        do throws(FileError) {
            defer { close(file) }
            try FileSystem.write(bytes, to: file, path)
            guard fchmod(file, mode) == 0 else { throw FileError("set the mode of", path) }
            guard fsync(file) == 0 else { throw FileError("sync", path) }
            guard unsafe renameat(descriptor, temporary, descriptor, name) == 0 else {
                throw FileError("write", path)
            }
        } catch {
            unsafe _ = unlinkat(descriptor, temporary, 0)
            throw error
        }
    }

    /// Makes a directory that belongs to the owner of this one and is whole once it has its name. One that is there already is
    /// fine; so is anything else, which ``directory(_:)`` judges.
    package func makeDirectory(_ name: String, mode: UInt32) throws(FileError) {
        // A name of its own: what another process makes at the same time is not taken for what is made here.
        let temporary = ".\(name).\(UInt64.random(in: .min ... .max))\(NewFile.suffix)"
        guard unsafe mkdirat(descriptor, temporary, 0o700) == 0 else { throw FileError("create", path(of: name)) }
        do throws(FileError) {
            try prepare(temporary, path(of: name), mode: mode)
            if try !renameToNew(temporary, name) { unsafe _ = unlinkat(descriptor, temporary, AT_REMOVEDIR) }
        } catch {
            unsafe _ = unlinkat(descriptor, temporary, AT_REMOVEDIR)
            throw error
        }
    }

    /// Gives a new directory its mode and owner.
    private func prepare(_ name: String, _ path: String, mode: UInt32) throws(FileError) {
        let made = unsafe certctl_openat(descriptor, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0)
        guard made >= 0 else { throw FileError("create", path) }
        defer { close(made) }
        // The owner of this directory may have put another one in its place, but gains nothing by an empty one.
        guard try OpenDirectory.entries(of: ".", in: made, path).isEmpty else {
            throw FileError("create", path, because: "another directory was put in its place")
        }
        guard fchmod(made, mode) == 0 else { throw FileError("set the mode of", path) }
        let status = try OpenDirectory.status(descriptor, self.path)
        // Where this is refused (not root), the directory is the caller's, which serves as well.
        _ = fchown(made, status.owner, status.group)
    }

    /// False where something has the name already.
    private func renameToNew(_ from: String, _ name: String) throws(FileError) -> Bool {
        guard unsafe certctl_rename_noreplace(descriptor, from, name) != 0 else { return true }
        var error = FileError("create", path(of: name))
        if error.code == EINVAL || error.code == ENOSYS {
            // A file system without the flag: a directory takes the place of an empty one at most.
            guard unsafe renameat(descriptor, from, descriptor, name) != 0 else { return true }
            error = FileError("create", path(of: name))
        }
        guard [EEXIST, ENOTEMPTY, ENOTDIR].contains(error.code) else { throw error }
        return false
    }

    /// Removes a file or link; one that is not there is fine.
    package func remove(_ name: String) throws(FileError) {
        guard unsafe unlinkat(descriptor, name, 0) != 0 else { return }
        let error = FileError("remove", path(of: name))
        if !error.isNotFound { throw error }
    }

    /// Removes an empty directory.
    package func removeDirectory(_ name: String) throws(FileError) {
        guard unsafe unlinkat(descriptor, name, AT_REMOVEDIR) == 0 else { throw FileError("remove", path(of: name)) }
    }
}

import CLinux
import Glibc

/// A file that does not exist yet: its bytes are durable under another name, and ``commit()`` puts it in its place.
///
/// What is not committed leaves nothing behind.
package struct NewFile: ~Copyable {
    /// Where it will stand.
    package let path: String
    private let temporary: String
    private let isDurable: Bool

    /// The ending that marks a file on its way; hidden, too, so that neither certbot nor a `*.pem` glob takes it.
    package static let suffix = ".certctl-new"

    /// Where the bytes of a file wait for their commit.
    static func temporaryPath(for path: String) -> String {
        (FileSystem.directory(of: path) ?? ".") + "/." + FileSystem.name(of: path) + suffix
    }

    /// Writes and syncs the bytes beside `path`.
    ///
    /// - Parameters:
    ///   - mode: the permission bits, whatever the umask.
    ///   - owner, group: changed only where they are given and differ: only root may give a file away.
    ///   - isDurable: whether it is synced, for a power cut. A reader finds the old file or the new one in either case.
    package init(
        _ path: String, _ bytes: [UInt8], mode: UInt32, owner: UInt32? = nil, group: UInt32? = nil,
        isDurable: Bool = true
    ) throws(FileError) {
        let temporary = NewFile.temporaryPath(for: path)
        try FileSystem.remove(temporary)
        // 0600 first: a key must not be readable for the moment before its mode is set.
        let descriptor = unsafe certctl_open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw FileError("write", path) }
        do throws(FileError) {
            defer { close(descriptor) }
            try FileSystem.write(bytes, to: descriptor, path)
            try NewFile.setOwner(of: descriptor, path, owner, group)
            guard fchmod(descriptor, mode) == 0 else { throw FileError("set the mode of", path) }
            if isDurable { guard fsync(descriptor) == 0 else { throw FileError("sync", path) } }
        } catch {
            unsafe _ = unlink(temporary)
            throw error
        }
        self.path = path
        self.temporary = temporary
        self.isDurable = isDurable
    }

    deinit { unsafe _ = unlink(temporary) }

    /// Puts the file in its place, over what is there, and syncs the directory.
    package consuming func commit() throws(FileError) {
        try FileSystem.rename(temporary, to: path)
        if isDurable { try FileSystem.sync(directory: FileSystem.directory(of: path) ?? ".") }
    }

    /// Puts the file in its place where nothing may stand yet. The caller syncs the directory.
    package consuming func commitAsNew() throws(FileError) {
        try FileSystem.renameToNew(temporary, to: path)
    }

    private static func setOwner(
        of descriptor: Int32, _ path: String, _ owner: UInt32?, _ group: UInt32?
    ) throws(FileError) {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw FileError("look at", path) }
        guard (owner ?? status.st_uid, group ?? status.st_gid) != (status.st_uid, status.st_gid) else { return }
        guard fchown(descriptor, owner ?? .max, group ?? .max) == 0 else { throw FileError("set the owner of", path) }
    }
}

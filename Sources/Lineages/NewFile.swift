import CLinux
import Glibc

/// A file that does not exist yet: its bytes are durable under another name, and ``commit()`` puts it in its place.
///
/// What is not committed leaves nothing behind. The directory is held open from the first byte to the commit: a user who may
/// rename above it cannot have the file written to one place and put into another.
package struct NewFile: ~Copyable {
    /// Where it will stand.
    package let path: String
    private let temporary: String
    private let isDurable: Bool
    /// The directory of both names, opened for its place only.
    private let directory: Int32

    /// The ending that marks a file on its way; hidden, too, so that neither certbot nor a `*.pem` glob takes it.
    package static let suffix = ".certctl-new"

    /// Where what takes the place of `path` waits for that.
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
        let temporary = "." + FileSystem.name(of: path) + NewFile.suffix
        let directory = unsafe certctl_open_place(AT_FDCWD, FileSystem.directory(of: path) ?? ".", O_DIRECTORY)
        guard directory >= 0 else { throw FileError("write", path) }
        do throws(FileError) {
            try NewFile.write(temporary, in: directory, bytes, path, mode, owner, group, isDurable: isDurable)
        } catch {
            close(directory)
            throw error
        }
        self.path = path
        self.temporary = temporary
        self.isDurable = isDurable
        self.directory = directory
    }

    private static func write(
        _ temporary: String, in directory: Int32, _ bytes: [UInt8], _ path: String, _ mode: UInt32, _ owner: UInt32?,
        _ group: UInt32?, isDurable: Bool
    ) throws(FileError) {
        if unsafe unlinkat(directory, temporary, 0) != 0, errno != ENOENT { throw FileError("write", path) }
        // 0600 first: a key must not be readable for the moment before its mode is set.
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW
        let descriptor = unsafe certctl_openat(directory, temporary, flags, 0o600)
        guard descriptor >= 0 else { throw FileError("write", path) }
        do throws(FileError) {
            defer { close(descriptor) }
            try FileSystem.write(bytes, to: descriptor, path)
            try FileSystem.setOwner(of: descriptor, path, owner, group)
            guard fchmod(descriptor, mode) == 0 else { throw FileError("set the mode of", path) }
            if isDurable { guard fsync(descriptor) == 0 else { throw FileError("sync", path) } }
        } catch {
            unsafe _ = unlinkat(directory, temporary, 0)
            throw error
        }
    }

    deinit {
        unsafe _ = unlinkat(directory, temporary, 0)
        close(directory)
    }

    /// Puts the file in its place, over what is there, and syncs the directory.
    package consuming func commit() throws(FileError) {
        guard unsafe renameat(directory, temporary, directory, FileSystem.name(of: path)) == 0 else {
            throw FileError("write", path)
        }
        if isDurable { try FileSystem.sync(directory: FileSystem.directory(of: path) ?? ".") }
    }

    /// Puts the file in its place where nothing may stand yet. The caller syncs the directory.
    package consuming func commitAsNew() throws(FileError) {
        try FileSystem.renameToNew(temporary, to: FileSystem.name(of: path), at: directory, path)
    }
}

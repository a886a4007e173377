import CLinux
import Glibc
import Lineages

/// The file system of a running container, as its first process sees it. No symlink in it leads out (openat2(2),
/// RESOLVE_IN_ROOT): what a container has written decides nothing about this host's own files.
struct ContainerRoot: ~Copyable {
    private let descriptor: Int32

    /// What a path is.
    struct Identity: Equatable, Sendable {
        let device: UInt64
        let inode: UInt64
        let isDirectory: Bool
    }

    /// Nil without the rights, and where the process is gone.
    init?(pid: Int32) {
        guard pid > 0 else { return nil }
        let descriptor = unsafe certctl_open_place(AT_FDCWD, "/proc/\(pid)/root", O_DIRECTORY)
        guard descriptor >= 0 else { return nil }
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// What is at a path of the container; nil where nothing is, or an older kernel cannot tell.
    func identity(of path: String) -> Identity? {
        let place = unsafe certctl_open_place_in_root(descriptor, path)
        guard place >= 0 else { return nil }
        defer { close(place) }
        var status = stat()
        guard unsafe fstat(place, &status) == 0 else { return nil }
        return Identity(status)
    }

    /// The bytes of a regular file; nil for everything else, and for more than a configuration or a chain has.
    func read(_ path: String) -> [UInt8]? {
        let file = unsafe certctl_open_file_in_root(descriptor, path)
        guard file >= 0 else { return nil }
        defer { close(file) }
        return try? FileSystem.read(file, path, limit: 1 << 20)
    }

    /// What a path of this host is, its symlinks followed.
    static func hostIdentity(of path: String) -> Identity? {
        var status = stat()
        return unsafe stat(path, &status) == 0 ? Identity(status) : nil
    }
}

extension ContainerRoot.Identity {
    fileprivate init(_ status: stat) {
        self.init(
            device: UInt64(status.st_dev), inode: UInt64(status.st_ino),
            isDirectory: status.st_mode & S_IFMT == S_IFDIR)
    }
}

/// A mount of a container that shows something else than the host has at its source now: that was replaced after the container
/// was started, by a rename, a restore, an editor.
struct StaleMount: Equatable, Sendable {
    let source: String
    let destination: String
    let isDirectory: Bool
    /// Whether the host has nothing at the source any more.
    let isGone: Bool
    /// Whether a file's content differs, and not its inode alone.
    let differs: Bool

    /// Whether the next start of the server would read something else there.
    var isOfServer: Bool { isDirectory || differs }

    /// Compares device and inode of each mount. Blocks while it looks.
    static func all(of container: ContainerFacts) -> [StaleMount] {
        guard container.isRunning, let root = ContainerRoot(pid: container.pid) else { return [] }
        return container.mounts.compactMap { mount in
            guard let inside = root.identity(of: mount.destination) else { return nil }
            let outside = ContainerRoot.hostIdentity(of: mount.written)
            guard inside != outside else { return nil }
            let isSame =
                !inside.isDirectory
                && root.read(mount.destination).map { $0 == (try? FileSystem.read(mount.written)) } == true
            return StaleMount(
                source: mount.written, destination: mount.destination, isDirectory: inside.isDirectory,
                isGone: outside == nil, differs: !isSame)
        }
    }
}

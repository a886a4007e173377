import CLinux
import Glibc

/// certbot's lock on a tree, held until the value goes away.
///
/// It is a POSIX record lock on `.certbot.lock` in the config directory (`flock(2)` would not exclude certbot). Closing
/// *any* descriptor of that file in this process drops it, so nothing else here may open the file.
package struct TreeLock: ~Copyable {
    private let path: String
    private let descriptor: Int32

    /// Why the lock could not be had.
    package enum Failure: Error, Sendable, CustomStringConvertible {
        /// Another process holds it: its id, where the system told.
        case held(path: String, by: Int32?)
        /// The lock file could not be opened.
        case file(FileError)

        package var description: String {
            switch self {
            case .held(let path, let pid?): "\(path) is locked by process \(pid)\(Failure.program(pid))"
            case .held(let path, nil): "\(path) is locked by another process"
            case .file(let error): "\(error)"
            }
        }

        private static func program(_ pid: Int32) -> String {
            ProcessName.of(pid).map { " (\($0))" } ?? ""
        }
    }

    /// The name of certbot's lock file.
    package static let fileName = ".certbot.lock"

    /// Takes the lock without waiting.
    package init(configDirectory: String) throws(Failure) {
        path = configDirectory + "/" + TreeLock.fileName
        while true {
            let descriptor = unsafe certctl_open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
            guard descriptor >= 0 else { throw .file(FileError("lock", path)) }
            guard certctl_try_lock(descriptor) == 0 else {
                let error = FileError("lock", path)
                let holder = certctl_lock_holder(descriptor)
                close(descriptor)
                guard error.code == EACCES || error.code == EAGAIN else { throw .file(error) }
                throw .held(path: path, by: holder > 0 ? holder : nil)
            }
            // The holder before us unlinks the file as it leaves: a lock on that inode would exclude no process.
            var ours = stat()
            var there = stat()
            let isSame =
                unsafe fstat(descriptor, &ours) == 0 && lstat(path, &there) == 0
                && ours.st_dev == there.st_dev && ours.st_ino == there.st_ino
            if isSame {
                self.descriptor = descriptor
                return
            }
            close(descriptor)
        }
    }

    deinit {
        unsafe _ = unlink(path)
        close(descriptor)
    }
}

import Glibc
import Text

/// A file operation that failed: on what, and why.
package struct FileError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The file or directory.
    package let path: String
    /// What was tried, as a verb: `read`, `write`, `rename`.
    package let action: String
    /// The `errno` of the failing call; 0 where certctl itself refused.
    package let code: Int32
    private let reason: String?

    /// The failure of a system call that has just returned.
    init(_ action: String, _ path: String, code: Int32 = errno) {
        (self.path, self.action, self.code, self.reason) = (path, action, code, nil)
    }

    /// A refusal by certctl itself.
    package init(_ action: String, _ path: String, because reason: String) {
        (self.path, self.action, self.code, self.reason) = (path, action, 0, reason)
    }

    package var description: String { "cannot \(action) \(path.line()): \(cause)" }

    /// Why, without the path.
    package var cause: String { reason?.line() ?? FileError.text(code) }

    /// Whether the file is not there.
    package var isNotFound: Bool { code == ENOENT || code == ENOTDIR }

    /// Whether the caller lacks the right.
    package var isPermission: Bool { code == EACCES || code == EPERM }

    private static func text(_ code: Int32) -> String {
        var buffer = [CChar](repeating: 0, count: 256)
        guard unsafe strerror_r(code, &buffer, buffer.count) == 0 else { return "error \(code)" }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
    }
}

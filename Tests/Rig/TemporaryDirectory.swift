import FoundationEssentials
import Glibc

/// A directory that lives as long as a closure runs.
package struct TemporaryDirectory {
    /// Runs `body` with the path of a new, empty directory and removes the directory afterwards.
    ///
    /// It is 0755, so that nginx's workers, which are not root, can read a webroot inside. With `CERTCTL_KEEP=1` in
    /// the environment it stays, and standard error says where.
    package static func with<R: Sendable>(_ body: (String) async throws -> R) async throws -> R {
        let path = try make()
        defer { remove(path) }
        return try await body(path)
    }

    static func make() throws -> String {
        let parent = environmentVariable("TMPDIR") ?? "/tmp"
        var template = "\(parent)/certctl-XXXXXX".utf8CString.map { $0 }
        guard template.withUnsafeMutableBufferPointer({ mkdtemp($0.baseAddress!) }) != nil else {
            throw RigError("\(parent): no temporary directory can be made: \(String(cString: strerror(errno)))")
        }
        let path = String(decoding: template.dropLast().map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
        guard chmod(path, 0o755) == 0 else {
            throw RigError("\(path): the mode cannot be set: \(String(cString: strerror(errno)))")
        }
        return path
    }

    private static func remove(_ path: String) {
        if environmentVariable("CERTCTL_KEEP") == "1" {
            write(toStandardError: "kept: \(path)\n")
            return
        }
        do {
            try FileManager.default.removeItem(atPath: path)
        } catch {
            write(toStandardError: "not removed: \(path): \(error)\n")
        }
    }
}

/// The value of an environment variable, or nil when it is unset or empty.
package func environmentVariable(_ name: String) -> String? {
    guard let value = getenv(name).map({ String(cString: $0) }), !value.isEmpty else { return nil }
    return value
}

private func write(toStandardError text: String) {
    _ = text.withCString { Glibc.write(STDERR_FILENO, $0, strlen($0)) }
}

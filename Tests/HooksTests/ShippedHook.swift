import FoundationEssentials
import Rig

/// A script of `hooks/`, run as a service runs it: with no environment but what is given, and no terminal.
struct ShippedHook {
    static let directory = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/hooks"

    /// Where the script is; it reads the event or the tree from its place.
    let path: String

    init(_ name: String) {
        path = "\(Self.directory)/\(name)"
    }

    /// A copy of the script in `DIRECTORY/NAME`, a directory that is made.
    init(_ name: String, installedIn directory: String) throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        path = "\(directory)/\(name)"
        try FileManager.default.copyItem(atPath: "\(Self.directory)/\(name)", toPath: path)
    }

    /// Runs it to its end. `prefix` is a program that runs it.
    func run(_ environment: [String: String], prefix: [String] = []) async throws -> Output {
        let variables = environment.map { "\($0.key)=\($0.value)" }.sorted()
        let command = prefix + ["env", "-i"] + variables + [path]
        return try await sh(command[0], Array(command.dropFirst()), directory: "/")
    }
}

/// Writes a file, for a program when `mode` says so.
func write(_ text: String, to path: String, mode: Int = 0o644) throws {
    try text.write(toFile: path, atomically: false, encoding: .utf8)
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
}

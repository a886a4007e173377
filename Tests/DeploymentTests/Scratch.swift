import Deployment
import FoundationEssentials
import Glibc

/// A directory of a test's own, gone with the value.
final class Scratch: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appending(path: "certctl-hooks-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func path(_ name: String) -> String { path + "/" + name }

    func text(_ name: String) -> String? {
        FileManager.default.contents(atPath: path(name)).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Makes a file, by a process that is gone then: while this one has a script open for writing, a child that another
    /// test starts has it open too for a moment, and nobody can run it.
    @discardableResult
    func file(_ name: String, _ text: String = "exit 0\n", mode: String = "755") async throws -> String {
        let line = #"mkdir -p "${1%/*}" && printf %s "$2" > "$1" && chmod "$3" "$1""#
        let arguments = ["-c", line, "sh", path(name), text, mode]
        let outcome = await SubprocessRunner().run(
            Command(executable: "/bin/sh", arguments: arguments), timeout: .seconds(600))
        guard outcome.succeeded else { throw Trouble(description: "\(name) \(outcome): \(outcome.output)") }
        return path(name)
    }

    /// Waits for the whole line that another process writes to a file.
    func line(of name: String) async throws -> String {
        for _ in 0..<30_000 {
            if let text = text(name), text.hasSuffix("\n") { return String(text.dropLast()) }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw Trouble(description: "nothing was written to \(name) within 300 s")
    }
}

struct Trouble: Error, CustomStringConvertible {
    let description: String
}

/// Whether a process runs; one that has ended and waits to be reaped does not.
func isRunning(_ pid: pid_t) -> Bool {
    guard let stat = FileManager.default.contents(atPath: "/proc/\(pid)/stat") else { return false }
    let state = String(decoding: stat, as: UTF8.self).split(separator: ")").last?.first { $0 != " " }
    return state != "Z" && state != "X"
}

/// Whether a process has ended within a generous time.
func ends(_ pid: pid_t) async throws -> Bool {
    for _ in 0..<30_000 {
        if !isRunning(pid) { return true }
        try await Task.sleep(for: .milliseconds(10))
    }
    return false
}

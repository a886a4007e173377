/// The names of processes (proc(5), comm).
package enum ProcessName {
    /// The name of a process, at most 15 bytes of its program's; nil where it is gone, or /proc is not mounted.
    package static func of(_ pid: Int32) -> String? {
        (try? FileSystem.readAll("/proc/\(pid)/comm")).map {
            String(decoding: $0.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
        }
    }

    /// The command line of a process, its words separated by blanks and cut to what a line takes; nil where there is none.
    package static func commandLine(of pid: Int32) -> String? {
        guard let bytes = try? FileSystem.readAll("/proc/\(pid)/cmdline"), !bytes.isEmpty else { return nil }
        let words = bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        return String(words.joined(separator: " ").prefix(longestCommandLine))
    }

    private static let longestCommandLine = 200
}

/// The names of processes (proc(5), comm).
package enum ProcessName {
    /// The name of a process, at most 15 bytes of its program's; nil where it is gone, or /proc is not mounted.
    package static func of(_ pid: Int32) -> String? {
        (try? FileSystem.readAll("/proc/\(pid)/comm")).map {
            String(decoding: $0.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
        }
    }
}

import Lineages

/// What keeps a process from going on or from ending (proc(5), status).
enum ProcessState: Equatable, Sendable {
    case running
    /// By a signal, as by Ctrl-Z.
    case stopped
    /// It was killed, and is still there: the kernel waits for a device or a file system on its behalf.
    case unending

    /// What the kernel says of a process; where it says nothing, it runs.
    init(of pid: Int32) {
        let status = (try? FileSystem.readAll("/proc/\(pid)/status")).map { String(decoding: $0, as: UTF8.self) }
        self.init(status: status ?? "")
    }

    init(status: String) {
        var fields: [Substring: String] = [:]
        for line in status.split(separator: "\n") {
            guard let colon = line.firstIndex(of: ":") else { continue }
            fields[line[..<colon]] = String(line[line.index(after: colon)...].drop(while: \.isWhitespace))
        }
        let pending = ["SigPnd", "ShdPnd"].compactMap { fields[$0].flatMap { UInt64($0, radix: 16) } }.reduce(0, |)
        let state = fields["State"]?.first
        // SIGKILL is number 9. A stopped process takes it at once.
        if state == "D", pending & 1 << 8 != 0 {
            self = .unending
        } else {
            self = state == "T" ? .stopped : .running
        }
    }

    /// For the end of a sentence about the process.
    var text: String {
        switch self {
        case .running: ""
        case .stopped: "; it is stopped by a signal, and goes on when it gets SIGCONT"
        case .unending: "; it was killed, and cannot end: the kernel waits for a device or a file system on its behalf"
        }
    }
}

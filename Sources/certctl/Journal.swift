import Glibc
import Renewal
import Text

/// The error stream as systemd's journal reads it, which takes each line for an entry of its own (sd-daemon(3)).
enum Journal {
    /// syslog(3)'s priorities, as far as they are used.
    enum Priority: Int {
        case error = 3
        case warning = 4
        case info = 6
        case debug = 7
    }

    /// Whether the error stream is the journal's: systemd says in JOURNAL_STREAM which device and inode that has.
    static let isErrorStream: Bool = {
        guard let value = unsafe getenv("JOURNAL_STREAM") else { return false }
        var status = stat()
        guard unsafe fstat(STDERR_FILENO, &status) == 0 else { return false }
        return unsafe String(cString: value) == "\(status.st_dev):\(status.st_ino)"
    }()
}

extension StandardError {
    /// Writes one line, in the journal with its priority; on a terminal it is wrapped.
    ///
    /// - Parameter hanging: how much deeper than the first line the others are.
    static func write(line: String, _ priority: Journal.Priority, hanging: Int = 2) {
        if Journal.isErrorStream { return write("<\(priority.rawValue)>\(line.plain)\n") }
        write(TextLayout.lines(line, to: Screen.error.width, hanging: hanging).map { $0 + "\n" }.joined())
    }

    /// Writes what is wrong and what is next: two lines for a person, one entry of the journal, which names certctl by itself.
    static func write(fault: String, next: Remedy.Step?) {
        if Journal.isErrorStream {
            write(line: fault + (next.map { "; next: \($0.text)" } ?? ""), .error)
        } else {
            write(line: "certctl: \(fault)", .error)
            switch next {
            case nil: break
            case .do(let text)?: write(line: "  next: \(text)", .error, hanging: 6)
            case .run(let command)?:
                for line in TextLayout.command(command, after: "  next: ", to: Screen.error.width) {
                    write(line + "\n")
                }
            }
        }
    }
}

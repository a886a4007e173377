import ArgumentParser
import Glibc
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
    /// Writes one line, in the journal with its priority.
    static func write(line: String, _ priority: Journal.Priority) {
        write((Journal.isErrorStream ? "<\(priority.rawValue)>" : "") + line.plain + "\n")
    }

    /// Writes what is wrong and what is next: two lines for a person, one entry of the journal, which names certctl by itself.
    static func write(fault: String, next: String?) {
        if Journal.isErrorStream {
            write(line: fault + (next.map { "; next: \($0)" } ?? ""), .error)
        } else {
            write(line: "certctl: \(fault)", .error)
            if let next { write(line: "  next: \(next)", .error) }
        }
    }
}

extension ParsableArguments {
    /// Ends the process as the argument parser would, with a refusal in the journal's form.
    static func end(_ error: any Error) -> Never {
        let code = exitCode(for: error)
        if Journal.isErrorStream, code != .success {
            for line in fullMessage(for: error).split(whereSeparator: \.isNewline) {
                StandardError.write(line: String(line), .error)
            }
            Glibc.exit(code.rawValue)
        }
        // What was typed comes back in a refusal: of a name, say, that a script has from somewhere else.
        if code != .success {
            let message = fullMessage(for: error)
            // One that only has a code has nothing to say.
            for line in message.isEmpty ? [] : message.split(separator: "\n", omittingEmptySubsequences: false) {
                StandardError.write(String(line).plain + "\n")
            }
            Glibc.exit(code.rawValue)
        }
        exit(withError: error)
    }
}

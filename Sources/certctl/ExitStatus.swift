import Glibc
import Renewal
import Text

/// Exit codes, after sysexits.h where it has one.
enum ExitStatus: Int32 {
    /// Something failed, or is still pending.
    case failed = 1
    /// The command line is wrong.
    case usage = 64
    /// Nothing is wrong here: try later.
    case tryLater = 75
    /// The config directory or the settings cannot be read.
    case configuration = 78
}

/// An error that ends a command: the thing and its cause on one line, the next step on another.
struct CommandFailure: Error {
    let status: ExitStatus
    let message: String
    let next: Remedy.Step?

    init(_ status: ExitStatus, _ message: String, next: Remedy.Step? = nil) {
        (self.status, self.message, self.next) = (status, message, next)
    }
}

/// What is written where a step is taken is for a person, unless it says `.run`.
extension Remedy.Step: ExpressibleByStringInterpolation {
    init(stringLiteral text: String) { self = .do(text) }
}

/// The error stream, where everything goes that is not a result.
enum StandardError {
    /// Writes text as it is; a closed stream is ignored.
    static func write(_ text: String) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }

    /// Whether somebody can be asked.
    static var canAsk: Bool { isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1 }

    /// Asks a question on the terminal; only a yes is one.
    static func ask(_ question: String) -> Bool {
        let lines = TextLayout.wrapped(question, to: Screen.error.width, indent: 2)
        write(lines.joined(separator: "\n") + (question.hasSuffix(" ") ? " " : ""))
        return ["y", "yes"].contains(readLine()?.lowercased() ?? "")
    }
}

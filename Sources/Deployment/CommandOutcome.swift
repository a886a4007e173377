import Text

/// How a command ended, and what it printed.
package struct CommandOutcome: Hashable, Sendable {
    /// The way a command ended.
    package enum Status: Hashable, Sendable {
        /// It ended by itself, with this exit code.
        case exited(Int32)
        /// A signal that certctl did not send ended it.
        case signalled(Int32)
        /// It was still running after this time, and was ended with all that it had started.
        case timedOut(after: Duration)
        /// It never ran, for this reason.
        case notStarted(String)
        /// The calling task was cancelled; what was running was ended.
        case cancelled
    }

    package let status: Status
    /// Standard output and standard error as they came, the last 64 KiB of them.
    package let bytes: [UInt8]
    /// The same as text, with U+FFFD for what is not UTF-8.
    ///
    /// Control characters are left in: who prints it to a terminal has to take them out.
    package let output: String
    /// Whether `output` lacks its beginning.
    package let outputWasCut: Bool
    /// From start to end.
    package let duration: Duration

    /// An outcome as it was seen.
    package init(
        _ status: Status, output: String = "", bytes: [UInt8]? = nil, outputWasCut: Bool = false,
        duration: Duration = .zero
    ) {
        self.status = status
        self.output = output
        self.bytes = bytes ?? Array(output.utf8)
        self.outputWasCut = outputWasCut
        self.duration = duration
    }

    /// Whether the command ended by itself, and with 0.
    package var succeeded: Bool { status == .exited(0) }

    /// The last line of the output that is not blank, in plain text and not longer than a line: with most programs the one
    /// that names the cause.
    package var lastLine: String? {
        output.split(whereSeparator: \.isNewline).last { line in line.contains { !$0.isWhitespace } }
            .map { String($0).line() }
    }
}

extension CommandOutcome: CustomStringConvertible {
    /// A predicate to put after the command's name, like "exited with 3".
    package var description: String {
        switch status {
        case .exited(let code): "exited with \(code)"
        case .signalled(let signal): "was ended by signal \(signal)"
        case .timedOut(let limit): "did not end within \(limit.inSeconds) s and was ended"
        case .notStarted(let reason): "could not be started: \(reason)"
        case .cancelled: "was interrupted"
        }
    }
}

extension Duration {
    /// Seconds, with at most three decimals and only where they are needed.
    fileprivate var inSeconds: String {
        let (seconds, attoseconds) = components
        let thousandths = attoseconds / 1_000_000_000_000_000
        if thousandths == 0 { return "\(seconds)" }
        var decimals = String(String(1000 + thousandths).dropFirst())
        while decimals.last == "0" { decimals.removeLast() }
        return "\(seconds).\(decimals)"
    }
}

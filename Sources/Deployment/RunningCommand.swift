import Glibc
import Subprocess

/// A command between its start and its end. The process cannot be reaped, and its number not be given to another,
/// before ``watch(timeout:interruption:)`` returns.
struct RunningCommand: Sendable {
    /// Why a command ended.
    enum Ending {
        case byItself, timedOut, interrupted
    }

    /// What was seen of a command.
    struct Watched: Sendable {
        let ending: Ending
        let output: OutputTail
        /// When all that is left of the process group has to be killed, nil if the command ended by itself.
        let killTime: ContinuousClock.Instant?
    }

    private enum Event {
        case ended(OutputTail)
        case timedOut, interrupted, graceOver
    }

    /// More than a pipe and the library's buffers hold together: so much, read after the end of the command, was printed by
    /// something that it left behind.
    private static let mostReadAfterEnd = 1 << 20

    private let execution: Execution<NoInput, SequenceOutput, CombinedErrorOutput>

    init(_ execution: Execution<NoInput, SequenceOutput, CombinedErrorOutput>) {
        self.execution = execution
    }

    /// Collects the output until the command has ended, and ends it at the time-out or when `interruption` finishes.
    func watch(timeout: Duration, interruption: AsyncStream<Never>) async -> Watched {
        await withTaskGroup(of: Event.self) { events in
            events.addTask { .ended(await collectOutput()) }
            events.addTask {
                try? await Task.sleep(for: timeout)
                return .timedOut
            }
            events.addTask {
                for await _ in interruption {}
                return .interrupted
            }
            defer { events.cancelAll() }

            var ending = Ending.byItself
            var killTime: ContinuousClock.Instant?
            while let event = await events.next() {
                switch event {
                case .ended(let output): return Watched(ending: ending, output: output, killTime: killTime)
                case .graceOver: signalGroup(SIGKILL)
                case .timedOut, .interrupted:
                    guard killTime == nil else { continue }
                    if case .timedOut = event { ending = .timedOut } else { ending = .interrupted }
                    killTime = .now + SubprocessRunner.grace
                    signalGroup(SIGTERM)
                    events.addTask {
                        try? await Task.sleep(for: SubprocessRunner.grace)
                        return .graceOver
                    }
                }
            }
            return Watched(ending: ending, output: OutputTail(), killTime: killTime)
        }
    }

    /// Reads the output to its end, or until the process has ended and what it printed is read; returns after that.
    private func collectOutput() async -> OutputTail {
        var output = OutputTail()
        var readAfterEnd = 0
        do {
            // The library ends the sequence when the process ends, though something else holds the pipe open; but not
            // while that something fills the pipe faster than it is read.
            for try await chunk in execution.standardOutput {
                unsafe chunk.withUnsafeBytes { unsafe output.append($0) }
                guard hasEnded else { continue }
                readAfterEnd += chunk.count
                if readAfterEnd >= Self.mostReadAfterEnd { break }
            }
        } catch {
            // The output cannot be read any further; how the command ends still counts.
        }
        // A program may close its output long before it ends, and a process ends a moment after its files are closed.
        var pause = Duration.milliseconds(1)
        while !hasEnded && !Task.isCancelled {
            try? await Task.sleep(for: pause)
            pause = min(pause * 2, .milliseconds(100))
        }
        return output
    }

    /// Whether the process has ended; it stays to be reaped.
    private var hasEnded: Bool {
        var info = unsafe siginfo_t()
        let flags = WEXITED | WNOHANG | WNOWAIT
        guard unsafe waitid(P_PID, id_t(execution.processIdentifier.value), &info, flags) == 0 else {
            return errno != EINTR
        }
        return unsafe info.si_signo != 0
    }

    private func signalGroup(_ signal: Int32) {
        // Fails only when no process is left.
        _ = kill(-execution.processIdentifier.value, signal)
    }
}

import Glibc
import Subprocess
import Synchronization

/// A program that answers each line on its standard input with a line on its standard output.
///
/// The end of its input is its order to clean up and exit; that comes by itself when certctl dies. What it prints on standard
/// error is kept for the report of a failure.
package actor LineProgram {
    /// Why there is no answer.
    package enum Failure: Error, Sendable, Equatable, CustomStringConvertible {
        /// It never ran.
        case notStarted(String)
        /// It ended, with this, before it answered.
        case ended(String)
        case timedOut(Duration)
        case cancelled

        package var description: String {
            switch self {
            case .notStarted(let reason): "could not be started: \(reason)"
            case .ended(let how): "ended without an answer: it \(how)"
            case .timedOut(let limit): "did not answer within \(limit.components.seconds) s"
            case .cancelled: "was interrupted"
            }
        }
    }

    /// Longer than any answer that means something.
    private static let longestLine = 65_536

    private let launched: LaunchedCommand
    private let mailbox = Mailbox()
    private var running: Task<Void, Never>?
    private var isOver = false

    /// A program that is started by the first question.
    package init(_ launched: LaunchedCommand) { self.launched = launched }

    deinit { mailbox.hangUp() }

    /// What it has printed on standard error so far, the last 64 KiB.
    package nonisolated var output: String { mailbox.errors.withLock { $0.text } }

    /// Sends a line and waits for its answer. One question at a time.
    package func ask(_ line: String, within limit: Duration) async throws(Failure) -> String {
        start()
        mailbox.send(line)
        return try await mailbox.next(within: limit)
    }

    /// Closes the program's input, and ends what has not exited by itself within the limit.
    package func end(within limit: Duration) async {
        guard !isOver else { return }
        isOver = true
        mailbox.hangUp()
        guard let running else { return }
        // A task that no cancellation reaches: what is left would run on.
        await Task { [launched, mailbox] in
            if await LineProgram.hasEnded(running, within: limit) { return }
            if let end = launched.end { await end() } else { mailbox.signalGroup(SIGTERM) }
            if await LineProgram.hasEnded(running, within: SubprocessRunner.grace) { return }
            mailbox.signalGroup(SIGKILL)
            await running.value
        }.value
    }

    private static func hasEnded(_ running: Task<Void, Never>, within limit: Duration) async -> Bool {
        let ended = Mutex(false)
        let deadline = ContinuousClock.now + limit
        let watch = Task {
            await running.value
            ended.withLock { $0 = true }
        }
        defer { watch.cancel() }
        while ContinuousClock.now < deadline {
            if ended.withLock({ $0 }) { return true }
            try? await Task.sleep(for: .milliseconds(20))
        }
        return ended.withLock { $0 }
    }

    private func start() {
        guard running == nil else { return }
        let input = mailbox.connect()
        running = Task { [launched, mailbox] in
            await LineProgram.run(launched.command, input, mailbox)
            launched.ended()
        }
    }

    private static func run(_ command: Command, _ input: Int32?, _ mailbox: Mailbox) async {
        guard let input else { return mailbox.close(.notStarted("there is no socket for its input")) }
        if let reason = command.defect {
            close(input)
            return mailbox.close(.notStarted(reason))
        }
        var options = PlatformOptions()
        options.createSession = true
        do {
            let result = try await Subprocess.run(
                .path(literal(command.executable)), arguments: Arguments(command.arguments),
                environment: .inherit.updating(command.additions), platformOptions: options,
                input: .fileDescriptor(raw(input), closeAfterSpawningProcess: true), output: .sequence, error: .sequence
            ) { execution in
                mailbox.group.withLock { $0 = execution.processIdentifier.value }
                await withTaskGroup { group in
                    group.addTask {
                        await mailbox.read(execution.standardOutput)
                        mailbox.hangUp()
                    }
                    group.addTask { await mailbox.readErrors(execution.standardError) }
                }
            }
            mailbox.group.withLock { $0 = nil }
            let outcome =
                switch result.terminationStatus {
                case .exited(let code): CommandOutcome(.exited(code))
                case .signaled(let signal): CommandOutcome(.signalled(signal))
                }
            mailbox.close(.ended(outcome.description))
        } catch {
            let reason = (error as? SubprocessError)?.underlyingError.map { "\($0)" } ?? "\(error)"
            mailbox.close(.notStarted(reason))
        }
    }

    /// What goes between the one who asks and the task that has the process.
    private final class Mailbox: Sendable {
        /// The end of the program's input that is written to; nil before its start, and when it has been closed. A socket, as a
        /// write to a pipe without a reader would end this process.
        private let input = Mutex<Int32?>(nil)
        private let answers: AsyncStream<Result<String, Failure>>
        private let receiver: AsyncStream<Result<String, Failure>>.Continuation
        let errors = Mutex(OutputTail())
        /// The process group, as long as its leader runs.
        let group = Mutex<pid_t?>(nil)

        init() {
            (answers, receiver) = AsyncStream.makeStream(of: Result<String, Failure>.self)
        }

        /// Makes the program's input, and gives its other end.
        func connect() -> Int32? {
            var ends: [Int32] = [-1, -1]
            guard unsafe socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
                return nil
            }
            let mine = ends[0]
            return input.withLock { input in
                input = mine
                return ends[1]
            }
        }

        /// Sends a line. A program that is not there any more, or does not read, is found by the wait for its answer.
        func send(_ line: String) {
            let bytes = Array("\(line)\n".utf8)
            input.withLock { input in
                guard let input else { return }
                unsafe _ = bytes.withUnsafeBytes {
                    unsafe Glibc.send(input, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
                }
            }
        }

        func hangUp() {
            input.withLock { input in
                if let input { Glibc.close(input) }
                input = nil
            }
        }

        func close(_ failure: Failure) {
            hangUp()
            receiver.yield(.failure(failure))
            receiver.finish()
        }

        func signalGroup(_ signal: Int32) {
            group.withLock { group in
                if let group { _ = kill(-group, signal) }
            }
        }

        func next(within limit: Duration) async throws(Failure) -> String {
            let answer = await withTaskGroup(of: Result<String, Failure>.self) { race in
                race.addTask { [answers] in
                    for await answer in answers { return answer }
                    return .failure(Task.isCancelled ? .cancelled : .ended("has ended"))
                }
                race.addTask {
                    do {
                        try await Task.sleep(for: limit)
                        return .failure(.timedOut(limit))
                    } catch {
                        return .failure(.cancelled)
                    }
                }
                defer { race.cancelAll() }
                return await race.next() ?? .failure(.cancelled)
            }
            return try answer.get()
        }

        /// Hands on whole lines, and throws away what is too long for one.
        func read(_ output: SubprocessOutputSequence) async {
            var line: [UInt8] = []
            do {
                for try await chunk in output {
                    for byte in unsafe chunk.withUnsafeBytes({ unsafe Array($0) }) {
                        if byte == UInt8(ascii: "\n") {
                            receiver.yield(.success(String(decoding: line, as: UTF8.self)))
                            line = []
                        } else if line.count < LineProgram.longestLine {
                            line.append(byte)
                        }
                    }
                }
            } catch {
                // Its end tells why.
            }
        }

        func readErrors(_ output: SubprocessOutputSequence) async {
            do {
                for try await chunk in output {
                    errors.withLock { errors in unsafe chunk.withUnsafeBytes { unsafe errors.append($0) } }
                }
            } catch {
                // There is no more to be had.
            }
        }
    }
}

/// A value of a type that wraps a number, made without naming the type or its module.
private func raw<Value: RawRepresentable>(_ number: Value.RawValue) -> Value {
    guard let value = Value(rawValue: number) else { preconditionFailure("every number is a descriptor's") }
    return value
}

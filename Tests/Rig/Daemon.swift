import Glibc
import Subprocess

/// A real program that runs in the background as long as a closure does.
package struct Daemon: Sendable {
    package let pid: Int32
    /// The file that holds what the program wrote to either of its streams.
    package let log: String

    /// How to see that a daemon is up.
    package enum Readiness: Sendable {
        /// It accepts TCP connections on all of these ports of 127.0.0.1.
        case ports([Int])
        case predicate(@Sendable () async throws -> Bool)
    }

    /// What the daemon gets when the test process dies and cannot end it any more.
    package enum LastSignal: String, Sendable {
        case kill = "KILL"
        /// For a daemon that has to end processes of its own.
        case terminate = "TERM"
    }

    /// The time for the start, and more than a start takes on a machine that is busy with other tests.
    private static let startLimit: Duration = .seconds(180)

    /// Starts a program, waits until it is ready, runs `body` and ends the program.
    ///
    /// The end is SIGTERM, and SIGKILL 5 seconds later. Throws the tail of the log when the program exits before it is
    /// ready, or is not ready within three minutes.
    package static func with<R: Sendable>(
        _ program: String, _ arguments: [String], environment: [String: String] = [:], directory: String? = nil,
        log: String, ready: Readiness, lastSignal: LastSignal = .kill, _ body: (Daemon) async throws -> R
    ) async throws -> R {
        // The death signal is sent when the *thread* dies that made the process: all are made by one thread of
        // Subprocess that lives as long as the test process.
        let launch = "cd -- \"$1\" && log=$2 && shift 2 && exec setpriv --pdeathsig \"$0\" \"$@\" >\"$log\" 2>&1"
        let configuration = Configuration(
            executable: .name("sh"),
            arguments: Arguments(
                ["-c", launch, lastSignal.rawValue, directory ?? "/", log, program] + arguments),
            environment: .rig(adding: environment))
        let result = try await run(configuration, input: .none, output: .discarded, error: .discarded) { execution in
            let daemon = Daemon(pid: execution.processIdentifier.value, log: log)
            let outcome: Result<R, any Error>
            do {
                try await daemon.wait(for: ready, name: program)
                outcome = .success(try await body(daemon))
            } catch {
                outcome = .failure(error)
            }
            await execution.teardown(using: [.gracefulShutDown(allowedDurationToNextStep: .seconds(5))])
            return outcome
        }
        do {
            return try result.closureResult.get()
        } catch let early as EndedEarly {
            throw RigError("\(early.description), with \(result.terminationStatus); its log:\n\(early.log)")
        }
    }

    /// Whether the program still runs.
    package var isRunning: Bool { Daemon.isRunning(pid) }

    /// Whether a process exists that has not exited; one that nobody has waited for yet does not count.
    package static func isRunning(_ pid: Int32) -> Bool {
        guard let stat = contents(ofFile: "/proc/\(pid)/stat"), let end = stat.lastIndex(of: ")") else { return false }
        let state = stat[end...].dropFirst(2).first
        return state != "Z" && state != "X"
    }

    /// Everything the program has written so far.
    package func output() -> String { contents(ofFile: log) ?? "" }

    private func wait(for ready: Readiness, name: String) async throws {
        let deadline = ContinuousClock.now + Self.startLimit
        while true {
            guard isRunning else { throw EndedEarly(name: name, log: tail) }
            switch ready {
            case .ports(let ports): if ports.allSatisfy(Ports.accepts) { return }
            case .predicate(let isReady): if try await isReady() { return }
            }
            guard ContinuousClock.now < deadline else {
                throw RigError("\(name): not ready after \(Self.startLimit); its log:\n\(tail)")
            }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    private var tail: String {
        output().split(separator: "\n").suffix(20).joined(separator: "\n")
    }
}

/// A program has ended before it was ready.
private struct EndedEarly: Error, CustomStringConvertible {
    let name: String
    let log: String
    var description: String { "\(name): ended before it was ready" }
}

/// A file's text with invalid UTF-8 repaired, or nil when the file cannot be read; also for files of /proc.
package func contents(ofFile path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
        let count = read(descriptor, &chunk, chunk.count)
        if count < 0 && errno == EINTR { continue }
        guard count >= 0 else { return nil }
        guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
        bytes += chunk[..<count]
    }
}

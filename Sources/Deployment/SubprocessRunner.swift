import Glibc
import Subprocess

/// Runs commands as child processes, each the leader of a session of its own.
///
/// A command's standard input is empty; its working directory and environment are certctl's; its signals are as the
/// system's defaults have them; certctl's own open files are not passed on.
///
/// The end of the command is the end of its own process: what it leaves behind runs on and is not waited for, but it
/// loses its standard output then, so that a service which a hook starts has to redirect it, as daemons do.
///
/// In a process that ignores SIGCHLD the system keeps no exit codes (wait(2)): who uses this sees to it that its process does not.
package struct SubprocessRunner: CommandRunner {
    /// How long a command that has to end may clean up, between SIGTERM and SIGKILL.
    static let grace: Duration = .seconds(5)

    /// A runner; it has no settings.
    package init() {}

    package func run(_ command: Command, timeout: Duration) async -> CommandOutcome {
        if let reason = command.defect { return CommandOutcome(.notStarted(reason)) }
        if Task.isCancelled { return CommandOutcome(.cancelled) }
        let (interruption, interrupt) = AsyncStream.makeStream(of: Never.self)
        // A task of its own, that a cancellation reaches by the stream only: the library's own answer to a cancelled
        // task is to kill the one process at once.
        let supervision = Task { await supervise(command, timeout: timeout, interruption: interruption) }
        return await withTaskCancellationHandler {
            await supervision.value
        } onCancel: {
            interrupt.finish()
        }
    }

    private func supervise(
        _ command: Command, timeout: Duration, interruption: AsyncStream<Never>
    ) async -> CommandOutcome {
        let clock = ContinuousClock()
        let start = clock.now
        var options = PlatformOptions()
        options.createSession = true
        do {
            let result = try await Subprocess.run(
                .path(literal(command.executable)), arguments: Arguments(command.arguments),
                environment: .inherit.updating(command.additions), platformOptions: options,
                input: .none, output: .sequence, error: .combinedWithOutput
            ) { execution in
                await RunningCommand(execution).watch(timeout: timeout, interruption: interruption)
            }
            let watched = result.closureResult
            let status: CommandOutcome.Status
            switch watched.ending {
            case .timedOut: status = .timedOut(after: timeout)
            case .interrupted: status = .cancelled
            case .byItself:
                switch result.terminationStatus {
                case .exited(let code): status = .exited(code)
                case .signaled(let signal): status = .signalled(signal)
                }
            }
            if let killTime = watched.killTime {
                await endStragglers(ofGroup: result.processIdentifier.value, by: killTime)
            }
            return CommandOutcome(
                status, output: watched.output.text, bytes: watched.output.tail,
                outputWasCut: watched.output.wasCut, duration: clock.now - start)
        } catch let error as SubprocessError {
            let reason = error.underlyingError.map { "\($0)" } ?? "\(error)"
            return CommandOutcome(.notStarted(reason), duration: clock.now - start)
        } catch {
            return CommandOutcome(.notStarted("\(error)"), duration: clock.now - start)
        }
    }

    /// Gives what the ended command leaves in its process group the rest of the grace, then kills it.
    ///
    /// The group's number stays taken while it has members, and one look follows the other too soon for it to be
    /// given to another process in between.
    private func endStragglers(ofGroup group: pid_t, by killTime: ContinuousClock.Instant) async {
        while kill(-group, 0) == 0 {
            if ContinuousClock.now >= killTime {
                kill(-group, SIGKILL)
                return
            }
            try? await Task.sleep(for: .milliseconds(20))
        }
    }
}

extension Command {
    /// What keeps the command from being run as it is meant, nil if nothing does.
    var defect: String? {
        let names = environment.keys
        if ([executable] + arguments + names + environment.values).contains(where: { $0.utf8.contains(0) }) {
            return "a NUL character in the command"
        }
        if executable.isEmpty { return "an empty path" }
        if let name = names.first(where: { $0.isEmpty || $0.utf8.contains(UInt8(ascii: "=")) }) {
            return "\"\(name)\" is no name for an environment variable"
        }
        return nil
    }

    /// The environment as the library wants it.
    var additions: [Environment.Key: String?] {
        var additions: [Environment.Key: String?] = [:]
        for (name, value) in environment { additions[literal(name)] = .some(value) }
        return additions
    }
}

/// A value of a type whose literals are strings, made without naming the type or its module.
///
/// The library's paths are of a module that this package does not depend on by itself.
func literal<Value: ExpressibleByStringLiteral>(_ string: String) -> Value
where Value.StringLiteralType == String {
    Value(stringLiteral: string)
}

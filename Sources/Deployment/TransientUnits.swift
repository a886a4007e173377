import Glibc
import Synchronization
import Text

/// Runs commands as transient units of systemd, outside of whatever confines certctl itself.
///
/// A command sees what systemd gives a service by default, its user's HOME, and certctl's working directory. It does not inherit
/// certctl's environment and has only what is passed to it. An operator sets more for all of them in `/etc/systemd/system/PREFIX-.service.d`.
/// Output, exit code, the end in time, and what becomes of things it leaves behind are as with ``SubprocessRunner``.
package struct TransientUnits: CommandRunner {
    /// Why no command can be run as a unit.
    package struct Unavailable: Error, CustomStringConvertible {
        package let description: String
    }

    /// Where distributions have systemd's programs.
    private static let directories = ["/usr/bin", "/bin"]
    /// Is there where systemd is PID 1 (sd_booted(3)).
    private static let booted = "/run/systemd/system"
    /// Upper bound on what systemd takes for an answer.
    private static let answerTimeout: Duration = .seconds(20)
    /// How much longer than its time a command may last without certctl, which would have ended it.
    private static let reserve: Duration = .seconds(60)

    private let systemdRun: String
    private let systemctl: String
    private let prefix: String
    private let processes = SubprocessRunner()

    /// A runner of units that are named `PREFIX-….service`.
    package init(prefix: String = "certctl-hook") throws(Unavailable) {
        self.prefix = prefix
        systemdRun = try TransientUnits.program("systemd-run")
        systemctl = try TransientUnits.program("systemctl")
        guard unsafe access(TransientUnits.booted, F_OK) == 0 else {
            throw Unavailable(description: "this host is not run by systemd: there is no \(TransientUnits.booted)")
        }
    }

    private static func program(_ name: String) throws(Unavailable) -> String {
        for directory in directories where unsafe access("\(directory)/\(name)", X_OK) == 0 {
            return "\(directory)/\(name)"
        }
        throw Unavailable(description: "there is no \(name) in \(directories.joined(separator: " or "))")
    }

    package func run(_ command: Command, timeout: Duration) async -> CommandOutcome {
        if Task.isCancelled { return CommandOutcome(.cancelled) }
        let start = ContinuousClock.now
        let unit = newUnit()
        let client = client(unit.name, command, timeout)
        // A task that no cancellation reaches: it is the unit that has to be ended, and its client ends with it.
        let running = Task {
            let outcome = await processes.run(client, timeout: timeout + TransientUnits.reserve)
            unit.clientHasEnded.store(true, ordering: .releasing)
            return outcome
        }
        let ending = await watch(running, unit, timeout)
        let outcome = await running.value
        let status: CommandOutcome.Status =
            switch ending {
            case .timedOut: .timedOut(after: timeout)
            case .interrupted: .cancelled
            case .byItself where outcome.succeeded: .exited(0)
            case .byItself: await Task { await failure(of: unit, outcome) }.value
            }
        return CommandOutcome(
            status, output: outcome.output, outputWasCut: outcome.outputWasCut, duration: ContinuousClock.now - start)
    }

    /// A unit that is to be, or was.
    final class Unit: Sendable {
        let name: String
        let clientHasEnded = Atomic(false)

        init(name: String) { self.name = name }
    }

    func newUnit() -> Unit {
        Unit(name: "\(prefix)-\(String(UInt64.random(in: 0 ... .max), radix: 16)).service")
    }

    /// systemd-run for a command. Its streams are the command's.
    ///
    /// - Parameters:
    ///   - more: further properties of the unit.
    ///   - isConfined: whether they take rights away; else it is the caller's user that the command runs as, in the caller's
    ///     directory, and what it leaves behind runs on.
    func client(
        _ unit: String, _ command: Command, _ timeout: Duration, _ more: [String] = [], isConfined: Bool = false
    ) -> Command {
        let properties = [
            // Of no other type does systemd take the end by SIGTERM and its like for a failure.
            "Type=oneshot", "TimeoutStartSec=\((timeout + TransientUnits.reserve).components.seconds)s",
            // What a command leaves behind runs on.
            "KillMode=\(isConfined ? "control-group" : "process")",
            "TimeoutStopSec=\(SubprocessRunner.grace.components.seconds)s",
            "IgnoreSIGPIPE=no",
        ]
        let options =
            ["--pipe", "--wait", "--quiet", "--unit=\(unit)"]
            + (isConfined ? [] : ["--same-dir", "--uid=\(geteuid())"])
            + ["--description=certctl: \(command.title.line())"]
            + (properties + more).map { "--property=\($0)" }
            // The values come by the environment of systemd-run: the process list shows none.
            + command.environment.keys.sorted().map { "--setenv=\($0)" }
        // systemd would put variables in place of `$NAME`, and reads `$$` as `$`.
        let words = ([command.executable] + command.arguments).map { word in
            word.split(separator: "$", omittingEmptySubsequences: false).joined(separator: "$$")
        }
        return Command(
            executable: systemdRun, arguments: options + ["--"] + words, environment: command.environment)
    }

    private enum Ending {
        case byItself, timedOut, interrupted
    }

    /// Waits for the end of a unit's client, and ends the unit at the time-out or when the calling task is cancelled.
    private func watch(_ running: Task<CommandOutcome, Never>, _ unit: Unit, _ timeout: Duration) async -> Ending {
        await withTaskGroup(of: Ending.self) { first in
            first.addTask {
                _ = await running.value
                return .byItself
            }
            first.addTask {
                do {
                    try await Task.sleep(for: timeout)
                    return .timedOut
                } catch {
                    return .interrupted
                }
            }
            let ending = await first.next() ?? .byItself
            first.cancelAll()
            if ending != .byItself { await Task { await end(unit) }.value }
            return ending
        }
    }

    /// Ends all processes of a unit: SIGTERM, and SIGKILL after the grace.
    func end(_ unit: Unit) async {
        // A unit that is still starting cannot be stopped yet.
        while !unit.clientHasEnded.load(ordering: .acquiring), await facts(of: unit)["LoadState"] != "loaded" {
            try? await Task.sleep(for: .milliseconds(50))
        }
        _ = await control("kill", "--signal=SIGTERM", unit.name)
        let killTime = ContinuousClock.now + SubprocessRunner.grace
        // As long as there is a process, systemd keeps the control group.
        while ContinuousClock.now < killTime, await !(facts(of: unit)["ControlGroup"] ?? "").isEmpty {
            try? await Task.sleep(for: .milliseconds(100))
        }
        _ = await control("kill", "--signal=SIGKILL", unit.name)
        while !unit.clientHasEnded.load(ordering: .acquiring) { try? await Task.sleep(for: .milliseconds(20)) }
        _ = await control("reset-failed", unit.name)
    }

    /// How a command ended whose client says that it failed: systemd knows more than the client's exit code.
    private func failure(of unit: Unit, _ client: CommandOutcome) async -> CommandOutcome.Status {
        let facts = await facts(of: unit)
        if facts["ActiveState"] == "activating" {
            // It runs on, and it is the client that somebody has ended.
            await end(unit)
            return client.status
        }
        // Nothing else removes it.
        _ = await control("reset-failed", unit.name)
        switch (facts["ExecMainCode"], facts["ExecMainStatus"].flatMap(Int32.init)) {
        case ("1", let code?): return .exited(code)
        case ("2", let signal?), ("3", let signal?): return .signalled(signal)
        default:
            let reason = client.lastLine ?? facts["Result"].map { "the result is \($0)" } ?? "no answer"
            return .notStarted("systemd-run: \(reason)")
        }
    }

    private func facts(of unit: Unit) async -> [String: String] {
        let outcome = await control(
            "show", "--property=LoadState,ActiveState,ControlGroup,Result,ExecMainCode,ExecMainStatus", unit.name)
        guard outcome.succeeded else { return [:] }
        let pairs = outcome.output.split(separator: "\n").compactMap { line in
            line.firstIndex(of: "=").map { (String(line[..<$0]), String(line[$0...].dropFirst())) }
        }
        return Dictionary(pairs) { $1 }
    }

    private func control(_ words: String...) async -> CommandOutcome {
        await processes.run(
            Command(executable: systemctl, arguments: words), timeout: TransientUnits.answerTimeout)
    }
}

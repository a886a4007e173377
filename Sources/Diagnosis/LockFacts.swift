package import FoundationEssentials
import Glibc
import Lineages
import Renewal

/// Who holds certbot's lock on a config directory. Asked without taking it.
package enum LockFacts: Equatable, Sendable {
    case free
    case held(LockHolder)
    case unknown(String)

    /// Looks. Not for a process that holds the lock itself: to close any descriptor of the file drops it.
    ///
    /// - Parameter stateDirectory: where a run of certctl says what it is doing.
    package static func look(at path: String, stateDirectory: String) -> LockFacts {
        do throws(FileError) {
            guard let pid = try FileSystem.lockHolder(of: path) else { return .free }
            return .held(LockHolder(pid: pid, stateDirectory: stateDirectory))
        } catch {
            return error.isNotFound ? .free : .unknown("\(error)")
        }
    }

    package var holder: LockHolder? { if case .held(let holder) = self { holder } else { nil } }
}

/// A process that holds the lock, and what is known of it.
package struct LockHolder: Equatable, Sendable {
    package let pid: Int32
    /// Its program's name; `?` where that is not told.
    package let program: String
    /// The service that it is of; nil where it is of none.
    package var unit: String?
    /// Since when it runs.
    package var since: Date?
    /// What it is doing; nil where it has not said.
    package var step: String?
    /// What it was started with; nil where that is not known.
    var command: String?
    /// What keeps it from going on or from ending, as the kernel has it.
    var state = ProcessState.running

    init(pid: Int32, program: String, unit: String? = nil, since: Date? = nil, step: String? = nil) {
        (self.pid, self.program, self.unit, self.since, self.step) = (pid, program, unit, since, step)
    }

    init(pid: Int32, stateDirectory: String) {
        let since = ProcessTimes.start(of: pid)
        let note = StateStore(stateDirectory: stateDirectory).running
        // What a killed run has left is of another process, or of one that had the number before.
        let isOwn = note.map { note in
            note.pid == pid && note.startedAt.addingTimeInterval(LockHolder.rounding) >= since ?? note.startedAt
        }
        self.init(
            pid: pid, program: ProcessName.of(pid) ?? "?", unit: PortOwner.unit(of: pid), since: since,
            step: isOwn == true ? note?.step : nil)
        (command, state) = (ProcessName.commandLine(of: pid), ProcessState(of: pid))
    }

    /// Whether it is a run of certctl, which saves what it has begun when it is asked to stop (SIGTERM).
    package var endsInGoodOrder: Bool { step != nil }

    /// `process 12 (certctl) of certctl.service, running for 3 minutes (post hook reload-nginx)`
    package func text(at now: Date) -> String {
        let span = since.map { ", running for \(Span.text(max(0, now.timeIntervalSince($0))))" } ?? ""
        return "process \(pid) (\(program))\(unit.map { " of \($0)" } ?? "")\(span)\(step.map { " (\($0))" } ?? "")"
    }

    /// Both times are rounded: the start to ticks since a boot whose time is in seconds, the note's to seconds.
    private static let rounding: TimeInterval = 3
}

enum LockJudgement {
    /// Longer than a run with a slow CA and slow hooks takes.
    static let long: TimeInterval = 3600
    /// A run of certctl that is asked to stop waits for its hook; others end at once, or not at all.
    static let patience: Duration = .seconds(30)

    /// - Parameters:
    ///   - service: the service that renews; nil where something else does.
    ///   - hookTimeout: how long a hook of a run may take.
    static func findings(
        _ facts: LockFacts, at path: String, service: String? = nil, hookTimeout: Duration = .zero, now: Date
    ) -> Findings {
        var findings = Findings()
        switch facts {
        case .free: break
        case .unknown(let reason): findings.skip([.lockHeld], at: path, because: reason)
        case .held(let holder):
            let text = "\(path) is locked by \(holder.text(at: now))"
            let age = holder.since.map { now.timeIntervalSince($0) } ?? 0
            guard age > long || holder.state != .running else {
                // As it should be: most of what is found meanwhile is of a moment.
                findings.skip([.lockHeld], at: path, because: "a run is in progress: \(text)")
                break
            }
            let command = holder.command.map { "; its command line is \($0)" } ?? ""
            let isOfUnit = holder.unit.map { $0 == service || isRenewal($0) } ?? false
            let fault = Fault.lockHung(
                pid: holder.pid, unit: isOfUnit ? holder.unit : nil, isUnending: holder.state == .unending,
                patience: Int((patience + (holder.endsInGoodOrder ? hookTimeout : .zero)).components.seconds))
            findings.fail(.lockHeld, at: path, text + holder.state.text + command, fault, title: title(holder, age))
        }
        findings.pass([.lockHeld], at: path)
        return findings
    }

    private static func title(_ holder: LockHolder, _ age: TimeInterval) -> String {
        let process = "process \(holder.pid) (\(holder.program))"
        return holder.state == .stopped
            ? "\(process) is stopped, and locks the config directory"
            : "\(process) has been running for \(Span.text(age)), and locks the config directory"
    }

    /// Whether a service does nothing but renew, so that it can be stopped: one that runs cron jobs is somebody else's, too.
    private static func isRenewal(_ unit: String) -> Bool {
        ["certctl", "certbot", "snap.certbot."].contains { unit.hasPrefix($0) }
    }
}

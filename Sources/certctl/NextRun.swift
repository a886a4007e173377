import FoundationEssentials
import Renewal
import Setup

/// When the next run is expected, for what a CA suggests before it (RFC 9773 §4.2).
struct NextRun: Sendable {
    /// Whether certctl.timer is what starts runs over this config directory.
    let isTimed: Bool
    /// Whether this run is one of the timer's.
    let isTimersOwn: Bool
    /// The run before this one.
    let last: LastRun?

    /// Nil where that is not known.
    func date(at now: Date = .now) async -> Date? {
        guard isTimed, SetupHost().runsSystemd else { return nil }
        if let start = try? await Systemd().state(of: "certctl.timer").nextStart, start > now { return start }
        return isTimersOwn ? estimate(at: now) : nil
    }

    /// A timer has no next start while its service runs: then the next run is as far away as the one before.
    func estimate(at now: Date) -> Date? {
        guard let last, last.by == .timer, case let span = now.timeIntervalSince(last.at), span > 0 else { return nil }
        return now.addingTimeInterval(min(max(span, NextRun.shortest), NextRun.longest))
    }

    /// A run that follows a failure after minutes says nothing of the timer's period.
    private static let shortest: TimeInterval = 3600
    private static let longest: TimeInterval = 86_400
}

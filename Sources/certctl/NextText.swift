import FoundationEssentials
import Renewal

/// What happens next with a lineage, and when, in a few words.
struct NextText {
    private static let longReason = 40

    private let now: Date
    private let nextStart: Date?

    /// - Parameter nextStart: when the timer starts the next run; nothing happens before, whatever the state says.
    init(at now: Date, nextStart: Date?) { (self.now, self.nextStart) = (now, nextStart) }

    /// - Parameter brief: without the date and the reason, for a narrow screen.
    func text(for row: LineageStatus, brief: Bool) -> String {
        let reason = row.renewal.reason
        switch row.state {
        case .broken: return "not renewed: see below"
        case .pending:
            // What is long and stands below in full is not put into a narrow column, too.
            let isBelow = brief && reason.count > NextText.longReason && !row.problems.isEmpty
            return "pending: \(isBelow ? "see below" : reason), next try \(nextTry(row.renewal.at))"
        case .unmanaged: return "not by certctl: \(reason)"
        default: break
        }
        guard let date = row.renewal.at else { return "never: \(reason)" }
        if let failures = row.consecutiveFailures, failures > 0, let next = row.nextAttempt, date >= next {
            let when = row.nextAttempt.map { max($0, nextStart ?? $0) } ?? now
            return "\(when > now ? "retry \(distance(when, brief))" : "retry with the next run") after "
                + (failures == 1 ? "1 failure" : "\(failures) failures")
        }
        let note = brief ? "" : " (\(reason))"
        if date <= now {
            guard let nextStart, nextStart > now else { return "renews with the next run\(note)" }
            return "renews \(distance(nextStart, brief))\(note)"
        }
        return brief
            ? "renews \(distance(date, true))" : "renews \(LocalTime.text(date)), \(distance(date, false))\(note)"
    }

    private func distance(_ date: Date, _ brief: Bool) -> String {
        brief ? "in \(LocalTime.briefDistance(to: date, from: now))" : LocalTime.distance(to: date, from: now)
    }

    private func nextTry(_ date: Date?) -> String {
        let when = max(date ?? now, nextStart ?? now)
        return when > now ? LocalTime.text(when) : "with the next run"
    }
}

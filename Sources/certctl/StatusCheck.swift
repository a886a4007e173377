import FoundationEssentials
import Renewal
import Text

/// `certctl status --check`: one line and an exit code, as monitoring plugins have them (Monitoring Plugins Development
/// Guidelines), with the days that are left as performance data.
struct StatusCheck {
    /// The exit codes of monitoring plugins.
    enum Level: Int32, Comparable {
        case ok = 0
        case warning = 1
        case critical = 2
        case unknown = 3

        var word: String {
            switch self {
            case .ok: "OK"
            case .warning: "WARNING"
            case .critical: "CRITICAL"
            case .unknown: "UNKNOWN"
            }
        }

        /// What is critical is worse than what is not known.
        private var rank: Int { self == .critical ? 4 : Int(rawValue) }

        static func < (a: Level, b: Level) -> Bool { a.rank < b.rank }
    }

    /// Days left below which it is a warning, or critical; without them, shares of the lifetime.
    struct Limits {
        var warning: Double?
        var critical: Double?
    }

    let level: Level
    let line: String

    /// Days misfire at lifetimes of six days: by default it is a warning when a renewal is overdue by this share of the lifetime, and
    /// critical when less than this share is left.
    private static let share = 0.1
    /// The timer runs every few hours: after that long without a run it does not.
    private static let longestSilence: TimeInterval = 86_400

    /// Nothing is known.
    init(unknown reason: String) { (level, line) = (.unknown, "CERTCTL UNKNOWN - \(reason)".plain) }

    /// - Parameter isRunUnderWay: whether a run works on the tree at this moment: what it has begun is not pending for want of one.
    init(_ answer: StatusSource.Answer, _ limits: Limits, isRunUnderWay: Bool = false, at now: Date) {
        let (report, note) = (answer.report, answer.note)
        let findings = report.lineages.map { row in
            let finding = StatusCheck.finding(row, limits, isRunUnderWay: isRunUnderWay, at: now)
            return answer.hidden.contains(row.name) ? StatusCheck.hidden(row, finding) : finding
        }
        var all = findings.compactMap { $0 }
        if let run = report.lastRun, now.timeIntervalSince(run.at) > StatusCheck.longestSilence {
            let age = LocalTime.distance(to: run.at, from: now)
            all.append((.warning, "the last run ended \(age): see systemctl list-timers certctl.timer"))
        }
        if report.lineages.isEmpty { all.append((.unknown, "there are no certificates")) }
        let level = all.map(\.level).max() ?? .ok
        self.level = level
        let worst = all.filter { $0.level == level }.map(\.text)
        let summary: String
        if let first = worst.first {
            summary = worst.count == 1 ? first : "\(first), and \(worst.count - 1) more"
        } else {
            let next = report.lineages.filter { $0.notAfter != nil }
                .min { $0.notAfter ?? .distantFuture < $1.notAfter ?? .distantFuture }
            let count = report.lineages.count == 1 ? "1 certificate" : "\(report.lineages.count) certificates"
            summary =
                count
                + (next.map {
                    ", the first to expire is \($0.name) \(LocalTime.distance(to: $0.notAfter ?? now, from: now))"
                } ?? "")
        }
        let data = report.lineages.compactMap { StatusCheck.performance($0, limits) }.joined(separator: " ")
        let end = note.map { " (\($0))" } ?? ""
        // A bar would begin the performance data.
        let text = "CERTCTL \(level.word) - \(summary)\(end)".plain.replacing("|", with: "/")
        line = text + (data.isEmpty ? "" : " | \(data)")
    }

    private static func finding(
        _ row: LineageStatus, _ limits: Limits, isRunUnderWay: Bool, at now: Date
    ) -> (level: Level, text: String)? {
        guard let notAfter = row.notAfter, let notBefore = row.notBefore, let daysLeft = row.daysLeft else {
            return (.critical, "\(row.name): \(row.renewal.reason)")
        }
        let lifetime = notAfter.timeIntervalSince(notBefore)
        let expiry = "\(row.name) expires \(LocalTime.distance(to: notAfter, from: now))"
        if notAfter <= now { return (.critical, "\(row.name) expired \(LocalTime.distance(to: notAfter, from: now))") }
        if let revoked = row.problems.first(where: { $0.code == "revoked" }) {
            return (.critical, "\(row.name): \(revoked.message)")
        }
        // Between the installation and the reload the old one is served, as it has to be.
        let isAtWork = isRunUnderWay && row.state == .pending && row.consecutiveFailures ?? 0 == 0
        if row.isServedWrongly, !isAtWork {
            let complaint = row.problems.first { $0.code == "served-wrongly" }?.message
            return (.critical, "\(row.name): \(complaint ?? "it is served wrongly")")
        }
        if daysLeft < limits.critical ?? lifetime * share / 86_400 { return (.critical, expiry) }
        if let warning = limits.warning, daysLeft < warning { return (.warning, expiry) }
        if limits.warning == nil, let planned = planned(row), now > planned.addingTimeInterval(lifetime * share) {
            return (.warning, "\(row.name) should have been renewed \(LocalTime.distance(to: planned, from: now))")
        }
        switch row.state {
        case .pending where isAtWork: return nil
        case .broken, .pending: return (.warning, "\(row.name): \(row.renewal.reason)")
        default: break
        }
        return row.problems.first { ["hook-failed", "renewal-failed", "names-omitted"].contains($0.code) }
            .map { (.warning, "\(row.name): \($0.message)") }
    }

    /// What is said of a lineage that this process has no rights to look at: of a certificate that it can read, what holds of
    /// that in any case.
    private static func hidden(_ row: LineageStatus, _ finding: (level: Level, text: String)?) -> (
        level: Level, text: String
    )? {
        if row.notAfter != nil, let finding, finding.level == .critical { return finding }
        return (.unknown, "\(row.name): \(row.renewal.reason)")
    }

    /// When it was to be renewed; nil where it never is, or that is not over yet.
    private static func planned(_ row: LineageStatus) -> Date? {
        guard row.state == .unmanaged, let notAfter = row.notAfter, let notBefore = row.notBefore else {
            return row.renewal.dueSince
        }
        // What renews it keeps to some such rule.
        return notBefore.addingTimeInterval(notAfter.timeIntervalSince(notBefore) * 2 / 3)
    }

    /// `'LABEL'=VALUE;WARNING;CRITICAL`: a range that ends with a colon is left downwards.
    private static func performance(_ row: LineageStatus, _ limits: Limits) -> String? {
        guard let daysLeft = row.daysLeft, let notAfter = row.notAfter, let notBefore = row.notBefore else {
            return nil
        }
        let lifetime = notAfter.timeIntervalSince(notBefore) / 86_400
        let planned = row.renewal.dueSince ?? row.renewal.at
        let warning =
            limits.warning
            ?? planned.map { notAfter.timeIntervalSince($0) / 86_400 - lifetime * share }.map { max($0, 0) }
        let critical = limits.critical ?? lifetime * share
        func text(_ days: Double) -> String { "\((days * 100).rounded() / 100)" }
        let label = row.name.plain.replacing("'", with: "''").replacing("=", with: "_")
        return "'\(label)'=\(text(daysLeft));\(warning.map { text($0) + ":" } ?? "");\(text(critical)):"
    }
}

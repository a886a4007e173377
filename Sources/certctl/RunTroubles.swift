import Renewal

extension RunReport {
    /// What makes a run's exit code another than 0, in a few words each.
    var troubles: [String] {
        var failures = 0
        for entry in outcomes { if case .failed = entry.outcome { failures += 1 } }
        func count(_ number: Int, _ one: String, _ many: String) -> String? {
            number == 0 ? nil : number == 1 ? "1 \(one)" : "\(number) \(many)"
        }
        return [
            count(failures, "certificate failed", "certificates failed"),
            count(pending.count, "certificate is pending", "certificates are pending"),
            count(hookFailures.count, "hook failed", "hooks failed"),
            stateFailed ? "state could not be written" : nil,
            settingsFailed ? "a setting of verify cannot be used" : nil,
            debtsUnknown ? "the post hooks that an earlier run owes are not known" : nil,
            wasInterrupted ? "the run was interrupted" : nil,
        ].compactMap(\.self)
    }
}

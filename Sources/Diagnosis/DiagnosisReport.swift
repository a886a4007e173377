/// What all checks say together: the causes, the most probable one first, and what follows from each.
package struct DiagnosisReport: Sendable {
    /// A fault that stands for itself, with the faults that it explains.
    package struct Cause: Sendable {
        package let check: Check
        /// The same fault elsewhere: at other names or listeners of the lineage, or of the same thing for other lineages.
        package let alike: [Check]
        package let consequences: [Check]
    }

    /// Every check in the order of travel.
    package let checks: [Check]
    /// Failures that follow from no other, the most probable cause of what clients see first.
    package let causes: [Cause]
    /// Warnings that follow from no failure.
    package let warnings: [Cause]

    package var skipped: [Check] { checks.filter { $0.verdict == .skipped } }

    /// Whether nothing fails.
    package var isHealthy: Bool { causes.isEmpty }

    /// What a job that runs by itself does next: what the first cause says.
    package var action: Check.Action { causes.first?.check.action ?? .none }

    package init(_ findings: [Check]) {
        // Stable: what was found first stays first.
        let ordered = findings.enumerated().sorted {
            ($0.element.id.place, $0.offset) < ($1.element.id.place, $1.offset)
        }.map(\.element)
        let failures = DiagnosisReport.explained(ordered)
        checks = failures
        let roots = failures.filter { $0.verdict == .failure && $0.because == nil }
        causes = DiagnosisReport.grouped(roots, in: failures).sorted { $0.urgency < $1.urgency }
        warnings = DiagnosisReport.grouped(
            failures.filter { $0.verdict == .warning && $0.because == nil }, in: failures)
    }

    /// Each fault with the one that explains it: the first on the way that nothing else explains.
    private static func explained(_ checks: [Check]) -> [Check] {
        let faults = checks.filter { $0.verdict == .failure }
        var checks = checks
        for index in checks.indices where [.failure, .warning].contains(checks[index].verdict) {
            let explanations = faults.filter { $0.explains(checks[index]) }
            let root = explanations.first { cause in !faults.contains { $0.explains(cause) } }
            checks[index].because = (root ?? explanations.first)?.id
        }
        return checks
    }

    private static func grouped(_ roots: [Check], in all: [Check]) -> [Cause] {
        var causes: [Cause] = []
        for root in roots where !causes.contains(where: { $0.check.isAlike(root) }) {
            let alike = roots.filter(root.isAlike).dropFirst()
            let following = all.filter { check in
                check.because == root.id && ([root] + alike).contains { $0.concerns(check) }
            }
            causes.append(Cause(check: root, alike: Array(alike), consequences: following))
        }
        return causes
    }
}

extension DiagnosisReport.Cause {
    /// What clients see now comes before what will go wrong; then the order of travel.
    fileprivate var urgency: (Int, Int) {
        let seen = ([check] + consequences).contains { DiagnosisReport.seenByClients.contains($0.id) }
        return (seen ? 0 : 1, check.id.place)
    }
}

extension DiagnosisReport {
    /// Faults that somebody who opens the site sees.
    fileprivate static let seenByClients: Set<CheckID> = [
        .treeMissing, .treeUnreadable, .expired, .notYetValid, .chainIncomplete, .chainExpired, .servedOther,
        .servedBroken, .servedUnreachable, .servedStale, .containerMissing, .containerStopped, .containerRestarting,
    ]
}

extension Check {
    /// Whether two are one thing to whoever mends it.
    fileprivate func isAlike(_ other: Check) -> Bool {
        guard id == other.id else { return false }
        return (lineage == other.lineage && lineage != nil) || lookedAt == other.lookedAt || evidence == other.evidence
    }

    /// Whether the other one follows from this one. Of two that follow from each other, the later one on the way does.
    fileprivate func explains(_ other: Check) -> Bool {
        guard id != other.id, isCause(of: other.id), concerns(other) else { return false }
        return !other.isCause(of: id) || id.place < other.id.place
    }

    /// Whether a fault of this one's kind can be behind the other: the host's is behind each lineage's, a lineage's behind its own
    /// and behind what the host as a whole shows.
    fileprivate func concerns(_ other: Check) -> Bool {
        lineage == nil || other.lineage == nil || lineage == other.lineage
    }
}

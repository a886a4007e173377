package import Renewal

/// What all checks say together: the causes, the most probable one first, and what follows from each.
package struct DiagnosisReport: Sendable {
    /// A fault that stands for itself, with the faults that it explains.
    package struct Cause: Sendable {
        package let check: Check
        /// The same fault elsewhere: at other names or endpoints of the lineage, and of other lineages.
        package let alike: [Check]
        package let consequences: [Check]

        /// What to do first: one step for all that are alike where there is one, else that of the first.
        package var remedy: Remedy? {
            let steps = ([check] + alike).reduce(into: [(name: String, remedy: Remedy)]()) { steps, check in
                guard let remedy = check.remedy, !steps.contains(where: { $0.name == check.lineage }) else { return }
                steps.append((name: check.lineage ?? "", remedy: remedy))
            }
            return Remedy.joined(steps) ?? check.remedy
        }
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
    package var action: Remedy.Action { causes.first?.check.action ?? .none }

    package init(_ findings: [Check]) {
        // Stable: what was found first stays first.
        let ordered = findings.enumerated().sorted {
            ($0.element.id.place, $0.offset) < ($1.element.id.place, $1.offset)
        }.map(\.element)
        let judged = DiagnosisReport.explained(ordered)
        checks = judged
        let roots = judged.filter { $0.verdict == .failure && $0.because == nil }
        causes = DiagnosisReport.orderable(
            DiagnosisReport.grouped(roots, in: judged).sorted { $0.urgency < $1.urgency })
        warnings = DiagnosisReport.grouped(
            judged.filter { $0.verdict == .warning && $0.because == nil }, in: judged)
    }

    /// What spends from a CA's limits comes after what an order needs: without that it would fail, and be named again.
    private static func orderable(_ causes: [Cause]) -> [Cause] {
        var (ordered, left) = ([Cause](), causes[...])
        while let first = left.popFirst() {
            if (first.remedy?.cost ?? .free) > .free {
                let needed = left.filter { $0.isNeeded(for: first) }
                ordered += needed
                left.removeAll { $0.isNeeded(for: first) }
            }
            ordered.append(first)
        }
        return ordered
    }

    /// Each fault with the one that explains it: the first on the way that nothing else explains.
    private static func explained(_ checks: [Check]) -> [Check] {
        let faults = Faults(checks.filter { $0.verdict == .failure })
        var checks = checks
        for index in checks.indices where [.failure, .warning].contains(checks[index].verdict) {
            let explanations = faults.explanations(of: checks[index])
            let root = explanations.first { faults.explanations(of: $0).isEmpty }
            checks[index].because = (root ?? explanations.first)?.id
        }
        return checks
    }

    /// The failures by lineage: of a thousand lineages with their faults, each is compared with its own and the host's alone.
    private struct Faults {
        private let all: [Check]
        private var byLineage: [String?: [Check]] = [:]

        init(_ all: [Check]) {
            self.all = all
            for check in all { byLineage[check.lineage, default: []].append(check) }
        }

        func explanations(of check: Check) -> [Check] {
            guard let lineage = check.lineage else { return all.filter { $0.explains(check) } }
            let own = byLineage[nil, default: []] + byLineage[lineage, default: []]
            return own.filter { $0.explains(check) }.sorted { $0.id.place < $1.id.place }
        }
    }

    private static func grouped(_ roots: [Check], in all: [Check]) -> [Cause] {
        var groups: [(kind: Kind, checks: [Check])] = []
        var places: [Kind: Int] = [:]
        for root in roots {
            let kind = Kind(root)
            if let place = places[kind] {
                groups[place].checks.append(root)
            } else {
                places[kind] = groups.count
                groups.append((kind, [root]))
            }
        }
        var followers: [CheckID: [Check]] = [:]
        for check in all { if let because = check.because { followers[because, default: []].append(check) } }
        return groups.map { group in
            let lineages = Set(group.checks.map(\.lineage))
            let following = followers[group.checks[0].id, default: []].filter { check in
                lineages.contains(nil) || check.lineage == nil || lineages.contains(check.lineage)
            }
            return Cause(
                check: group.checks[0], alike: Array(group.checks.dropFirst()), consequences: following)
        }
    }

    /// What is one paragraph: the same fault with the same kind of remedy.
    private struct Kind: Hashable {
        let id: CheckID
        let title: String
        let isCommand: Bool?

        init(_ check: Check) {
            (id, title, isCommand) = (check.id, check.title, check.remedy.map { $0.command != nil })
        }
    }
}

extension DiagnosisReport.Cause {
    /// Whether an order for the other's certificate would fail for this fault.
    fileprivate func isNeeded(for other: DiagnosisReport.Cause) -> Bool {
        let lineages = Set(([check] + alike).map(\.lineage))
        // An order makes its account itself.
        guard check.id != .accountMissing else { return false }
        return check.isCause(of: .renewalFailed) && (remedy?.cost ?? .free) == .free
            && (lineages.contains(nil) || other.check.lineage == nil || lineages.contains(other.check.lineage))
    }

    /// What clients see now comes before what will go wrong; then the order of travel. A lock that does not go away comes before
    /// all: no certctl command helps before.
    fileprivate var urgency: (Int, Int) {
        if check.id == .lockHeld { return (-1, 0) }
        let seen = ([check] + consequences).contains { DiagnosisReport.seenByClients.contains($0.id) }
        return (seen ? 0 : 1, check.id.place)
    }
}

extension DiagnosisReport {
    /// Faults that somebody who opens the site sees.
    fileprivate static let seenByClients: Set<CheckID> = [
        .treeMissing, .treeUnreadable, .expired, .notYetValid, .chainIncomplete, .chainExpired, .servedOther,
        .servedBroken, .servedUnreachable, .certificateFileWrong, .serverNameMissing, .upstreamStopped, .servedStale,
        .containerMissing, .containerStopped, .containerRestarting,
    ]
}

extension Check {
    /// Whether the other one follows from this one. Of two that follow from each other, the later one on the way does.
    fileprivate func explains(_ other: Check) -> Bool {
        guard id != other.id, isCause(of: other.id), other.mayFollow(from: id), concerns(other) else { return false }
        return !(other.isCause(of: id) && mayFollow(from: other.id)) || id.place < other.id.place
    }

    /// Whether a fault of this one's kind can be behind the other: the host's is behind each lineage's, a lineage's behind its own
    /// and behind what the host as a whole shows.
    fileprivate func concerns(_ other: Check) -> Bool {
        lineage == nil || other.lineage == nil || lineage == other.lineage
    }
}

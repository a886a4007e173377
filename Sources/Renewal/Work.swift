import Deployment
import FoundationEssentials
import Lineages
import PKI

/// One lineage in the hands of a run, from the look at it to what the books say in the end.
struct Work: Sendable {
    /// Which hooks a deployment runs.
    enum Deployment: Sendable {
        /// Every one: the version is new, or a listener does not serve it.
        case all
        /// Those that have failed, or have not run yet.
        case unfinished
    }

    let name: String
    let lineage: Lineage?
    var entry: LedgerEntry
    var outcome: LineageOutcome
    /// What live/ shows now.
    var certificate: Certificate?
    var paths: LineagePaths?
    var commands: HookCommands
    var settings: VerificationSettings?
    /// Nil where nothing is to be deployed.
    var deployment: Deployment?
    /// What was seen before the deployment, where somebody looked.
    var seen: ServedReport?
    /// The serial that was live before.
    var before: String?
    let started = ContinuousClock.now

    init(_ lineage: Lineage, _ entry: LedgerEntry, outcome: LineageOutcome) {
        (name, self.lineage, self.entry, self.outcome) = (lineage.name, lineage, entry, outcome)
        (certificate, paths) = (lineage.certificate, lineage.paths)
        commands = lineage.options.map(HookCommands.init) ?? HookCommands()
        before = lineage.certificate?.serial
    }

    init(_ certification: Certification, _ commands: HookCommands, _ entry: LedgerEntry) {
        (name, lineage, self.entry) = (certification.name, nil, entry)
        (certificate, paths, self.commands) = (certification.previous, certification.paths, commands)
        outcome = .leftAlone(because: "not begun")
        before = certification.previous?.serial
    }

    /// Where listeners answered before the switch, as long as it is not known whether they do so after it.
    var answeredBefore: Set<LedgerEntry.Place> { entry.isOnTrial ? entry.replaced?.answered ?? [] : [] }

    /// How listeners that answered before the switch fail since.
    var isBrokenBy: String? { seen?.complaint(at: answeredBefore) }

    /// The names in the certificate.
    var domains: [String] { certificate?.names.map(\.description) ?? [] }

    /// Seconds since the run took the lineage up.
    var elapsed: Double { (started.duration(to: .now) / .milliseconds(1)).rounded() / 1000 }

    var failure: RenewalFailure? { if case .failed(let failure) = outcome { failure } else { nil } }

    /// Whether a hook is to run.
    func wants(_ hook: Hook, isNamed: Bool, at now: Date) -> Bool {
        switch deployment {
        case nil: return false
        case .all: return true
        case .unfinished:
            guard
                let record = entry.hooks.first(where: { $0.kind == hook.kind.rawValue && $0.identity == hook.identity })
            else { return entry.deployedAt == nil }
            return !record.succeeded && (isNamed || Backoff.isDue(record, at: now))
        }
    }

    /// Notes how hooks of this lineage ended.
    mutating func record(_ results: [HookResult], at now: Date) {
        for result in results {
            entry.record(
                kind: result.hook.kind.rawValue, identity: result.hook.identity, error: result.failure?.description,
                at: now)
        }
    }
}

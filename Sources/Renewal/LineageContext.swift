import Deployment
import FoundationEssentials
import PKI

/// One lineage in the hands of a run, from the first look at it to its report. It goes through the stages of the run one way.
struct LineageContext: Sendable {
    /// Which hooks a rollout runs.
    enum Rollout: Sendable {
        /// Every one: the version is new, or an endpoint does not serve it.
        case all
        /// Those that have failed, or have not run yet.
        case unfinished
    }

    let subject: Subject
    var plan: Plan
    var state: LineageState
    /// What is in the state file.
    var saved: LineageState
    /// What live/ shows now.
    var leaf: Leaf?
    var outcome: LineageOutcome
    /// The CA that was asked.
    var server = ""
    /// A certificate that was ordered is staged.
    var isObtained = false
    /// The hooks to run; nil where nothing is rolled out.
    var rollout: Rollout?
    /// Whether a rollout has come to its end, and is to be written down.
    var isRolledOut = false
    /// Whether the operator named the lineage, or the version is new: nothing waits for its time.
    var isExplicit: Bool
    /// What was probed last, if anything was.
    var probes: ProbeReport?
    /// The run was asked to stop before the endpoints could be probed.
    var isUnseen = false
    /// Between which versions it goes, once it has gone back.
    var way: RenewalRun.Way?
    /// Whether anything on the disk has changed.
    var isChanged = false
    let startedAt: Duration

    init(
        _ subject: Subject, _ state: LineageState, saved: LineageState, plan: Plan, isExplicit: Bool, at start: Duration
    ) {
        (self.subject, self.state, self.saved, self.plan) = (subject, state, saved, plan)
        (leaf, outcome, self.isExplicit, startedAt) = (subject.leaf, plan.outcome, isExplicit, start)
    }

    var name: String { subject.name }
    var domains: [String] { leaf?.names.map(\.description) ?? [] }
    var failure: RenewalFailure? { if case .failed(let failure) = outcome { failure } else { nil } }
    var trial: Predecessor? { state.host.live.rollout?.trial.predecessor }

    /// What speaks against the version that is on trial.
    var evidence: Evidence? { trial.flatMap { probes?.evidence(at: $0.answered) } }

    var needsOrder: Bool { if case .order = plan.acquire { true } else { false } }

    /// Whether a hook is to run.
    func wants(_ hook: Hook, at now: Date) -> Bool {
        switch rollout {
        case nil: return false
        case .all: return true
        case .unfinished:
            let rollout = state.host.live.rollout
            let id = HookID(hook)
            guard let record = rollout?.hooks.first(where: { HookID(kind: $0.kind, identity: $0.identity) == id })
            else { return rollout?.deployedAt == nil }
            return !record.succeeded && (isExplicit || record.isDue(at: now))
        }
    }
}

extension HookID {
    init(_ hook: Hook) { self.init(kind: hook.kind.rawValue, identity: hook.identity) }
}

extension HookRecord {
    /// How a hook has ended.
    init(_ result: HookResult, at now: Date) {
        self.init(
            kind: result.hook.kind.rawValue, identity: result.hook.identity, cause: result.failure.map { Cause($0) },
            failures: 0, at: now)
    }
}

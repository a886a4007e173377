package import Renewal

/// One look at one thing: what was looked at, what was seen, what to do.
package struct Check: Hashable, Sendable {
    /// How it turned out.
    package enum Verdict: String, Sendable, CaseIterable, Codable {
        case ok
        /// Not as it should be, and nothing fails by it now.
        case warning
        case failure
        /// It could not be looked at; the evidence says why.
        case skipped
    }

    package let id: CheckID
    package let verdict: Verdict
    /// The lineage it is about; nil for the host as a whole.
    package let lineage: String?
    /// The file, the listener, the container, the unit that was looked at.
    package let lookedAt: String
    /// What was seen there, in a line; why nothing was, where it was skipped; empty where all is well.
    package let evidence: String
    /// What the fault is, with what its remedy depends on; nil where nothing can be done about it.
    package let fault: Fault?
    /// The fault in a few words, where the id's own do not say enough.
    private let ownTitle: String?
    /// What follows from it as it was seen, where that is not what ``Causes`` has for every fault of the kind.
    package let explains: Set<CheckID>?
    /// What alone can be behind it, by what was recorded of it; nil where anything can that ``Causes`` names.
    let explainedBy: Set<CheckID>?
    /// The fault that this one follows from; nil where it stands for itself.
    package internal(set) var because: CheckID?

    package init(
        _ id: CheckID, _ verdict: Verdict, lineage: String? = nil, lookedAt: String, evidence: String = "",
        fault: Fault? = nil, title: String? = nil, because: CheckID? = nil, explains: Set<CheckID>? = nil,
        explainedBy: Set<CheckID>? = nil
    ) {
        (self.id, self.verdict, self.lineage, self.lookedAt) = (id, verdict, lineage, lookedAt)
        (self.evidence, self.fault, ownTitle, self.because) = (evidence, fault, title, because)
        (self.explains, self.explainedBy) = (explains, explainedBy)
    }

    /// What to do; nil where there is nothing.
    package var remedy: Remedy? { fault?.remedy }

    /// What a program may do about it: for a failure alone.
    package var action: Remedy.Action { verdict == .failure ? remedy?.action ?? .operator : .none }

    /// The fault in a few words.
    package var title: String { ownTitle ?? id.title }

    /// Whether a fault of another kind follows from this one.
    func isCause(of other: CheckID) -> Bool { (explains ?? Causes.all(of: id)).contains(other) }

    /// Whether a fault of another kind may be behind this one.
    func mayFollow(from cause: CheckID) -> Bool { explainedBy?.contains(cause) ?? true }
}

/// The checks of one part of the way, as a judge finds them.
package struct Findings: Sendable {
    package private(set) var checks: [Check] = []

    package init() {}

    /// A fault that keeps something from working.
    package mutating func fail(
        _ id: CheckID, _ lineage: String? = nil, at lookedAt: String, _ evidence: String, _ fault: Fault?,
        title: String? = nil, explains: Set<CheckID>? = nil, explainedBy: Set<CheckID>? = nil
    ) {
        checks.append(
            Check(
                id, .failure, lineage: lineage, lookedAt: lookedAt, evidence: evidence, fault: fault, title: title,
                explains: explains, explainedBy: explainedBy))
    }

    /// Something to know, and to correct by day.
    package mutating func warn(
        _ id: CheckID, _ lineage: String? = nil, at lookedAt: String, _ evidence: String, _ fault: Fault? = nil,
        title: String? = nil, explainedBy: Set<CheckID>? = nil
    ) {
        checks.append(
            Check(
                id, .warning, lineage: lineage, lookedAt: lookedAt, evidence: evidence, fault: fault, title: title,
                explainedBy: explainedBy))
    }

    /// What could not be looked at.
    package mutating func skip(_ ids: [CheckID], _ lineage: String? = nil, at lookedAt: String, because reason: String)
    {
        checks += ids.map { Check($0, .skipped, lineage: lineage, lookedAt: lookedAt, evidence: reason) }
    }

    /// What was looked at: each of these faults that was not found there is not there.
    package mutating func pass(_ ids: [CheckID], _ lineage: String? = nil, at lookedAt: String) {
        let found = Set(checks.filter { $0.lookedAt == lookedAt && $0.lineage == lineage }.map(\.id))
        checks += ids.filter { !found.contains($0) }.map { Check($0, .ok, lineage: lineage, lookedAt: lookedAt) }
    }

    package static func += (all: inout Findings, more: Findings) { all.checks += more.checks }
}

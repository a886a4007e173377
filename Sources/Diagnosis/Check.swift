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

    /// What to do about a fault. A literal is a command.
    package enum Remedy: Hashable, Sendable, ExpressibleByStringInterpolation {
        /// To be pasted into a root shell.
        case command(String)
        /// What a command cannot do, such as a change to nginx's configuration.
        case advice(String)

        package init(stringLiteral text: String) { self = .command(text) }

        package var text: String {
            switch self {
            case .command(let text), .advice(let text): text
            }
        }

        /// Nil for advice.
        package var command: String? { if case .command(let text) = self { text } else { nil } }
    }

    /// What is to be run for it, for programs: the one command, or a person.
    package enum Action: String, Sendable, CaseIterable, Codable {
        /// Nothing is to be run.
        case none
        /// `certctl deploy` mends it: the disk has what is needed.
        case deploy
        /// `certctl renew` mends it: a new certificate is needed.
        case renew
        /// Somebody has to change something first.
        case `operator`
    }

    package let id: CheckID
    package let verdict: Verdict
    /// The lineage it is about; nil for the host as a whole.
    package let lineage: String?
    /// The file, the listener, the container, the unit that was looked at.
    package let lookedAt: String
    /// What was seen there, in a line; why nothing was, where it was skipped; empty where all is well.
    package let evidence: String
    /// What to do; nil where there is nothing.
    package let remedy: Remedy?
    package let action: Action
    /// What follows from it as it was seen, where that is not what ``Causes`` has for every fault of the kind.
    package let explains: Set<CheckID>?
    /// The fault that this one follows from; nil where it stands for itself.
    package internal(set) var because: CheckID?

    package init(
        _ id: CheckID, _ verdict: Verdict, lineage: String? = nil, lookedAt: String, evidence: String = "",
        remedy: Remedy? = nil, action: Action = .none, because: CheckID? = nil,
        explains: Set<CheckID>? = nil
    ) {
        (self.id, self.verdict, self.lineage, self.lookedAt) = (id, verdict, lineage, lookedAt)
        (self.evidence, self.remedy, self.action, self.because) = (evidence, remedy, action, because)
        self.explains = explains
    }

    /// Whether a fault of another kind follows from this one.
    func isCause(of other: CheckID) -> Bool { (explains ?? Causes.all(of: id)).contains(other) }
}

/// The checks of one part of the way, as a judge finds them.
package struct Findings: Sendable {
    package private(set) var checks: [Check] = []

    package init() {}

    /// A fault that keeps something from working.
    package mutating func fail(
        _ id: CheckID, _ lineage: String? = nil, at lookedAt: String, _ evidence: String, remedy: Check.Remedy? = nil,
        action: Check.Action = .operator, explains: Set<CheckID>? = nil
    ) {
        checks.append(
            Check(
                id, .failure, lineage: lineage, lookedAt: lookedAt, evidence: evidence, remedy: remedy, action: action,
                explains: explains))
    }

    /// Something to know, and to mend by day.
    package mutating func warn(
        _ id: CheckID, _ lineage: String? = nil, at lookedAt: String, _ evidence: String, remedy: Check.Remedy? = nil,
        action: Check.Action = .none
    ) {
        checks.append(
            Check(
                id, .warning, lineage: lineage, lookedAt: lookedAt, evidence: evidence, remedy: remedy, action: action))
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

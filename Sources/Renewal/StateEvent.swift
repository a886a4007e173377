package import FoundationEssentials

/// Something that has happened to a lineage, as far as its state is concerned.
package enum StateEvent: Sendable {
    /// live/ shows this certificate, and this is the leaf that is staged. The beginning of every look at a state.
    case found(Leaf, number: Int?, staged: String?)

    /// The CA has said when the installed certificate is to be renewed.
    case suggested(SuggestedRenewal)

    /// A certificate was revoked.
    case revoked(RevokedVersion)

    // What the CA does.
    /// The CA has an order, and its key is staged; whether only the CA's suggestion asks for it, of a certificate that is young.
    case orderPlaced(SavedOrder, isEarly: Bool = false)
    /// The request is about to be handed in.
    case finalizing
    /// Key and chain are staged.
    case issued
    /// No certificate has come of it.
    case acquisitionFailed(AcquisitionFailure, need: Need, retry: RetryRule)
    /// What was issued could not be installed.
    case installationFailed(Cause, need: Need, keepsStaged: Bool, retry: RetryRule)
    /// What was begun is of no use any more.
    case acquisitionEnded
    /// The order is of no use any more, and another one takes its place at once.
    case orderReplaced(need: Need)

    /// Names that the installed certificate goes without are wanted no more.
    case namesForgotten([String])

    // What live/ shows.
    /// live/ is about to show another version.
    case switching(to: String, predecessor: Predecessor?)
    /// The switch has failed before it changed anything.
    case switchFailed
    /// live/ shows what it was switched to.
    case installed(Leaf, number: Int?)

    // How it gets to its endpoints.
    /// Every endpoint serves what somebody else has installed, as far as anybody can see.
    case adopted(matches: Set<ProbeTarget>)
    /// What somebody else has installed is rolled out by certctl.
    case rollingOut
    /// Hooks have ended.
    case hooksEnded([HookRecord])
    /// A place was seen serving what is installed, before anything changed.
    case served(Set<ProbeTarget>)
    /// The run has done what it can for the rollout.
    case rolloutEnded(hooks: [HookID], probes: ProbeReport, jitter: Double)
    /// The run was asked to stop before it could probe.
    case rolloutInterrupted(hooks: [HookID])

    // What is rolled back.
    /// live/ is about to show the predecessor again: the version is quarantined.
    case rollingBack(Leaf, from: Int, to: Predecessor, Cause, jitter: Double)
    /// The predecessor is in place, and the version out of archive/. Where no hook has run for it, its endpoints are yet to be probed.
    case rolledBack(isProven: Bool, isRolledOut: Bool)
    /// Going back was of no use, or could not be done: the version stays, and has passed.
    case exonerated
    /// The version is not going to be installed again.
    case quarantineReleased

    /// The hooks for failures, or for recoveries, have run.
    case notified(isFailure: Bool, unheard: [String])
}

/// Which hook: what tells hooks of a lineage apart.
package struct HookID: Hashable, Sendable {
    package let kind: String
    package let identity: String
}

/// When to try again after a failure.
package enum RetryRule: Sendable {
    /// At the pace of what costs a CA something.
    case backedOff(jitter: Double, remaining: TimeInterval?)
    /// With the next run: nothing was asked of anybody.
    case nextRun
    /// After a day.
    case daily
    /// Never: once the policy does not want the certificate, a forced attempt that failed is history.
    case none
}

/// What a transition has the interpreter do, after the new state was saved.
package enum StateEffect: Equatable, Sendable {
    /// Nothing of what is staged is needed any more.
    case clearStaging
    /// Nothing of what is quarantined is needed any more: its key is nowhere else.
    case discardQuarantine
    /// The CA has an order that nothing will come of.
    case abandonOrder(SavedOrder)
    /// For the history.
    case note(HistoryEvent.Kind, error: String?)
}

/// Why no certificate has come of an attempt, and what that says about the order.
package struct AcquisitionFailure: Error, Sendable {
    /// What becomes of the order, if there is one.
    package enum Verdict: Sendable {
        /// It says nothing about the order: the network, a 5xx, a limit, or the run's own end.
        case keeps
        /// The CA itself has refused it, or answered what is no answer: three times are enough.
        case countsAgainst
        /// The CA does not have it any more, or it has failed.
        case ends
        /// An authorization of it has expired, or the CA refuses what was preferred: another order may well succeed at once.
        case needsNewOrder
    }

    package let cause: Cause
    package let verdict: Verdict
    /// What the CA's Retry-After says, in seconds.
    package let retryAfter: TimeInterval?
    /// Whether it holds for everything else that this CA would be asked in this run.
    package let concernsWholeCA: Bool
    /// How far the attempt had come.
    package let stage: RenewalFailure.Stage
    /// The names that the CA refuses, where it says which.
    package let names: [String]

    package init(
        _ cause: Cause, _ verdict: Verdict = .keeps, stage: RenewalFailure.Stage = .issuance,
        retryAfter: TimeInterval? = nil, concernsWholeCA: Bool = false, names: [String] = []
    ) {
        (self.cause, self.verdict, self.stage) = (cause, verdict, stage)
        (self.retryAfter, self.concernsWholeCA, self.names) = (retryAfter, concernsWholeCA, names)
    }
}

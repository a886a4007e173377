package import Deployment
package import FoundationEssentials

/// Why a lineage was not renewed.
package struct RenewalFailure: Error, Equatable, Sendable, CustomStringConvertible {
    /// How far it came.
    package enum Stage: String, Sendable {
        /// Nothing was asked of the CA.
        case preparation
        /// The CA was asked, and there is no certificate.
        case issuance
        /// There is a certificate, and it is not installed.
        case installation
        /// It was installed, and endpoints failed with it.
        case deployment
        /// It failed before, and is not tried again yet.
        case waiting
    }

    package let stage: Stage
    /// What went wrong.
    package let cause: Cause

    package init(_ stage: Stage, _ cause: Cause) { (self.stage, self.cause) = (stage, cause) }

    static func unmanaged(_ reason: String) -> RenewalFailure {
        RenewalFailure(.preparation, Cause(.unmanaged, "certctl cannot renew it: \(reason)", subject: reason))
    }

    /// Whether a later run may succeed with nothing changed.
    package var isTemporary: Bool { cause.isTemporary || cause.code == .budget }

    /// Whether nothing has failed: the run was asked to stop, or an operator declined.
    var isInterruption: Bool { [.interrupted, .declined].contains(cause.code) && stage != .installation }

    package var description: String { cause.message }
}

/// What became of a lineage in a run.
package enum LineageOutcome: Equatable, Sendable {
    case notDue(until: Date, because: RenewalPolicy.Reason)
    case leftAlone(because: String)
    case renewed(number: Int, Leaf)
    /// Nothing was ordered; what an earlier run had left unfinished is deployed.
    case deployed
    /// A dry run went through.
    case tried
    case failed(RenewalFailure)
}

/// What became of a run.
package struct RunReport: Sendable {
    /// In the order in which the lineages were given.
    package var outcomes: [(name: String, outcome: LineageOutcome)] = []
    /// The hooks that failed.
    package var hookFailures: [HookFailure] = []
    /// The lineages whose certificate has not reached its endpoints.
    package var pending: [String] = []
    /// Whether state could not be written.
    package var stateFailed = false
    /// Whether a lineage's settings for its verification could not be used.
    package var settingsFailed = false
    /// Whether what an earlier run owes is not known.
    package var debtsUnknown = false
    /// Whether a signal ended the run before its work was done.
    package var wasInterrupted = false
    /// The lineages of which something has changed on the disk.
    package var changed: Set<String> = []
    /// What is known of lineages at the end of the run, but of those of which nothing is.
    package var states: [String: LineageState] = [:]

    package init() {}

    /// Exit codes of the design: 0 done, 1 something failed, 75 only what passes by itself.
    package var exitCode: Int32 {
        let failures = outcomes.compactMap { entry in
            if case .failed(let failure) = entry.outcome { failure } else { nil }
        }
        if !hookFailures.isEmpty || !pending.isEmpty || stateFailed || settingsFailed || debtsUnknown || wasInterrupted
            || failures.contains(where: { !$0.isTemporary })
        {
            return 1
        }
        return failures.isEmpty ? 0 : 75
    }
}

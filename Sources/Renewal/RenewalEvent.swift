package import ACME
package import Deployment
package import FoundationEssentials
package import PKI

/// What happens in a run, as it happens: the engine tells, a printer writes, tests assert the list.
package enum RenewalEvent: Sendable {
    /// An earlier run's switch of live/ was completed.
    case completedSwitch(name: String)
    /// Nothing to do for a lineage until then.
    case notDue(name: String, until: Date, because: RenewalPolicy.Reason)
    /// A lineage is left alone: why.
    case leftAlone(name: String, because: String)
    /// Something the operator should know that stops nothing.
    case remark(name: String?, String)
    /// What happened could not be written down.
    case booksFailed(String)
    /// A lineage's renewal begins.
    case started(name: String, names: [SubjectName], because: String)
    /// Where the exchange with the CA is.
    case step(name: String, Issuance.Step)
    /// A new version is live.
    case installed(name: String, version: Int, Certificate)
    /// A lineage that the books did not know is entered: what was found out about it.
    case adopted(name: String, String)
    /// A listener was seen serving the installed certificate.
    case verified(name: String, by: [LedgerEntry.Place])
    /// Nobody was seen serving it, and nobody has to.
    case notVerified(name: String, String)
    /// Something is not finished: what, when it is tried again, and the command that does so now.
    case pending(name: String, String, next: Date?, command: String)
    /// A hook starts or has ended.
    case hook(HookEvent)
    /// A dry run has come to its end: what would have become live.
    case tried(name: String, server: String, Certificate)
    /// A lineage failed.
    case failed(name: String, RenewalFailure)
    /// A request was answered.
    case exchange(Exchange)
}

/// Why a lineage was not renewed.
package struct RenewalFailure: Error, Sendable, CustomStringConvertible {
    /// How far it came.
    package enum Stage: String, Sendable {
        /// Nothing was asked of the CA.
        case preparation
        /// The CA was asked, and there is no certificate.
        case issuance
        /// There is a certificate, and it is not live.
        case installation
        /// It was live, and listeners failed with it.
        case deployment
        /// It failed before, and is not tried again yet.
        case waiting
    }

    package let stage: Stage
    /// What went wrong.
    package let cause: any Error
    /// Whether a later run may succeed with nothing changed.
    package let isTemporary: Bool

    package init(_ stage: Stage, _ cause: any Error) {
        (self.stage, self.cause) = (stage, cause)
        isTemporary =
            (cause as? ACMEError)?.isTemporary ?? (cause as? NotYet)?.isTemporary ?? (cause is BudgetRefusal)
    }

    /// Whether the run was asked to stop.
    var isInterruption: Bool {
        if case .cancelled? = cause as? ACMEError { return true }
        return (cause as? HookFailure)?.outcome.status == .cancelled
    }

    /// How long the CA wants to be left alone.
    var retryAfter: Duration? {
        if case .refused(_, let retryAfter)? = cause as? ACMEError { retryAfter } else { nil }
    }

    /// It failed before, and its time has not come.
    struct NotYet: Error, CustomStringConvertible {
        let error: String
        let isTemporary: Bool

        var description: String { error }
    }

    package var description: String { "\(cause)" }
}

/// What became of a lineage in a run.
package enum LineageOutcome: Sendable {
    case notDue(until: Date)
    case leftAlone(because: String)
    case renewed(version: Int, Certificate)
    /// Nothing was ordered; what an earlier run had left unfinished is deployed.
    case deployed
    /// A dry run went through.
    case tried
    case failed(RenewalFailure)
}

/// What became of a run.
package struct RunReport: Sendable {
    /// In the order in which the lineages were taken.
    package var outcomes: [(name: String, outcome: LineageOutcome)] = []
    /// The hooks that failed.
    package var hookFailures: [HookFailure] = []
    /// The lineages whose certificate has not reached its listeners.
    package var pending: [String] = []
    /// Whether the books could not be kept.
    package var booksFailed = false
    /// Whether a lineage's settings for its verification could not be used.
    package var settingsFailed = false
    /// Whether a signal ended the run before its work was done.
    package var wasInterrupted = false

    package init() {}

    /// Exit codes of the design: 0 done, 1 something failed, 75 only things that a later run may find mended.
    package var exitCode: Int32 {
        let failures = outcomes.compactMap { entry in
            if case .failed(let failure) = entry.outcome { failure } else { nil }
        }
        if !hookFailures.isEmpty || !pending.isEmpty || booksFailed || settingsFailed || wasInterrupted
            || failures.contains(where: { !$0.isTemporary })
        {
            return 1
        }
        return failures.isEmpty ? 0 : 75
    }
}

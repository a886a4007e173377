package import ACME
package import Deployment
package import FoundationEssentials

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
    /// Something that an operator must see to, also where nothing has failed.
    case alarm(name: String, String)
    /// What happened could not be written down.
    case stateFailed(String)
    /// A lineage's renewal begins.
    case started(name: String, names: [String], because: String)
    /// Where the exchange with the CA is.
    case step(name: String, Issuance.Step)
    /// The CA has issued: key and chain are staged.
    case obtained(name: String)
    /// A new version is installed.
    case installed(name: String, number: Int, Leaf)
    /// A lineage that was not known is adopted: what was found out about it.
    case adopted(name: String, String)
    /// An endpoint was seen serving the installed certificate.
    case verified(name: String, by: [ProbeTarget])
    /// No endpoint was seen serving it, and none has to.
    case notVerified(name: String, String)
    /// Something is not finished: what, when it is tried again, and the command that does so now.
    case pending(name: String, String, next: Date?, command: String)
    /// A hook starts or has ended.
    case hook(HookEvent)
    /// A dry run has come to its end: what would have been installed.
    case tried(name: String, server: String, Leaf)
    /// A lineage failed.
    case failed(name: String, RenewalFailure)
    /// A request was answered.
    case exchange(Exchange)
}

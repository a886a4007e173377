package import FoundationEssentials
package import Lineages

/// Everything outside the engine: clocks, certctl's state, the config directory, CAs and endpoints. The engine decides and keeps the
/// order of things; nothing of it touches a file, a socket or a clock by itself, so that years of a host can be simulated.
///
/// Hooks are the one part that is not here: ``HookRun`` has a seam of its own.
package protocol RenewalWorld: Sendable {
    // MARK: Clocks

    /// The wall clock, which may be wrong and may step.
    var now: Date { get }
    /// A clock that never steps, from any beginning.
    var uptime: Duration { get }
    /// Waits; throws where the task is cancelled.
    func sleep(for duration: Duration) async throws
    /// When the next run is expected; nil where that is not known.
    func nextRun() async -> Date?
    /// A random number from 0 to 1.
    func jitter() -> Double
    /// Where tasks of the engine run that must not be cancelled with it; nil for the default.
    var executor: (any TaskExecutor)? { get }

    // MARK: certctl's state

    func knowledge(of name: String) -> StateStore.Knowledge
    /// - Parameter isDurable: whether it must survive a power cut.
    func save(_ state: LineageState, isDurable: Bool) throws(FileError)
    /// Fails where a run could not write down what it does.
    func requireWritableState() throws(FileError)
    func append(_ events: [HistoryEvent], isDurable: Bool) throws(FileError)
    func owedHooks() -> StateStore.OwedHooks
    func authorityStates() -> [String: AuthorityState]
    func save(_ authorities: [String: AuthorityState]) throws(FileError)

    // MARK: A certificate in the making

    /// What is staged for a lineage.
    func staged(_ name: String) -> (hasKey: Bool, hasChain: Bool, leaf: Leaf?)
    /// Whether the staged key is one that would be ordered for now.
    func takesStagedKey(of name: String) -> Bool
    func clearStaging(_ name: String) throws(FileError)
    /// Checks everything that a renewal needs here, before anybody is asked for anything; returns what is ordered.
    ///
    /// - Parameter omitted: names that are wanted beside those of the installed certificate.
    func prepare(_ name: String, with omitted: [String]) throws(Cause) -> OrderRequest
    /// Asks the CA of a lineage when the installed certificate is to be renewed; nil where it could not be asked.
    func renewalAnswer(_ name: String) async -> RenewalAnswer?
    /// Begins to talk to the CA of a lineage: its directory has answered, and the account is known.
    func exchange(_ request: OrderRequest, report: @escaping @Sendable (RenewalEvent) -> Void)
        async throws(AcquisitionFailure) -> any OrderExchange
    /// Gives up an order that nothing will come of.
    func abandon(order: SavedOrder) async

    // MARK: Versions

    /// What is to be installed from a source, checked; nothing is changed.
    func candidate(_ source: InstallSource, of name: String) throws(InstallFailure) -> Leaf
    /// What an operator has to know of it though it is installed; nil where nothing.
    func warning(_ source: InstallSource, of name: String) -> String?
    /// Puts it into archive/ and has live/ show it; returns its number.
    func install(_ source: InstallSource, of name: String) async throws(FileError) -> Int
    /// Has live/ show a version that is in archive/.
    func show(_ number: Int, of name: String) async throws(FileError)
    /// A version of archive/ that may be shown again: whole, valid now and not revoked; nil where it is not.
    func fitVersion(_ number: Int, of name: String) -> Leaf?
    /// What live/ shows, read again; nil where it cannot be read.
    func live(of name: String) -> (leaf: Leaf, number: Int?)?
    /// Keeps the files of a version apart, for it will leave archive/.
    func quarantine(_ number: Int, sha256: String, of name: String) throws(FileError)
    /// Takes a version out of archive/, so that it is not installed as the newest one. Its files are in quarantine first.
    func removeFromArchive(_ number: Int, sha256: String, of name: String) throws(FileError)
    func discardQuarantine(_ name: String) throws(FileError)

    // MARK: Endpoints

    /// What probes each endpoint of a lineage once, and how long to wait; nil where its settings cannot be used.
    func prober(of name: String, expecting leaf: Leaf, _ state: HostState) -> Prober?
}

/// How the endpoints of one lineage are probed.
package struct Prober: Sendable {
    let timeout: Duration
    let recovery: Duration
    let observe: @Sendable () async -> ProbeReport

    package init(timeout: Duration, recovery: Duration, observe: @escaping @Sendable () async -> ProbeReport) {
        (self.timeout, self.recovery, self.observe) = (timeout, recovery, observe)
    }
}

/// Where a version comes from that is to be installed.
package enum InstallSource: Sendable {
    /// What the CA has issued.
    case staged
    /// What was rolled back.
    case quarantine
    /// A copy of the version in archive/ with this number, which an operator has chosen; by force whatever its dates and names are.
    case copy(of: Int, isForced: Bool)
}

/// Why a version is not installed.
package struct InstallFailure: Error, Sendable {
    /// What becomes of it.
    package enum Verdict: Sendable {
        /// It may be fit later: a wrong clock, a full disk.
        case keeps
        /// As `keeps`, and it is worth another look once a day only.
        case keepsForADay
        /// It will never be fit.
        case drops
    }

    package let cause: Cause
    package let verdict: Verdict

    package init(_ cause: Cause, _ verdict: Verdict) { (self.cause, self.verdict) = (cause, verdict) }
}

/// What is ordered for a lineage.
package struct OrderRequest: Sendable {
    package let lineage: String
    /// The CA's directory URL.
    package let server: String
    /// The account there, where a renewal config names one.
    package let account: String?
    /// As they are to be in the certificate.
    package let names: [String]
    /// Whether a certificate without the names that the CA refuses is better than none.
    package let allowsSubset: Bool
    /// What it goes without; nil where it is for every name.
    package let omitted: OmittedNames?

    package init(
        lineage: String, server: String, account: String? = nil, names: [String], allowsSubset: Bool = false,
        omitted: OmittedNames? = nil
    ) {
        (self.lineage, self.server, self.account, self.names) = (lineage, server, account, names)
        (self.allowsSubset, self.omitted) = (allowsSubset, omitted)
    }
}

/// A conversation with a CA about one certificate (RFC 8555 §7.4). The next run can resume after each step.
package protocol OrderExchange: Sendable {
    /// Stages a new key and places an order for it.
    func place() async throws(AcquisitionFailure) -> PlacedOrder
    /// Takes up an order that an earlier run placed, with the key that is staged for it.
    func resume(_ url: String) async throws(AcquisitionFailure) -> PlacedOrder
    /// Proves control of every name that the CA still wants proven.
    func validate() async throws(AcquisitionFailure)
    /// Hands the request in, and waits until the CA has a certificate.
    func finalize() async throws(AcquisitionFailure)
    /// Fetches the chain and stages it.
    func download() async throws(AcquisitionFailure)
}

/// An order as the CA describes it.
package struct PlacedOrder: Sendable {
    /// Absolute.
    package let url: String
    package let expires: Date?
    /// Whether the request was handed in before.
    package let isFinalized: Bool

    package init(url: String, expires: Date?, isFinalized: Bool) {
        (self.url, self.expires, self.isFinalized) = (url, expires, isFinalized)
    }
}

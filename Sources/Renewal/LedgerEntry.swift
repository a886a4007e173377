package import FoundationEssentials
import Lineages
package import PKI

/// How far a lineage has come, in certctl's own books: what a later run needs to go on where this one was cut short.
package struct LedgerEntry: Codable, Equatable, Sendable {
    /// The version of this format; a newer one is not read.
    static let schema = 1

    /// The stages on the way of a certificate, each of them durable.
    package enum Stage: String, Codable, Sendable, CaseIterable {
        /// The CA has an order, and its key is staged.
        case ordered
        /// Key and chain are staged.
        case issued
        /// live/ shows the new version.
        case installed
        /// The hooks have exited with 0.
        case deployed
        /// A listener was seen serving the new leaf.
        case verified
    }

    /// An order that the CA has.
    package struct Order: Codable, Equatable, Sendable {
        package var url: String
        package var server: String
        package var names: [String]
    }

    /// The version that live/ shows, as certctl knows it.
    package struct Version: Codable, Equatable, Sendable {
        package var sha256: String
        package var serial: String
        package var notBefore: Date
        /// The number in archive/, where the links agree on one.
        package var number: Int?
        package var at: Date
    }

    /// A hook's last outcome for the installed version.
    package struct HookRecord: Codable, Equatable, Sendable {
        /// `deploy` or `post`.
        package var kind: String
        /// The path or the command, which tells hooks apart.
        package var identity: String
        package var succeeded: Bool
        /// How it failed, in a line.
        package var error: String?
        /// How often it has failed for this version.
        package var failures: Int
        package var at: Date
    }

    /// A listener and the name that it was asked for.
    package struct Place: Codable, Hashable, Sendable {
        package var endpoint: TLSEndpoint
        package var name: String
    }

    /// A certificate that was taken back because listeners failed with it. It is deployed again, and none is ordered in its
    /// place, until an operator acts or time gets short.
    package struct Held: Codable, Equatable, Sendable {
        package var sha256: String
        package var serial: String
        /// How the listeners failed.
        package var reason: String
        package var at: Date
        /// How often it has been taken back.
        package var times: Int?
        /// The way back to the version before, while it is not known to be behind; nil where it is.
        package var wayBack: WayBack?

        /// Whether it is held still, now that live/ shows something else than the books say.
        ///
        /// Somebody has put another certificate in its place, as a rule: going back to the one that is held would be a step back.
        func outlasts(version: Int?, sha256: String) -> Bool {
            sha256 == self.sha256 || (wayBack != nil && wayBack?.to == version)
        }
    }

    /// From a version that is taken back to the one before.
    package struct WayBack: Codable, Equatable, Sendable {
        /// The number in archive/ of the one that is held.
        package var from: Int
        package var to: Int
    }

    /// The version that the installed one has taken the place of, and how it did.
    package struct Replaced: Codable, Equatable, Sendable {
        /// Its number in archive/.
        package var number: Int
        package var sha256: String
        /// Where a handshake succeeded just before the switch.
        package var answered: Set<Place>
        /// Whether there are check hooks, and they passed just before the switch.
        package var isAccepted: Bool
    }

    /// What every version of the format has, whatever else is in it.
    struct Format: Decodable {
        let schema: Int
    }

    package private(set) var schema = LedgerEntry.schema
    package var name: String
    /// An order in flight; its key is staged.
    package var order: Order?
    /// Whether key and chain are staged and wait to be installed.
    package var isIssued = false
    package var installed: Version?
    /// Noted before the switch, and kept until it is known how the listeners take the new version: whichever run finds out takes
    /// it back if they do not.
    package var replaced: Replaced?
    /// Whether somebody else made the live version, certbot say, and nobody has looked yet how it is served: until then its
    /// hooks are not certctl's to run.
    package var isAdopted = false
    /// When every hook had exited with 0 for the installed version.
    package var deployedAt: Date?
    /// When a listener was last seen serving the installed version.
    package var verifiedAt: Date?
    package var hooks: [HookRecord] = []
    /// What is still wrong with how the installed version is served; nil where nothing is, or nobody serves it here.
    package var servedWrongly: String?
    /// How often the work at hand has failed in a row.
    package var attempts = 0
    package var lastError: String?
    /// The same as a value, for what decides by it; nil where an older version noted the failure.
    package var lastCause: RecordedCause?
    /// Whether that may pass by itself.
    package var lastErrorIsTemporary = false
    /// Not before then is it tried again, unless an operator wants it.
    package var nextAttempt: Date?
    /// Where this lineage has been seen served: a place that counts from then on.
    package var served: Set<Place> = []
    /// SHA-256 of earlier leaves, the newest last: served, they are stale.
    package var earlier: [String] = []
    /// A certificate that broke the handshake when it was live; nil where there is none.
    package var held: Held?
    /// Whether the failure hooks have been told of the trouble that is on.
    package var isTold = false
    /// The `failure` or `recovered` hooks that failed when they were told of what holds now: they are told again.
    package var untold: [String]?

    package init(name: String) { self.name = name }

    /// More earlier leaves than any listener still serves.
    static let mostEarlier = 20

    /// The stage that the newest certificate has reached; nil where there is none.
    package var stage: Stage? {
        if isIssued { return .issued }
        if order != nil { return .ordered }
        guard installed != nil else { return nil }
        if deployedAt == nil { return .installed }
        return verifiedAt == nil ? .deployed : .verified
    }

    /// Whether something that was begun is not finished.
    package var isPending: Bool { order != nil || held != nil || isIssued || isDeploymentPending }

    /// Whether the installed version has still to reach the listeners: a hook failed and no listener is known to serve it, or
    /// one that counts serves something else.
    package var isDeploymentPending: Bool {
        guard installed != nil, !isAdopted else { return false }
        return servedWrongly != nil || (deployedAt == nil && verifiedAt == nil) || isUnseen
    }

    /// Whether nobody has looked at the listeners since the switch, although some answered before it.
    var isUnseen: Bool { isOnTrial && verifiedAt == nil && replaced?.answered.isEmpty == false }

    /// Whether the installed version has yet to show that it can stay.
    package var isOnTrial: Bool { installed != nil && replaced != nil && replaced?.sha256 != installed?.sha256 }

    /// The hooks that have failed for the installed version.
    package var failedHooks: [HookRecord] { hooks.filter { !$0.succeeded } }

    /// Notes that live/ shows another certificate: everything about the one before belongs to the past.
    package mutating func install(_ certificate: Certificate, number: Int?, at now: Date) throws(PKIError) {
        let sha256 = try certificate.sha256()
        if let old = installed, old.sha256 != sha256 {
            earlier.removeAll { $0 == old.sha256 }
            earlier.append(old.sha256)
            earlier.removeFirst(max(0, earlier.count - LedgerEntry.mostEarlier))
        }
        installed = Version(
            sha256: sha256, serial: certificate.serial, notBefore: certificate.notBefore, number: number, at: now)
        (isAdopted, order, isIssued, deployedAt, verifiedAt, servedWrongly) = (false, nil, false, nil, nil, nil)
        (hooks, attempts, lastError, nextAttempt) = ([], 0, nil, nil)
    }

    /// Notes how a hook ended.
    package mutating func record(kind: String, identity: String, error: String?, at now: Date) {
        let index = hooks.firstIndex { $0.kind == kind && $0.identity == identity }
        let failures = (index.map { hooks[$0].failures } ?? 0) + (error == nil ? 0 : 1)
        let record = HookRecord(
            kind: kind, identity: identity, succeeded: error == nil, error: error,
            failures: error == nil ? 0 : failures,
            at: now)
        if let index { hooks[index] = record } else { hooks.append(record) }
    }

    /// Notes that the work at hand has failed once more.
    package mutating func fail(_ error: String, at now: Date, notBefore wait: Duration?, jitter: Double) {
        attempts += 1
        lastError = error
        nextAttempt = now.addingTimeInterval(
            max(Backoff.delay(afterFailures: attempts, jitter: jitter), wait.map { $0 / .seconds(1) } ?? 0))
    }

    /// Until when nothing is tried again, unless an operator wants it; nil where nothing has to wait.
    ///
    /// A time that no back-off and no CA can have given was noted by a clock that was wrong, and does not count.
    package func wait(at now: Date) -> Date? {
        guard let next = nextAttempt, next > now, next.timeIntervalSince(now) <= Backoff.longest else { return nil }
        return next
    }

    /// Notes that nothing is wrong any more.
    package mutating func succeed() { (attempts, lastError, nextAttempt) = (0, nil, nil) }
}

/// How long to leave something alone that keeps failing.
package enum Backoff {
    /// 1 min, 10 min, 100 min, 1 day, as Let's Encrypt asks of its clients.
    static let delays: [TimeInterval] = [60, 600, 6000, 86_400]

    /// Longer than any wait, in seconds: a CA's Retry-After counts up to eight days.
    static let longest: TimeInterval = 9 * 86_400

    /// Seconds to wait.
    ///
    /// - Parameter jitter: from 0 to 1; spreads many hosts' tries over 20 % on either side.
    package static func delay(afterFailures count: Int, jitter: Double) -> TimeInterval {
        guard count > 0 else { return 0 }
        return delays[min(count, delays.count) - 1] * (0.8 + 0.4 * jitter)
    }

    /// A hook that has failed this often is tried once a day only.
    static let hookFailuresBeforeDaily = 6

    /// Whether a failed hook is due again.
    package static func isDue(_ hook: LedgerEntry.HookRecord, at now: Date) -> Bool {
        let span = now.timeIntervalSince(hook.at)
        // A time to come was noted by a clock that was wrong.
        return hook.failures < hookFailuresBeforeDaily || span >= 86_400 || span < 0
    }
}

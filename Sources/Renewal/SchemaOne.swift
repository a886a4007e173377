import FoundationEssentials

/// The state file of certctl 0.1, read once: the next change is written in the format of today.
///
/// It had one counter for the CA, the hooks and the endpoints, so that what the counter was of is inferred from the rest.
struct SchemaOne: Decodable {
    static let schema = 1

    struct Order: Decodable {
        var url: String
        var server: String
        var names: [String]
    }
    struct Installed: Decodable {
        var sha256: String
        var serial: String
        var notBefore: Date
        var number: Int?
        var at: Date
    }
    struct Record: Decodable {
        var kind: String
        var identity: String
        var succeeded: Bool
        var error: String?
        var failures: Int
        var at: Date
    }
    struct Held: Decodable {
        var sha256: String
        var serial: String
        var reason: String
        var at: Date
        var times: Int?
        var wayBack: WayBack?
    }
    struct WayBack: Decodable {
        var from: Int
        var to: Int
    }
    struct Replaced: Decodable {
        var number: Int
        var sha256: String
        var answered: Set<ProbeTarget>
        var isAccepted: Bool
    }

    var order: Order?
    var isIssued: Bool?
    var installed: Installed?
    var replaced: Replaced?
    var isAdopted: Bool?
    var deployedAt: Date?
    var verifiedAt: Date?
    var hooks: [Record]?
    var servedWrongly: String?
    var attempts: Int?
    var lastError: String?
    var lastErrorIsTemporary: Bool?
    var nextAttempt: Date?
    var served: Set<ProbeTarget>?
    var earlier: [String]?
    var held: Held?
    var isTold: Bool?
    var untold: [String]?

    func state(name: String) -> LineageState {
        var state = LineageState(name: name)
        state.host = host
        let need = Need.due(live: installed?.sha256)
        let failed = isOfRollout ? nil : retry
        if isIssued == true {
            state.acquisition = .issued(need: need, order: nil, retry: failed)
        } else if let order {
            let saved = SavedOrder(
                url: order.url, server: order.server, names: order.names, need: need, placedAt: .now, expires: nil)
            state.acquisition = .ordered(order: saved, retry: failed)
        } else if let failed {
            state.acquisition = .failing(need: need, retry: failed)
        }
        return state
    }

    /// Whether what has failed last was the rollout, or the version that was rolled back.
    private var isOfRollout: Bool {
        guard isAdopted != true, installed != nil else { return held != nil }
        return held != nil || servedWrongly != nil || (deployedAt == nil && verifiedAt == nil)
    }

    private var retry: Retry? {
        guard let attempts, attempts > 0 else { return nil }
        let cause = Cause(.unknown, lastError ?? "it has failed", isTemporary: lastErrorIsTemporary == true)
        return Retry(failures: attempts, cause, nextAttempt: keptAttempt, since: .now, at: .now)
    }

    /// When it is tried again. That version kept a CA's wish for up to eight days, which is longer than some certificates last.
    private var keptAttempt: Date? {
        nextAttempt.flatMap { $0.timeIntervalSinceNow <= SchemaOne.longestWait ? $0 : nil }
    }

    private static let longestWait = 2 * Backoff.day

    private var host: HostState {
        var host = HostState()
        (host.served, host.earlier) = (served ?? [], earlier ?? [])
        host.notified = isTold == true ? .failure(unheard: untold ?? []) : .clear(unheard: untold ?? [])
        guard let installed else { return host }
        let version = Version(
            sha256: installed.sha256, serial: installed.serial, notBefore: installed.notBefore,
            number: installed.number, at: installed.at)
        host.live = isAdopted == true ? .adopted(version: version) : .installed(version: version, rollout: rollout)
        if let held {
            let cause = Cause(.unknown, held.reason)
            host.quarantine = Quarantine(
                sha256: held.sha256, serial: held.serial, at: held.at,
                retry: Retry(
                    failures: held.times ?? 1, cause, nextAttempt: keptAttempt, since: held.at, at: min(held.at, .now)),
                isProven: held.wayBack == nil)
            if let way = held.wayBack, let target = replaced?.sha256 ?? earlier?.last {
                host.move = .back(number: way.to, to: target, from: way.from)
            }
        } else if let predecessor, predecessor.sha256 == installed.sha256 {
            // The switch was announced; where it went shows in live/.
            host.move = nil
        }
        return host
    }

    private var predecessor: Predecessor? {
        replaced.map {
            Predecessor(number: $0.number, sha256: $0.sha256, answered: $0.answered, passedChecks: $0.isAccepted)
        }
    }

    private var rollout: Rollout {
        var rollout = Rollout()
        if let predecessor, predecessor.sha256 != installed?.sha256 {
            rollout.trial = .onTrial(predecessor: predecessor)
        }
        rollout.hooks = (hooks ?? []).map { hook in
            let cause =
                hook.succeeded ? nil : Cause(.hook, hook.error ?? "\(hook.identity) failed", subject: hook.identity)
            return HookRecord(
                kind: hook.kind, identity: hook.identity, cause: cause,
                failures: min(max(hook.failures, 0), Retry.most),
                at: hook.at)
        }
        (rollout.deployedAt, rollout.verifiedAt) = (deployedAt, verifiedAt)
        rollout.trouble = servedWrongly.map { Cause(.unknown, $0) }
        if isOfRollout, held == nil { rollout.retry = retry }
        return rollout
    }
}

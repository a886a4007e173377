import FoundationEssentials
import Synchronization

/// What the lanes of a run know of each CA together: how much may still be ordered, and what stops everything there.
final class AuthorityWatch: Sendable {
    private struct Entry {
        var state = AuthorityState()
        /// What stops new orders in this run.
        var stop: Cause?
        /// How many were refused in a row because of a limit.
        var limits = 0
    }
    private let entries: Mutex<[String: Entry]>
    private let original: [String: AuthorityState]

    /// Two lineages in a row that meet a limit have met the account's.
    private static let limitsThatStop = 2

    init(_ states: [String: AuthorityState]) {
        original = states
        entries = Mutex(states.mapValues { Entry(state: $0) })
    }

    /// How much an order matters beside others.
    enum Urgency: Sendable {
        /// An operator asked for it: only what this run has met counts.
        case asked
        /// Its time has come by what the renewal config and the lifetime say.
        case due
        /// Only the CA suggests it.
        case suggested
    }

    /// Why no order may be placed now; nil where one may, and is counted.
    ///
    func obstacle(to server: String, _ urgency: Urgency, at now: Date) -> Cause? {
        entries.withLock { entries in
            var entry = entries[server] ?? Entry()
            defer { entries[server] = entry }
            if let stop = entry.stop { return stop }
            if urgency != .asked {
                if let retry = entry.state.retry, retry.wait(at: now) != nil { return retry.cause }
                let most = urgency == .suggested ? AuthorityState.mostSuggested : AuthorityState.mostOrders
                if entry.state.room(of: most, at: now) == 0 {
                    return Cause(
                        .rateLimited,
                        "\(most) orders were placed in the last 3 hours: this one is left to the next run",
                        subject: server, isTemporary: true)
                }
            }
            entry.state.noteOrder(at: now)
            return nil
        }
    }

    /// Notes that an order was accepted.
    func noteSuccess(_ server: String) {
        entries.withLock { entries in
            entries[server]?.limits = 0
            entries[server]?.state.retry = nil
        }
    }

    func noteFailure(_ server: String, _ failure: AcquisitionFailure, at now: Date) {
        entries.withLock { entries in
            var entry = entries[server] ?? Entry()
            defer { entries[server] = entry }
            let isLimit = failure.cause.code == .rateLimited
            if isLimit { entry.limits += 1 }
            guard failure.concernsWholeCA || entry.limits >= AuthorityWatch.limitsThatStop else { return }
            entry.stop = failure.cause
            if isLimit, let asked = failure.retryAfter {
                entry.state.retry = Retry(
                    after: entry.state.retry, failure.cause, at: now, delay: min(asked, Backoff.day))
            }
        }
    }

    /// What is to be written down; nil where nothing has changed.
    func changed() -> [String: AuthorityState]? {
        let states = entries.withLock { $0.mapValues(\.state) }
        return states == original ? nil : states
    }
}

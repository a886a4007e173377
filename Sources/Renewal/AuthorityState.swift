import FoundationEssentials

/// What a CA has said of this host as a whole: a limit on the account, or trouble of its own; and how much was ordered of late.
package struct AuthorityState: Codable, Equatable, Sendable {
    /// Why no order is placed, and until when; nil where nothing is in the way.
    var retry: Retry?
    /// When orders were placed in the last ``window`` seconds.
    var orders: [Date] = []

    /// Let's Encrypt: 300 new orders an account every 3 hours (https://letsencrypt.org/docs/rate-limits/).
    static let window: TimeInterval = 3 * 3600
    /// Fewer than that: an operator may have to order, too.
    static let mostOrders = 275

    /// Of those, how many may be renewals that only the CA's suggestion asks for: should it call back all certificates at once,
    /// those whose time has come are renewed beside them.
    static let mostSuggested = 200

    /// How many orders may still be placed, of which all or some are kept for others.
    func room(of most: Int = mostOrders, at now: Date) -> Int { max(0, most - count(at: now)) }

    /// How many orders were placed in the last ``window`` seconds.
    func count(at now: Date) -> Int { recent(at: now).count }

    /// Those of the window; a time to come was written by a clock that was wrong.
    private func recent(at now: Date) -> [Date] {
        orders.filter { $0 <= now && now.timeIntervalSince($0) < AuthorityState.window }
    }

    mutating func noteOrder(at now: Date) {
        // They are in the order of time, unless a clock was wrong.
        if orders.first.map({ now.timeIntervalSince($0) >= AuthorityState.window }) ?? false || orders.last ?? now > now
        {
            orders = recent(at: now)
        }
        orders.append(now)
    }
}

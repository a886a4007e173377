/// When to look at an order: soon at first, then as the CA says, else at rising intervals.
struct OrderPoll {
    /// How long names may take to be validated: a CA looks from several networks, and queues.
    static let validation: Duration = .seconds(180)
    /// How long a CA may take to sign.
    static let issuance: Duration = .seconds(120)
    /// How long it may take to fetch the authorizations of an order, and to tell the CA that the answers stand: 100 names at two
    /// seconds each.
    static let preparation: Duration = .seconds(400)
    /// Asking at once wastes a request; a local CA is done after this.
    static let first: Duration = .milliseconds(20)
    /// The intervals rise to this.
    static let longest: Duration = .seconds(5)
    /// A Retry-After is honoured up to this, so that a bad header cannot hold up the run.
    static let longestAsked: Duration = .seconds(60)

    private var step: Duration = OrderPoll.first

    /// The next delay.
    ///
    /// - Parameters:
    ///   - asked: the CA's Retry-After.
    ///   - left: how long there is any use in waiting.
    mutating func next(after asked: Duration?, left: Duration) -> Duration {
        let delay = asked.map { min(max($0, OrderPoll.first), OrderPoll.longestAsked) } ?? step
        step = min(step * 5 / 2, OrderPoll.longest)
        return min(delay, max(left, OrderPoll.first))
    }
}

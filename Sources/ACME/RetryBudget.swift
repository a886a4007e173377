import HTTP

/// What one request may still be forgiven before its error is the caller's.
///
/// A refused nonce is repeated at once. A fault of the server's, an answer that got lost, and a rate limit with a short
/// Retry-After are repeated after a wait; everything else is final for this run.
struct RetryBudget {
    /// RFC 8555 §6.5 asks for a retry with the nonce of the refusal; a CA that refuses this many in a row has another
    /// trouble. A test CA may refuse nine in ten, and then one request in two hundred is still refused.
    static let mostNonceRetries = 50
    /// How often a request that met a fault of the server's or of the network is repeated.
    static let mostFaultRetries = 2
    /// A Retry-After up to this is waited for at once; a longer one is for a later run.
    static let longestWait: Duration = .seconds(10)

    /// Slow answers count as well: after this, no request is repeated.
    static let longest: Duration = .seconds(300)

    private let stopwatch: Stopwatch
    private var nonceRetries = 0
    private var faults = 0

    init(_ stopwatch: Stopwatch) { self.stopwatch = stopwatch }

    /// How long to wait before the request is sent again; nil when its error is final for this run.
    mutating func wait(after error: ACMEError) -> Duration? {
        guard stopwatch.elapsed < RetryBudget.longest else { return nil }
        switch error {
        case .refused(let problem, _) where problem.type == "badNonce":
            nonceRetries += 1
            return nonceRetries <= RetryBudget.mostNonceRetries ? .zero : nil
        // Without a Retry-After, a rate limit is measured in hours.
        case .refused(let problem, let retryAfter)
        where problem.isTemporary && !(problem.isRateLimit && retryAfter == nil):
            return nextFault(retryAfter)
        case .unreachable(let error) where error.kind == .interrupted || error.kind == .timedOut:
            return nextFault(nil)
        default: return nil
        }
    }

    /// How long to wait after a refused or lost finalize before the order is asked what became of it; nil when its error
    /// is final. An order that is not ready is one whose earlier finalize has arrived after all.
    mutating func wait(afterFinalizing error: ACMEError) -> Duration? {
        guard stopwatch.elapsed < RetryBudget.longest else { return nil }
        switch error {
        case .refused(let problem, _) where problem.type == "orderNotReady": return nextFault(.zero)
        case .refused(let problem, _) where problem.type == "badNonce": return nil
        default: return wait(after: error)
        }
    }

    private mutating func nextFault(_ asked: Duration?) -> Duration? {
        faults += 1
        let wait = asked ?? .seconds(1 << faults)
        return faults <= RetryBudget.mostFaultRetries && wait <= RetryBudget.longestWait ? wait : nil
    }
}

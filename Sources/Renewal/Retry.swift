package import FoundationEssentials

/// What is known of something that has failed and is tried again: how often, why, and not before when.
package struct Retry: Codable, Equatable, Sendable {
    /// How often it has failed in a row; at least 1.
    package private(set) var failures: Int
    /// Why it failed last.
    package private(set) var cause: Cause
    /// Not before then, unless an operator asks; nil where every run tries.
    package private(set) var nextAttempt: Date?
    /// When it first failed.
    package private(set) var since: Date
    /// When it failed last.
    package private(set) var at: Date

    /// The first failure, or one more after those that are known.
    ///
    /// - Parameters:
    ///   - delay: seconds until the next attempt; nil lets every run try.
    package init(after earlier: Retry?, _ cause: Cause, at now: Date, delay: TimeInterval?) {
        failures = Retry.next(earlier?.failures ?? 0)
        (self.cause, since, at) = (cause, earlier?.since ?? now, now)
        nextAttempt = delay.map { now.addingTimeInterval($0) }
    }

    init(failures: Int, _ cause: Cause, nextAttempt: Date?, since: Date, at: Date) {
        self.failures = min(max(failures, 1), Retry.most)
        (self.cause, self.nextAttempt, self.since, self.at) = (cause, nextAttempt, since, at)
    }

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            failures: try values.decode(Int.self, forKey: .failures), try values.decode(Cause.self, forKey: .cause),
            nextAttempt: try values.decodeIfPresent(Date.self, forKey: .nextAttempt),
            since: try values.decode(Date.self, forKey: .since), at: try values.decode(Date.self, forKey: .at))
    }

    /// Until when nothing is tried, unless an operator asks; nil where nothing has to wait.
    ///
    /// What failed at a time to come, or waits for longer than any delay, was written by a clock that was wrong, and does not count.
    package func wait(at now: Date) -> Date? {
        guard let nextAttempt, nextAttempt > now, at.timeIntervalSince(now) <= Retry.clockError,
            nextAttempt.timeIntervalSince(at) <= Backoff.longest
        else { return nil }
        return nextAttempt
    }

    /// As much as a clock is set back by in everyday life, in seconds.
    private static let clockError: TimeInterval = 60

    /// A count that cannot overflow: more failures than this are not told apart.
    static let most = 1_000_000

    static func next(_ failures: Int) -> Int { failures < most ? max(failures, 0) + 1 : most }
}

/// How long to leave something alone that keeps failing.
package enum Backoff {
    /// 1 min, 10 min, 100 min, 1 day, as Let's Encrypt asks of its clients.
    static let delays: [TimeInterval] = [60, 600, 6000, day]
    static let day: TimeInterval = 86_400

    /// The longest wait that is written down, in seconds: a tenth of the longest lifetime that browsers take, 398 days.
    static let longest: TimeInterval = 40 * day

    /// Seconds to wait.
    ///
    /// - Parameter jitter: from 0 to 1; spreads many hosts' tries over 20 % on either side.
    package static func delay(afterFailures count: Int, jitter: Double) -> TimeInterval {
        guard count > 0 else { return 0 }
        return delays[min(count, delays.count) - 1] * (0.8 + 0.4 * jitter)
    }

    /// What costs nothing, a hook or a rollout, is tried by every run until it has failed this often; then once a day.
    static let failuresBeforeDaily = 6

    /// Seconds until something is tried again that costs nothing; nil for the next run.
    static func freeDelay(afterFailures count: Int) -> TimeInterval? { count < failuresBeforeDaily ? nil : day }

    /// Seconds until a CA is asked again.
    ///
    /// - Parameters:
    ///   - asked: what its Retry-After says, in seconds. It is kept up to 24 hours where the CA limits this client, else up to a
    ///     tenth of what remains of the lifetime, but never less than an hour; certctl's own back-off is never shortened.
    ///   - remaining: seconds until the certificate expires; nil where there is none.
    static func delay(
        afterFailures count: Int, jitter: Double, asked: TimeInterval?, isLimit: Bool, remaining: TimeInterval?
    ) -> TimeInterval {
        let most = isLimit ? day : min(max(3600, (remaining ?? 10 * day) / 10), longest)
        return max(delay(afterFailures: count, jitter: jitter), min(asked ?? 0, most))
    }
}

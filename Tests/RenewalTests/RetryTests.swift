import FoundationEssentials
import Testing

@testable import Renewal

struct RetryTests {
    private let now = Date(timeIntervalSince1970: 1_800_000_000)
    private let cause = Cause(.serverError, "out of service", isTemporary: true)

    @Test func `a wait of days is kept`() {
        for days in [1.0, 3, 9, 39] {
            let retry = Retry(after: nil, cause, at: now, delay: days * Backoff.day)
            #expect(retry.wait(at: now.addingTimeInterval(days * Backoff.day - 1)) != nil)
            #expect(retry.wait(at: now.addingTimeInterval(days * Backoff.day + 1)) == nil)
        }
    }

    @Test func `a wait that a wrong clock wrote down does not count`() {
        for days in [1.0, 3, 40, 4000] {
            let retry = Retry(after: nil, cause, at: now.addingTimeInterval(days * Backoff.day), delay: 60)
            #expect(retry.wait(at: now) == nil)
        }
    }

    @Test func `a wait longer than any delay does not count`() {
        #expect(Retry(after: nil, cause, at: now, delay: 1e10).wait(at: now) == nil)
    }
}

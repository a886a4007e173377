import FoundationEssentials
import PKI
import Rig
import Testing

@testable import Renewal

/// When a quarantined version no longer keeps another from being ordered.
@Suite(.parts("openssl"))
struct QuarantineTests {
    @Test(arguments: [
        // Days ago that it was rolled back, days that the live one has left of 100.
        (30, 50, false), (3, 6, false), (30, 4, true), (2, 4, true),
        // It is another one, from the last days: what has failed once is not ordered by every run.
        (0, 4, false),
    ])
    func `another is ordered once, when little is left of the live one`(
        age: Int, left: Int, isOutlived: Bool
    ) async throws {
        try await Leaves.with { leaves in
            let live = try Leaf(try await leaves.leaf("a.example", from: left - 100, to: left))
            let at = Date.now.addingTimeInterval(Double(-age) * 86_400)
            let held = Quarantine(
                sha256: "", serial: "", at: at, retry: Retry(after: nil, Cause(.hook, "a test"), at: at, delay: nil),
                isProven: true)
            #expect(Planner.isOutlived(held, by: live, at: .now) == isOutlived)
        }
    }
}

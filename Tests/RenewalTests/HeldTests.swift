import FoundationEssentials
import PKI
import Rig
import Testing

@testable import Renewal

/// When a certificate that was taken back no longer keeps another from being ordered.
@Suite(.parts("openssl"))
struct HeldTests {
    @Test(arguments: [
        // Days ago that it was taken back, days that the live one has left of 100.
        (30, 50, false), (3, 6, false), (30, 4, true), (2, 4, true),
        // It is another one, from the last days: what has failed once is not ordered by every run.
        (0, 4, false),
    ])
    func `another is ordered once, when little is left of the live one`(
        age: Int, left: Int, isOutlived: Bool
    ) async throws {
        try await Leaves.with { leaves in
            let live = try await leaves.leaf("a.example", from: left - 100, to: left)
            let held = LedgerEntry.Held(
                sha256: "", serial: "", reason: "a test", at: .now.addingTimeInterval(Double(-age) * 86_400))
            #expect(RenewalRun.isOutlived(held, by: live, at: .now) == isOutlived)
        }
    }
}

import ACME
import Deployment
import HTTP
import Testing

@testable import Renewal

/// Causes are told apart by what they are, not by how they read.
struct CauseTests {
    private static func refused(_ type: String?, _ detail: String, status: Int) -> Cause {
        Cause(ACMEError.refused(Problem(type: type, detail: detail, status: status), retryAfter: nil))
    }

    @Test func `refusals of CAs are told apart by their types`() {
        let limited = Self.refused("rateLimited", "too many certificates", status: 429)
        #expect(limited.code == .rateLimited && limited.isTemporary && limited.subject == "rateLimited")
        #expect(Self.refused("serverInternal", "sorry", status: 500).code == .serverError)
        #expect(Self.refused("rejectedIdentifier", "no rateLimited names", status: 400).code == .refused)
    }

    @Test func `a paused name has the page where it is unpaused`() {
        let paused = Self.refused(
            "rateLimited", "Your account is paused for a.example. Please visit: https://ca.example/unpause?jwt=x.y.z.",
            status: 429)
        #expect(paused.code == .paused && !paused.isTemporary)
        #expect(paused.url == "https://ca.example/unpause?jwt=x.y.z")
    }

    @Test func `a message is a line of bounded length, whatever was said`() {
        let cause = Cause(.refused, String(repeating: "no\u{1B}[2J\n", count: 100_000))
        #expect(cause.message.unicodeScalars.count <= Cause.longestMessage + 1)
        #expect(!cause.message.unicodeScalars.contains { $0.value < 32 })
    }

    @Test func `what was ended by a signal to the run is an interruption`() {
        let hook = Hook(.pre, .configuration(command: "true"))
        #expect(Cause(HookFailure(hook: hook, outcome: CommandOutcome(.cancelled))).code == .interrupted)
        #expect(Cause(HookFailure(hook: hook, outcome: CommandOutcome(.exited(1)))).code == .hook)
    }
}

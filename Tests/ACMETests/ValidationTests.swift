import HTTP
import PKI
import Rig
import Testing

@testable import ACME

/// Validation at CAs that do not say by the order alone how it goes. Real ones are in the other suites; here are their answers,
/// without their time.
@Suite(.parts("openssl"))
struct ValidationTests {
    private typealias Step = ScriptedCA.Step

    private static let refused = #""error": {"type": "urn:ietf:params:acme:error:connection", "detail": "refused"}"#

    private static func challenge(_ index: Int = 0, status: String, error: Bool) -> String {
        #"""
        [{"type": "http-01", "url": "https://ca.example/challenge/\#(index)", "token": "token\#(index)",
          "status": "\#(status)" \#(error ? ", \(refused)" : "")}]
        """#
    }

    /// The looks at the order alone before the authorizations are due, with the one after which they are.
    private static let firstSecond = Array(repeating: Step.order("pending"), count: 5)

    @Test func `an invalid authorization fails at once, though the order stays pending`() async throws {
        let scenario = try Scenario(
            Step.beginning + [.newOrder(), .authorization(), .challenge()] + Self.firstSecond + [
                .authorization(0, "invalid", challenges: Self.challenge(status: "invalid", error: true))
            ])
        let error = try await scenario.failure()
        #expect(error.description == "the CA could not validate name0.example: refused (connection)")
        #expect(!error.isTemporary && error.orderFault == .failed)
        #expect(scenario.clock.sleeps.reduce(.zero, +) < .seconds(2))
    }

    @Test func `all names that have failed are told of together`() async throws {
        let scenario = try Scenario(
            Step.beginning + [
                .newOrder(names: 3), .authorization(0), .authorization(1), .authorization(2), .challenge(0),
                .challenge(1),
                .challenge(2),
            ] + Array(repeating: .order("pending", names: 3), count: 5) + [
                .authorization(0, "invalid", challenges: Self.challenge(0, status: "invalid", error: true)),
                .authorization(1, "valid"),
                .authorization(2, challenges: Self.challenge(2, status: "invalid", error: true)),
            ])
        let error = try await scenario.failure(names: 3)
        #expect(
            error.description
                == "the CA could not validate name0.example: refused (connection); name2.example: refused (connection)")
    }

    @Test func `a challenge that may be tried again is sent again, and a server that comes back is found`() async throws
    {
        let chain = try await Scenario.chain()
        let failed = Step.authorization(challenges: Self.challenge(status: "pending", error: true))
        let scenario = try Scenario(
            Step.beginning + [.newOrder(), .authorization(), .challenge()] + Self.firstSecond + [
                failed, .challenge(), .order("pending"), .order("pending"), failed, .challenge(), .order("ready"),
                .finalize(),
                .certificate(chain),
            ])
        #expect(try await scenario.issue() == chain)
        #expect(scenario.ca.remaining == [])
    }

    @Test func `a challenge that fails for good fails with its error after three more tries`() async throws {
        let failed = Step.authorization(challenges: Self.challenge(status: "pending", error: true))
        var (delays, watch, waited, tries) = (OrderPoll(), ValidationWatch(), Duration.zero, 0)
        var looks: [Step] = []
        while tries < 4 {
            waited += delays.next(after: nil, left: OrderPoll.validation)
            looks.append(.order("pending"))
            guard watch.isDue(after: waited) else { continue }
            tries += 1
            looks += [failed] + (tries < 4 ? [.challenge()] : [])
        }
        let scenario = try Scenario(Step.beginning + [.newOrder(), .authorization(), .challenge()] + looks)
        let error = try await scenario.failure()
        #expect(error.description == "the CA could not validate name0.example: refused (connection)")
        #expect(!error.isTemporary)
        #expect(waited > .seconds(10) && waited < .seconds(25))
        #expect(scenario.ca.signed.count { $0.path == "/challenge/0" } == 4)
    }

    @Test func `a CA that does not want to be told again gets no more tries`() async throws {
        let failed = Step.authorization(challenges: Self.challenge(status: "pending", error: true))
        let scenario = try Scenario(
            Step.beginning + [.newOrder(), .authorization(), .challenge()] + Self.firstSecond + [
                failed, .problem("POST /challenge/0", 400, "malformed", "not pending"),
            ])
        #expect(
            try await scenario.failure().description
                == "the CA could not validate name0.example: refused (connection)")
    }

    @Test(arguments: ["deactivated", "expired", "revoked"])
    func `an authorization that is taken away meanwhile needs a new order`(status: String) async throws {
        let scenario = try Scenario(
            Step.beginning + [.newOrder(), .authorization(), .challenge()] + Self.firstSecond + [
                .authorization(0, status)
            ])
        #expect(try await scenario.failure().orderFault == .authorizationGone)
    }

    @Test func `a challenge in processing is waited for, whatever error a try of the CA's has left`() async throws {
        let chain = try await Scenario.chain()
        let scenario = try Scenario(
            Step.beginning + [.newOrder(), .authorization(), .challenge()] + Self.firstSecond + [
                .authorization(challenges: Self.challenge(status: "processing", error: true)), .order("ready"),
                .finalize(),
                .certificate(chain),
            ])
        #expect(try await scenario.issue() == chain)
    }
}

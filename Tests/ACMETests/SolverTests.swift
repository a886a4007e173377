import FoundationEssentials
import HTTP
import PKI
import Rig
import Testing

@testable import ACME

/// What a solver is asked for, and when.
@Suite(.parts("openssl"))
struct SolverTests {
    private typealias Step = ScriptedCA.Step

    private static func offers(_ index: Int) -> String {
        #"""
        [{"type": "dns-01", "url": "https://ca.example/challenge/\#(index)d", "token": "dns\#(index)"},
         {"type": "http-01", "url": "https://ca.example/challenge/\#(index)h", "token": "http\#(index)"}]
        """#
    }

    @Test func `each name is proven by the type of challenge that the solver has for it`() async throws {
        let chain = try await Scenario.chain()
        let scenario = try Scenario(
            Step.beginning + [
                .newOrder(names: 2), .authorization(0, challenges: Self.offers(0)),
                .authorization(1, name: "level.example", wildcard: true, challenges: Self.offers(1)),
                .init("POST /challenge/0h"), .init("POST /challenge/1d"), .order("ready", names: 2), .finalize(),
                .certificate(chain),
            ], solver: RecordingSolver(types: ["*.level.example": "dns-01"]))
        try await scenario.issue(names: 2)
        guard case .presenting(let challenges) = scenario.reported[1] else {
            Issue.record("\(scenario.reported)")
            return
        }
        #expect(challenges.map(\.token) == ["http0", "dns1"])
        #expect(challenges.map(\.name.description) == ["name0.example", "*.level.example"])
        #expect(challenges.map(\.identifierValue) == ["name0.example", "level.example"])
    }

    @Test func `an authorization that has the whole level in its identifier is read as well`() async throws {
        let scenario = try Scenario(
            Step.beginning + [
                .newOrder(), .authorization(name: "*.level.example", wildcard: true, challenges: Self.offers(0)),
            ], solver: RecordingSolver(refusing: "dns0", types: ["*.level.example": "dns-01"]))
        let error = try await scenario.failure()
        #expect(error.description == "the challenge for *.level.example could not be answered: the disk is full")
    }

    @Test func `a name that cannot be proven ends it before anything is ordered`() async throws {
        let scenario = try Scenario([], solver: RecordingSolver(types: ["name1.example": nil]))
        let error = try await scenario.failure(names: 2)
        guard case .noSolver("name1.example") = error else {
            Issue.record("\(error)")
            return
        }
        #expect(!error.isTemporary)
    }

    @Test func `answers that do not become visible end it before the CA is told, and are taken away`() async throws {
        let scenario = try Scenario(
            Step.beginning + [.newOrder(names: 2), .authorization(0), .authorization(1)],
            solver: RecordingSolver(unseen: "token1"))
        let error = try await scenario.failure(names: 2)
        #expect(
            error.description
                == "the challenge for name0.example, name1.example could not be answered: the disk is full")
        #expect(
            scenario.solver.events == [
                "present token0 for name0.example", "present token1 for name1.example", "wait for 2",
                "clean up token0 for name0.example", "clean up token1 for name1.example",
            ])
    }

    @Test func `a failure that may pass is one to try later`() {
        #expect(!ACMEError.notPresented(ChallengeFailure(names: ["a"], reason: "full")).isTemporary)
        let many = ChallengeFailure(names: ["a", "b", "c", "d", "e"], reason: "full")
        #expect(many.description == "the challenge for a, b, c and 2 more names could not be answered: full")
    }
}

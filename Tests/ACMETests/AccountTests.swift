import HTTP
import PKI
import Testing

@testable import ACME

/// Accounts at a CA that does what Pebble cannot be made to do.
struct AccountTests {
    private typealias Step = ScriptedCA.Step

    private static let terms = #"{"termsOfService": "https://ca.example/terms"}"#
    private static let account = Step(
        "POST /new-account", 201, #"{"status": "valid"}"#, headers: [("Location", "https://ca.example/account/7")])

    private func register(_ scenario: Scenario, email: String? = nil, agree: Bool = true) async throws -> Client {
        try await Client.register(
            session: scenario.session, key: Scenario.key.get(), email: email, agreeToTerms: agree)
    }

    @Test func `an account is made with the address and the agreement`() async throws {
        let scenario = try Scenario([.directory(Self.terms), Step.nonce, Self.account])
        let client = try await register(scenario, email: "ops@example.org")
        #expect(client.accountURL == "https://ca.example/account/7")
        #expect(
            scenario.ca.signed.map(\.payload) == [
                #"{"contact":["mailto:ops@example.org"],"termsOfServiceAgreed":true}"#
            ])
        #expect(scenario.ca.signed.map(\.accountURL) == [nil])
    }

    @Test func `without agreement an account that exists is found`() async throws {
        let scenario = try Scenario([.directory(Self.terms), Step.nonce, Self.account])
        #expect(try await register(scenario, agree: false).accountURL == "https://ca.example/account/7")
        #expect(scenario.ca.signed.map(\.payload) == [#"{"onlyReturnExisting":true}"#])
    }

    @Test func `without agreement and without an account the terms are named`() async throws {
        let scenario = try Scenario([
            .directory(Self.terms), Step.nonce, .problem("POST /new-account", 400, "accountDoesNotExist"),
        ])
        let error = await #expect(throws: ACMEError.self) { try await register(scenario, agree: false) }
        #expect(error?.description.contains("https://ca.example/terms") == true)
        #expect(error?.description.contains("--agree-tos") == true)
        #expect(error?.isTemporary == false)
    }

    @Test func `a CA without terms needs no agreement`() async throws {
        let scenario = try Scenario([.directory(), Step.nonce, Self.account])
        _ = try await register(scenario, agree: false)
        #expect(scenario.ca.signed.map(\.payload) == ["{}"])
    }

    @Test func `an external account is asked for by name`() async throws {
        let scenario = try Scenario([.directory(#"{"externalAccountRequired": true}"#)])
        let error = await #expect(throws: ACMEError.self) { try await register(scenario) }
        #expect(error?.description.contains("certctl account register --eab-kid ID") == true)
    }

    @Test func `an account without a Location is not ACME`() async throws {
        let scenario = try Scenario([.directory(), Step.nonce, .init("POST /new-account", 201)])
        let error = await #expect(throws: ACMEError.self) { try await register(scenario) }
        #expect(error?.description.contains("there is no Location of the account") == true)
    }
}

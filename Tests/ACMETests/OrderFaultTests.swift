import FoundationEssentials
import HTTP
import PKI
import Rig
import Testing

@testable import ACME

/// What an error means for an order that an earlier run has placed.
@Suite(.parts("openssl"))
struct OrderFaultTests {
    private typealias Step = ScriptedCA.Step
    private static let url = "https://ca.example/order"

    /// What the order's URL answers, and what that means.
    private static let answers: [(steps: [Step], fault: OrderFault?)] = [
        ([.problem("POST /order", 404, "malformed")], .gone),
        ([.problem("POST /order", 410, "gone")], .gone),
        ([.problem("POST /order", 400, "malformed")], .gone),
        ([.problem("POST /order", 403, "unauthorized")], .gone),
        // Of a web server or proxy before the CA.
        ([.init("POST /order", 404, "<html>404</html>")], .refused),
        ([.init("POST /order", 403, "<html>403</html>")], .refused),
        ([.problem("POST /order", 400, "badSignatureAlgorithm")], .refused),
        ([.init("POST /order", 200, "<html>welcome</html>")], .refused),
        ([.init("POST /order", 200, #"{"status": "new"}"#)], .refused),
        (Array(repeating: .init("POST /order", 500), count: 3), nil),
        (Array(repeating: .problem("POST /order", 503, "serverInternal"), count: 3), nil),
        ([.problem("POST /order", 429, "rateLimited")], nil),
        ([.init("POST /order", lost: .cannotConnect)], nil),
        ([.problem("POST /order", 400, "accountDoesNotExist")], nil),
        ([.problem("POST /order", 403, "userActionRequired")], nil),
        ([.order("invalid"), .authorization(0, "invalid")], .failed),
        ([.order("invalid"), .authorization(0, "valid")], .failed),
        (
            [
                .order("invalid", error: #"{"type": "urn:ietf:params:acme:error:serverInternal"}"#),
                .authorization(0, "valid"),
            ], .gone
        ),
    ]

    @Test(arguments: answers.indices)
    func `an order's URL tells whether there is something to go on with`(index: Int) async throws {
        let (steps, fault) = Self.answers[index]
        let scenario = try Scenario(Step.beginning + steps)
        let error = await #expect(throws: ACMEError.self) {
            _ = try await scenario.issuance.placed(at: Self.url)
        }
        #expect(error?.orderFault == fault, "\(error as Any)")
        #expect(scenario.ca.remaining == [])
    }

    /// What happens to an order that is pending, and what it means.
    private static let courses: [(steps: [Step], fault: OrderFault?)] = [
        ([.problem("POST /authz/0", 404, "malformed")], .authorizationGone),
        ([.problem("POST /authz/0", 403, "unauthorized")], .authorizationGone),
        ([.authorization(0, "expired")], .authorizationGone),
        ([.authorization(0, "deactivated")], .authorizationGone),
        ([.authorization(0, "revoked")], .authorizationGone),
        ([.authorization(0, "invalid")], .authorizationGone),
        ([.init("POST /authz/0", 404, "<html>404</html>")], .refused),
        (Array(repeating: .init("POST /authz/0", 502), count: 3), nil),
        ([.authorization(), .problem("POST /challenge/0", 400, "badSignatureAlgorithm")], .refused),
        ([.authorization(), .problem("POST /challenge/0", 429, "rateLimited")], nil),
        ([.authorization(), .challenge(), .problem("POST /order", 404, "malformed")], .gone),
        ([.authorization(), .challenge(), .order("invalid"), .authorization(0, "invalid")], .failed),
    ]

    @Test(arguments: courses.indices)
    func `what happens to a pending order tells as well`(index: Int) async throws {
        let (steps, fault) = Self.courses[index]
        let scenario = try Scenario(Step.beginning + [.order("pending")] + steps)
        let request = try SigningRequest(for: [.dns("name0.example")], key: Scenario.key.get())
        let placed = try await scenario.issuance.placed(at: Self.url)
        #expect(placed.status == .pending && placed.authorizations == ["https://ca.example/authz/0"])
        let error = await #expect(throws: ACMEError.self) {
            _ = try await scenario.issuance.certificateURL(of: placed, request: request)
        }
        #expect(error?.orderFault == fault, "\(error as Any)")
        #expect(scenario.ca.remaining == [])
    }

    @Test func `an authorization that is invalid in an order of this run is a failure of the name`() async throws {
        let scenario = try Scenario(Step.beginning + [.newOrder(), .authorization(0, "invalid")])
        #expect(try await scenario.failure().orderFault == .failed)
    }

    @Test(
        arguments: [
            ("https://ca.example/order", "https://ca.example/order"), ("/order", "https://ca.example/order"),
            ("HTTPS://ca.example/order?a=b", "HTTPS://ca.example/order?a=b"),
        ])
    func `an order's URL is absolute when it is handed on`(location: String, url: String) async throws {
        let scenario = try Scenario(Step.beginning + [Self.newOrder(at: location)])
        #expect(try await scenario.issuance.place([.dns("name0.example")]).url == url)
    }

    @Test(arguments: [
        "http://ca.example/order", "http://127.0.0.1/order", "ftp://ca.example/order", "file:///etc/passwd",
        "https://", "https:/order", "javascript:1", "https://ca.example/a b", "https://ca.example/\u{1B}[2J",
        "https://ca.example/" + String(repeating: "a", count: 3000),
    ])
    func `an order's URL that could not be asked later is none`(location: String) async throws {
        let scenario = try Scenario(Step.beginning + [Self.newOrder(at: location)])
        let error = try await scenario.failure()
        #expect(error.description.contains("the order's URL is not an https URL"), "\(error)")
        #expect(!error.isTemporary)
    }

    private static func newOrder(at location: String) -> Step {
        .init(
            "POST /new-order", 201,
            #"{"status": "ready", "authorizations": [], "finalize": "https://ca.example/finalize"}"#,
            headers: [("Location", location)])
    }

    @Test(
        arguments: [
            ("2026-11-27T18:00:00Z", 1_795_802_400), ("2026-11-27t18:00:00.25z", 1_795_802_400.25),
            ("2026-11-27T19:30:00+01:30", 1_795_802_400),
            ("2026-11-27T12:00:00.000000001-06:00", 1_795_802_400.000000001),
            ("2026-11-27", nil), ("2026-11-27T18:00:00", nil), ("2026-11-27T18:00:00+1", nil), ("soon", nil), ("", nil),
            ("2026-13-27T18:00:00Z", nil), ("2026-11-27T18:00:00+25:00", nil), ("2026-11-27T18:00:00.Z", nil),
        ] as [(String, TimeInterval?)])
    func `an order's expiry is read as RFC 3339 has it`(text: String, expected: TimeInterval?) async throws {
        let scenario = try Scenario(
            Step.beginning + [
                .init(
                    "POST /order", 200,
                    """
                    {"status": "ready", "authorizations": [], "finalize": "https://ca.example/finalize",
                     "expires": "\(text)"}
                    """)
            ])
        let placed = try await scenario.issuance.placed(at: Self.url)
        #expect(placed.expires?.timeIntervalSince1970 == expected)
    }
}

import FoundationEssentials
import HTTP
import Testing

@testable import ACME

/// What reaches an operator of a CA's words.
struct ProblemTests {
    private func problem(_ json: String) throws -> Problem {
        try JSONDecoder().decode(Problem.self, from: Data(json.utf8))
    }

    @Test func `subproblems are told with their names`() throws {
        let problem = try problem(
            #"""
            {"type": "urn:ietf:params:acme:error:compound", "detail": "Errors",
             "subproblems": [
               {"type": "urn:ietf:params:acme:error:dns", "detail": "no such name",
                "identifier": {"type": "dns", "value": "a.example"}},
               {"type": "urn:ietf:params:acme:error:caa", "detail": "forbidden",
                "identifier": {"type": "dns", "value": "b.example"}}]}
            """#)
        #expect(
            problem.description
                == "Errors (compound); a.example: no such name (dns); b.example: forbidden (caa)")
    }

    @Test func `a paused name is shown with the URL that ends the pause`() async throws {
        let detail = "Your account is temporarily prevented; visit https://portal.example/sfe/v1/unpause?jwt=ey.J_-"
        let scenario = try Scenario(
            ScriptedCA.Step.beginning + [.problem("POST /new-order", 429, "rateLimited", detail)])
        let error = try await scenario.failure()
        #expect(error.description == "the CA refuses: \(detail) (rateLimited)")
        #expect(scenario.clock.sleeps == [])
    }

    @Test func `no control character of a CA's reaches the description`() throws {
        let evil = #"a\u001b[31mb\u0007\u009bc\r\nd\u0000e\u202ef\u2028g\u0008"#
        let problem = try problem(
            #"""
            {"type": "x\#(evil)", "detail": "\#(evil)", "identifier": {"type": "dns", "value": "\#(evil)"},
             "subproblems": [{"detail": "\#(evil)", "identifier": {"type": "dns", "value": "\#(evil)"}}]}
            """#)
        #expect(problem.detail == "a?[31mb??c d?e?f g?")
        let identifier = try #require(problem.identifier).value
        let errors: [ACMEError] = [
            .refused(problem, retryAfter: nil), .malformed(url: identifier, what: identifier), .orderInvalid(problem),
            .authorizationFailed([.init(name: identifier, problem: problem)]),
            .noChallenge(name: identifier, offered: [identifier]), .termsNotAgreed(server: "s", terms: identifier),
            .unknownAccount(url: identifier), .unknownProfile("p", offered: [identifier]),
            .stillPending(url: identifier, status: .pending, waited: .zero),
            .notPresented(ChallengeFailure(names: ["n"], reason: identifier)),
            .externalAccountRequired(server: identifier),
        ]
        for text in [problem.description] + errors.map(\.description) {
            #expect(
                text.unicodeScalars.allSatisfy { scalar in
                    switch scalar.properties.generalCategory {
                    case .control, .format, .lineSeparator, .paragraphSeparator: false
                    default: true
                    }
                }, "\(text.debugDescription)")
            #expect(text.count > 5)
        }
    }

    @Test func `names outside ASCII and emoji are left as they are`() {
        #expect("Zürich 例え 🙂".plain == "Zürich 例え 🙂")
    }

    @Test func `a detail of a mebibyte is cut`() throws {
        let problem = try problem(#"{"detail": "\#(String(repeating: "x", count: 1 << 20))"}"#)
        #expect(problem.description.utf8.count < 3_000)
        #expect(problem.description.hasSuffix("…"))
    }

    @Test(arguments: [
        "", "<html>\u{1B}[2J</html>", "[]", "{}", #"{"status": 500}"#, #"{"type": 7, "detail": []}"#,
        #"{"detail": "tru"#,
    ])
    func `a body that is no problem document is not shown`(body: String) {
        let problem = HTTPResponse(status: 502, body: Array(body.utf8)).problem()
        #expect(problem.description == "HTTP status 502 without a problem document")
        #expect(problem.isTemporary)
    }

    @Test(arguments: [
        ("rateLimited", 429, true), ("rateLimited", 403, true), ("serverInternal", 200, true), ("badNonce", 400, true),
        ("malformed", 400, false), ("unauthorized", 403, false), ("caa", 400, false), ("malformed", 503, true),
    ])
    func `a problem is temporary by its type or its status`(type: String, status: Int, isTemporary: Bool) {
        #expect(Problem(type: type, detail: nil, status: status).isTemporary == isTemporary)
    }
}

struct RetryAfterTests {
    private static let now = Date(timeIntervalSince1970: 1_790_000_000)

    @Test(
        arguments: [
            ("0", .zero), ("120", .seconds(120)), ("999999999999", RetryAfter.longest),
            ("Mon, 21 Sep 2026 14:13:30 GMT", .seconds(10)), ("Monday, 21-Sep-26 14:13:30 GMT", .seconds(10)),
            ("Mon Sep 21 14:13:30 2026", .seconds(10)), ("Thu, 01 Jan 1970 00:00:00 GMT", .zero),
            ("Fri, 31 Dec 2100 23:59:59 GMT", RetryAfter.longest),
        ] as [(String, Duration)])
    func `seconds and dates are read`(text: String, delay: Duration) {
        #expect(RetryAfter.delay(in: ["Retry-After": text], now: Self.now) == delay)
    }

    @Test(arguments: ["", "-1", "soon", "1.5", "10 seconds", "99999999999999999999999", "0x10", "٣"])
    func `junk is no Retry-After`(text: String) {
        #expect(RetryAfter.delay(in: ["Retry-After": text], now: Self.now) == nil)
    }
}

struct LinkTests {
    @Test(arguments: [
        (#"<https://a/1>;rel="alternate""#, ["https://a/1"]), (#"<https://a/1>; rel=alternate"#, ["https://a/1"]),
        (#"<https://a/1>; title="x, y"; REL="up alternate""#, ["https://a/1"]),
        (
            #"<https://a/1>;rel="up", <https://a/2>;rel="alternate",<https://a/3>;rel="alternate""#,
            ["https://a/2", "https://a/3"]
        ),
        (#"<https://a/1?x=1,2;y=3>;rel="alternate""#, ["https://a/1?x=1,2;y=3"]), (#"<https://a/1>"#, []),
        (#"https://a/1;rel="alternate""#, []), ("", []), ("<", []), (#"<a;rel="alternate""#, []),
        (#"<https://a/1>;rel="index";rel="alternate""#, []),
    ])
    func `the targets of a relation`(field: String, targets: [String]) {
        #expect(Link.targets(of: "alternate", in: [field]) == targets)
    }
}

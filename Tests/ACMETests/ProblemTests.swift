import FoundationEssentials
import HTTP
import Testing
import Text

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
        #expect(try #require(problem.identifier).value == "a?[31mb??c d?e?f g?")
        let identifier = "a\u{1B}[31mb\u{07}\u{9B}c\r\nd\u{0}e\u{202E}f\u{2028}g\u{08}"
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

    @Test(arguments: ["{}", #"{"detail": "\u001b[2J"}"#, #"{"subproblems": [{"subproblems": [{}]}]}"#, "7"])
    func `of a megabyte of subproblems the first are kept, and the others counted`(part: String) throws {
        let count = (1 << 20) / (part.utf8.count + 1)
        let problem = try problem(
            #"{"detail": "no", "subproblems": [\#(Array(repeating: part, count: count).joined(separator: ","))]}"#)
        let kept = part == "7" ? 0 : Problem.mostSubproblems
        #expect(problem.subproblems.count == kept && problem.omitted == count - kept)
        #expect(problem.subproblems.allSatisfy { $0.subproblems.isEmpty })
        #expect(problem.description.hasSuffix("; and \(count - kept) more"))
        #expect(problem.description.utf8.count < 1_000)
    }

    @Test func `whatever a CA writes, an error is a screenful`() throws {
        let long = String(repeating: "ä", count: 100_000)
        let part =
            #"{"type": "\#(long)", "detail": "\#(long)", "identifier": {"type": "\#(long)", "value": "\#(long)"}}"#
        let problem = try problem(
            #"""
            {"type": "\#(long)", "detail": "\#(long)", "instance": "https://ca.example/\#(long)",
             "subproblems": [\#(Array(repeating: part, count: 20).joined(separator: ","))]}
            """#)
        #expect(problem.description.unicodeScalars.count <= Problem.longest + 1)
        #expect(problem.instance == nil)
        let refusals = Array(repeating: ACMEError.Refusal(name: long, problem: problem), count: 1_000)
        let errors: [ACMEError] = [
            .authorizationFailed(refusals), .unknownProfile("p", offered: Array(repeating: long, count: 1_000)),
            .malformed(url: long, what: long), .unknownAccount(url: long),
            .redirected(from: long, to: long, reason: long),
        ]
        for error in errors { #expect(error.description.unicodeScalars.count <= 4_001) }
        #expect(
            ACMEError.unknownProfile("p", offered: (0..<13).map { "\($0)" }).description
                == "the CA has no profile p, only 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, and 3 more")
    }

    @Test func `where there is more to read or to do is said`() throws {
        let problem = try problem(
            #"""
            {"type": "urn:ietf:params:acme:error:userActionRequired", "detail": "Terms of service have changed",
             "instance": "https://ca.example/agreement/2"}
            """#)
        #expect(
            problem.description
                == "Terms of service have changed (userActionRequired); see https://ca.example/agreement/2")
        #expect(!problem.isTemporary && problem.needsOperator)
    }

    @Test(arguments: ["javascript:alert(1)", "http://ca.example/", "/agreement", "https://ca.example/\\u001b[2J", ""])
    func `an instance that is no https URL is not shown`(instance: String) throws {
        let problem = try problem(#"{"detail": "no", "instance": "\#(instance)"}"#)
        #expect(problem.instance == nil && problem.description == "no")
    }

    @Test func `a paused name waits for a person, and other rate limits pass`() throws {
        let pause = "Please visit: https://portal.example/sfe/v1/unpause?jwt=eyJhbGciOiJIUzI1NiJ9.e30.x_-"
        let paused = Problem(type: "rateLimited", detail: pause, status: 429)
        #expect(paused.isRateLimit && paused.needsOperator && !paused.isTemporary)
        #expect(paused.description.contains("?jwt=eyJhbGciOiJIUzI1NiJ9.e30.x_-"))
        #expect(
            paused.description.redacted == "Please visit: https://portal.example/sfe/v1/unpause?… (rateLimited)")
        #expect(Problem(type: "rateLimited", detail: "see https://letsencrypt.org/docs", status: 429).isTemporary)
        let error = ACMEError.refused(paused, retryAfter: nil)
        #expect(!error.isTemporary && !error.publicDescription.contains("eyJ"))
    }

    @Test(arguments: [
        ("see https://a.example/b?c=d#e.", "see https://a.example/b?…."),
        ("https://me:secret@a.example/", "https://…@a.example/"),
        ("(http://a.example/b#c)", "(http://a.example/b#…)"),
        ("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.abc-_ here", "token … here"),
        ("jwt=eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.abc", "…"),
        ("nothing secret: 7.5 % of eyJ", "nothing secret: 7.5 % of eyJ"),
        ("://", "://"), ("https://", "https://"), ("a://b?", "a://b?…"), ("", ""),
    ])
    func `what could be used in the operator's place stays out of records`(text: String, redacted: String) {
        #expect(text.redacted == redacted)
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
        ("malformed", 501, false), ("userActionRequired", 403, false), ("userActionRequired", 503, false),
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

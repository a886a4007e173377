import FoundationEssentials
import HTTP
import PKI
import Rig
import Testing

@testable import ACME

/// Renewal information where a CA says what real ones rarely do.
@Suite(.parts("openssl"))
struct RenewalInfoTests {
    private typealias Step = ScriptedCA.Step

    private static let directory = Step(
        "GET /dir", 200,
        """
        {"newNonce": "https://ca.example/nonce", "newAccount": "https://ca.example/new-account",
         "newOrder": "https://ca.example/new-order", "renewalInfo": "https://ca.example/ari"}
        """, hasNonce: false)

    /// The certificate of RFC 9773's example: the identifiers of its authority and its serial number are enough.
    private static func leaf() async throws -> Certificate {
        let pem = try await check(
            "openssl",
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                "/CN=a.example",
                "-set_serial", "0x8765432121", "-keyout", "/dev/null", "-addext",
                "subjectKeyIdentifier=69885b6b8746401be1d9ff8f2d7d0f8c2b1d9ff8",
            ])
        return try #require(try Certificate.chain(pem: Array(pem.utf8)).first)
    }

    @Test func `the identifier is the authority's and the serial number with its leading zero`() async throws {
        let leaf = try await Self.leaf()
        let authority = try #require(leaf.authorityKeyIdentifier)
        // RFC 9773 §4.1: the content octets of the INTEGER, 00 included.
        #expect(leaf.serialNumber == [0x00, 0x87, 0x65, 0x43, 0x21, 0x21])
        #expect(CertificateID(leaf)?.description == "\(Base64URL.encode(authority)).AIdlQyEh")
    }

    private func ask(_ answer: Step) async throws -> RenewalInfo {
        let leaf = try await Self.leaf()
        let id = try #require(CertificateID(leaf))
        guard case .success(let response) = answer.result else { throw RigError("no response") }
        let headers = response.headers.fields.map { ($0.name, $0.value) }
        let body = String(decoding: response.body, as: UTF8.self)
        let repeated = response.status >= 500 ? 3 : 1
        let steps = Array(repeating: Step("GET /ari/\(id)", response.status, body, headers: headers), count: repeated)
        let scenario = try Scenario([Self.directory] + steps)
        let info = try await scenario.session.renewalInfo(for: leaf)
        #expect(scenario.ca.remaining == [])
        return info
    }

    private static func window(_ start: String, _ end: String, page: String? = nil, retryAfter: String? = nil) -> Step {
        Step(
            "", 200,
            """
            {"suggestedWindow": {"start": "\(start)", "end": "\(end)"}
             \(page.map { #", "explanationURL": "\#($0)""# } ?? "")}
            """, headers: retryAfter.map { [("Retry-After", $0)] } ?? [])
    }

    @Test(
        arguments: [
            ("21600", 21_600), ("0", 60), ("1", 60), ("86400", 86_400), ("999999999", 86_400), (nil, 21_600),
            ("soon", 21_600),
            ("-1", 21_600), ("Thu, 01 Jan 1970 00:00:00 GMT", 60),
        ] as [(String?, Int)])
    func `a window comes with the time of the next look`(retryAfter: String?, seconds: Int) async throws {
        let info = try await ask(
            Self.window(
                "2026-12-01T00:00:00Z", "2026-12-02T12:00:00.5+00:30", page: "https://ca.example/incident",
                retryAfter: retryAfter))
        guard case .window(let window, "https://ca.example/incident") = info.answer else {
            Issue.record("\(info.answer)")
            return
        }
        #expect(window.start == Date(timeIntervalSince1970: 1_796_083_200))
        #expect(window.end.timeIntervalSince(window.start) == 86_400 + 41_400.5)
        #expect(info.nextLook == .seconds(seconds))
    }

    @Test(arguments: [
        ("2026-12-02T00:00:00Z", "2026-12-01T00:00:00Z"), ("2026-12-01T00:00:00Z", "2026-12-01T00:00:00Z"),
        ("tomorrow", "2026-12-01T00:00:00Z"), ("", ""),
    ])
    func `a window that ends before it begins, or none, is no answer`(start: String, end: String) async throws {
        let info = try await ask(Self.window(start, end, retryAfter: "3600"))
        guard case .none(.malformed) = info.answer else {
            Issue.record("\(info.answer)")
            return
        }
        #expect(info.nextLook == .seconds(3600))
    }

    @Test(arguments: [
        "", "{}", "[]", "null", #"{"suggestedWindow": []}"#, #"{"suggestedWindow": {"start": 1, "end": 2}}"#,
    ])
    func `garbage is no answer`(body: String) async throws {
        guard case .none(.malformed) = try await ask(Step("", 200, body)).answer else {
            Issue.record("an answer")
            return
        }
    }

    @Test(arguments: [404, 400, 409, 429, 500, 503, 301])
    func `a refusal is no answer, and is asked again later`(status: Int) async throws {
        let info = try await ask(Step("", status, "{}"))
        guard case .none(.failed) = info.answer else {
            Issue.record("\(info.answer)")
            return
        }
        #expect(info.nextLook == .seconds(21_600))
    }

    @Test func `an explanation that is no https URL is not shown`() async throws {
        let info = try await ask(
            Self.window("2026-12-01T00:00:00Z", "2026-12-02T00:00:00Z", page: "javascript:alert(1)"))
        guard case .window(_, nil) = info.answer else {
            Issue.record("\(info.answer)")
            return
        }
    }

    @Test func `a CA without it, and one that cannot be reached, are no errors`() async throws {
        let leaf = try await Self.leaf()
        let without = try Scenario([.directory()])
        guard case .none(.notOffered) = try await without.session.renewalInfo(for: leaf).answer else {
            Issue.record("an answer")
            return
        }
        let lost = try Scenario([.init("GET /dir", lost: .cannotConnect)])
        guard case .none(.failed(.unreachable)) = try await lost.session.renewalInfo(for: leaf).answer else {
            Issue.record("an answer")
            return
        }
    }

    @Test func `every moment of a window is as likely as any other`() throws {
        let start = Date(timeIntervalSince1970: 1_000_000)
        let window = try #require(RenewalWindow(start: start, end: start.addingTimeInterval(1_000)))
        var generator = SystemRandomNumberGenerator()
        var tenths = [Int](repeating: 0, count: 10)
        for _ in 0..<10_000 {
            tenths[Int(window.moment(using: &generator).timeIntervalSince(start) / 100)] += 1
        }
        #expect(tenths.allSatisfy { (800...1_200).contains($0) }, "\(tenths)")
    }

    // MARK: Orders that replace

    private static let refusals: [(Int, String)] = [
        (409, "alreadyReplaced"), (403, "unauthorized"), (404, "malformed"), (400, "malformed"),
    ]

    @Test(arguments: refusals)
    func `an order that may not replace is placed once more without that`(refusal: (Int, String)) async throws {
        let chain = try await Scenario.chain()
        let id = try #require(CertificateID(try await Self.leaf()))
        // Where the account may be to blame, it is looked at.
        let look: [Step] = refusal.1 == "unauthorized" ? [.init("POST /account/1", 200, #"{"status": "valid"}"#)] : []
        let scenario = try Scenario(
            Step.beginning + [.problem("POST /new-order", refusal.0, refusal.1, "no")] + look + [
                .newOrder("ready"), .finalize(), .certificate(chain),
            ])
        try await scenario.issue(parameters: .init(replaces: id))
        let payloads = scenario.ca.signed.filter { $0.path == "/new-order" }.map(\.payload)
        #expect(payloads.map { $0.contains(#""replaces":"\#(id)""#) } == [true, false])
        #expect(scenario.reported.contains { if case .fellBack = $0 { true } else { false } })
    }

    @Test(arguments: [(429, "rateLimited"), (500, "serverInternal")])
    func `a rate limit or a fault has nothing to do with it`(refusal: (Int, String)) async throws {
        let id = try #require(CertificateID(try await Self.leaf()))
        let refused = Step.problem("POST /new-order", refusal.0, refusal.1)
        let scenario = try Scenario(Step.beginning + Array(repeating: refused, count: refusal.0 == 500 ? 3 : 1))
        #expect(try await scenario.failure(parameters: .init(replaces: id)).isTemporary)
    }

    // MARK: Profiles

    private static let profiles = #"{"profiles": {"classic": "90 days", "shortlived": "6 days"}}"#

    @Test func `a preferred profile that is refused at the order or at finalize is left out`() async throws {
        let chain = try await Scenario.chain()
        let refused = Step.problem("POST /new-order", 400, "invalidProfile", "not for you")
        let early = try Scenario([
            .directory(Self.profiles), Step.nonce, refused, .newOrder("ready"), .finalize(), .certificate(chain),
        ])
        try await early.issue(parameters: .init(preferredProfile: "shortlived"))
        let late = try Scenario([
            .directory(Self.profiles), Step.nonce, .newOrder("ready"),
            .problem("POST /finalize", 400, "invalidProfile", "not for you"), .newOrder("ready"), .finalize(),
            .certificate(chain),
        ])
        try await late.issue(parameters: .init(preferredProfile: "shortlived"))
        for scenario in [early, late] {
            #expect(scenario.ca.remaining == [])
            let payloads = scenario.ca.signed.filter { $0.path == "/new-order" }.map(\.payload)
            #expect(payloads.map { $0.contains(#""profile":"shortlived""#) } == [true, false])
            #expect(
                scenario.reported.contains(
                    .fellBack(
                        "the CA does not take the profile shortlived: not for you (invalidProfile); its default is taken"
                    )))
        }
    }

    @Test func `a required profile that is refused is an error of its own`() async throws {
        for steps in [
            [Step.problem("POST /new-order", 400, "invalidProfile", "not for you")],
            [.newOrder("ready"), .problem("POST /finalize", 400, "invalidProfile", "not for you")],
        ] {
            let scenario = try Scenario([.directory(Self.profiles), Step.nonce] + steps)
            let error = try await scenario.failure(parameters: .init(requiredProfile: "shortlived"))
            guard case .profileRefused = error else {
                Issue.record("\(error)")
                return
            }
            #expect(error.description.hasSuffix(": not for you (invalidProfile)"))
            #expect(!error.isTemporary && (error.orderFault == .failed))
        }
    }
}

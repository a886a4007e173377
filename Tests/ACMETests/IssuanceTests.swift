import HTTP
import PKI
import Rig
import Testing

@testable import ACME

/// The exchange for a certificate, where a CA does what real ones rarely do.
@Suite(.parts("openssl"))
struct IssuanceTests {
    private typealias Step = ScriptedCA.Step

    @Test func `a certificate for two names polls the order and cleans up`() async throws {
        let chain = try await Scenario.chain()
        let scenario = try Scenario(
            Step.beginning + [
                .newOrder(names: 2), .authorization(0), .authorization(1), .challenge(0), .challenge(1),
                .order("pending", names: 2), .order("ready", names: 2), .finalize("processing"), .order("valid"),
                .certificate(chain),
            ])
        #expect(try await scenario.issue(names: 2) == chain)
        #expect(scenario.ca.remaining == [])
        #expect(scenario.clock.sleeps == [.milliseconds(20), .milliseconds(50), .milliseconds(20)])
        #expect(
            scenario.solver.events == [
                "present token0 for name0.example", "present token1 for name1.example", "wait for 2",
                "clean up token0 for name0.example", "clean up token1 for name1.example",
            ])
        let names = ["name0.example", "name1.example"]
        guard case .presenting(let challenges)? = scenario.reported.dropFirst().first else {
            Issue.record("\(scenario.reported)")
            return
        }
        #expect(challenges.map(\.token) == ["token0", "token1"] && challenges.map(\.name.description) == names)
        #expect(
            scenario.reported == [
                .ordered(url: "https://ca.example/order"), .presenting(challenges), .waiting(names: names),
                .validating(names: names), .finalizing,
            ])
        #expect(
            scenario.ca.signed.first?.payload == """
                {"identifiers":[{"type":"dns","value":"name0.example"},{"type":"dns","value":"name1.example"}]}
                """)
        #expect(scenario.ca.signed.first { $0.path == "/challenge/0" }?.payload == "{}")
    }

    @Test func `only the names that are not validated yet are validated`() async throws {
        let chain = try await Scenario.chain()
        let scenario = try Scenario(
            Step.beginning + [
                .newOrder(names: 3), .authorization(0, "valid"), .authorization(1), .authorization(2, "valid"),
                .challenge(1), .order("ready", names: 3), .finalize(), .certificate(chain),
            ])
        try await scenario.issue(names: 3)
        #expect(
            scenario.solver.events == [
                "present token1 for name1.example", "wait for 1", "clean up token1 for name1.example",
            ])
        #expect(scenario.reported.contains(.validating(names: ["name1.example"])))
    }

    @Test(arguments: ["ready", "processing", "valid"])
    func `an order that is further from the start is taken up where it is`(status: String) async throws {
        let chain = try await Scenario.chain()
        let rest: [Step] =
            switch status {
            case "ready": [.newOrder("ready"), .finalize(), .certificate(chain)]
            case "processing": [.newOrder("processing"), .order("processing"), .order("valid"), .certificate(chain)]
            default: [.newOrder("valid", certificate: true), .certificate(chain)]
            }
        let scenario = try Scenario(Step.beginning + rest)
        #expect(try await scenario.issue() == chain)
        #expect(scenario.ca.remaining == [])
        #expect(scenario.solver.events == [])
    }

    @Test func `all names valid already, and the order still pending`() async throws {
        let chain = try await Scenario.chain()
        let scenario = try Scenario(
            Step.beginning + [
                .newOrder(), .authorization(0, "valid"), .order("ready"), .finalize(), .certificate(chain),
            ])
        #expect(try await scenario.issue() == chain)
        #expect(scenario.reported == [.ordered(url: "https://ca.example/order"), .finalizing])
    }

    @Test func `an order in processing is polled as its Retry-After asks, and not longer than a minute at a time`()
        async throws
    {
        let chain = try await Scenario.chain()
        let scenario = try Scenario(
            Step.beginning + [
                .newOrder("ready"), .finalize("processing", retryAfter: "3"), .order("processing", retryAfter: "7"),
                .order("processing", retryAfter: "3600"), .order("processing", retryAfter: "0"), .order("processing"),
                .order("valid"), .certificate(chain),
            ])
        try await scenario.issue()
        #expect(
            scenario.clock.sleeps == [
                .seconds(3), .seconds(7), .seconds(60), .milliseconds(20), .milliseconds(781.25),
            ])
    }

    @Test func `a validation that never ends is given up at its limit, and cleaned up`() async throws {
        var (delays, watch, waited) = (OrderPoll(), ValidationWatch(), Duration.zero)
        var looks: [Step] = []
        while waited < OrderPoll.validation {
            waited += delays.next(after: nil, left: OrderPoll.validation - waited)
            looks.append(.order("pending"))
            if waited < OrderPoll.validation, watch.isDue(after: waited) { looks.append(.authorization()) }
        }
        let scenario = try Scenario(Step.beginning + [.newOrder(), .authorization(), .challenge()] + looks)
        let error = try await scenario.failure()
        guard case .stillPending("https://ca.example/order", .pending, OrderPoll.validation) = error else {
            Issue.record("\(error)")
            return
        }
        #expect(scenario.clock.sleeps.reduce(.zero, +) == OrderPoll.validation)
        #expect(scenario.clock.sleeps.allSatisfy { $0 <= OrderPoll.longest })
        #expect(looks.count { $0.request == "POST /authz/0" } == 9)
        #expect(error.isTemporary)
        #expect(scenario.solver.events.last == "clean up token0 for name0.example")
    }

    @Test func `slow answers count as well as sleeps do`() async throws {
        let clock = RecordingClock()
        var slow = Step.order("pending", retryAfter: "0")
        slow.whileWaiting = { clock.advance(by: .seconds(59)) }
        var look = Step.authorization()
        look.whileWaiting = { clock.advance(by: .seconds(59)) }
        let scenario = try Scenario(
            Step.beginning + [.newOrder(), .authorization(), .challenge(), slow, look, slow, look, slow],
            clock: clock)
        let error = try await scenario.failure()
        guard case .stillPending(_, .pending, let waited) = error else {
            Issue.record("\(error)")
            return
        }
        #expect(waited >= OrderPoll.validation && waited < OrderPoll.validation + .seconds(120))
    }

    @Test func `slow answers to finalize and to one request are bounded too`() async throws {
        let clock = RecordingClock()
        var slow = Step.problem("POST /finalize", 400, "badNonce")
        slow.whileWaiting = { clock.advance(by: .seconds(59)) }
        let scenario = try Scenario(
            Step.beginning + [.newOrder("ready")] + Array(repeating: slow, count: 6), clock: clock)
        #expect(try await scenario.failure().isTemporary)
    }

    @Test(arguments: [(1, 12, true), (1, 13, false), (3, 16, true), (3, 17, false), (1, 10_000, false)])
    func `an order with many more authorizations than names is not ACME`(
        names: Int, authorizations: Int, isTaken: Bool
    ) async throws {
        let chain = try await Scenario.chain()
        let scenario = try Scenario(
            Step.beginning + [.newOrder("ready", names: authorizations)]
                + (isTaken ? [.finalize(), .certificate(chain)] : []))
        if isTaken {
            try await scenario.issue(names: names)
        } else {
            let error = try await scenario.failure(names: names)
            #expect(error.description.contains("the order has \(authorizations) authorizations for \(names) names"))
            #expect(!error.isTemporary)
        }
    }

    @Test func `an order that fails is explained by its authorizations`() async throws {
        let failed = #"""
            [{"type": "dns-01", "url": "https://ca.example/c", "token": "t"},
             {"type": "http-01", "url": "https://ca.example/challenge/1", "token": "token1", "status": "invalid",
              "error": {"type": "urn:ietf:params:acme:error:connection", "detail": "203.0.113.7: Connection refused"}}]
            """#
        let scenario = try Scenario(
            Step.beginning + [
                .newOrder(names: 2), .authorization(0), .authorization(1), .challenge(0), .challenge(1),
                .order("invalid", names: 2), .authorization(0, "valid"),
                .authorization(1, "invalid", challenges: failed),
            ])
        let error = try await scenario.failure(names: 2)
        #expect(
            error.description
                == "the CA could not validate name1.example: 203.0.113.7: Connection refused (connection)")
        #expect(scenario.solver.events.count == 5)
    }

    @Test func `an order that fails for no reason of its names' keeps its own`() async throws {
        let reason = #"{"type": "urn:ietf:params:acme:error:caa", "detail": "CAA forbids it"}"#
        let scenario = try Scenario(
            Step.beginning + Step.validation.dropLast() + [
                .order("invalid", error: reason), .problem("POST /authz/0", 404, "malformed", "gone"),
            ])
        let error = try await scenario.failure()
        #expect(error.description == "the order failed: CAA forbids it (caa)")
    }

    @Test func `an authorization that is invalid from the start ends it with nothing shown`() async throws {
        let scenario = try Scenario(Step.beginning + [.newOrder(), .authorization(0, "invalid")])
        let error = try await scenario.failure()
        #expect(error.description.contains("name0.example: the authorization is invalid"))
        #expect(scenario.solver.events == [])
    }

    // MARK: Challenges

    @Test func `challenges without a token or with a dangerous one are passed over`() async throws {
        let chain = try await Scenario.chain()
        let offer = #"""
            [{"type": "dns-persist-01", "url": "https://ca.example/p", "issuer-domain-names": ["ca.example"]},
             {"type": "http-01", "url": "https://ca.example/x", "token": "../x"},
             {"type": "http-01", "url": "https://ca.example/x", "token": ""},
             {"type": "http-01", "url": "https://ca.example/x", "token": 7}, 7, {}, null,
             {"type": "http-01", "url": "https://ca.example/challenge/0", "token": "good_-1"}]
            """#
        let scenario = try Scenario(
            Step.beginning + [
                .newOrder(), .authorization(challenges: offer), .challenge(), .order("ready"), .finalize(),
                .certificate(chain),
            ])
        try await scenario.issue()
        #expect(scenario.solver.events.first == "present good_-1 for name0.example")
    }

    @Test(arguments: ["../x", "a/b", ".", "a b", "a\\u0000", "ä", "%2e", String(repeating: "a", count: 300)])
    func `a token that is no file name makes no challenge`(token: String) async throws {
        let offer = #"[{"type": "http-01", "url": "https://ca.example/x", "token": "\#(token)"}]"#
        let scenario = try Scenario(Step.beginning + [.newOrder(), .authorization(challenges: offer)])
        guard case .noChallenge("name0.example", ["http-01"]) = try await scenario.failure() else {
            Issue.record("another error")
            return
        }
        #expect(scenario.solver.events == [])
    }

    @Test func `where no challenge can be answered, those on offer are named`() async throws {
        let offer = #"""
            [{"type": "dns-persist-01", "url": "https://ca.example/p"},
             {"type": "dns-01", "url": "https://ca.example/d", "token": "t"}]
            """#
        let scenario = try Scenario(
            Step.beginning + [.newOrder(), .authorization(name: "example.org", wildcard: true, challenges: offer)])
        let error = try await scenario.failure()
        #expect(error.description.contains("*.example.org"))
        #expect(error.description.contains("dns-persist-01, dns-01"))
        #expect(!error.isTemporary)
    }

    @Test func `an answer that cannot be shown ends it, and what was shown is taken away`() async throws {
        let scenario = try Scenario(
            Step.beginning + [.newOrder(names: 3), .authorization(0), .authorization(1), .authorization(2)],
            solver: RecordingSolver(refusing: "token1"))
        let error = try await scenario.failure(names: 3)
        #expect(error.description == "the challenge for name1.example could not be answered: the disk is full")
        #expect(
            scenario.solver.events == [
                "present token0 for name0.example", "present token1 for name1.example",
                "clean up token0 for name0.example", "clean up token1 for name1.example",
                "clean up token2 for name2.example",
            ])
    }

    @Test(arguments: [true, false])
    func `a challenge whose answer got lost may be refused when it is repeated`(arrived: Bool) async throws {
        let chain = try await Scenario.chain()
        let scenario = try Scenario(
            Step.beginning + [
                .newOrder(), .authorization(), .init("POST /challenge/0", lost: .interrupted), Step.nonce,
                .problem("POST /challenge/0", 400, "malformed", "not pending"),
            ]
                + (arrived
                    ? [.authorization(0, "valid"), .order("ready"), .finalize(), .certificate(chain)]
                    : [.authorization()]))
        if arrived {
            #expect(try await scenario.issue() == chain)
        } else {
            #expect(try await scenario.failure().description == "the CA refuses: not pending (malformed)")
        }
        #expect(scenario.solver.events.count == 3)
    }

    @Test func `a cancelled poll cleans the challenges up`() async throws {
        let started = AsyncStream<Void>.makeStream()
        let scenario = try Scenario(
            Step.beginning + [.newOrder(), .authorization(), .challenge()]
                + Array(repeating: .order("pending"), count: 30),
            clock: RecordingClock { started.continuation.yield() })
        let task = Task { try await scenario.issue() }
        for await _ in started.stream { break }
        task.cancel()
        let error = await #expect(throws: ACMEError.self) { try await task.value }
        #expect(error?.description == "cancelled")
        #expect(
            scenario.solver.events == [
                "present token0 for name0.example", "wait for 1", "clean up token0 for name0.example",
            ])
    }

    // MARK: Finalize

    @Test(arguments: [HTTPError.Kind.interrupted, .timedOut])
    func `a lost answer to finalize is found by the order`(kind: HTTPError.Kind) async throws {
        let chain = try await Scenario.chain()
        let scenario = try Scenario(
            Step.beginning + [
                .newOrder("ready"), .init("POST /finalize", lost: kind), Step.nonce, .order("processing"),
                .order("valid"),
                .certificate(chain),
            ])
        #expect(try await scenario.issue() == chain)
        #expect(scenario.ca.remaining == [])
        #expect(scenario.clock.sleeps == [.seconds(2), .milliseconds(20)])
    }

    @Test func `a finalize that did not arrive is handed in again`() async throws {
        let chain = try await Scenario.chain()
        let scenario = try Scenario(
            Step.beginning + [
                .newOrder("ready"), .init("POST /finalize", lost: .interrupted), Step.nonce, .order("ready"),
                .init("POST /finalize", 503), .order("ready"), .finalize(), .certificate(chain),
            ])
        #expect(try await scenario.issue() == chain)
        #expect(scenario.ca.remaining == [])
        let requests = scenario.ca.signed.filter { $0.path == "/finalize" }.map(\.payload)
        #expect(requests.count == 3 && Set(requests).count == 1)
    }

    @Test func `a finalize that arrives late after all is no failure`() async throws {
        let chain = try await Scenario.chain()
        let scenario = try Scenario(
            Step.beginning + [
                .newOrder("ready"), .init("POST /finalize", lost: .timedOut), Step.nonce, .order("ready"),
                .problem("POST /finalize", 403, "orderNotReady"), .order("processing"), .order("valid"),
                .certificate(chain),
            ])
        #expect(try await scenario.issue() == chain)
    }

    @Test func `a finalize that fails three times is reported`() async throws {
        let fault = Step.init("POST /finalize", 500)
        let scenario = try Scenario(
            Step.beginning + [.newOrder("ready"), fault, .order("ready"), fault, .order("ready"), fault])
        #expect(try await scenario.failure().isTemporary)
        #expect(scenario.clock.sleeps == [.seconds(2), .seconds(4)])
    }

    @Test func `a rate limit at finalize is reported and not asked again`() async throws {
        let limit = Step.problem("POST /finalize", 429, "rateLimited", headers: [("Retry-After", "3600")])
        let scenario = try Scenario(Step.beginning + [.newOrder("ready"), limit])
        #expect(try await scenario.failure().description.hasSuffix("try again in 3600 s"))
        #expect(scenario.clock.sleeps == [])
    }

    @Test func `a refused request is not handed in again`() async throws {
        let scenario = try Scenario(
            Step.beginning + [.newOrder("ready"), .problem("POST /finalize", 400, "badCSR", "weak key")])
        #expect(try await scenario.failure().description == "the CA refuses: weak key (badCSR)")
    }

    @Test func `a refused nonce at finalize is no fault`() async throws {
        let chain = try await Scenario.chain()
        let scenario = try Scenario(
            Step.beginning + [
                .newOrder("ready"), .problem("POST /finalize", 400, "badNonce"), .finalize(), .certificate(chain),
            ])
        #expect(try await scenario.issue() == chain)
    }

    @Test func `an order that fails after finalize says why`() async throws {
        let reason = #"{"type": "urn:ietf:params:acme:error:serverInternal", "detail": "HSM on fire"}"#
        let scenario = try Scenario(
            Step.beginning + [.newOrder("ready"), .finalize("processing"), .order("invalid", error: reason)])
        let error = try await scenario.failure()
        #expect(error.description == "the order failed: HSM on fire (serverInternal)")
        #expect(error.isTemporary)
    }

    @Test func `an order that fails without a word keeps what the CA said of the request`() async throws {
        let fault = Step.problem("POST /finalize", 500, "serverInternal", "enrollment failed")
        let scenario = try Scenario(
            Step.beginning + [.newOrder("ready"), fault, .order("invalid")])
        let error = try await scenario.failure()
        #expect(error.description == "the order failed: enrollment failed (serverInternal)")
        #expect(error.isTemporary && error.orderFault == .gone)
    }

    @Test(arguments: ["deactivated", "expired", "revoked"])
    func `an order with the state of an authorization that was given up is gone`(status: String) async throws {
        let scenario = try Scenario(
            Step.beginning + [
                .init(
                    "POST /order", 200,
                    """
                    {"status": "\(status)", "authorizations": ["https://ca.example/authz/0"],
                     "finalize": "https://ca.example/finalize"}
                    """), .authorization(0, status),
            ])
        let error = await #expect(throws: ACMEError.self) {
            _ = try await scenario.issuance.placed(at: "https://ca.example/order")
        }
        #expect(error?.orderFault == .authorizationGone)
    }

    // MARK: Certificate

    @Test(arguments: ["", "\n", "<html></html>", "-----BEGIN CERTIFICATE-----\nAAAA"])
    func `a certificate answer without a certificate is not ACME`(body: String) async throws {
        let scenario = try Scenario(Step.beginning + [.newOrder("ready"), .finalize(), .certificate(Array(body.utf8))])
        let error = try await scenario.failure()
        #expect(error.description.hasPrefix("the answer of https://ca.example/cert is not ACME: "), "\(error)")
    }

    @Test func `a valid order without a certificate is not ACME`() async throws {
        let scenario = try Scenario(
            Step.beginning + [
                .newOrder("valid"),
                .init(
                    "POST /order", 200,
                    """
                    {"status": "valid", "authorizations": [], "finalize": "https://ca.example/finalize"}
                    """),
            ])
        #expect(try await scenario.failure().description.hasSuffix("the order is valid but has no certificate"))
    }

    @Test(arguments: ["https://ca.example/alt", "https://ca.example/alt;a,b"])
    func `a preferred chain that is not offered is reported, and few alternates are fetched`(url: String) async throws {
        let chain = try await Scenario.chain()
        let links = (0..<50).map { _ in ("Link", "<https://ca.example/dir>;rel=\"index\", <\(url)>; rel=\"alternate\"")
        }
        let alternate = Step("POST /\(url.dropFirst(19))", 200, String(decoding: chain, as: UTF8.self))
        let scenario = try Scenario(
            Step.beginning + [.newOrder("ready"), .finalize(), .certificate(chain, headers: links)]
                + Array(repeating: alternate, count: 10))
        #expect(try await scenario.issue(parameters: .init(preferredChain: "Other Root")) == chain)
        #expect(scenario.ca.remaining == [])
        #expect(scenario.reported.last == .fellBack("the CA offers no chain to Other Root; its default is taken"))
    }

    @Test func `a chain that cannot be had is passed over for the next one`() async throws {
        let (chain, preferred) = (try await Scenario.chain(), try await Scenario.chain(from: "Other Root"))
        let links = ["gone", "lost", "good"].map { ("Link", "<https://ca.example/alt/\($0)>;rel=alternate") }
        let scenario = try Scenario(
            Step.beginning + [
                .newOrder("ready"), .finalize(), .certificate(chain, headers: links),
                .problem("POST /alt/gone", 404, "malformed"), .init("POST /alt/lost", lost: .tlsNotTrusted), Step.nonce,
                .init("POST /alt/good", 200, String(decoding: preferred, as: UTF8.self)),
            ])
        #expect(try await scenario.issue(parameters: .init(preferredChain: "Other Root")) == preferred)
        #expect(scenario.ca.remaining == [])
        #expect(scenario.reported.last == .finalizing)
    }

    @Test func `where the preferred chain cannot be had the default is taken, and why is reported`() async throws {
        let chain = try await Scenario.chain()
        let scenario = try Scenario(
            Step.beginning + [
                .newOrder("ready"), .finalize(),
                .certificate(chain, headers: [("Link", "<https://ca.example/alt>;rel=alternate")]),
                .problem("POST /alt", 404, "malformed", "no such chain"),
            ])
        #expect(try await scenario.issue(parameters: .init(preferredChain: "Other Root")) == chain)
        #expect(
            scenario.reported.last
                == .fellBack(
                    "a chain to Other Root could not be had: the CA refuses: no such chain (malformed); "
                        + "the CA's default is taken"))
    }

    @Test(arguments: ["/alt/1", "alt/1", "//ca.example/alt/1", "https://ca.example/alt/1"])
    func `a link is taken from where it was given`(target: String) async throws {
        let (chain, preferred) = (try await Scenario.chain(), try await Scenario.chain(from: "Other Root"))
        let scenario = try Scenario(
            Step.beginning + [
                .newOrder("ready"), .finalize(),
                .certificate(chain, headers: [("Link", "<\(target)>;rel=alternate")]),
                .init("POST /alt/1", 200, String(decoding: preferred, as: UTF8.self)),
            ])
        #expect(try await scenario.issue(parameters: .init(preferredChain: "Other Root")) == preferred)
    }

    @Test func `a preferred chain that is the default costs nothing`() async throws {
        let chain = try await Scenario.chain()
        let scenario = try Scenario(
            Step.beginning + [
                .newOrder("ready"), .finalize(),
                .certificate(chain, headers: [("Link", "<https://ca.example/alt>;rel=alternate")]),
            ])
        #expect(try await scenario.issue(parameters: .init(preferredChain: "Scripted Root")) == chain)
        #expect(scenario.reported.last == .finalizing)
    }

    // MARK: Orders and profiles

    @Test func `an order without a Location is not ACME`() async throws {
        let scenario = try Scenario(
            Step.beginning + [
                .init("POST /new-order", 201, #"{"status": "ready", "authorizations": [], "finalize": "x"}"#)
            ])
        #expect(try await scenario.failure().description.contains("there is no Location of the order"))
    }

    @Test(arguments: [#"{"status": "pend"#, #"{"status": "new"}"#, #"{"status": "ready"}"#, "[]", "true"])
    func `an order that cannot be read is not ACME`(body: String) async throws {
        let scenario = try Scenario(
            Step.beginning + [
                .init("POST /new-order", 201, body, headers: [("Location", "https://ca.example/order")])
            ])
        #expect(try await scenario.failure().description.hasPrefix("the answer of https://ca.example/new-order is not"))
    }

    private static let profiles = #"{"profiles": {"classic": "90 days", "shortlived": "6 days"}}"#

    @Test(arguments: [(nil, "shortlived"), ("shortlived", nil), ("classic", "shortlived")] as [(String?, String?)])
    func `a profile on offer is asked for`(preferred: String?, required: String?) async throws {
        let chain = try await Scenario.chain()
        let scenario = try Scenario([
            .directory(Self.profiles), Step.nonce, .newOrder("ready"), .finalize(), .certificate(chain),
        ])
        try await scenario.issue(parameters: .init(preferredProfile: preferred, requiredProfile: required))
        #expect(
            scenario.ca.signed.first?.payload == """
                {"identifiers":[{"type":"dns","value":"name0.example"}],"profile":"shortlived"}
                """)
    }

    @Test(arguments: [profiles, #"{"profiles": {"classic": "90 days"}}"#, "{}"])
    func `an order with an address asks for the profile that takes them, where the CA has it`(meta: String) async throws
    {
        let chain = try await Scenario.chain()
        let scenario = try Scenario([
            .directory(meta), Step.nonce, .newOrder("ready"), .finalize(), .certificate(chain),
        ])
        let names: [SubjectName] = [.dns("a.example"), .ip([192, 0, 2, 1])]
        let request = try SigningRequest(for: names, key: Scenario.key.get())
        _ = try await scenario.issuance.certificate(for: names, request: request)
        let payload = try #require(scenario.ca.signed.first?.payload)
        #expect(payload.contains(#""profile":"shortlived""#) == meta.contains("shortlived"))
    }

    @Test(arguments: [profiles, "{}"])
    func `a required profile that is not offered ends it before the order`(meta: String) async throws {
        let scenario = try Scenario([.directory(meta)])
        let error = try await scenario.failure(parameters: .init(requiredProfile: "tlsserver"))
        let offered = meta == "{}" ? "none" : "classic, shortlived"
        #expect(error.description == "the CA has no profile tlsserver, only \(offered)")
        #expect(!error.isTemporary)
    }

    @Test func `a preferred profile that is not offered is left out, and that is reported`() async throws {
        let chain = try await Scenario.chain()
        let scenario = try Scenario(Step.beginning + [.newOrder("ready"), .finalize(), .certificate(chain)])
        try await scenario.issue(parameters: .init(preferredProfile: "tlsserver"))
        #expect(scenario.reported.first == .fellBack("the CA has no profile tlsserver; its default is taken"))
        #expect(scenario.ca.signed.first?.payload.contains("profile") == false)
    }
}

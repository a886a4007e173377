import HTTP
import PKI
import Synchronization
import Testing

@testable import ACME

/// What is repeated, when, and with which nonce.
struct SessionTests {
    private typealias Step = ScriptedCA.Step

    @Test func `a refused nonce is repeated with the one that came with the refusal`() async throws {
        let scenario = try Scenario(
            Step.beginning + [
                .problem("POST /authz/0", 400, "badNonce"), .problem("POST /authz/0", 400, "badNonce"),
                .authorization(),
            ])
        _ = try await scenario.client.authorization("https://ca.example/authz/0")
        #expect(scenario.ca.signed.map(\.nonce) == ["nonce1", "nonce2", "nonce3"])
        #expect(scenario.clock.sleeps == [])
    }

    @Test func `without a nonce in the refusal a new one is fetched`() async throws {
        var refusal = Step.problem("POST /authz/0", 400, "badNonce")
        refusal.hasNonce = false
        let scenario = try Scenario(Step.beginning + [refusal, Step.nonce, .authorization()])
        _ = try await scenario.client.authorization("https://ca.example/authz/0")
        #expect(scenario.ca.signed.map(\.nonce) == ["nonce1", "nonce2"])
    }

    @Test func `a CA that refuses every nonce is left alone after a while`() async throws {
        let refusals = (0...RetryBudget.mostNonceRetries).map { _ in Step.problem("POST /authz/0", 400, "badNonce") }
        let scenario = try Scenario(Step.beginning + refusals)
        let error = await #expect(throws: ACMEError.self) {
            try await scenario.client.authorization("https://ca.example/authz/0")
        }
        #expect(error?.isBadNonce == true)
        #expect(scenario.ca.remaining == [])
        #expect(scenario.clock.sleeps == [])
    }

    @Test func `a nonce of an answer signs the next request`() async throws {
        let scenario = try Scenario(Step.beginning + [.authorization(), .authorization(1)])
        for index in 0...1 { _ = try await scenario.client.authorization("https://ca.example/authz/\(index)") }
        #expect(scenario.ca.signed.map(\.nonce) == ["nonce1", "nonce2"])
        #expect(scenario.ca.signed.map(\.accountURL) == Array(repeating: "https://ca.example/account/1", count: 2))
        #expect(scenario.ca.signed.map(\.payload) == ["", ""], "POST-as-GET")
    }

    @Test(arguments: ["", "a b", "nonce\u{1B}", "+/="])
    func `an ill-formed nonce is not used`(nonce: String) async throws {
        let bad = Step("HEAD /nonce", 200, "", headers: [("Replay-Nonce", nonce)], hasNonce: false)
        let scenario = try Scenario([.directory(), bad])
        let error = await #expect(throws: ACMEError.self) {
            try await scenario.client.authorization("https://ca.example/authz/0")
        }
        #expect(error.map { "\($0)" }?.contains("there is no Replay-Nonce") == true)
    }

    @Test func `callers side by side share the directory, and each has a nonce of its own`() async throws {
        let count = 8
        let scenario = try Scenario(
            [.directory()] + Array(repeating: Step.nonce, count: count)
                + Array(repeating: .authorization(), count: count), inOrder: false)
        let authorizations = try await withThrowingTaskGroup(of: Authorization.self) { group in
            for _ in 0..<count {
                group.addTask { try await Scenario.together(scenario) }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(authorizations.count == count)
        #expect(Set(scenario.ca.signed.compactMap(\.nonce)).count == count)
    }

    @Test func `a directory that is not to be had is asked for once by all who wait`() async throws {
        let others = Mutex<[Task<Directory, any Error>]>([])
        let session = Mutex<Session?>(nil)
        var lost = Step("GET /dir", lost: .cannotConnect)
        // While the first caller waits for the answer, others ask too, and are in the session before the answer is.
        lost.whileWaiting = {
            guard let session = session.withLock({ $0 }) else { return }
            for _ in 0..<3 {
                let other = Task.immediate { try await session.fetchDirectory() }
                others.withLock { $0.append(other) }
            }
            try? await session.pause(.zero)
        }
        let scenario = try Scenario([lost])
        session.withLock { $0 = scenario.session }
        await #expect(throws: ACMEError.self) { try await scenario.session.fetchDirectory() }
        let tasks = others.withLock { $0 }
        #expect(tasks.count == 3)
        for task in tasks {
            let error = await #expect(throws: ACMEError.self) { try await task.value }
            #expect(error?.isTemporary == true)
        }
    }

    @Test func `a caller that is cancelled does not take the directory from the others`() async throws {
        let scenario = try Scenario([.directory(), .directory()])
        let cancelled = Task { try await scenario.session.fetchDirectory() }
        let other = Task { try await scenario.session.fetchDirectory() }
        cancelled.cancel()
        #expect(try await other.value.newOrder == "https://ca.example/new-order")
        _ = await cancelled.result
    }

    static let waits: [(String?, [Duration]?)] = [
        ("0", []), ("1", [.seconds(1)]), ("10", [.seconds(10)]), ("11", nil), ("86400", nil), (nil, nil), ("soon", nil),
        ("-5", nil), ("", nil), ("Thu, 01 Jan 1970 00:00:00 GMT", []), ("Fri, 31 Dec 2100 23:59:59 GMT", nil),
        ("99999999999999999999999", nil),
    ]

    @Test(arguments: waits)
    func `a rate limit is waited for when its Retry-After is short, and reported when not`(
        retryAfter: String?, sleeps: [Duration]?
    ) async throws {
        for type in ["rateLimited", "unknownToMe"] {
            let refusal = Step.problem(
                "POST /authz/0", 429, type, headers: retryAfter.map { [("Retry-After", $0)] } ?? [])
            let scenario = try Scenario(Step.beginning + [refusal] + (sleeps == nil ? [] : [.authorization()]))
            guard let sleeps else {
                let error = await #expect(throws: ACMEError.self) {
                    try await scenario.client.authorization("https://ca.example/authz/0")
                }
                #expect(error?.isTemporary == true)
                #expect(scenario.clock.sleeps == [])
                continue
            }
            _ = try await scenario.client.authorization("https://ca.example/authz/0")
            #expect(scenario.clock.sleeps == sleeps)
            #expect(scenario.ca.remaining == [])
        }
    }

    @Test func `a rate limit that goes on is reported after two waits`() async throws {
        let refusal = Step.problem("POST /authz/0", 429, "rateLimited", headers: [("Retry-After", "3")])
        let scenario = try Scenario(Step.beginning + [refusal, refusal, refusal])
        let error = await #expect(throws: ACMEError.self) {
            try await scenario.client.authorization("https://ca.example/authz/0")
        }
        guard case .refused(let problem, let retryAfter) = error else { return #expect(Bool(false), "\(error as Any)") }
        #expect(problem.type == "rateLimited")
        #expect(retryAfter == .seconds(3))
        #expect(scenario.clock.sleeps == [.seconds(3), .seconds(3)])
    }

    @Test(arguments: [500, 502, 503, 504])
    func `a fault of the CA's is repeated twice and then reported`(status: Int) async throws {
        let fault = Step("POST /authz/0", status, "<html><h1>Oops \u{1B}[2J</h1></html>")
        let scenario = try Scenario(Step.beginning + [fault, fault, fault])
        let error = await #expect(throws: ACMEError.self) {
            try await scenario.client.authorization("https://ca.example/authz/0")
        }
        #expect(error?.isTemporary == true)
        #expect(error?.description == "the CA refuses: HTTP status \(status) without a problem document")
        #expect(scenario.clock.sleeps == [.seconds(2), .seconds(4)])
        #expect(scenario.ca.remaining == [])
    }

    @Test func `a fault that passes is not noticed`() async throws {
        let scenario = try Scenario([
            .init("GET /dir", 503, hasNonce: false), .directory(), .init("HEAD /nonce", lost: .timedOut), Step.nonce,
            .init("POST /authz/0", 500), .init("POST /authz/0", lost: .interrupted), Step.nonce, .authorization(),
        ])
        _ = try await scenario.client.authorization("https://ca.example/authz/0")
        #expect(scenario.clock.sleeps == [.seconds(2), .seconds(2), .seconds(2), .seconds(4)])
    }

    @Test(arguments: [HTTPError.Kind.cannotConnect, .unresolvedHost, .tlsNotTrusted, .bodyTooLarge, .proxy])
    func `a CA that is not to be reached is reported at once`(kind: HTTPError.Kind) async throws {
        let scenario = try Scenario([.init("GET /dir", lost: kind)])
        await #expect(throws: ACMEError.self) { try await scenario.session.fetchDirectory() }
        #expect(scenario.clock.sleeps == [])
    }

    @Test(arguments: [400, 401, 403, 404, 405, 301])
    func `a refusal is not repeated`(status: Int) async throws {
        let scenario = try Scenario(Step.beginning + [.problem("POST /authz/0", status, "unauthorized", "no")])
        let error = await #expect(throws: ACMEError.self) {
            try await scenario.client.authorization("https://ca.example/authz/0")
        }
        #expect(error?.description == "the CA refuses: no (unauthorized)")
        #expect(error?.isTemporary == false)
        #expect(scenario.clock.sleeps == [])
    }

    @Test(arguments: ["http://ca.example/nonce", "ftp://ca.example/nonce", "/nonce", "", "file:///etc/passwd"])
    func `a URL that is not https is never asked`(url: String) async throws {
        let directory = """
            {"newNonce": "\(url)", "newAccount": "https://ca.example/a", "newOrder": "https://ca.example/o"}
            """
        let scenario = try Scenario([.init("GET /dir", 200, directory, hasNonce: false)])
        let error = await #expect(throws: ACMEError.self) {
            try await scenario.client.authorization("https://ca.example/authz/0")
        }
        #expect(error?.description.hasSuffix("\(url) is not an https URL") == true, "\(error as Any)")
    }

    @Test(arguments: ["", "{", "[]", "null", "<html></html>", #"{"newNonce": "https://ca.example/n"}"#, "\u{0}"])
    func `a directory that is none is not ACME`(body: String) async throws {
        let scenario = try Scenario([.init("GET /dir", 200, body)])
        let error = await #expect(throws: ACMEError.self) { try await scenario.session.fetchDirectory() }
        #expect(error?.description.hasPrefix("the answer of https://ca.example/dir is not ACME: ") == true)
        #expect(error?.isTemporary == false)
    }

    @Test func `an account that the CA does not know is named`() async throws {
        let scenario = try Scenario(Step.beginning + [.problem("POST /authz/0", 400, "accountDoesNotExist")])
        let error = await #expect(throws: ACMEError.self) {
            try await scenario.client.authorization("https://ca.example/authz/0")
        }
        #expect(error?.description.contains("https://ca.example/account/1") == true)
    }
}

extension Scenario {
    /// One of many requests at once.
    fileprivate static func together(_ scenario: Scenario) async throws -> Authorization {
        try await scenario.client.authorization("https://ca.example/authz/0")
    }
}

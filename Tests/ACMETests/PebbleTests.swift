import ACME
import FoundationEssentials
import HTTP
import PKI
import Rig
import Synchronization
import Testing

/// The exchange with a real CA.
@Suite(.stack)
struct PebbleTests {
    @Test func `a certificate for one name takes nine requests, and six when the name is valid already`() async throws {
        var options = Pebble.Options()
        options.authzReuse = 100
        try await Rig.withStack(options) { stack in
            let account = try await Conversation(stack).register()
            // A machine that is busy may need a second look at the order: of some exchanges one has to be the least.
            for (kind, least) in [("fresh", 9), ("valid", 6)] {
                var counts: [Int] = []
                for attempt in 0..<8 where !counts.contains(least) {
                    let name = kind == "fresh" ? "fresh\(attempt).example" : "fresh0.example"
                    let before = stack.pebble.requests().count
                    let conversation = try Conversation(stack)
                    try await conversation.issue([name], account: account)
                    let exchanges = conversation.exchanges
                    #expect(exchanges.allSatisfy { (200..<300).contains($0.status) }, "\(exchanges)")
                    #expect(stack.pebble.requests().count - before == exchanges.count)
                    func count(_ part: String) -> Int { exchanges.count { $0.url.contains(part) } }
                    #expect(count("/dir") == 1 && count("/nonce-plz") == 1 && count("/order-plz") == 1)
                    #expect(count("/finalize-order/") == 1 && count("/certZ/") == 1)
                    #expect(count("/authZ/") == (kind == "fresh" ? 1 : 0))
                    #expect(count("/chalZ/") == (kind == "fresh" ? 1 : 0))
                    counts.append(exchanges.count)
                }
                #expect(counts.min() == least, "\(counts)")
            }
        }
    }

    @Test func `a certificate for three names`() async throws {
        try await Rig.withStack { stack in
            let conversation = try Conversation(stack)
            let names = ["a.example", "b.example", "*.c.example"].map { $0.replacing("*.", with: "www.") }
            let (chain, key) = try await conversation.issue(names, account: conversation.register())
            let leaf = try #require(chain.first)
            #expect(chain.count == 2)
            #expect(Set(leaf.names) == Set(names.map { .dns($0) }))
            #expect(key.fits(leaf))
            #expect(conversation.exchanges.count { $0.url.contains("/authZ/") } == 3)
            #expect(stack.pebble.requestCount("/chalZ/") == 3)
            #expect(try conversation.challengeFiles() == [])
            let answers = stack.nginx.requests()
            #expect(answers.count { $0.hasSuffix(" 200") } == answers.count)
        }
    }

    @Test(arguments: [30, 90])
    func `a CA that refuses good nonces is put up with`(percent: Int) async throws {
        var options = Pebble.Options()
        options.nonceReject = percent
        try await Rig.withStack(options) { stack in
            // At 90 % one request in two hundred is refused more often than anybody asks: one exchange of three has to do.
            var failures: [any Error] = []
            for attempt in 0..<3 where failures.count == attempt {
                do {
                    var refused = 0
                    // An exchange of some ten requests may have the luck of none being refused; so many have not.
                    for _ in 0..<10 where refused == 0 {
                        let conversation = try Conversation(stack)
                        try await conversation.issue(["nonce.example"], account: conversation.register())
                        refused = conversation.exchanges.count { $0.status == 400 }
                    }
                    #expect(refused > 0, "chance left nothing to test")
                } catch {
                    failures.append(error)
                }
            }
            #expect(failures.count < 3, "\(failures)")
        }
    }

    @Test func `an account is made once, and found by its key`() async throws {
        try await Rig.withStack { stack in
            let conversation = try Conversation(stack)
            let refusal = await #expect(throws: ACMEError.self) {
                try await Client.register(
                    session: conversation.session, key: conversation.key, email: nil, agreeToTerms: false)
            }
            #expect(
                refusal?.description.contains("data:text/plain,Do%20what%20thou%20wilt") == true, "\(refusal as Any)")
            await #expect(throws: ACMEError.self) {
                try await Client.existing(session: conversation.session, key: conversation.key)
            }
            let made = try await conversation.register()
            let found = try await Client.existing(session: conversation.session, key: conversation.key)
            #expect(found.accountURL == made.url)
            let again = try await Client.register(
                session: conversation.session, key: conversation.key, email: "a@b.example", agreeToTerms: true)
            #expect(again.accountURL == made.url)
        }
    }

    @Test func `an account of another CA is named as unknown`() async throws {
        try await Rig.withStack { stack in
            let url = stack.pebble.directoryURL.replacing("/dir", with: "/my-account/deadbeef")
            let conversation = try Conversation(stack)
            let error = await #expect(throws: ACMEError.self) {
                try await conversation.issue(["a.example"], account: (url, conversation.key))
            }
            guard case .unknownAccount(url) = error else { return #expect(Bool(false), "\(error as Any)") }
        }
    }

    @Test func `a wrong answer is refused in the CA's words, with the name, and cleaned up`() async throws {
        try await Rig.withStack { stack in
            let conversation = try Conversation(stack, answer: "wrong")
            let account = try await conversation.register()
            let error = await #expect(throws: ACMEError.self) {
                try await conversation.issue(["good.example", "bad.example"], account: account)
            }
            guard case .authorizationFailed(let refusals) = error else {
                return #expect(Bool(false), "\(error as Any)")
            }
            #expect(!refusals.isEmpty)
            for refusal in refusals {
                #expect(["good.example", "bad.example"].contains(refusal.name))
                #expect(refusal.problem?.type == "unauthorized")
                #expect(refusal.problem?.detail?.contains("key authorization") == true, "\(refusal)")
            }
            #expect(error?.isTemporary == false)
            #expect(try conversation.challengeFiles() == [])
        }
    }

    @Test func `a preferred chain is fetched`() async throws {
        var options = Pebble.Options()
        options.alternateRoots = 2
        try await Rig.withStack(options) { stack in
            let conversation = try Conversation(stack)
            let account = try await conversation.register()
            let root = try #require(try await Certificate.chain(pem: Array(stack.pebble.rootPEM(2).utf8)).first)
            let name = try #require(root.issuerCommonName)
            let (chain, _) = try await conversation.issue(
                ["chain.example"], account: account, wishes: .init(preferredChain: name))
            #expect(chain.last?.issuerCommonName == name)
            #expect(conversation.steps.withLock { $0 }.last == .finalizing, "nothing fell back")
        }
    }

    @Test func `two certificates side by side share a session`() async throws {
        try await Rig.withStack { stack in
            let account = try await Conversation(stack).register()
            let conversation = try Conversation(stack)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<4 {
                    group.addTask { try await conversation.issue(["side\(index).example"], account: account) }
                }
                try await group.waitForAll()
            }
            #expect(conversation.exchanges.count { $0.url.hasSuffix("/dir") } == 1)
            #expect(conversation.exchanges.allSatisfy { $0.status < 400 })
            #expect(try conversation.challengeFiles() == [])
        }
    }
}

/// One session with a Pebble, and a webroot for its challenges.
private final class Conversation: Sendable {
    let session: Session
    let key: PrivateKey
    let steps = Mutex<[Issuance.Step]>([])
    private let observed: Observed
    private let solver: Webroot

    init(_ stack: Stack, answer: String? = nil) throws {
        let observed = Observed()
        self.observed = observed
        key = try PrivateKey(generating: .ec(.p256))
        solver = Webroot(directory: "\(stack.webroot)/.well-known/acme-challenge", answer: answer)
        try FileManager.default.createDirectory(
            atPath: solver.directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        session = Session(
            server: stack.pebble.directoryURL,
            transport: try CurlTransport(userAgent: "certctl-tests", caBundle: stack.pebble.caBundle)
        ) { exchange in observed.exchanges.withLock { $0.append(exchange) } }
    }

    var exchanges: [Exchange] { observed.exchanges.withLock { $0 } }

    func register() async throws -> (url: String, key: PrivateKey) {
        let client = try await Client.register(session: session, key: key, email: nil, agreeToTerms: true)
        return (client.accountURL, key)
    }

    @discardableResult func issue(
        _ names: [String], account: (url: String, key: PrivateKey), wishes: Issuance.Wishes = Issuance.Wishes()
    ) async throws -> (chain: [Certificate], key: PrivateKey) {
        let issuance = Issuance(
            client: Client(session: session, key: account.key, accountURL: account.url), solver: solver
        ) { step in self.steps.withLock { $0.append(step) } }
        let leafKey = try PrivateKey(generating: .ec(.p256))
        let names = names.map { SubjectName.dns($0) }
        let pem = try await issuance.certificate(
            for: names, request: SigningRequest(for: names, key: leafKey), wishes: wishes)
        return (try Certificate.chain(pem: pem), leafKey)
    }

    func challengeFiles() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: solver.directory)
    }

    private final class Observed: Sendable {
        let exchanges = Mutex<[Exchange]>([])
    }
}

/// Shows challenges as files.
private struct Webroot: ChallengeSolver {
    let directory: String
    /// What is shown in place of the right answer.
    let answer: String?

    func challengeType(for name: SubjectName) -> String? { "http-01" }

    func present(_ challenges: [PendingChallenge]) async throws {
        for challenge in challenges {
            let made = FileManager.default.createFile(
                atPath: "\(directory)/\(challenge.token)", contents: Data((answer ?? challenge.keyAuthorization).utf8),
                attributes: [.posixPermissions: 0o644])
            if !made { throw RigError("\(directory)/\(challenge.token): not written") }
        }
    }

    func cleanUp(_ challenges: [PendingChallenge]) async {
        for challenge in challenges { try? FileManager.default.removeItem(atPath: "\(directory)/\(challenge.token)") }
    }
}

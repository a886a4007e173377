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
                    let before = stack.pebble.allRequests().count
                    let conversation = try Conversation(stack)
                    try await conversation.issue([name], account: account)
                    let exchanges = conversation.exchanges
                    #expect(exchanges.allSatisfy { (200..<300).contains($0.status) }, "\(exchanges)")
                    #expect(stack.pebble.allRequests().count - before == exchanges.count)
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
                ["chain.example"], account: account, parameters: .init(preferredChain: name))
            #expect(chain.last?.issuerCommonName == name)
            #expect(conversation.steps.withLock { $0 }.last == .finalizing, "nothing fell back")
        }
    }

    @Test func `of chains of three, that to a root is chosen by its key, and by its name`() async throws {
        var options = Pebble.Options()
        (options.alternateRoots, options.chainLength) = (2, 3)
        try await Rig.withStack(options) { stack in
            let conversation = try Conversation(stack)
            let account = try await conversation.register()
            for index in 0...2 {
                let root = try #require(
                    try await Certificate.chain(pem: Array(stack.pebble.rootPEM(index).utf8)).first)
                for parameters in [
                    Issuance.OrderParameters(preferredRoot: root),
                    .init(preferredChain: root.issuerCommonName, preferredRoot: root),
                ] {
                    let (chain, _) = try await conversation.issue(
                        ["chain.example"], account: account, parameters: parameters)
                    #expect(chain.count == 4)
                    #expect(try ChainPath.hasIssued(root, #require(chain.last)))
                }
            }
            #expect(conversation.steps.withLock { $0 }.allSatisfy { if case .fellBack = $0 { false } else { true } })
            let other = try await Scenario.chain(from: "Other Root")
            let stranger = try #require(try Certificate.chain(pem: other).first)
            _ = try await conversation.issue(
                ["chain.example"], account: account, parameters: .init(preferredRoot: stranger))
            guard case .fellBack(let text) = conversation.steps.withLock({ $0 }).last else {
                Issue.record("nothing fell back")
                return
            }
            #expect(text.contains(try stranger.sha256()))
        }
    }

    @Test func `a certificate is revoked once, by its account or by its key`() async throws {
        try await Rig.withStack { stack in
            let conversation = try Conversation(stack)
            let account = try await conversation.register()
            let client = Client(session: conversation.session, key: account.key, accountURL: account.url)
            let (first, _) = try await conversation.issue(["a.example"], account: account)
            let leaf = try #require(first.first)
            #expect(try await client.revoke(leaf, reason: .superseded) == .revoked)
            #expect(try await client.revoke(leaf, reason: .superseded) == .wasRevoked)
            #expect(try await stack.pebble.revocation(of: leaf.serial).contains("\"Revoked\""))
            let (second, key) = try await conversation.issue(["b.example"], account: account)
            let other = try #require(second.first)
            let session = conversation.session
            #expect(
                try await Client.revoke(other, key: key, session: session, reason: .keyCompromise) == .revoked)
            #expect(try await stack.pebble.revocation(of: other.serial).contains("\"Reason\":1"))
            // Of somebody else's certificate the CA takes it from nobody.
            let (third, _) = try await conversation.issue(["c.example"], account: account)
            let error = await #expect(throws: ACMEError.self) {
                _ = try await Client.revoke(try #require(third.first), key: key, session: session)
            }
            #expect(error?.isTemporary == false)
        }
    }

    @Test func `a rehearsal validates where it may, and says which names were not validated`() async throws {
        var options = Pebble.Options()
        options.authzReuse = 100
        try await Rig.withStack(options) { stack in
            let conversation = try Conversation(stack)
            let account = try await conversation.register()
            try await conversation.issue(["old.example"], account: account)
            let issuance = conversation.issuance(account)
            let names: [SubjectName] = [.dns("old.example"), .dns("new.example")]
            let request = try SigningRequest(for: names, key: PrivateKey(generating: .ec(.p256)))
            var before = stack.pebble.requestCount("/chalZ/")
            let kept = try await issuance.rehearsed(names, request: request, deactivating: false)
            #expect(kept.notValidated.map(\.name) == ["old.example"])
            let expires = try #require(kept.notValidated.first?.expires)
            #expect(expires > Date.now)
            #expect(stack.pebble.requestCount("/chalZ/") == before + 1)
            before = stack.pebble.requestCount("/chalZ/")
            let fresh = try await issuance.rehearsed(names, request: request, deactivating: true)
            #expect(fresh.notValidated == [])
            #expect(stack.pebble.requestCount("/chalZ/") == before + 2)
            #expect(try Certificate.chain(pem: fresh.chain).first?.names.count == 2)

            // An order that is given up leaves nothing pending.
            let placed = try await issuance.place([.dns("given-up.example")])
            #expect(try await issuance.deactivatePending(of: placed) == 1)
            let failed = await #expect(throws: ACMEError.self) { _ = try await issuance.placed(at: placed.url) }
            #expect(failed?.orderFault == .authorizationGone, "\(failed as Any)")
        }
    }

    @Test func `an account is changed and ended, and an order of its then says what is wrong`() async throws {
        try await Rig.withStack { stack in
            let conversation = try Conversation(stack)
            let account = try await conversation.register()
            let client = Client(session: conversation.session, key: account.key, accountURL: account.url)
            #expect(try await client.update(contacts: ["c@example.org"]).contact == ["mailto:c@example.org"])
            guard case .valid(let object) = try await client.standing() else {
                Issue.record("not valid")
                return
            }
            #expect(object.contact == ["mailto:c@example.org"])
            try await client.deactivate()
            guard case .deactivated = try await client.standing() else {
                Issue.record("not deactivated")
                return
            }
            let error = await #expect(throws: ACMEError.self) {
                try await conversation.issue(["a.example"], account: account)
            }
            guard case .accountDeactivated(account.url) = error else {
                Issue.record("\(error as Any)")
                return
            }
            let stranger = Client(
                session: conversation.session, key: try PrivateKey(generating: .rsa(bits: 2048)),
                accountURL: account.url + "x")
            guard case .unknown = try await stranger.standing() else {
                Issue.record("known")
                return
            }
        }
    }

    @Test(arguments: [KeyType.ec(.p256), .ec(.p384), .rsa(bits: 2048)])
    func `a customer's account is bound by whatever key it has`(type: KeyType) async throws {
        var options = Pebble.Options()
        let secret = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
        options.externalAccountKeys = ["kid-1": secret]
        try await Rig.withStack(options) { stack in
            let session = try Conversation(stack).session
            let key = try PrivateKey(generating: type)
            let binding = try #require(ExternalAccountBinding(keyIdentifier: "kid-1", key: secret))
            let client = try await Client.register(
                session: session, key: key, email: nil, agreeToTerms: true, binding: binding)
            guard case .valid = try await client.standing() else {
                Issue.record("not valid")
                return
            }
            let wrong = try #require(ExternalAccountBinding(keyIdentifier: "kid-2", key: secret))
            let error = await #expect(throws: ACMEError.self) {
                _ = try await Client.register(
                    session: session, key: PrivateKey(generating: type), email: nil, agreeToTerms: true, binding: wrong)
            }
            #expect(error?.isTemporary == false && error?.description.contains(secret) == false)
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
        _ names: [String], account: (url: String, key: PrivateKey),
        parameters: Issuance.OrderParameters = Issuance.OrderParameters()
    ) async throws -> (chain: [Certificate], key: PrivateKey) {
        let issuance = issuance(account)
        let leafKey = try PrivateKey(generating: .ec(.p256))
        let names = names.map { SubjectName.dns($0) }
        let pem = try await issuance.certificate(
            for: names, request: SigningRequest(for: names, key: leafKey), parameters: parameters)
        return (try Certificate.chain(pem: pem), leafKey)
    }

    func issuance(_ account: (url: String, key: PrivateKey)) -> Issuance {
        Issuance(client: Client(session: session, key: account.key, accountURL: account.url), solver: solver) { step in
            self.steps.withLock { $0.append(step) }
        }
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

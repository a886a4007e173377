import ACME
import FoundationEssentials
import HTTP
import PKI
import Rig
import Synchronization
import Testing

/// What Pebble does not do, with CAs that do.
@Suite(.otherCAs, .timeLimit(.minutes(10)))
struct OtherCATests {
    private static let profiles =
        #"Order.profiles={"classic": "https://a2c.example/classic", "short": "https://a2c.example/short"}"#

    @Test func `a CA says when to renew, by the certificate's own identifier, and takes an order as its replacement`()
        async throws
    {
        try await TemporaryDirectory.with { directory in
            try await Acme2Certifier.with(directory, settings: ["Renewalinfo.retry_after_timeout=7200"]) { ca in
                let exchange = try await Talk(ca.directoryURL, ca.caBundle)
                let first = try await exchange.issue(["ari.example"])
                let leaf = try #require(first.first)
                let info = try await exchange.session.renewalInfo(for: leaf)
                guard case .window(let window, _) = info.answer else {
                    Issue.record("\(info.answer)")
                    return
                }
                #expect(window.start > leaf.notBefore && window.start < leaf.notAfter && window.end > window.start)
                #expect(info.nextLook == .seconds(7200))
                var generator = SystemRandomNumberGenerator()
                let moment = window.moment(using: &generator)
                #expect(moment >= window.start && moment < window.end)
                let id = try #require(CertificateID(leaf))
                #expect(ca.requests().contains { $0.contains("/renewal-info/\(id)") })

                let second = try await exchange.issue(["ari.example"], parameters: .init(replaces: id))
                #expect(second.first?.names == leaf.names && second.first?.serial != leaf.serial)
                #expect(exchange.fellBack == [])
            }
        }
    }

    @Test func `profiles are listed, asked for, and one that is not there is refused before an order`() async throws {
        try await TemporaryDirectory.with { directory in
            try await Acme2Certifier.with(directory, settings: [Self.profiles]) { ca in
                let exchange = try await Talk(ca.directoryURL, ca.caBundle)
                let meta = try #require(try await exchange.session.fetchDirectory().meta)
                #expect(meta.profiles?.keys.sorted() == ["classic", "short"])
                _ = try await exchange.issue(["p.example"], parameters: .init(requiredProfile: "short"))
                let error = await #expect(throws: ACMEError.self) {
                    try await exchange.issue(["p.example"], parameters: .init(requiredProfile: "tlsserver"))
                }
                #expect(error?.description == "the CA has no profile tlsserver, only classic, short")
                _ = try await exchange.issue(["p.example"], parameters: .init(preferredProfile: "tlsserver"))
                #expect(exchange.fellBack == ["the CA has no profile tlsserver; its default is taken"])
            }
        }
    }

    @Test(arguments: ExternalAccountBinding.Algorithm.allCases)
    func `an account is bound to the customer's key, and not without it`(
        algorithm: ExternalAccountBinding.Algorithm
    ) async throws {
        try await TemporaryDirectory.with { directory in
            let secret = Base64URL.encode(
                Array("a secret of sixty-four bytes, that is as long as SHA-512 has it.".utf8))
            try #"{"customer": "\#(secret)"}"#
                .write(toFile: "\(directory)/keys.json", atomically: false, encoding: .utf8)
            let settings = [
                "EABhandler.eab_handler_module=acme2certifier.eabhandlers.json_handler",
                "EABhandler.key_file=\(directory)/keys.json",
            ]
            try await Acme2Certifier.with(directory, settings: settings) { ca in
                let transport = try CurlTransport(userAgent: "certctl-tests", caBundle: ca.caBundle)
                let session = Session(server: ca.directoryURL, transport: transport)
                let key = try PrivateKey(generating: .ec(.p256))
                func register(_ binding: ExternalAccountBinding?) async throws -> Client {
                    try await Client.register(
                        session: session, key: key, email: "a@example.org, b@example.org", agreeToTerms: true,
                        binding: binding)
                }
                let none = await #expect(throws: ACMEError.self) { _ = try await register(nil) }
                #expect(none?.description.contains("--eab-kid") == true && none?.isTemporary == false)
                let wrong = ExternalAccountBinding(keyIdentifier: "customer", key: "d3Jvbmc", algorithm: algorithm)
                let refused = await #expect(throws: ACMEError.self) { _ = try await register(wrong) }
                #expect(refused?.isTemporary == false, "\(refused as Any)")
                let binding = try #require(
                    ExternalAccountBinding(keyIdentifier: "customer", key: secret + "==\n", algorithm: algorithm))
                #expect("\(binding)" == "the external account key customer")
                #expect(!String(reflecting: binding).contains(secret))
                let client = try await register(binding)
                guard case .valid(let account) = try await client.standing() else {
                    Issue.record("not valid")
                    return
                }
                #expect(account.contact == ["mailto:a@example.org", "mailto:b@example.org"])
            }
        }
    }

    @Test func `a failed name ends soon where the CA leaves the order pending`() async throws {
        try await TemporaryDirectory.with { directory in
            try await Acme2Certifier.with(directory, validates: true) { ca in
                let exchange = try await Talk(ca.directoryURL, ca.caBundle)
                let start = ContinuousClock.now
                let error = await #expect(throws: ACMEError.self) {
                    try await exchange.issue(["nowhere.invalid"])
                }
                guard case .authorizationFailed(let refusals) = error else {
                    Issue.record("\(error as Any)")
                    return
                }
                #expect(refusals.map(\.name) == ["nowhere.invalid"])
                #expect(error?.isTemporary == false && error?.orderFault == .failed)
                #expect(start.duration(to: .now) < .seconds(90))
            }
        }
    }

    @Test func `a challenge that a CA leaves pending is tried again, and then fails with its error`() async throws {
        try await TemporaryDirectory.with { directory in
            try await Caddy.with(directory) { ca in
                let exchange = try await Talk(ca.directoryURL, ca.caBundle)
                let start = ContinuousClock.now
                let error = await #expect(throws: ACMEError.self) {
                    try await exchange.issue(["nowhere.invalid"])
                }
                guard case .authorizationFailed(let refusals) = error else {
                    Issue.record("\(error as Any)")
                    return
                }
                #expect(refusals.map(\.name) == ["nowhere.invalid"])
                #expect(refusals.first?.problem?.type != nil, "\(refusals)")
                #expect(error?.isTemporary == false)
                #expect(exchange.exchanges.count { $0.url.contains("/challenge/") } == 4)
                #expect(start.duration(to: .now) < .seconds(120))
            }
        }
    }
}

/// A session with an account at a CA, and a solver that shows nothing.
private final class Talk: Sendable {
    let session: Session
    private let client: Client
    private let log = Log()

    private final class Log: Sendable {
        let steps = Mutex<[Issuance.Step]>([])
        let exchanges = Mutex<[Exchange]>([])
    }

    init(_ server: String, _ caBundle: String) async throws {
        let log = log
        session = Session(
            server: server, transport: try CurlTransport(userAgent: "certctl-tests", caBundle: caBundle)
        ) { exchange in log.exchanges.withLock { $0.append(exchange) } }
        client = try await Client.register(
            session: session, key: PrivateKey(generating: .ec(.p256)), email: "a@example.org", agreeToTerms: true)
    }

    var exchanges: [Exchange] { log.exchanges.withLock { $0 } }

    var fellBack: [String] {
        log.steps.withLock { $0.compactMap { if case .fellBack(let text) = $0 { text } else { nil } } }
    }

    @discardableResult
    func issue(_ names: [String], parameters: Issuance.OrderParameters = Issuance.OrderParameters()) async throws
        -> [Certificate]
    {
        let issuance = Issuance(client: client, solver: Mute()) { [log] step in log.steps.withLock { $0.append(step) } }
        let names = names.map { SubjectName.dns($0) }
        let request = try SigningRequest(for: names, key: PrivateKey(generating: .ec(.p256)))
        return try Certificate.chain(
            pem: try await issuance.certificate(for: names, request: request, parameters: parameters))
    }

    private struct Mute: ChallengeSolver {
        func challengeType(for name: SubjectName) -> String? { "http-01" }
        func present(_ challenges: [PendingChallenge]) async throws {}
        func cleanUp(_ challenges: [PendingChallenge]) async {}
    }
}

import ACME
import HTTP
import PKI
import Rig
import Synchronization
import Testing

/// A clock on which a sleep takes no time and is written down.
final class RecordingClock: Clock {
    struct Instant: InstantProtocol {
        var offset: Duration = .zero
        func advanced(by duration: Duration) -> Instant { Instant(offset: offset + duration) }
        func duration(to other: Instant) -> Duration { other.offset - offset }
        static func < (one: Instant, other: Instant) -> Bool { one.offset < other.offset }
    }

    private let state = Mutex((now: Instant(), sleeps: [Duration]()))
    private let onSleep: @Sendable () -> Void

    init(onSleep: @escaping @Sendable () -> Void = {}) { self.onSleep = onSleep }

    var now: Instant { state.withLock(\.now) }
    var minimumResolution: Duration { .zero }
    /// All sleeps so far.
    var sleeps: [Duration] { state.withLock(\.sleeps) }

    /// Lets time go by without a sleep, as a slow answer does.
    func advance(by duration: Duration) { state.withLock { $0.now.offset += duration } }

    func sleep(until deadline: Instant, tolerance: Duration?) async throws {
        state.withLock { state in
            state.sleeps.append(state.now.duration(to: deadline))
            state.now = deadline
        }
        onSleep()
        try Task.checkCancellation()
    }
}

/// Writes down what it was asked to show, to wait for and to take away.
final class RecordingSolver: ChallengeSolver {
    struct Full: Error, CustomStringConvertible { let description = "the disk is full" }

    private let log = Mutex<[String]>([])
    private let refused: String?
    private let unseen: String?
    private let types: [String: String?]

    /// - Parameters:
    ///   - refused: the token that cannot be shown.
    ///   - unseen: the token that does not become visible.
    ///   - types: the challenge types of names that are not proven by http-01.
    init(refusing refused: String? = nil, unseen: String? = nil, types: [String: String?] = [:]) {
        (self.refused, self.unseen, self.types) = (refused, unseen, types)
    }

    var events: [String] { log.withLock { $0 } }

    func challengeType(for name: SubjectName) -> String? { types[name.description] ?? "http-01" }

    func present(_ challenges: [PendingChallenge]) async throws {
        for challenge in challenges {
            log.withLock { $0.append("present \(challenge.token) for \(challenge.name)") }
            #expect(challenge.keyAuthorization.hasPrefix("\(challenge.token)."))
            #expect(challenge.type == challengeType(for: challenge.name))
            if challenge.token == refused { throw ChallengeFailure(challenge.name, reason: "\(Full())") }
        }
    }

    func wait(_ challenges: [PendingChallenge]) async throws {
        log.withLock { $0.append("wait for \(challenges.count)") }
        if challenges.contains(where: { $0.token == unseen }) { throw Full() }
    }

    func cleanUp(_ challenges: [PendingChallenge]) async {
        #expect(!Task.isCancelled)
        log.withLock { log in log += challenges.map { "clean up \($0.token) for \($0.name)" } }
    }
}

/// An exchange with a scripted CA, and everything that was seen of it.
struct Scenario: Sendable {
    let ca: ScriptedCA
    let clock: RecordingClock
    let solver: RecordingSolver
    let session: Session
    let client: Client
    private let log = StepLog()

    init(
        _ script: [ScriptedCA.Step], solver: RecordingSolver = RecordingSolver(),
        clock: RecordingClock = RecordingClock(), inOrder: Bool = true
    ) throws {
        (ca, self.clock, self.solver) = (ScriptedCA(script, inOrder: inOrder), clock, solver)
        session = Session(server: ScriptedCA.directoryURL, transport: ca, clock: clock)
        client = Client(session: session, key: try Self.key.get(), accountURL: "https://ca.example/account/1")
    }

    static let key = Result { () throws(PKIError) in try PrivateKey(generating: .ec(.p256)) }

    /// The steps that were reported.
    var reported: [Issuance.Step] { log.steps.withLock { $0 } }

    var issuance: Issuance {
        Issuance(client: client, solver: solver) { [log] step in log.steps.withLock { $0.append(step) } }
    }

    /// Asks for a certificate of as many names.
    @discardableResult func issue(
        names: Int = 1, parameters: Issuance.OrderParameters = Issuance.OrderParameters()
    ) async throws -> [UInt8] {
        let names = (0..<names).map { SubjectName.dns("name\($0).example") }
        let request = try SigningRequest(for: names, key: Self.key.get())
        return try await issuance.certificate(for: names, request: request, parameters: parameters)
    }

    /// Asks for a certificate that does not come, and gives the error; the whole script has to be played.
    func failure(names: Int = 1, parameters: Issuance.OrderParameters = Issuance.OrderParameters()) async throws
        -> ACMEError
    {
        let error = await #expect(throws: ACMEError.self) { try await issue(names: names, parameters: parameters) }
        #expect(ca.remaining == [])
        return try #require(error)
    }

    /// A chain of one certificate, in PEM.
    static func chain() async throws -> [UInt8] { try await madeChain.value }

    private static let madeChain = Task { try await chain(from: "Scripted Root") }

    /// Another one, by a root of that name.
    static func chain(from root: String) async throws -> [UInt8] {
        Array(
            try await check(
                "openssl",
                [
                    "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                    "/CN=\(root)", "-keyout", "/dev/null",
                ]
            ).utf8)
    }
}

/// The steps of an issuance that copies of a scenario share.
private final class StepLog: Sendable {
    let steps = Mutex<[Issuance.Step]>([])
}

extension Issuance {
    /// Brings an order to its end, as the engine does step by step.
    func certificateURL(of placed: PlacedOrder, request: SigningRequest) async throws(ACMEError) -> String {
        try await issued(proven(placed), request: request)
    }

    /// Orders a certificate and returns its chain in PEM, the leaf first.
    func certificate(
        for names: [SubjectName], request: SigningRequest, parameters: OrderParameters = OrderParameters()
    ) async throws(ACMEError) -> [UInt8] {
        do throws(ACMEError) {
            let url = try await certificateURL(of: place(names, parameters: parameters), request: request)
            return try await chain(at: url, parameters: parameters)
        } catch {
            guard let others = self.parameters(parameters, after: error) else { throw error }
            let url = try await certificateURL(of: place(names, parameters: others), request: request)
            return try await chain(at: url, parameters: others)
        }
    }

    /// A dry run: the chain in PEM, and the names that were not validated.
    func rehearsed(
        _ names: [SubjectName], request: SigningRequest, deactivating: Bool
    ) async throws(ACMEError) -> (chain: [UInt8], notValidated: [ReusedAuthorization]) {
        let (placed, reused) = try await placeRehearsal(names, deactivating: deactivating)
        let url = try await certificateURL(of: placed, request: request)
        return (try await chain(at: url, parameters: OrderParameters()), reused)
    }
}

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

    func sleep(until deadline: Instant, tolerance: Duration?) async throws {
        state.withLock { state in
            state.sleeps.append(state.now.duration(to: deadline))
            state.now = deadline
        }
        onSleep()
        try Task.checkCancellation()
    }
}

/// Writes down what it was asked to show and to take away.
final class RecordingResponder: ChallengeResponder {
    struct Full: Error, CustomStringConvertible { let description = "the disk is full" }

    let challengeType = "http-01"
    private let log = Mutex<[String]>([])
    private let refused: String?

    /// - Parameter refused: the token that cannot be shown.
    init(refusing refused: String? = nil) { self.refused = refused }

    var events: [String] { log.withLock { $0 } }

    func present(token: String, keyAuthorization: String, for name: SubjectName) async throws {
        log.withLock { $0.append("present \(token) for \(name)") }
        #expect(keyAuthorization.hasPrefix("\(token)."))
        if token == refused { throw Full() }
    }

    func cleanUp(token: String, for name: SubjectName) async {
        log.withLock { $0.append("clean up \(token) for \(name)") }
    }
}

/// An exchange with a scripted CA, and everything that was seen of it.
struct Scenario: Sendable {
    let ca: ScriptedCA
    let clock: RecordingClock
    let responder: RecordingResponder
    let session: Session
    let client: Client
    private let log = StepLog()

    init(
        _ script: [ScriptedCA.Step], responder: RecordingResponder = RecordingResponder(),
        clock: RecordingClock = RecordingClock(), inOrder: Bool = true
    ) throws {
        (ca, self.clock, self.responder) = (ScriptedCA(script, inOrder: inOrder), clock, responder)
        session = Session(server: ScriptedCA.directoryURL, transport: ca, clock: clock)
        client = Client(session: session, key: try Self.key.get(), accountURL: "https://ca.example/account/1")
    }

    static let key = Result { () throws(PKIError) in try PrivateKey(generating: .ec(.p256)) }

    /// The steps that were reported.
    var reported: [Issuance.Step] { log.steps.withLock { $0 } }

    /// Asks for a certificate of as many names.
    @discardableResult func issue(
        names: Int = 1, wishes: Issuance.Wishes = Issuance.Wishes()
    ) async throws -> [UInt8] {
        let names = (0..<names).map { SubjectName.dns("name\($0).example") }
        let issuance = Issuance(client: client, responder: responder) { step in
            log.steps.withLock { $0.append(step) }
        }
        let request = try SigningRequest(for: names, key: Self.key.get())
        return try await issuance.certificate(for: names, request: request, wishes: wishes)
    }

    /// Asks for a certificate that does not come, and gives the error; the whole script has to be played.
    func failure(names: Int = 1, wishes: Issuance.Wishes = Issuance.Wishes()) async throws -> ACMEError {
        let error = await #expect(throws: ACMEError.self) { try await issue(names: names, wishes: wishes) }
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

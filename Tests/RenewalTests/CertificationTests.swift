import ACME
import Challenges
import FoundationEssentials
import HTTP
import Lineages
import PKI
import Rig
import Synchronization
import Testing

@testable import Renewal

/// A CA whose order is valid from the start, and whose answers for its chain are a test's.
private final class DoneCA: HTTPTransport {
    private let state: Mutex<(chains: [HTTPResponse], paths: [String])>

    init(chains: [HTTPResponse]) { state = Mutex((chains, [])) }

    /// What was asked for, in order.
    var paths: [String] { state.withLock(\.paths) }

    func send(_ request: HTTPRequest) async throws(HTTPError) -> HTTPResponse {
        let path = String(request.url.dropFirst("https://ca.example".count))
        let answer = state.withLock { state in
            state.paths.append(path)
            return path == "/chain" && !state.chains.isEmpty ? state.chains.removeFirst() : DoneCA.answer(to: path)
        }
        guard let answer else { throw HTTPError(kind: .other, host: "ca.example", detail: "nobody expected \(path)") }
        return answer
    }

    private static func answer(to path: String) -> HTTPResponse? {
        let bodies = [
            "/dir": """
            {"newNonce": "https://ca.example/nonce", "newAccount": "https://ca.example/account",
             "newOrder": "https://ca.example/new-order"}
            """,
            "/nonce": "",
            "/order": """
            {"status": "valid", "authorizations": [], "finalize": "https://ca.example/finalize",
             "certificate": "https://ca.example/chain"}
            """,
        ]
        guard let body = bodies[path == "/new-order" ? "/order" : path] else { return nil }
        return HTTPResponse(
            status: 200, headers: ["Replay-Nonce": "nonce", "Location": "https://ca.example/order"],
            body: Array(body.utf8))
    }

    static func refusal(_ status: Int, _ type: String) -> HTTPResponse {
        HTTPResponse(
            status: status, headers: ["Replay-Nonce": "nonce"],
            body: Array(#"{"type": "urn:ietf:params:acme:error:\#(type)", "detail": "not here"}"#.utf8))
    }
}

/// A certificate that the CA has made is not bought twice.
@Suite(.parts("openssl"))
struct CertificationTests {
    @Test(arguments: [(404, "malformed"), (403, "unauthorized")])
    func `a chain that cannot be fetched for a while leaves the order, and the next run fetches it`(
        status: Int, type: String
    ) async throws {
        try await TemporaryDirectory.with { directory in
            let ca = try await DatedCA(in: directory)
            let pem = Array(try Data(contentsOf: URL(filePath: try await ca.leaf(["a.example"]))))
            let fetched = HTTPResponse(status: 200, headers: ["Replay-Nonce": "nonce"], body: pem)
            let server = DoneCA(chains: [DoneCA.refusal(status, type), fetched])
            let session = Session(server: "https://ca.example/dir", transport: server)
            let client = Client(
                session: session, key: try PrivateKey(generating: .ec(.p256)), accountURL: "https://ca.example/account")
            let name = try #require(SubjectName("a.example"))
            let certification = Certification(
                name: "a.example", names: [name], server: "https://ca.example/dir", account: nil,
                key: .generate(.ec(.p256)), solver: StatelessSolver(),
                paths: LineagePaths(configDirectory: directory, name: "a.example"))
            let staging = StateStore(stateDirectory: "\(directory)/state").staging("a.example")
            func exchange() -> CAExchange {
                CAExchange(certification, client: client, staging: staging) { _ in }
            }
            let first = exchange()
            let placed = try await first.place()
            try await first.validate()
            try await first.finalize()
            do throws(AcquisitionFailure) {
                try await first.download()
                Issue.record("the chain is not to be had")
            } catch {
                #expect(error.verdict == .countsAgainst, "\(error.cause)")
            }
            let key = staging.key
            let second = exchange()
            #expect(try await second.resume(placed.url).isFinalized)
            try await second.validate()
            try await second.finalize()
            try await second.download()
            #expect(staging.chain == pem && staging.key == key)
            #expect(server.paths.filter { $0 == "/new-order" }.count == 1)
        }
    }
}

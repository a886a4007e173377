import ACME
import FoundationEssentials
import HTTP
import PKI
import Synchronization
import Testing

/// A CA that gives the answers that a test wrote down, in their order, and none beyond.
///
/// It is for what a real CA cannot be made to do. Every answer carries a nonce, `nonce1` for the first one, unless it says
/// otherwise.
final class ScriptedCA: HTTPTransport {
    static let directoryURL = "https://ca.example/dir"

    /// A request that is expected, and what comes of it.
    struct Step: Sendable {
        /// `METHOD /path`.
        let request: String
        var result: Result<HTTPResponse, HTTPError>
        var hasNonce = true
        /// What happens between the request and its answer.
        var whileWaiting: @Sendable () async -> Void = {}

        init(
            _ request: String, _ status: Int = 200, _ body: String = "{}", headers: [(String, String)] = [],
            hasNonce: Bool = true
        ) {
            var fields: HTTPHeaders = [:]
            for (name, value) in headers { fields.append(name: name, value: value) }
            self.request = request
            self.hasNonce = hasNonce
            result = .success(HTTPResponse(status: status, headers: fields, body: Array(body.utf8)))
        }

        init(_ request: String, lost kind: HTTPError.Kind) {
            self.request = request
            result = .failure(HTTPError(kind: kind, host: "ca.example:443", detail: "as the test has it"))
        }
    }

    /// A signed request, taken apart.
    struct Signed: Sendable {
        let path: String
        let nonce: String?
        let payload: String
        let accountURL: String?
    }

    private struct State {
        var steps: [Step]
        var nonces = 0
        var signed: [Signed] = []
    }
    private let state: Mutex<State>

    private let inOrder: Bool

    /// - Parameter inOrder: false where callers side by side leave the order open.
    init(_ steps: [Step], inOrder: Bool = true) {
        state = Mutex(State(steps: steps))
        self.inOrder = inOrder
    }

    /// The signed requests so far.
    var signed: [Signed] { state.withLock(\.signed) }
    /// What was expected and not asked for.
    var remaining: [String] { state.withLock { $0.steps.map(\.request) } }

    func send(_ request: HTTPRequest) async throws(HTTPError) -> HTTPResponse {
        if Task.isCancelled { throw HTTPError(kind: .cancelled, host: "ca.example:443", detail: "") }
        let path = request.url.hasPrefix("https://ca.example/") ? String(request.url.dropFirst(18)) : request.url
        let asked = "\(request.method.rawValue) \(path)"
        let step = state.withLock { state -> Step? in
            if request.method == .post { state.signed.append(Signed(path, request)) }
            let index = inOrder ? 0 : state.steps.firstIndex { $0.request == asked } ?? 0
            guard index < state.steps.count, state.steps[index].request == asked else { return nil }
            var step = state.steps.remove(at: index)
            guard step.hasNonce, case .success(let response) = step.result else { return step }
            state.nonces += 1
            var headers = response.headers
            headers.append(name: "Replay-Nonce", value: "nonce\(state.nonces)")
            step.result = .success(HTTPResponse(status: response.status, headers: headers, body: response.body))
            return step
        }
        guard let step else {
            Issue.record("asked for \(asked), expected was \(remaining.first ?? "nothing more")")
            throw HTTPError(kind: .other, host: "ca.example:443", detail: "not in the script: \(asked)")
        }
        // Let others run, as a network does.
        await Task.yield()
        await step.whileWaiting()
        return try step.result.get()
    }
}

extension ScriptedCA.Signed {
    fileprivate init(_ path: String, _ request: HTTPRequest) {
        func decoded(_ text: String?) -> Data { Data(Base64URL.decode(text ?? "") ?? []) }
        let parts = try? JSONDecoder().decode([String: String].self, from: Data(request.body))
        let header = try? JSONDecoder().decode(Header.self, from: decoded(parts?["protected"]))
        self.init(
            path: path, nonce: header?.nonce, payload: String(decoding: decoded(parts?["payload"]), as: UTF8.self),
            accountURL: header?.kid)
        #expect(header?.url == request.url)
        #expect(request.headers["Content-Type"] == "application/jose+json")
    }

    private struct Header: Decodable {
        let nonce: String?
        let url: String?
        let kid: String?
    }
}

/// The steps of an exchange with the scripted CA, as RFC 8555 has them.
extension ScriptedCA.Step {
    static func directory(_ meta: String = "{}") -> Self {
        .init(
            "GET /dir", 200,
            """
            {"newNonce": "https://ca.example/nonce", "newAccount": "https://ca.example/new-account",
             "newOrder": "https://ca.example/new-order", "meta": \(meta)}
            """, hasNonce: false)
    }

    static let nonce = Self("HEAD /nonce", 200, "")

    static func problem(
        _ request: String, _ status: Int, _ type: String, _ detail: String = "as the test has it",
        headers: [(String, String)] = []
    ) -> Self {
        .init(
            request, status, #"{"type": "urn:ietf:params:acme:error:\#(type)", "detail": "\#(detail)"}"#,
            headers: headers)
    }

    static func newOrder(_ status: String = "pending", names: Int = 1, certificate: Bool = false) -> Self {
        .init(
            "POST /new-order", 201, orderObject(status, names: names, certificate: certificate),
            headers: [("Location", "https://ca.example/order")])
    }

    static func order(_ status: String, names: Int = 1, error: String? = nil, retryAfter: String? = nil) -> Self {
        .init(
            "POST /order", 200, orderObject(status, names: names, certificate: status == "valid", error: error),
            headers: retryAfter.map { [("Retry-After", $0)] } ?? [])
    }

    static func finalize(_ status: String = "valid", retryAfter: String? = nil) -> Self {
        .init(
            "POST /finalize", 200, orderObject(status, names: 1, certificate: status == "valid"),
            headers: retryAfter.map { [("Retry-After", $0)] } ?? [])
    }

    private static func orderObject(
        _ status: String, names: Int, certificate: Bool, error: String? = nil
    ) -> String {
        let authorizations = (0..<names).map { "\"https://ca.example/authz/\($0)\"" }.joined(separator: ", ")
        return """
            {"status": "\(status)", "authorizations": [\(authorizations)], "finalize": "https://ca.example/finalize"
             \(certificate ? #", "certificate": "https://ca.example/cert""# : "")
             \(error.map { #", "error": \#($0)"# } ?? "")}
            """
    }

    static func authorization(
        _ index: Int = 0, _ status: String = "pending", name: String? = nil, wildcard: Bool = false,
        challenges: String? = nil
    ) -> Self {
        let usual =
            #"[{"type": "http-01", "url": "https://ca.example/challenge/\#(index)", "token": "token\#(index)"}]"#
        return .init(
            "POST /authz/\(index)", 200,
            """
            {"identifier": {"type": "dns", "value": "\(name ?? "name\(index).example")"}, "status": "\(status)",
             \(wildcard ? #""wildcard": true,"# : "") "challenges": \(challenges ?? usual)}
            """)
    }

    static func challenge(_ index: Int = 0) -> Self { .init("POST /challenge/\(index)") }

    static func certificate(_ pem: [UInt8], headers: [(String, String)] = []) -> Self {
        .init("POST /cert", 200, String(decoding: pem, as: UTF8.self), headers: headers)
    }

    /// Directory and nonce: what a session begins with.
    static let beginning = [directory(), nonce]
    /// From a placed order of one name to its `ready`.
    static let validation = [newOrder(), authorization(), challenge(), order("ready")]
}

/// The exchanges that a session has told of.
final class ExchangeLog: Sendable {
    private let exchanges = Mutex<[Exchange]>([])

    func note(_ exchange: Exchange) { exchanges.withLock { $0.append(exchange) } }
    var all: [Exchange] { exchanges.withLock { $0 } }
}

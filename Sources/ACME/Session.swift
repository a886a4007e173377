import FoundationEssentials
package import HTTP
import PKI
import Text

/// A conversation with one CA, shared by all lineages of a run: its directory, its nonces, its connection.
package actor Session {
    /// The directory's URL.
    package nonisolated let server: String
    private let transport: any HTTPTransport
    private let clock: any Clock<Duration>
    private let observe: @Sendable (Exchange) -> Void
    private var directory: Directory?
    private var directoryFetch: Task<Result<Directory, ACMEError>, Never>?
    private var nonces: [String] = []

    /// Nonces expire; more than a few are never needed.
    private static let mostNonces = 16

    /// A session; nothing is sent until something is asked for.
    ///
    /// - Parameter observe: called for every request after its response, for `--verbose`.
    package init(
        server: String, transport: any HTTPTransport, clock: any Clock<Duration> = ContinuousClock(),
        observe: @escaping @Sendable (Exchange) -> Void = { _ in }
    ) {
        (self.server, self.transport, self.clock, self.observe) = (server, transport, clock, observe)
    }

    /// The CA's directory, fetched once, also for callers that ask at the same time.
    package func fetchDirectory() async throws(ACMEError) -> Directory {
        while true {
            if let directory { return directory }
            let fetch = directoryFetch ?? startDirectoryFetch()
            let result = await withTaskCancellationHandler {
                await fetch.value
            } onCancel: {
                fetch.cancel()
            }
            // The first caller may have been cancelled; this one then starts again.
            if case .failure(.cancelled) = result, !Task.isCancelled { continue }
            return try result.get()
        }
    }

    private func startDirectoryFetch() -> Task<Result<Directory, ACMEError>, Never> {
        let fetch = Task { () -> Result<Directory, ACMEError> in
            defer { directoryFetch = nil }
            do throws(ACMEError) {
                let fetched = try await findDirectory()
                directory = fetched
                return .success(fetched)
            } catch {
                return .failure(error)
            }
        }
        directoryFetch = fetch
        return fetch
    }

    /// Asks for the directory, also where it has moved to within the CA's host.
    private func findDirectory() async throws(ACMEError) -> Directory {
        var (url, count) = (server, 0)
        while true {
            let response = try await ask(HTTPRequest(method: .get, url: url)).response
            guard let target = DirectoryRedirect.target(of: response, from: url) else {
                return try response.decode(Directory.self, from: url)
            }
            try DirectoryRedirect.require(target, from: url, server: server, count: count)
            (url, count) = (target, count + 1)
        }
    }

    /// Fetches what needs no signature, such as renewal information. A redirect is not followed.
    func get(_ url: String) async throws(ACMEError) -> HTTPResponse {
        let response = try await ask(HTTPRequest(method: .get, url: url)).response
        guard let target = DirectoryRedirect.target(of: response, from: url) else { return response }
        throw .redirected(from: url, to: target.line(atMost: 500), reason: "that is not followed")
    }

    /// Signs and sends a request. A refused nonce, a short wait that the CA asks for and a passing fault are seen to.
    ///
    /// - Parameters:
    ///   - payload: the JSON body; nil is POST-as-GET (RFC 8555 §6.3).
    ///   - repeatable: whether the request may be sent again by itself after a fault; a refused nonce always is.
    func post(
        _ url: String, payload: [UInt8]?, signer: RequestSigner, accept: String? = nil, repeatable: Bool = true
    ) async throws(ACMEError) -> HTTPResponse {
        var headers: HTTPHeaders = ["Content-Type": "application/jose+json"]
        if let accept { headers.append(name: "Accept", value: accept) }
        var budget = RetryBudget(stopwatch())
        var given: String?
        while true {
            let nonce = if let given { given } else { try await freshNonce() }
            given = nil
            let body = try signing { () throws(PKIError) in
                try signer.sign(payload: payload, nonce: nonce, url: url)
            }
            do throws(ACMEError) {
                let answer = try await send(HTTPRequest(method: .post, url: url, headers: headers, body: body))
                // A refused nonce is repeated with the one that came with the refusal, whatever other requests are under way.
                if answer.refusal?.isBadNonce == true { given = answer.nonce } else { keep(answer.nonce) }
                if let refusal = answer.refusal { throw refusal }
                return answer.response
            } catch {
                guard repeatable || error.isBadNonce, let wait = budget.wait(after: error) else {
                    keep(given)
                    throw error
                }
                if wait > .zero { try await pause(wait) }
            }
        }
    }

    private func freshNonce() async throws(ACMEError) -> String {
        if let nonce = nonces.popLast() { return nonce }
        let url = try await fetchDirectory().newNonce
        // The directory may have come with one.
        if let nonce = nonces.popLast() { return nonce }
        guard let nonce = try await ask(HTTPRequest(method: .head, url: url)).nonce else {
            throw .malformed(url: url, what: "there is no Replay-Nonce")
        }
        return nonce
    }

    /// Sends a request that needs no signature. The caller gets the nonce of a HEAD, the others' are kept.
    private func ask(_ request: HTTPRequest) async throws(ACMEError) -> Answer {
        var budget = RetryBudget(stopwatch())
        while true {
            do throws(ACMEError) {
                let answer = try await send(request)
                if request.method != .head || answer.refusal != nil { keep(answer.nonce) }
                if let refusal = answer.refusal { throw refusal }
                return answer
            } catch {
                guard let wait = budget.wait(after: error) else { throw error }
                if wait > .zero { try await pause(wait) }
            }
        }
    }

    /// A response, and what it says besides its body.
    private struct Answer {
        let response: HTTPResponse
        /// The error that a response is whose status is not 2xx.
        let refusal: ACMEError?
        let nonce: String?
    }

    /// Sends a request once.
    private func send(_ request: HTTPRequest) async throws(ACMEError) -> Answer {
        guard request.url.lowercased().hasPrefix("https://") else {
            throw .malformed(url: server, what: "\(request.url) is not an https URL")
        }
        let started = ContinuousClock.now
        let response: HTTPResponse
        do throws(HTTPError) {
            response = try await transport.send(request)
        } catch {
            throw error.kind == .cancelled ? .cancelled : .unreachable(error)
        }
        let target = request.method == .get ? DirectoryRedirect.target(of: response, from: request.url) : nil
        observe(Exchange(request, response, redirect: target, duration: started.duration(to: .now)))
        let nonce = response.headers["Replay-Nonce"].flatMap { !$0.isEmpty && Base64URL.isValid($0) ? $0 : nil }
        guard !(200..<300).contains(response.status), target == nil else {
            return Answer(response: response, refusal: nil, nonce: nonce)
        }
        let retryAfter = RetryAfter.delay(in: response.headers, now: Date.now)
        return Answer(response: response, refusal: .refused(response.problem(), retryAfter: retryAfter), nonce: nonce)
    }

    /// Keeps a nonce for the next request. The latest is used first, as the oldest expire.
    private func keep(_ nonce: String?) {
        guard let nonce else { return }
        if nonces.count >= Session.mostNonces { nonces.removeFirst() }
        nonces.append(nonce)
    }

    /// The time since now on the session's clock, which is monotonic.
    nonisolated func stopwatch() -> Stopwatch { Stopwatch(clock) }

    /// Waits on the session's clock.
    func pause(_ duration: Duration) async throws(ACMEError) {
        do {
            try await clock.sleep(for: duration)
        } catch {
            throw .cancelled
        }
    }
}

extension HTTPResponse {
    /// Decodes a JSON body.
    func decode<Value: Decodable>(_ type: Value.Type, from url: String) throws(ACMEError) -> Value {
        do {
            return try JSONDecoder().decode(type, from: Data(body))
        } catch DecodingError.keyNotFound(let key, _) {
            throw .malformed(url: url, what: "there is no \(key.stringValue)")
        } catch {
            throw .malformed(url: url, what: "it is not the JSON expected there")
        }
    }

    /// The problem document of a refusal, or what can be said without one.
    func problem() -> Problem {
        let document = try? JSONDecoder().decode(Problem.self, from: Data(body))
        guard var problem = document, problem.type != nil || problem.detail != nil else {
            let target = (300..<400).contains(status) ? headers["Location"] : nil
            let words = target.map { ": it redirects to \($0.line(atMost: 500)), which is not followed" }
            return Problem(
                type: nil, detail: "HTTP status \(status) without a problem document" + (words ?? ""), status: status,
                isDocument: false)
        }
        problem.status = status
        return problem
    }
}

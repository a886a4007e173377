import FoundationEssentials
import HTTP

/// Requests to the Docker Engine's API.
extension DockerProbe {
    /// Why the engine did not do what it was asked: in its own words, or those of the transport.
    struct Failure: Error {
        let description: String
        var isTimeout = false
    }

    func get<Value: Decodable>(_ path: String, _ type: Value.Type) async throws(Failure) -> Value {
        try decode(try await send(.get, path), type)
    }

    func post(_ path: String, _ json: String, timeout: Duration = timeout) async throws(Failure) -> [UInt8] {
        try await send(.post, path, json, timeout: timeout)
    }

    func send(
        _ method: HTTPRequest.Method, _ path: String, _ json: String = "", timeout: Duration = timeout,
        isBudgeted: Bool = true
    ) async throws(Failure) -> [UInt8] {
        var request = HTTPRequest(
            method: method, url: "http://docker\(path)",
            headers: method == .post ? ["Content-Type": "application/json"] : [:],
            body: Array(json.utf8), timeout: isBudgeted ? budget.time(timeout) : timeout, largestBody: 16 << 20)
        switch endpoint.address {
        case .socket(let path): request.unixSocket = path
        case .http(let url): request.url = url + path
        case .unsupported(let reason): throw Failure(description: reason)
        }
        let response: HTTPResponse
        do throws(HTTPError) {
            response = try await transport.send(request)
        } catch {
            let isTimeout = if case .timedOut = error.kind { true } else { false }
            throw Failure(description: error.description, isTimeout: isTimeout)
        }
        guard (200..<300).contains(response.status) else {
            struct Message: Decodable { let message: String }
            let message = try? JSONDecoder().decode(Message.self, from: Data(response.body)).message
            throw Failure(description: message ?? "the engine answers \(response.status)")
        }
        return response.body
    }

    /// Removes a container that doctor has made, whatever its time is.
    func remove(_ id: String) async {
        _ = try? await send(
            .delete, "/containers/\(id)?force=1&v=1", timeout: DockerProbe.removalTimeout, isBudgeted: false)
    }

    func decode<Value: Decodable>(_ bytes: [UInt8], _ type: Value.Type) throws(Failure) -> Value {
        do {
            return try JSONDecoder().decode(type, from: Data(bytes))
        } catch {
            throw Failure(description: "the answer is not the Docker Engine's")
        }
    }
}

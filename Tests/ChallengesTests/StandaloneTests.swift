import ACME
import Challenges
import PKI
import Rig
import Synchronization
import Testing

/// http-01 by a listener of certctl's own.
@Suite(.parts("curl"), .timeLimit(.minutes(5)))
struct StandaloneTests {
    private static let challenge = PendingChallenge(
        name: SubjectName("a.example")!, identifierValue: "a.example", type: "http-01", token: "token-1",
        keyAuthorization: "token-1.thumbprint")

    private static func get(_ port: Int, _ path: String, host: String = "127.0.0.1") async throws -> String {
        let output = try await sh(
            "curl", ["-sS", "-m", "10", "-w", " %{http_code}", "http://\(host):\(port)\(path)"])
        return output.status == 0 ? output.stdout : "none"
    }

    @Test func `it answers its tokens while the CA looks, on both families, and nothing else`() async throws {
        let port = Ports.free()
        let solver = StandaloneSolver(address: nil, port: port, ChallengeSettings())
        try await solver.present([Self.challenge])
        let path = "/.well-known/acme-challenge/"
        #expect(try await Self.get(port, path + "token-1") == "token-1.thumbprint 200")
        #expect(try await Self.get(port, path + "token-1", host: "[::1]") == "token-1.thumbprint 200")
        #expect(try await Self.get(port, path + "token-2").hasSuffix(" 404"))
        #expect(try await Self.get(port, "/").hasSuffix(" 404"))
        await solver.cleanUp([Self.challenge])
        // The thread ends by itself a moment later.
        for _ in 0..<500 where Ports.accepts(port) { try await Task.sleep(for: .milliseconds(10)) }
        #expect(!Ports.accepts(port))
    }

    @Test func `a client that says nothing keeps nobody from an answer`() async throws {
        let port = Ports.free()
        let solver = StandaloneSolver(address: "127.0.0.1", port: port, ChallengeSettings())
        try await solver.present([Self.challenge])
        let silent = Task {
            try await sh("sh", ["-c", "sleep 5 | curl -sS -m 5 telnet://127.0.0.1:\(port)"])
        }
        try await Task.sleep(for: .milliseconds(200))
        #expect(try await Self.get(port, "/.well-known/acme-challenge/token-1").hasSuffix(" 200"))
        await solver.cleanUp([Self.challenge])
        silent.cancel()
        _ = try? await silent.value
    }

    @Test func `lanes take turns with one port`() async throws {
        let port = Ports.free()
        let settings = ChallengeSettings()
        let first = StandaloneSolver(address: "127.0.0.1", port: port, settings)
        let second = StandaloneSolver(address: "127.0.0.1", port: port, settings)
        try await first.present([Self.challenge])
        let isSecond = Mutex(false)
        let waiting = Task {
            for _ in 0..<100 {
                do {
                    try await second.present([Self.challenge])
                    isSecond.withLock { $0 = true }
                    break
                } catch {
                    await second.cleanUp([Self.challenge])
                    try await Task.sleep(for: .milliseconds(20))
                }
            }
        }
        try await Task.sleep(for: .milliseconds(100))
        #expect(!isSecond.withLock { $0 })
        await first.cleanUp([Self.challenge])
        try await waiting.value
        #expect(isSecond.withLock { $0 })
        await second.cleanUp([Self.challenge])
    }
}

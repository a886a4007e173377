import FoundationEssentials
import HTTP
import PKI
import Rig
import Testing

@testable import ACME

/// How many connections a CA sees when it is asked about a thousand certificates, counted by a real server.
@Suite(.parts("nginx", "openssl", "setpriv"), .timeLimit(.minutes(10)))
struct ConnectionTests {
    private static let count = 1_000
    /// As many as a run has under way.
    private static let most = 16

    @Test(arguments: [(" http2", 1), ("", 8)])
    func `a thousand looks at renewal information share the connections of one CA`(
        version: String, connections: Int
    ) async throws {
        let leaf = try await ConnectionTests.leaf()
        let id = try #require(CertificateID(leaf))
        try await TemporaryDirectory.with { directory in
            let (port, identity) = (Ports.free(), try await ServerIdentity.make(in: directory))
            try ConnectionTests.configuration(directory, port, version, identity)
                .write(toFile: "\(directory)/nginx.conf", atomically: true, encoding: .utf8)
            let arguments = ["-p", directory, "-c", "\(directory)/nginx.conf", "-e", "\(directory)/error.log"]
            try await Daemon.with(
                "nginx", arguments, log: "\(directory)/nginx.log", ready: .ports([port]), lastSignal: .terminate
            ) { _ in
                let transport = try CurlTransport(userAgent: "certctl-tests", caBundle: identity.root)
                let session = Session(server: "https://127.0.0.1:\(port)/dir", transport: transport)
                let answers = await ConnectionTests.answers(session, about: leaf)
                #expect(answers == ConnectionTests.count)
            }
            // nginx has written all of it when it has ended.
            let log = try String(contentsOfFile: "\(directory)/access.log", encoding: .utf8)
            let lines = log.split(separator: "\n").map { $0.split(separator: " ") }
            #expect(lines.count { $0.last == "/ari/\(id)" } == ConnectionTests.count)
            #expect(lines.count { $0.last == "/dir" } == 1)
            let seen = Set(lines.compactMap(\.first)).count
            #expect(seen >= 1 && seen <= connections, "\(seen) connections")
        }
    }

    /// Asks again and again, many at once; returns how often a window came back.
    private static func answers(_ session: Session, about leaf: Certificate) async -> Int {
        await withTaskGroup(of: Bool.self) { group in
            var (started, answers) = (0, 0)
            func start() {
                started += 1
                group.addTask {
                    guard case .window? = try? await session.renewalInfo(for: leaf).answer else { return false }
                    return true
                }
            }
            while started < most { start() }
            while let isAnswer = await group.next() {
                answers += isAnswer ? 1 : 0
                if started < count { start() }
            }
            return answers
        }
    }

    private static func leaf() async throws -> Certificate {
        let pem = try await check(
            "openssl",
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                "/CN=a.example", "-keyout", "/dev/null",
            ])
        return try #require(try Certificate.chain(pem: Array(pem.utf8)).first)
    }

    /// A server that says what a CA's directory and renewal information say.
    private static func configuration(
        _ directory: String, _ port: Int, _ version: String, _ identity: ServerIdentity
    ) -> String {
        let base = "https://127.0.0.1:\(port)"
        return """
            daemon off;
            worker_processes 1;
            pid "\(directory)/nginx.pid";
            error_log "\(directory)/error.log";
            events { worker_connections 256; }
            http {
                log_format connections '$connection $uri';
                access_log "\(directory)/access.log" connections;
                client_body_temp_path "\(directory)/body";
                proxy_temp_path "\(directory)/proxy";
                fastcgi_temp_path "\(directory)/fastcgi";
                uwsgi_temp_path "\(directory)/uwsgi";
                scgi_temp_path "\(directory)/scgi";
                keepalive_requests 10000;
                server {
                    listen 127.0.0.1:\(port) ssl\(version);
                    ssl_certificate "\(identity.certificate)";
                    ssl_certificate_key "\(identity.key)";
                    location = /dir {
                        return 200 '{"newNonce": "\(base)/n", "newAccount": "\(base)/a", "newOrder": "\(base)/o",
                            "renewalInfo": "\(base)/ari"}';
                    }
                    location /ari/ {
                        return 200 '{"suggestedWindow": {"start": "2026-12-01T00:00:00Z", "end": "2026-12-02T00:00:00Z"}}';
                    }
                }
            }
            """
    }
}

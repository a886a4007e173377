import Glibc
import HTTP
import Testing

/// Whom the transport trusts, and how it says that it does not.
@Suite(.timeLimit(.minutes(20))) struct TLSTests {
    @Test func `a certificate of the bundle is trusted`() async throws {
        let server = try TLSServer(names: "DNS:localhost")
        let transport = try CurlTransport(userAgent: "t", caBundle: server.certificate)
        for _ in 1...2 {
            let response = try await transport.send(HTTPRequest(url: "https://localhost:\(server.port)/"))
            #expect(response.status == 200)
        }
    }

    @Test func `an address in the certificate is as good as a name`() async throws {
        let server = try TLSServer(names: "IP:127.0.0.1")
        let transport = try CurlTransport(userAgent: "t", caBundle: server.certificate)
        #expect(try await transport.send(HTTPRequest(url: "https://127.0.0.1:\(server.port)/")).status == 200)
    }

    @Test func `a certificate that nobody vouches for is not trusted`() async throws {
        let server = try TLSServer(names: "DNS:localhost")
        let error = try await CurlTransport.forTest().failure(
            of: HTTPRequest(url: "https://localhost:\(server.port)/"))
        #expect(error.kind == .tlsNotTrusted)
        #expect(error.description.hasPrefix("localhost:\(server.port)'s TLS certificate is not trusted: "))
        #expect(error.description.contains("self-signed certificate"))
        #expect(!error.isTemporary)
    }

    @Test func `a bundle with another certificate does not help`() async throws {
        let server = try TLSServer(names: "DNS:localhost")
        let other = try TLSServer(names: "DNS:localhost")
        let transport = try CurlTransport(userAgent: "t", caBundle: other.certificate)
        let error = try await transport.failure(of: HTTPRequest(url: "https://localhost:\(server.port)/"))
        #expect(error.kind == .tlsNotTrusted)
    }

    @Test func `a trusted certificate for another host is not trusted for this one`() async throws {
        let server = try TLSServer(names: "DNS:localhost")
        let transport = try CurlTransport(userAgent: "t", caBundle: server.certificate)
        let error = try await transport.failure(of: HTTPRequest(url: "https://127.0.0.1:\(server.port)/"))
        #expect(error.kind == .tlsNotTrusted)
        #expect(error.detail.contains("127.0.0.1"))
    }

    @Test func `an expired certificate is not trusted`() async throws {
        let server = try TLSServer(names: "DNS:localhost", isExpired: true)
        let transport = try CurlTransport(userAgent: "t", caBundle: server.certificate)
        let error = try await transport.failure(of: HTTPRequest(url: "https://localhost:\(server.port)/"))
        #expect(error.kind == .tlsNotTrusted)
        #expect(error.detail.contains("expired"))
    }

    @Test func `a server without TLS is no matter of trust`() async throws {
        let server = try RawServer { connection in
            connection.write("HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.waitForHangUp()
        }
        let error = try await CurlTransport.forTest().failure(of: HTTPRequest(url: "https://127.0.0.1:\(server.port)/"))
        #expect(error.kind == .tlsFailed)
        #expect(error.description.hasPrefix("no TLS connection to 127.0.0.1:\(server.port): "))
    }

    @Test func `a handshake that is never answered ends with the request's time`() async throws {
        let server = try RawServer { connection in connection.waitForHangUp() }
        let error = try await CurlTransport.forTest().failure(
            of: HTTPRequest(url: "https://127.0.0.1:\(server.port)/", timeout: .milliseconds(300)))
        #expect(error.kind == .timedOut)
    }

    @Test func `a bundle that is not there, or holds no certificate, is refused at once`() throws {
        let directory = try TemporaryDirectory()
        let key = try directory.write("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", to: "key.pem")
        let cases = [
            (directory.file("none.pem"), "No such file or directory"), (directory.path, "Is a directory"),
            (key, "there is no PEM certificate in it"), ("/dev/null", "there is no PEM certificate in it"),
        ]
        for (path, cause) in cases {
            let error = try #require(throws: HTTPError.self) { try CurlTransport(userAgent: "t", caBundle: path) }
            #expect(error.kind == .unreadableCABundle)
            #expect(error.description == "the CA bundle cannot be used: \(path): \(cause)")
            #expect(!error.isTemporary)
        }
    }

    @Test func `a bundle that is damaged between its markers is found at the first connection`() async throws {
        let server = try TLSServer(names: "DNS:localhost")
        let directory = try TemporaryDirectory()
        let bundle = try directory.write(
            "a comment\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", to: "bad.pem")
        let transport = try CurlTransport(userAgent: "t", caBundle: bundle)
        let error = try await transport.failure(of: HTTPRequest(url: "https://localhost:\(server.port)/"))
        #expect(error.kind == .unreadableCABundle)
        #expect(error.description.contains(bundle))
    }
}

/// `openssl s_server` with a fresh self-signed certificate, on a free port of loopback.
private final class TLSServer {
    let port: Int
    /// The path of its certificate.
    let certificate: String

    private let directory: TemporaryDirectory
    private let process: ChildProcess

    init(names: String, isExpired: Bool = false) throws {
        directory = try TemporaryDirectory()
        certificate = directory.file("cert.pem")
        let key = directory.file("key.pem")
        try ChildProcess(
            "openssl",
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-subj", "/CN=certctl test", "-addext", "subjectAltName=\(names)",
                "-keyout", key, "-out", certificate,
            ]
        ).wait()
        if isExpired {
            try ChildProcess(
                "openssl", ["x509", "-in", certificate, "-signkey", key, "-days", "-1", "-out", certificate]
            )
            .wait()
        }
        process = try ChildProcess(
            "openssl", ["s_server", "-accept", "127.0.0.1:0", "-www", "-cert", certificate, "-key", key])
        var port: Int?
        var output: [String] = []
        while port == nil {
            guard let line = process.readLine() else { throw ChildProcess.Failure(output: output) }
            output.append(line)
            if line.hasPrefix("ACCEPT ") { port = line.split(separator: ":").last.flatMap { Int($0) } }
        }
        self.port = try #require(port)
    }
}

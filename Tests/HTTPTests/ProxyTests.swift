import Glibc
import HTTP
import Testing

/// The proxies that the environment names: each test is a process of its own, whose environment is nobody else's.
@Suite(.timeLimit(.minutes(20))) struct ProxyTests {
    @Test func `the environment's proxy is asked, except for what it excludes, unix sockets and chosen addresses`()
        async
    {
        await #expect(processExitsWith: .success) {
            let ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
            let proxy = try RawServer(answer: ok)
            let direct = try RawServer(answer: ok)
            let directory = try TemporaryDirectory()
            let unix = try RawServer(answer: ok, unixSocket: directory.file("s"))
            setenv("http_proxy", proxy.url, 1)
            setenv("no_proxy", "127.0.0.1", 1)
            let transport = try CurlTransport.forTest()
            _ = try await transport.send(HTTPRequest(url: "http://acme.example/dir"))
            _ = try await transport.send(HTTPRequest(url: "\(direct.url)/direct"))
            _ = try await transport.send(HTTPRequest(url: "http://docker/unix", unixSocket: directory.file("s")))
            let chosen = HTTPRequest(url: "http://acme.example/chosen", connectTo: "127.0.0.1:\(direct.port)")
            _ = try await transport.send(chosen)
            #expect(proxy.requests.map(\.line) == ["GET http://acme.example/dir HTTP/1.1"])
            #expect(direct.requests.map(\.line) == ["GET /direct HTTP/1.1", "GET /chosen HTTP/1.1"])
            #expect(direct.requests.last?.values(of: "Host") == ["acme.example"])
            #expect(unix.requests.map(\.line) == ["GET /unix HTTP/1.1"])
        }
    }

    @Test(arguments: [403, 407, 405, 400])
    func `a proxy that refuses a tunnel is named with its setting, and does not pass by itself`(status: Int) async {
        await #expect(processExitsWith: .success) { [status] in
            let proxy = try RawServer(answer: "HTTP/1.1 \(status) No\r\nContent-Length: 0\r\n\r\n")
            setenv("https_proxy", proxy.url.replacingScheme("http://me:secret@"), 1)
            let error = try await CurlTransport.forTest().failure(of: HTTPRequest(url: "https://acme.example/dir"))
            #expect(error.kind == .proxyRefused)
            #expect(
                error.description.hasPrefix(
                    "the proxy http://…@127.0.0.1:\(proxy.port) (environment variable https_proxy) does not let this host "
                        + "through to acme.example:443: "))
            #expect(error.detail.contains("\(status)") && !error.description.contains("secret"))
            #expect(!error.isTemporary)
            #expect(proxy.requests.map(\.line) == ["CONNECT acme.example:443 HTTP/1.1"])
        }
    }

    @Test(arguments: [502, 503, 504, 429])
    func `a proxy that is in trouble may be out of it later`(status: Int) async {
        await #expect(processExitsWith: .success) { [status] in
            let proxy = try RawServer(answer: "HTTP/1.1 \(status) No\r\nContent-Length: 0\r\n\r\n")
            setenv("HTTPS_PROXY", proxy.url, 1)
            let error = try await CurlTransport.forTest().failure(of: HTTPRequest(url: "https://acme.example/dir"))
            #expect(error.kind == .proxy && error.isTemporary)
            #expect(
                error.description.hasPrefix(
                    "the proxy \(proxy.url) (environment variable HTTPS_PROXY) did not reach acme.example:443: "))
        }
    }

    @Test(arguments: [
        "htp://proxy.example:3128", "http://[bad", "http://me:secret@[bad", "me:secret@[bad", "http://127.0.0.1:99999",
        "socks9://proxy.example", "http://a b",
    ])
    func `a setting that names no proxy is said to be wrong`(setting: String) async {
        await #expect(processExitsWith: .success) { [setting] in
            setenv("all_proxy", setting, 1)
            let error = try await CurlTransport.forTest().failure(of: HTTPRequest(url: "https://acme.example/dir"))
            #expect(error.kind == .invalidProxy && !error.isTemporary)
            #expect(error.description.hasPrefix("the proxy "))
            #expect(error.description.contains("(environment variable all_proxy) cannot be used: Unsupported proxy"))
            #expect(!error.description.contains("secret"), "\(error)")
        }
    }

    @Test func `a proxy without an address may get one later`() async {
        await #expect(processExitsWith: .success) {
            setenv("https_proxy", "\(String(repeating: "a", count: 70)).invalid:3128", 1)
            let error = try await CurlTransport.forTest().failure(of: HTTPRequest(url: "https://acme.example/dir"))
            #expect(error.kind == .proxy && error.isTemporary, "\(error.kind): \(error)")
            #expect(error.description.contains("(environment variable https_proxy)"), "\(error)")
        }
    }

    @Test func `a proxy that is not there is the one to blame`() async {
        await #expect(processExitsWith: .success) {
            let socket = try RawServer.bindToLoopback()
            setenv("https_proxy", "http://me:secret@127.0.0.1:\(RawServer.port(of: socket))", 1)
            let error = try await CurlTransport.forTest().failure(of: HTTPRequest(url: "https://acme.example/dir"))
            #expect(error.kind == .proxy)
            #expect(error.detail.contains("127.0.0.1"))
            #expect(error.description.contains("(environment variable https_proxy)"))
            #expect(!error.description.contains("secret"))
            #expect(error.isTemporary)
        }
    }
}

extension String {
    fileprivate func replacingScheme(_ start: String) -> String { start + dropFirst("http://".count) }
}

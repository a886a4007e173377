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

    @Test func `a proxy that refuses a tunnel is the one to blame`() async {
        await #expect(processExitsWith: .success) {
            let proxy = try RawServer(answer: "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            setenv("https_proxy", proxy.url, 1)
            let error = try await CurlTransport.forTest().failure(of: HTTPRequest(url: "https://acme.example/dir"))
            #expect(error.kind == .proxy)
            #expect(error.description.hasPrefix("the proxy did not reach acme.example:443: "))
            #expect(error.detail.contains("403"))
            #expect(proxy.requests.map(\.line) == ["CONNECT acme.example:443 HTTP/1.1"])
        }
    }

    @Test func `a proxy that is not there is the one to blame`() async {
        await #expect(processExitsWith: .success) {
            let socket = try RawServer.bindToLoopback()
            setenv("https_proxy", "http://127.0.0.1:\(RawServer.port(of: socket))", 1)
            let error = try await CurlTransport.forTest().failure(of: HTTPRequest(url: "https://acme.example/dir"))
            #expect(error.kind == .proxy)
            #expect(error.detail.contains("127.0.0.1"))
            #expect(error.isTemporary)
        }
    }
}

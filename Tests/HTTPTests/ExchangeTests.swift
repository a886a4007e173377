import Glibc
import HTTP
import Synchronization
import Testing

/// What goes over the wire in either direction when all is well.
@Suite(.timeLimit(.minutes(20))) struct ExchangeTests {
    private let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

    @Test func `a GET brings status, headers and body`() async throws {
        let server = try RawServer(
            answer: "HTTP/1.1 404 Not Found\r\nContent-Type:  text/plain \r\nEmpty:\r\nContent-Length: 3\r\n\r\nno\n")
        let response = try await CurlTransport.forTest().send(HTTPRequest(url: "\(server.url)/a/../b?c"))
        #expect(response.status == 404)
        #expect(response.body == Array("no\n".utf8))
        #expect(response.headers["content-TYPE"] == "text/plain")
        #expect(response.headers["Empty"] == "")
        #expect(response.headers["Absent"] == nil)
        let request = try #require(server.requests.first)
        #expect(request.line == "GET /a/../b?c HTTP/1.1")
        #expect(request.values(of: "User-Agent") == ["certctl-test/1"])
        #expect(request.values(of: "Host") == ["127.0.0.1:\(server.port)"])
    }

    @Test func `request headers are sent as given, empty and repeated ones too`() async throws {
        let server = try RawServer(answer: ok)
        let request = HTTPRequest(
            url: server.url, headers: ["X-One": "1", "X-None": "", "X-One": "2", "Accept": "a/b"])
        _ = try await CurlTransport.forTest().send(request)
        let received = try #require(server.requests.first)
        #expect(received.values(of: "X-One") == ["1", "2"])
        #expect(received.head.contains("\r\nX-None:\r\n"))
        #expect(received.values(of: "Accept") == ["a/b"])
    }

    @Test(arguments: [("X-A", "1\r\nX-B: 2"), ("X-A:", "1"), ("X A", "1"), ("", "1"), ("X-A", "1\0")])
    func `a header that would not stay one header is not sent`(name: String, value: String) async throws {
        let server = try RawServer(answer: ok)
        var request = HTTPRequest(url: server.url)
        request.headers.append(name: name, value: value)
        let error = try await CurlTransport.forTest().failure(of: request)
        #expect(error.kind == .other)
        #expect(!error.isTemporary)
        #expect(server.connections == 0)
    }

    @Test(arguments: [0, 3, 1_100_000])
    func `a POST sends its body at once and says only what it was told`(size: Int) async throws {
        let server = try RawServer(answer: ok)
        let body = (0..<size).map { UInt8(truncatingIfNeeded: $0) }
        let response = try await CurlTransport.forTest().send(
            HTTPRequest(method: .post, url: server.url, body: body))
        #expect(response.status == 200)
        let request = try #require(server.requests.first)
        #expect(request.line == "POST / HTTP/1.1")
        #expect(request.body == body)
        #expect(request.values(of: "Content-Length") == ["\(size)"])
        #expect(request.values(of: "Expect") == [])
        #expect(request.values(of: "Content-Type") == [])
    }

    @Test func `a POST has the content type that it was given`() async throws {
        let server = try RawServer(answer: ok)
        _ = try await CurlTransport.forTest().send(
            HTTPRequest(
                method: .post, url: server.url, headers: ["content-type": "application/jose+json"],
                body: Array("{}".utf8)))
        #expect(server.requests.first?.values(of: "Content-Type") == ["application/jose+json"])
    }

    @Test func `a HEAD has the headers of a body that it does not wait for`() async throws {
        let server = try RawServer(answer: "HTTP/1.1 200 OK\r\nReplay-Nonce: n\r\nContent-Length: 9000000\r\n\r\n")
        let transport = try CurlTransport.forTest()
        for _ in 1...2 {
            let response = try await transport.send(HTTPRequest(method: .head, url: server.url))
            #expect(response.headers["Replay-Nonce"] == "n")
            #expect(response.body == [])
        }
        #expect(server.requests.map(\.line) == ["HEAD / HTTP/1.1", "HEAD / HTTP/1.1"])
        #expect(server.connections == 1)
    }

    @Test func `only the last response's headers count, all of them, without trailers`() async throws {
        let server = try RawServer(
            answer: """
                HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <early>\r\n\r
                HTTP/1.1 200 OK\r\nLink: <a>\r\nlink: <b>\r\nLINK: <c>,\r\n <d>\r\nTransfer-Encoding: chunked\r\n\r
                2\r\nhi\r\n0\r\nLink: <late>\r\n\r\n
                """)
        let response = try await CurlTransport.forTest().send(HTTPRequest(url: server.url))
        #expect(response.status == 200)
        #expect(response.headers.all("Link") == ["<a>", "<b>", "<c>, <d>"])
        #expect(response.headers["Link"] == "<a>")
        #expect(response.body == Array("hi".utf8))
    }

    @Test func `a redirect is an answer, not an order`() async throws {
        let server = try RawServer(answer: "HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n")
        let response = try await CurlTransport.forTest().send(HTTPRequest(url: server.url))
        #expect(response.status == 302)
        #expect(response.headers["location"] == "/other")
        #expect(server.requests.count == 1)
    }

    @Test func `requests one after another use one connection`() async throws {
        let server = try RawServer(answer: ok)
        let transport = try CurlTransport.forTest()
        for count in 1...5 {
            _ = try await transport.send(HTTPRequest(method: count == 3 ? .post : .get, url: server.url))
        }
        #expect(server.requests.count == 5)
        #expect(server.connections == 1)
    }

    @Test func `a connection that the server closed meanwhile is replaced`() async throws {
        let server = try RawServer { [ok] connection in
            if connection.readRequest() != nil { connection.write(ok) }
        }
        let transport = try CurlTransport.forTest()
        for _ in 1...3 {
            let response = try await transport.send(HTTPRequest(method: .post, url: server.url, body: [1, 2]))
            #expect(response.status == 200)
        }
        #expect(server.connections == 3)
    }

    @Test func `eight requests are under way at once, and their connections serve the others`() async throws {
        let arrived = Gate(count: 8)
        let server = try RawServer { [ok] connection in
            while connection.readRequest() != nil {
                arrived.wait()
                connection.write(ok)
            }
        }
        let transport = try CurlTransport.forTest()
        for _ in 1...2 {
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for number in 1...20 {
                    group.addTask {
                        try await transport.send(HTTPRequest(url: "\(server.url)/\(number)")).status
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(statuses == Array(repeating: 200, count: 20))
        }
        #expect(Set(server.requests.map(\.line)).count == 20)
        #expect(server.requests.count == 40)
        #expect(server.connections == 8)
    }

    @Test func `a unix socket takes the host's place`() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("engine.sock")
        let server = try RawServer(answer: ok, unixSocket: path)
        let transport = try CurlTransport.forTest()
        for _ in 1...2 {
            let response = try await transport.send(
                HTTPRequest(url: "http://docker/v1.41/_ping", unixSocket: path))
            #expect(response.status == 200)
        }
        #expect(server.requests.first?.line == "GET /v1.41/_ping HTTP/1.1")
        #expect(server.requests.first?.values(of: "Host") == ["docker"])
        #expect(server.connections == 1)
    }

    @Test func `the transport's end closes its connections`() async throws {
        let server = try RawServer(answer: ok)
        var transport: CurlTransport? = try CurlTransport.forTest()
        _ = try await transport?.send(HTTPRequest(url: server.url))
        transport = nil
        var hangUps = server.hangUps.makeAsyncIterator()
        #expect(await hangUps.next() != nil)
    }

    @Test func `the transport's end is the end of its thread and its descriptors`() async {
        await #expect(processExitsWith: .success) {
            let server = try RawServer { connection in
                if connection.readRequest() != nil { connection.write("HTTP/1.1 204 No Content\r\n\r\n") }
            }
            let (threads, descriptors) = try (countEntries(of: "/proc/self/task"), countEntries(of: "/proc/self/fd"))
            for _ in 1...100 {
                let transport = try CurlTransport.forTest()
                _ = try await transport.send(HTTPRequest(url: server.url))
            }
            // The server may still be at the last ones, and Swift's pool may have grown.
            #expect(try countEntries(of: "/proc/self/task") < threads + 50)
            #expect(try countEntries(of: "/proc/self/fd") < descriptors + 50)
        }
    }

    @Test func `the library says its version`() {
        #expect(CurlTransport.libraryVersion.split(separator: ".").count == 3)
    }
}

/// How many files there are in a directory.
private func countEntries(of path: String) throws -> Int {
    guard let directory = opendir(path) else { throw SocketFailure() }
    defer { closedir(directory) }
    var count = 0
    while readdir(directory) != nil { count += 1 }
    return count
}

/// Holds threads up until so many have come; open from then on.
private final class Gate: Sendable {
    private let missing: Mutex<Int>

    init(count: Int) { missing = Mutex(count) }

    func wait() {
        missing.withLock { $0 -= 1 }
        while missing.withLock({ $0 > 0 }) { poll(nil, 0, 1) }
    }
}

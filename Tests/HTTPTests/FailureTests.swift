import Glibc
import HTTP
import Testing

/// How a request ends that has no response, and what the error says.
@Suite(.timeLimit(.minutes(20))) struct FailureTests {
    @Test func `an address that was chosen and refuses is the one to blame, and no proxy`() async throws {
        let socket = try RawServer.bindToLoopback()
        defer { close(socket) }
        let place = "127.0.0.1:\(RawServer.port(of: socket))"
        let error = try await CurlTransport.forTest()
            .failure(of: HTTPRequest(url: "http://acme.example/x", connectTo: place))
        #expect(error.kind == .cannotConnect)
        #expect(error.description == "cannot connect to \(place): Connection refused")
    }

    @Test func `a refused connection names host, port and cause`() async throws {
        let socket = try RawServer.bindToLoopback()
        defer { close(socket) }
        let port = RawServer.port(of: socket)
        let error = try await CurlTransport.forTest().failure(of: HTTPRequest(url: "http://127.0.0.1:\(port)/dir"))
        #expect(error.kind == .cannotConnect)
        #expect(error.host == "127.0.0.1:\(port)")
        #expect(error.description == "cannot connect to 127.0.0.1:\(port): Connection refused")
        #expect(error.isTemporary)
    }

    @Test func `a missing unix socket is named`() async throws {
        let path = try TemporaryDirectory().file("none.sock")
        let error = try await CurlTransport.forTest().failure(of: HTTPRequest(url: "http://docker/", unixSocket: path))
        #expect(error.kind == .cannotConnect)
        #expect(error.description == "cannot connect to \(path): No such file or directory")
    }

    @Test func `a host without an address is named`() async throws {
        let name = String(repeating: "a", count: 70) + ".invalid"
        let error = try await CurlTransport.forTest().failure(of: HTTPRequest(url: "https://\(name)/"))
        #expect(error.kind == .unresolvedHost)
        #expect(error.description.hasPrefix("cannot find the address of \(name):443: "))
        #expect(error.isTemporary)
    }

    @Test(arguments: [
        ("", "(an empty one)"), ("acme.example/directory", "acme.example/directory"), ("https://", "https://"),
        ("http://a b/", "http://a b/"), ("ftp://acme.example/", "only http and https"),
        ("file:///etc/passwd", "only http"),
        ("http://acme.example:99999/", "Port"), ("http://acme.example/\0", "cannot be parsed"),
    ])
    func `a URL that cannot be used is refused with its reason`(url: String, part: String) async throws {
        let error = try await CurlTransport.forTest().failure(of: HTTPRequest(url: url))
        #expect(error.kind == .invalidURL)
        #expect(error.description.hasPrefix("not a usable URL: "))
        #expect(error.description.contains(part))
        #expect(!error.isTemporary)
    }

    @Test func `a password in a URL stays out of the error`() async throws {
        let error = try await CurlTransport.forTest().failure(of: HTTPRequest(url: "ftp://me:secret@acme.example/"))
        #expect(error.kind == .invalidURL)
        #expect(!error.description.contains("secret"))
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nten bytes.",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nten bytes.",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nten bytes.\r\n",
        "",
    ])
    func `a response cut short is an error`(answer: String) async throws {
        let server = try RawServer { connection in
            if connection.readRequest() != nil { connection.write(answer) }
        }
        let error = try await CurlTransport.forTest().failure(of: HTTPRequest(url: server.url))
        #expect(error.kind == .interrupted)
        #expect(error.description.hasPrefix("127.0.0.1:\(server.port) ended the connection too early: "))
        #expect(error.isTemporary)
    }

    @Test func `an answer that is not HTTP is an error`() async throws {
        let server = try RawServer { connection in
            if connection.readRequest() != nil { connection.write("SSH-2.0-OpenSSH_9.2p1\r\n") }
        }
        let error = try await CurlTransport.forTest().failure(of: HTTPRequest(url: server.url))
        #expect(error.kind == .other)
        #expect(error.description.hasPrefix("the request to 127.0.0.1:\(server.port) failed: "))
    }

    @Test func `a slow drip ends with the request's time`() async throws {
        let server = try RawServer { connection in
            guard connection.readRequest() != nil else { return }
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            while connection.write("."), !connection.isDisturbed(withinMilliseconds: 20) {}
        }
        let start = ContinuousClock.now
        let error = try await CurlTransport.forTest().failure(
            of: HTTPRequest(url: server.url, timeout: .milliseconds(600)))
        #expect(error.kind == .timedOut)
        #expect(error.description.hasPrefix("127.0.0.1:\(server.port) took too long: "))
        #expect(error.isTemporary)
        #expect(start.duration(to: .now) >= .milliseconds(500))
    }

    @Test func `a timeout holds even where libcurl forgets its timer`() async throws {
        // libcurl before 8.4 forgets a timer that is less than a millisecond away when another goes off: here the one for
        // trying a second address, after 200 ms. With so many tries it happens in nearly every run.
        let server = try RawServer { connection in connection.waitForHangUp() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 1...32 {
                group.addTask {
                    for _ in 1...3 {
                        let error = try await CurlTransport.forTest().failure(
                            of: HTTPRequest(url: server.url, timeout: .milliseconds(202)))
                        #expect(error.kind == .timedOut)
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    @Test(arguments: [Duration.zero, .nanoseconds(1), .seconds(-5)])
    func `no time at all is not all the time`(timeout: Duration) async throws {
        let server = try RawServer { connection in connection.waitForHangUp() }
        let error = try await CurlTransport.forTest().failure(of: HTTPRequest(url: server.url, timeout: timeout))
        #expect(error.kind == .timedOut)
    }

    @Test func `a timeout of years is accepted`() async throws {
        let server = try RawServer(answer: "HTTP/1.1 204 No Content\r\n\r\n")
        let response = try await CurlTransport.forTest().send(
            HTTPRequest(url: server.url, timeout: .seconds(Int64.max)))
        #expect(response.status == 204)
    }

    @Test func `an endless body is left at once`() async throws {
        let server = try RawServer { connection in
            guard connection.readRequest() != nil else { return }
            connection.write("HTTP/1.1 200 OK\r\n\r\n")
            while connection.write(String(repeating: "x", count: 10_000)) {}
        }
        let transport = try CurlTransport.forTest()
        let error = try await transport.failure(of: HTTPRequest(url: server.url, largestBody: 100_000))
        #expect(error.kind == .bodyTooLarge)
        #expect(
            error.description
                == "the response of 127.0.0.1:\(server.port) is too large: its body has more than 100000 bytes")
        #expect(!error.isTemporary)
        var hangUps = server.hangUps.makeAsyncIterator()
        #expect(await hangUps.next() != nil)
        #expect(server.connections == 1)
    }

    @Test func `a body may be as long as its limit, and not a byte longer`() async throws {
        let server = try RawServer(answer: "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfour")
        let transport = try CurlTransport.forTest()
        let response = try await transport.send(HTTPRequest(url: server.url, largestBody: 4))
        #expect(response.body.count == 4)
        let error = try await transport.failure(of: HTTPRequest(url: server.url, largestBody: 3))
        #expect(error.kind == .bodyTooLarge)
        #expect(error.detail.contains("more than 3 bytes"))
    }

    @Test(arguments: ["X: \(String(repeating: "x", count: 1000))\r\n", "\r\nHTTP/1.1 103 Early Hints\r\n"])
    func `endless headers are left at once`(line: String) async throws {
        let server = try RawServer { connection in
            guard connection.readRequest() != nil else { return }
            connection.write("HTTP/1.1 103 Early Hints\r\n")
            while connection.write(line) {}
        }
        let error = try await CurlTransport.forTest().failure(of: HTTPRequest(url: server.url))
        #expect(error.kind == .bodyTooLarge)
        #expect(error.detail == "its headers have more than 65536 bytes")
    }

    @Test func `cancelling ends a request that waits for its answer`() async throws {
        let server = try RawServer { connection in
            if connection.readRequest() != nil { connection.waitForHangUp() }
        }
        let transport = try CurlTransport.forTest()
        let task = Task { try await transport.failure(of: HTTPRequest(url: server.url, timeout: .seconds(3600))) }
        var arrivals = server.arrivals.makeAsyncIterator()
        #expect(await arrivals.next() != nil)
        task.cancel()
        let error = try await task.value
        #expect(error.kind == .cancelled)
        #expect(error.description == "the request to 127.0.0.1:\(server.port) was cancelled")
        var hangUps = server.hangUps.makeAsyncIterator()
        #expect(await hangUps.next() != nil)
    }

    @Test func `cancelling one request leaves the others alone`() async throws {
        let server = try RawServer { connection in
            guard let request = connection.readRequest() else { return }
            if request.line.contains("/stuck") { connection.waitForHangUp() }
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        }
        let transport = try CurlTransport.forTest()
        let stuck = Task { try await transport.failure(of: HTTPRequest(url: "\(server.url)/stuck")) }
        var arrivals = server.arrivals.makeAsyncIterator()
        #expect(await arrivals.next() != nil)
        #expect(try await transport.send(HTTPRequest(url: server.url)).status == 200)
        stuck.cancel()
        #expect(try await stuck.value.kind == .cancelled)
        #expect(try await transport.send(HTTPRequest(url: server.url)).status == 200)
    }

    @Test func `a task may be cancelled at any moment`() async throws {
        let server = try RawServer { connection in connection.waitForHangUp() }
        let transport = try CurlTransport.forTest()
        for _ in 1...100 {
            let task = Task { try await transport.failure(of: HTTPRequest(url: server.url)) }
            task.cancel()
            #expect(try await task.value.kind == .cancelled)
        }
    }

    @Test func `a task that is already cancelled connects to nobody`() async throws {
        let server = try RawServer { connection in connection.waitForHangUp() }
        let transport = try CurlTransport.forTest()
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await transport.failure(of: HTTPRequest(url: server.url))
        }
        #expect(try await task.value.kind == .cancelled)
        #expect(server.connections == 0)
    }
}

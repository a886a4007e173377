import FoundationEssentials
import Glibc
import Rig
import Testing

@testable import PKI

/// Longer than any answer takes on a busy machine, so that no test ends by it.
private let patient = TLSProbe(timeout: .seconds(120))

@Suite(.parts("openssl", "setpriv"), .timeLimit(.minutes(20)))
struct TLSProbeTests {
    /// A server that offers one way to shake hands.
    struct Server: CustomTestStringConvertible {
        let testDescription: String
        var key = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        var certificateOptions: [String] = []
        let options: [String]
    }

    @Test(arguments: [
        Server(testDescription: "ECDSA", options: []),
        Server(testDescription: "RSA", key: ["rsa:2048"], options: []),
        Server(testDescription: "Ed25519", key: ["ed25519"], options: []),
        Server(testDescription: "RSA-PSS", key: ["rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048"], options: []),
        Server(testDescription: "TLS 1.3 only", options: ["-tls1_3"]),
        Server(testDescription: "TLS 1.2 only", options: ["-tls1_2"]),
        Server(testDescription: "TLS 1.2 with RSA", key: ["rsa:2048"], options: ["-tls1_2"]),
        Server(
            testDescription: "RSA key exchange", key: ["rsa:2048"], options: ["-tls1_2", "-cipher", "AES128-SHA"]),
        Server(
            testDescription: "TLS 1.0 with a short key and SHA-1", key: ["rsa:1024"], certificateOptions: ["-sha1"],
            options: ["-tls1", "-cipher", "DEFAULT:@SECLEVEL=0"]),
        Server(testDescription: "no renegotiation extension", options: ["-tls1_2", "-legacy_renegotiation"]),
    ])
    func `the leaf of any server is seen`(server: Server) async throws {
        try await expectLeaf(of: server)
    }

    /// The usual ClientHello gets an alert from these.
    @Test(arguments: [
        Server(
            testDescription: "a Brainpool curve",
            key: ["ec", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1"], options: ["-tls1_2"]),
        Server(
            testDescription: "no encryption", key: ["rsa:2048"],
            options: ["-tls1_2", "-cipher", "NULL-SHA256:@SECLEVEL=0"]),
        Server(
            testDescription: "an unusual cipher of TLS 1.3",
            options: ["-tls1_3", "-ciphersuites", "TLS_AES_128_CCM_8_SHA256"]),
    ])
    func `a server that refuses the usual offer is asked again with all there is`(server: Server) async throws {
        try await expectLeaf(of: server)
    }

    private func expectLeaf(of server: Server) async throws {
        try await TemporaryDirectory.with { directory in
            let identity = try await SelfSigned.make(
                "leaf", in: directory, key: server.key, options: server.certificateOptions)
            try await withTLSServer(identity.options() + server.options, in: directory) { endpoint in
                let served = await patient.leaf(at: endpoint, serverName: "leaf.example.org")
                #expect(served == .leaf(identity.certificate, failure: nil))
            }
        }
    }

    @Test func `a leaf is seen though the server wants a client certificate`() async throws {
        try await TemporaryDirectory.with { directory in
            let identity = try await SelfSigned.make("leaf", in: directory)
            try await withTLSServer(identity.options() + ["-Verify", "1", "-tls1_2"], in: directory) { endpoint in
                let served = await patient.leaf(at: endpoint, serverName: nil)
                #expect(served == .leaf(identity.certificate, failure: "sslv3 alert handshake failure"))
            }
            try await withTLSServer(identity.options() + ["-Verify", "1", "-tls1_3"], in: directory) { endpoint in
                let served = await patient.leaf(at: endpoint, serverName: nil)
                #expect(served == .leaf(identity.certificate, failure: nil))
            }
        }
    }

    @Test func `a leaf is seen though the server says no more after it`() async throws {
        try await TemporaryDirectory.with { directory in
            let identity = try await SelfSigned.make("leaf", in: directory)
            try await withTLSServer(identity.options() + ["-tls1_2"], in: directory) { endpoint in
                // Lets the ClientHello and what the server says to it through, and then nothing.
                let relay = try RawListener { connection in
                    let server = RawListener.connected(to: endpoint.port)
                    RawListener.write(RawListener.read(connection), to: server)
                    // Four messages, not always in one segment: the ServerHelloDone is the last.
                    var flight: [UInt8] = []
                    while flight.suffix(4) != [14, 0, 0, 0] {
                        let bytes = RawListener.read(server)
                        if bytes.isEmpty { break }
                        RawListener.write(bytes, to: connection)
                        flight += bytes
                    }
                    while !RawListener.read(connection).isEmpty {}
                    close(server)
                }
                let served = await TLSProbe(timeout: .seconds(10)).leaf(at: relay.endpoint, serverName: nil)
                #expect(served == .leaf(identity.certificate, failure: "no answer within 10 s"))
            }
        }
    }

    @Test func `the name asked for decides between two certificates`() async throws {
        try await TemporaryDirectory.with { directory in
            let first = try await SelfSigned.make("first", in: directory)
            let second = try await SelfSigned.make("second", in: directory, key: ["rsa:2048"])
            let options = first.options() + second.options(number: 2) + ["-servername", "second.example.org"]
            try await withTLSServer(options, in: directory) { endpoint in
                let expected = [
                    ("second.example.org", second), ("Second.Example.ORG.", second), ("first.example.org", first),
                    (nil, first), ("*.example.org", first), ("127.0.0.1", first),
                ]
                for (name, identity) in expected {
                    let served = await patient.leaf(at: endpoint, serverName: name)
                    #expect(served == .leaf(identity.certificate, failure: nil), "\(name ?? "no name")")
                }
            }
        }
    }

    @Test func `an address is not sent as a name`() async throws {
        try await TemporaryDirectory.with { directory in
            let identity = try await SelfSigned.make("leaf", in: directory)
            // With -servername_fatal, this server refuses every name but one.
            let options = identity.options() + identity.options(number: 2)
            let fatal = ["-servername", "leaf.example.org", "-servername_fatal"]
            try await withTLSServer(options + fatal, in: directory) { endpoint in
                for name in ["127.0.0.1", "::1", "[::1]", "*.example.org", "", nil] {
                    let served = await patient.leaf(at: endpoint, serverName: name)
                    #expect(served == .leaf(identity.certificate, failure: nil), "\(name ?? "no name")")
                }
                let refused = await patient.leaf(at: endpoint, serverName: "other.example.org")
                #expect(refused == .broken("tlsv1 unrecognized name"))
            }
        }
    }

    @Test(.enabled(if: hasIPv6Loopback, "this machine has no ::1"))
    func `a listener on IPv6 is asked`() async throws {
        try await TemporaryDirectory.with { directory in
            let identity = try await SelfSigned.make("leaf", in: directory)
            try await withTLSServer(identity.options(), in: directory, at: "::1") { endpoint in
                #expect(endpoint.host == "::1")
                #expect(await patient.leaf(at: endpoint, serverName: nil) == .leaf(identity.certificate, failure: nil))
            }
        }
    }

    @Test func `a host name is looked up`() async throws {
        try await TemporaryDirectory.with { directory in
            let identity = try await SelfSigned.make("leaf", in: directory)
            try await withTLSServer(identity.options(), in: directory) { endpoint in
                let named = try #require(TLSEndpoint("localhost:\(endpoint.port)"))
                #expect(await patient.leaf(at: named, serverName: nil) == .leaf(identity.certificate, failure: nil))
            }
        }
    }

    @Test func `a host's addresses are tried until one shows a certificate`() async throws {
        try await TemporaryDirectory.with { directory in
            let identity = try await SelfSigned.make("leaf", in: directory)
            let mail = try RawListener.greeting("220 mail.example.org ESMTP\r\n")
            let silent = try RawListener.silent()
            try await withTLSServer(identity.options(), in: directory) { server in
                try await RawListener.withUnusedPort { unused in
                    let leaf = ServedLeaf.leaf(identity.certificate, failure: nil)
                    try await expect(leaf, from: [unused, server])
                    try await expect(leaf, from: [mail.endpoint, server])
                    try await expect(leaf, from: [silent.endpoint, server], within: .seconds(12))
                    try await expect(leaf, from: [server, silent.endpoint])
                    try await expect(.broken("wrong version number"), from: [mail.endpoint, unused])
                    try await expect(.broken("wrong version number"), from: [unused, mail.endpoint])
                    try await expect(.unreachable("Connection refused"), from: [unused, unused])
                }
            }
        }
    }

    /// Probes a host that has these addresses.
    private func expect(
        _ expected: ServedLeaf, from endpoints: [TLSEndpoint], within time: Duration = .seconds(120),
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let limit = TimeLimit(time, cancellation: try WakeUp())
        let addresses = try endpoints.flatMap { try SocketAddress.all(of: $0, within: limit) }
        let search = LeafSearch(endpoint: endpoints[0], serverName: nil, limit: limit)
        let served = try await withCheckedThrowingContinuation { continuation in
            do {
                try startThread { continuation.resume(returning: search.ask(addresses)) }
            } catch {
                continuation.resume(throwing: error)
            }
        }
        #expect(served == expected, sourceLocation: sourceLocation)
    }

    @Test func `a name that is not found is unreachable`() async throws {
        let endpoint = try #require(TLSEndpoint("no-such-host.invalid"))
        let served = await TLSProbe(timeout: .seconds(3)).leaf(at: endpoint, serverName: nil)
        guard case .unreachable(let cause) = served else { Issue.record("\(served)"); return }
        #expect(cause.hasPrefix("no-such-host.invalid: "))
    }

    @Test func `a port that nobody listens on is unreachable`() async throws {
        try await RawListener.withUnusedPort { endpoint in
            let served = await patient.leaf(at: endpoint, serverName: "example.org")
            #expect(served == .unreachable("Connection refused"))
        }
    }

    @Test func `a server that does not speak TLS is broken`() async throws {
        for greeting in ["220 mail.example.org ESMTP\r\n", "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"] {
            let listener = try RawListener.greeting(greeting)
            let served = await patient.leaf(at: listener.endpoint, serverName: "mail.example.org")
            #expect(served == .broken("wrong version number"))
        }
    }

    @Test func `a connection that is closed at once is broken, and asked for twice`() async throws {
        let listener = try RawListener { _ in }
        let served = await patient.leaf(at: listener.endpoint, serverName: nil)
        // Which of the two depends on whether the ClientHello was there already.
        let words: [ServedLeaf] = [.broken("unexpected eof while reading"), .broken("Connection reset by peer")]
        #expect(words.contains(served) || served == .broken("Broken pipe"), "\(served)")
        var connections = listener.connections.makeAsyncIterator()
        await connections.next()
        await connections.next()
    }

    @Test func `a listener that says nothing is broken when the time is over`() async throws {
        let listener = try RawListener.silent()
        let begin = ContinuousClock.now
        let served = await TLSProbe(timeout: .seconds(1)).leaf(at: listener.endpoint, serverName: nil)
        #expect(served == .broken("no answer within 1 s"))
        #expect(ContinuousClock.now - begin >= .seconds(1))
    }

    @Test(arguments: [
        (Duration.seconds(10), "10 s"), (.milliseconds(1500), "1.5 s"), (.milliseconds(4999), "5 s"),
        (.milliseconds(50), "0.1 s"), (.milliseconds(49), "49 ms"),
    ])
    func `a timeout says how long the wait was`(time: Duration, words: String) {
        #expect(WaitFailure.timeout(time).description == "no answer within \(words)")
    }

    @Test func `a server that says goodbye in place of a handshake is broken`() async throws {
        let closeNotify: [UInt8] = [21, 3, 3, 0, 2, 1, 0]
        let listener = try RawListener { connection in
            _ = RawListener.read(connection)
            RawListener.write(closeNotify, to: connection)
            while !RawListener.read(connection).isEmpty {}
        }
        let served = await patient.leaf(at: listener.endpoint, serverName: nil)
        #expect(served == .broken("the server closed the connection"))
    }

    @Test func `a cancelled probe ends at once`() async throws {
        let listener = try RawListener.silent()
        let probe = Task { await TLSProbe(timeout: .seconds(3600)).leaf(at: listener.endpoint, serverName: nil) }
        var connections = listener.connections.makeAsyncIterator()
        await connections.next()
        probe.cancel()
        #expect(await probe.value == .unreachable("the probe was cancelled"))
    }

    @Test func `a task that is cancelled already asks nobody`() async throws {
        let listener = try RawListener.silent()
        let probe = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return await TLSProbe(timeout: .seconds(3600)).leaf(at: listener.endpoint, serverName: nil)
        }
        #expect(await probe.value == .unreachable("the probe was cancelled"))
    }

    @Test func `a probe's socket is not inherited, and closed after it`() async throws {
        let listener = try RawListener.silent()
        let port = listener.endpoint.port
        let probe = Task { await TLSProbe(timeout: .seconds(3600)).leaf(at: listener.endpoint, serverName: nil) }
        var connections = listener.connections.makeAsyncIterator()
        await connections.next()
        let open = descriptors(connectedTo: port)
        #expect(open.count == 1)
        #expect(open.allSatisfy { fcntl($0, F_GETFD) & FD_CLOEXEC != 0 })
        probe.cancel()
        _ = await probe.value
        #expect(descriptors(connectedTo: port).isEmpty)
    }

    @Test func `writing to a closed connection does not end the process`() async throws {
        let code = await withCheckedContinuation { continuation in
            do {
                try startThread {
                    var ends: [Int32] = [0, 0]
                    socketpair(AF_UNIX, socketKind(SOCK_STREAM), 0, &ends)
                    close(ends[1])
                    let result = write(ends[0], "x", 1)
                    let code = result < 0 ? errno : 0
                    close(ends[0])
                    continuation.resume(returning: code)
                }
            } catch {
                continuation.resume(returning: -1)
            }
        }
        #expect(code == EPIPE)
    }

    private func descriptors(connectedTo port: Int) -> [Int32] {
        let open = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
        return open.compactMap { Int32($0) }.filter { descriptor in
            var address = sockaddr_in()
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let result = withUnsafeMutablePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getpeername(descriptor, $0, &length) }
            }
            return result == 0 && Int32(address.sin_family) == AF_INET && UInt16(bigEndian: address.sin_port) == port
        }
    }
}

/// Whether a socket can be bound to ::1.
private let hasIPv6Loopback: Bool = {
    let descriptor = socket(AF_INET6, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in6()
    address.sin6_family = sa_family_t(AF_INET6)
    address.sin6_addr.__in6_u.__u6_addr8.15 = 1
    return withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in6>.size))
        }
    } == 0
}()

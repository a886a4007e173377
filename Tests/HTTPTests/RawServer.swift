import Glibc
import Synchronization

/// A server on loopback, or on a unix socket, that does to each connection what the test says, on a thread each.
///
/// It stops, and its threads end, with its last reference.
final class RawServer: Sendable {
    /// A request as it came in.
    struct Request: Sendable {
        let head: String
        let body: [UInt8]

        var line: String { String(head.prefix { !$0.isNewline }) }

        func values(of name: String) -> [String] {
            head.split(whereSeparator: \.isNewline).dropFirst().compactMap { line in
                let parts = line.split(separator: ":", maxSplits: 1)
                return parts[0].lowercased() == name.lowercased() ? parts.dropFirst().joined().trimmingSpaces : nil
            }
        }
    }

    fileprivate struct State {
        var threads: [pthread_t] = []
        var openSockets: [CInt] = []
        var connections = 0
        var requests: [Request] = []
        var isStopping = false
    }

    let port: Int
    /// Every request, as soon as it is complete.
    let arrivals: AsyncStream<Request>
    /// An element for every connection that the client ended.
    let hangUps: AsyncStream<Void>

    private let listener: CInt
    private let engine: Engine

    var url: String { "http://127.0.0.1:\(port)" }
    var connections: Int { engine.state.withLock { $0.connections } }
    var requests: [Request] { engine.state.withLock { $0.requests } }

    init(unixSocket: String? = nil, _ handle: @escaping @Sendable (Connection) -> Void) throws {
        listener = try unixSocket.map(Self.listen(on:)) ?? Self.listenOnLoopback()
        port = Self.port(of: listener)
        let (arrivals, arrivalsEnd) = AsyncStream.makeStream(of: Request.self)
        let (hangUps, hangUpsEnd) = AsyncStream.makeStream(of: Void.self)
        self.arrivals = arrivals
        self.hangUps = hangUps
        engine = Engine(arrivals: arrivalsEnd, hangUps: hangUpsEnd, handle: handle)
        engine.startThread { [engine, listener] in engine.accept(on: listener) }
    }

    /// One that answers every request with the same bytes, and keeps the connection.
    convenience init(answer: String, unixSocket: String? = nil) throws {
        try self.init(unixSocket: unixSocket) { connection in
            while connection.readRequest() != nil { connection.write(answer) }
        }
    }

    deinit {
        let sockets = engine.state.withLock { state in
            state.isStopping = true
            return state.openSockets
        }
        shutdown(listener, CInt(SHUT_RDWR))
        for socket in sockets { shutdown(socket, CInt(SHUT_RDWR)) }
        while let thread = engine.state.withLock({ $0.threads.popLast() }) { pthread_join(thread, nil) }
        close(listener)
    }

    /// What the server's threads share; it outlives the server until they are joined.
    fileprivate final class Engine: Sendable {
        let state = Mutex(State())
        let arrivals: AsyncStream<Request>.Continuation
        let hangUps: AsyncStream<Void>.Continuation
        let handle: @Sendable (Connection) -> Void

        init(
            arrivals: AsyncStream<Request>.Continuation, hangUps: AsyncStream<Void>.Continuation,
            handle: @escaping @Sendable (Connection) -> Void
        ) {
            self.arrivals = arrivals
            self.hangUps = hangUps
            self.handle = handle
        }

        func startThread(_ body: @escaping @Sendable () -> Void) {
            final class Body {
                let run: @Sendable () -> Void
                init(_ run: @escaping @Sendable () -> Void) { self.run = run }
            }
            var thread = pthread_t()
            let context = Unmanaged.passRetained(Body(body)).toOpaque()
            let result = pthread_create(
                &thread, nil,
                { context in
                    if let context { Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run() }
                    return nil
                }, context)
            precondition(result == 0)
            state.withLock { [thread] in $0.threads.append(thread) }
        }

        func accept(on listener: CInt) {
            while true {
                let socket = Glibc.accept(listener, nil, nil)
                guard socket >= 0 else { return }
                let isStopping = state.withLock { state in
                    state.connections += 1
                    state.openSockets.append(socket)
                    return state.isStopping
                }
                if isStopping { shutdown(socket, CInt(SHUT_RDWR)) }
                startThread { [self] in
                    handle(Connection(socket: socket, engine: self))
                    state.withLock { $0.openSockets.removeAll { $0 == socket } }
                    // A child process of another test may have inherited the socket: closing it alone would not do.
                    shutdown(socket, CInt(SHUT_RDWR))
                    close(socket)
                }
            }
        }
    }

    /// One client's connection, closed when its handler returns.
    struct Connection: Sendable {
        let socket: CInt
        fileprivate let engine: Engine

        /// The next request with its body; nil when the client hung up.
        func readRequest() -> Request? {
            var bytes: [UInt8] = []
            let end = Array("\r\n\r\n".utf8)
            var headLength: Int?
            while headLength == nil {
                guard receive(into: &bytes) else { return nil }
                headLength = bytes.indices.first { bytes[$0...].starts(with: end) }.map { $0 + end.count }
            }
            let head = String(decoding: bytes[..<(headLength ?? 0)], as: UTF8.self)
            let declared = Request(head: head, body: []).values(of: "Content-Length").first.flatMap { Int($0) } ?? 0
            while bytes.count < head.utf8.count + declared {
                guard receive(into: &bytes) else { return nil }
            }
            let request = Request(head: head, body: Array(bytes[head.utf8.count...]))
            engine.state.withLock { $0.requests.append(request) }
            engine.arrivals.yield(request)
            return request
        }

        /// False when the client is no longer there.
        @discardableResult func write(_ text: String) -> Bool {
            var rest = Array(text.utf8)[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { send(socket, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
                guard count > 0 else {
                    engine.hangUps.yield()
                    return false
                }
                rest = rest.dropFirst(count)
            }
            return true
        }

        /// Ignores what comes until the client hangs up.
        func waitForHangUp() {
            var ignored: [UInt8] = []
            while receive(into: &ignored) {}
        }

        /// Whether the client hangs up, or says something, within that time.
        func isDisturbed(withinMilliseconds time: CInt) -> Bool {
            var waiting = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
            return poll(&waiting, 1, time) > 0
        }

        private func receive(into bytes: inout [UInt8]) -> Bool {
            var piece = [UInt8](repeating: 0, count: 65_536)
            let count = recv(socket, &piece, piece.count, 0)
            guard count > 0 else {
                engine.hangUps.yield()
                return false
            }
            bytes += piece[..<count]
            return true
        }
    }
}

/// A system call of the server failed.
struct SocketFailure: Error {
    let code = errno
}

extension RawServer {
    /// A socket on a free port of loopback which refuses connections until somebody listens on it.
    static func bindToLoopback() throws -> CInt {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        return try bind(to: address, family: AF_INET)
    }

    static func port(of socket: CInt) -> Int {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(socket, $0, &length) }
        }
        return Int(address.sin_port.bigEndian)
    }

    private static func listenOnLoopback() throws -> CInt {
        let socket = try bindToLoopback()
        guard Glibc.listen(socket, 128) == 0 else { throw SocketFailure() }
        return socket
    }

    private static func listen(on path: String) throws -> CInt {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let socket = try bind(to: address, family: AF_UNIX)
        guard Glibc.listen(socket, 128) == 0 else { throw SocketFailure() }
        return socket
    }

    private static func bind<Address>(to address: Address, family: CInt) throws -> CInt {
        let socket = Glibc.socket(family, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { throw SocketFailure() }
        let result = withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(socket, $0, socklen_t(MemoryLayout<Address>.size))
            }
        }
        guard result == 0 else { throw SocketFailure() }
        return socket
    }
}

extension StringProtocol {
    fileprivate var trimmingSpaces: String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}

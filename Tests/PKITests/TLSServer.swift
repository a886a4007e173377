import FoundationEssentials
import Glibc
import PKI
import Rig

/// A self-signed certificate and its key, as PEM files.
struct SelfSigned: Sendable {
    let certificate: Certificate
    let certificateFile: String
    let keyFile: String

    /// Options of `openssl s_server` that serve it as the `number`-th certificate.
    func options(number: Int = 1) -> [String] {
        number == 1 ? ["-cert", certificateFile, "-key", keyFile] : ["-cert2", certificateFile, "-key2", keyFile]
    }

    /// Makes one in `directory` with these options of `openssl req -newkey`.
    static func make(
        _ name: String, in directory: String, key: [String] = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
        options: [String] = []
    ) async throws -> SelfSigned {
        let (certificateFile, keyFile) = ("\(directory)/\(name).pem", "\(directory)/\(name)-key.pem")
        _ = try await check(
            "openssl",
            ["req", "-x509", "-newkey"] + key + ["-nodes", "-days", "1", "-subj", "/CN=\(name)"] + options + [
                "-keyout", keyFile, "-out", certificateFile,
            ])
        let pem = Array(try Data(contentsOf: URL(filePath: certificateFile)))
        return SelfSigned(
            certificate: try Certificate.chain(pem: pem)[0], certificateFile: certificateFile, keyFile: keyFile)
    }
}

/// Runs an `openssl s_server` with these options on a free port of loopback as long as `body` does.
func withTLSServer<R: Sendable>(
    _ options: [String], in directory: String, at host: String = "127.0.0.1", _ body: (TLSEndpoint) async throws -> R
) async throws -> R {
    let address = host.contains(":") ? "[\(host)]" : host
    let port = Ports.free()
    let log = "\(directory)/s_server-\(port).log"
    // With `-www` it does not read its standard input, at whose end it would stop. Without the system's configuration
    // it serves what that forbids.
    let arguments = ["s_server", "-accept", "\(address):\(port)", "-www"] + options
    return try await Daemon.with(
        "openssl", arguments, environment: ["OPENSSL_CONF": "/dev/null"], log: log,
        ready: .predicate { contents(ofFile: log)?.contains("ACCEPT") == true }
    ) { _ in
        try await body(TLSEndpoint("\(address):\(port)")!)
    }
}

/// A port of loopback whose connections are handled by a closure, each on a thread of its own, and closed after it.
///
/// It stops with its last reference; a handler has to end by itself.
final class RawListener: Sendable {
    let endpoint: TLSEndpoint
    /// An element for every connection, before its handler runs.
    let connections: AsyncStream<Void>
    private let descriptor: Int32

    init(_ handle: @escaping @Sendable (Int32) -> Void) throws {
        descriptor = try Self.bound()
        guard listen(descriptor, 128) == 0 else { throw RigError("no listener: \(String(cString: strerror(errno)))") }
        endpoint = TLSEndpoint("127.0.0.1:\(Self.port(of: descriptor))")!
        let (connections, arrivals) = AsyncStream.makeStream(of: Void.self)
        self.connections = connections
        let listener = descriptor
        Self.startThread {
            while case let connection = accept(listener, nil, nil), connection >= 0 {
                arrivals.yield()
                Self.startThread {
                    handle(connection)
                    // A child process of another test may hold a copy for a moment: closing it would not be enough.
                    shutdown(connection, Int32(SHUT_RDWR))
                    close(connection)
                }
            }
            close(listener)
        }
    }

    deinit { shutdown(descriptor, Int32(SHUT_RDWR)) }

    /// One that accepts and then says nothing until the client is gone.
    static func silent() throws -> RawListener {
        try RawListener { connection in while !read(connection).isEmpty {} }
    }

    /// One that speaks first, and not TLS.
    static func greeting(_ text: String) throws -> RawListener {
        try RawListener { connection in
            write(Array(text.utf8), to: connection)
            while !read(connection).isEmpty {}
        }
    }

    /// A port that is taken as long as `body` runs, on which nobody listens.
    static func withUnusedPort<R>(_ body: (TLSEndpoint) async throws -> R) async throws -> R {
        let descriptor = try bound()
        defer { close(descriptor) }
        return try await body(TLSEndpoint("127.0.0.1:\(port(of: descriptor))")!)
    }

    /// What comes next, empty at the end.
    static func read(_ connection: Int32) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = recv(connection, &bytes, bytes.count, 0)
        return Array(bytes.prefix(max(0, count)))
    }

    static func write(_ bytes: [UInt8], to connection: Int32) {
        _ = send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }

    /// A connection to a port of 127.0.0.1.
    static func connected(to port: Int) -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        _ = withLoopback(port) { connect(descriptor, $0, $1) }
        return descriptor
    }

    static func startThread(_ body: @escaping @Sendable () -> Void) {
        final class Start {
            let body: @Sendable () -> Void
            init(_ body: @escaping @Sendable () -> Void) { self.body = body }
        }
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { context in
                Unmanaged<Start>.fromOpaque(context!).takeRetainedValue().body()
                return nil
            }, Unmanaged.passRetained(Start(body)).toOpaque())
        pthread_detach(thread)
    }

    private static func bound() throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard withLoopback(0, { bind(descriptor, $0, $1) }) == 0 else {
            throw RigError("no port: \(String(cString: strerror(errno)))")
        }
        return descriptor
    }

    private static func port(of descriptor: Int32) -> Int {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        return Int(UInt16(bigEndian: address.sin_port))
    }

    private static func withLoopback(_ port: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
    }
}

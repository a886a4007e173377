import Glibc
import Synchronization

/// Ports of 127.0.0.1 for servers that are about to start.
package enum Ports {
    /// Below the ephemeral range and above what is well known, so that no outgoing connection takes a port in the time
    /// between the question and the server's start.
    private static let range = 10_000..<32_000

    private static let handedOut = Mutex<Set<Int>>([])

    /// A port on which nobody listens, neither for TCP nor for UDP.
    ///
    /// No port is handed out twice, not even to another process that uses the rig at the same time.
    package static func free() -> Int {
        while true {
            let port = Int.random(in: range)
            let isNew = handedOut.withLock { $0.insert(port).inserted }
            if isNew, isUnused(port, SOCK_STREAM), isUnused(port, SOCK_DGRAM), reserve(port) { return port }
            let allTried = handedOut.withLock { $0.count } == range.count
            precondition(!allTried, "all ports of 127.0.0.1 from \(range.lowerBound) to \(range.upperBound) are in use")
        }
    }

    private static func isUnused(_ port: Int, _ type: __socket_type) -> Bool {
        let descriptor = socket(AF_INET, Int32(type.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        defer { close(descriptor) }
        return withLoopbackAddress(port) { bind(descriptor, $0, $1) } == 0
    }

    /// Holds a port against other processes by a name that only one of them can bind and that the kernel frees when it
    /// ends: an abstract Unix socket, which belongs to the network namespace as the port does.
    private static func reserve(_ port: Int) -> Bool {
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let name = Array("\0certctl-rig-port-\(port)".utf8)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count)
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
        }
        if bound != 0 { close(descriptor) }
        return bound == 0
    }

    /// Whether somebody accepts connections on a port of 127.0.0.1.
    package static func accepts(_ port: Int) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        defer { close(descriptor) }
        return withLoopbackAddress(port) { connect(descriptor, $0, $1) } == 0
    }

    private static func withLoopbackAddress(_ port: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32
    {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
    }
}

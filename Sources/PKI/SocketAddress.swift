import Glibc
import Synchronization

/// An address to connect to, or to listen on: the bytes of a `sockaddr`.
package struct SocketAddress: Hashable, Sendable {
    package let family: Int32
    private let bytes: [UInt8]

    private init(family: Int32, bytes: [UInt8]) { (self.family, self.bytes) = (family, bytes) }

    /// - Parameters:
    ///   - ip: 4 or 16 bytes in network order; all zero is every address of this host.
    ///   - port: from 0 to 65535.
    package init(ip: [UInt8], port: Int) {
        let port = UInt16(port).bigEndian
        if ip.count == 16 {
            var name = sockaddr_in6()
            (name.sin6_family, name.sin6_port) = (sa_family_t(AF_INET6), port)
            unsafe withUnsafeMutableBytes(of: &name.sin6_addr) { unsafe $0.copyBytes(from: ip) }
            self.init(family: AF_INET6, bytes: unsafe withUnsafeBytes(of: name) { unsafe Array($0) })
        } else {
            var name = sockaddr_in()
            (name.sin_family, name.sin_port) = (sa_family_t(AF_INET), port)
            unsafe withUnsafeMutableBytes(of: &name.sin_addr) { unsafe $0.copyBytes(from: ip) }
            self.init(family: AF_INET, bytes: unsafe withUnsafeBytes(of: name) { unsafe Array($0) })
        }
    }

    /// The addresses of an endpoint's host, at least one, in the order of the system's preference.
    static func all(of endpoint: TLSEndpoint, within limit: TimeLimit) throws(Unreachable) -> [SocketAddress] {
        if case .ip? = SubjectName(endpoint.host) { return try lookUp(endpoint, flags: AI_NUMERICHOST).get() }
        do {
            return try NameLookup(of: endpoint).answer(within: limit).get()
        } catch let failure as Unreachable {
            throw failure
        } catch WaitFailure.timeout {
            throw Unreachable("\(endpoint.host): no answer of the name service in time")
        } catch {
            throw Unreachable("\(error)")
        }
    }

    /// Waits as long as the system's resolver does.
    fileprivate static func lookUp(_ endpoint: TLSEndpoint, flags: Int32 = 0) -> Result<[SocketAddress], Unreachable> {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        unsafe hints.ai_flags = flags | AI_NUMERICSERV
        var list: UnsafeMutablePointer<addrinfo>?
        let result = unsafe getaddrinfo(endpoint.host, String(endpoint.port), &hints, &list)
        guard result == 0 else {
            let cause =
                unsafe result == EAI_SYSTEM
                ? SystemFailure(code: errno).description : String(cString: gai_strerror(result))
            return .failure(Unreachable("\(endpoint.host): \(cause)"))
        }
        defer { unsafe freeaddrinfo(list) }
        var addresses: [SocketAddress] = []
        var next = unsafe list
        while let entry = unsafe next {
            let bytes = unsafe UnsafeRawBufferPointer(
                start: entry.pointee.ai_addr, count: Int(entry.pointee.ai_addrlen))
            let address = unsafe SocketAddress(family: entry.pointee.ai_family, bytes: Array(bytes))
            if !addresses.contains(address) { addresses.append(address) }
            unsafe next = entry.pointee.ai_next
        }
        return .success(addresses)
    }

    /// Begins to connect a socket: 0, or -1 and `errno`.
    package func connect(_ descriptor: Int32) -> Int32 {
        unsafe pass { address, size in unsafe Glibc.connect(descriptor, address, size) }
    }

    /// Binds a socket to it: 0, or -1 and `errno`.
    package func bind(_ descriptor: Int32) -> Int32 {
        unsafe pass { address, size in unsafe Glibc.bind(descriptor, address, size) }
    }

    private func pass(_ call: (UnsafePointer<sockaddr>?, socklen_t) -> Int32) -> Int32 {
        unsafe bytes.withUnsafeBytes { bytes in
            unsafe bytes.withMemoryRebound(to: sockaddr.self) { address in
                unsafe call(address.baseAddress, socklen_t(bytes.count))
            }
        }
    }
}

/// Why there is no connection, in words for people.
struct Unreachable: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// A look-up on a thread of its own, as getaddrinfo(3) cannot be interrupted: it goes on by itself when the wait for it
/// ends early.
private final class NameLookup: Sendable {
    private let result = Mutex<Result<[SocketAddress], Unreachable>?>(nil)
    private let done: WakeUp

    init(of endpoint: TLSEndpoint) throws {
        done = try WakeUp()
        try startThread { [self] in
            let found = SocketAddress.lookUp(endpoint)
            result.withLock { $0 = found }
            done.raise()
        }
    }

    func answer(within limit: TimeLimit) throws(WaitFailure) -> Result<[SocketAddress], Unreachable> {
        while true {
            if let result = result.withLock({ $0 }) { return result }
            try limit.wait(for: POLLIN, on: done.descriptor)
        }
    }
}

import Glibc

/// The header of the PROXY protocol, version 1 (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt, section 2.1): the line
/// with which a load balancer passes on the addresses of a connection, and without which a server that expects it answers nothing.
extension TCPConnection {
    /// Sends the line with the connection's own two addresses, before anything else. It has at most 107 bytes, which a new socket
    /// takes at once.
    func sendProxyHeader() throws(Unreachable) {
        let (client, server) = unsafe (try name(getsockname), try name(getpeername))
        let family = client.host.contains(":") ? "TCP6" : "TCP4"
        let line = Array("PROXY \(family) \(client.host) \(server.host) \(client.port) \(server.port)\r\n".utf8)
        let sent = unsafe line.withUnsafeBytes { bytes in
            unsafe send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
        }
        guard sent == line.count else { throw Unreachable(SystemFailure(code: errno).description) }
    }

    private typealias NameOfSocket = (
        Int32, UnsafeMutablePointer<sockaddr>?, UnsafeMutablePointer<socklen_t>?
    ) -> Int32

    /// An end of the connection, its address without a zone.
    private func name(_ ask: NameOfSocket) throws(Unreachable) -> (host: String, port: String) {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        var port = [CChar](repeating: 0, count: Int(NI_MAXSERV))
        let failure = unsafe withUnsafeMutablePointer(to: &storage) { storage in
            unsafe storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { address -> String? in
                guard unsafe ask(descriptor, address, &length) == 0 else {
                    return SystemFailure(code: errno).description
                }
                let result = unsafe getnameinfo(
                    address, length, &host, socklen_t(host.count), &port, socklen_t(port.count),
                    NI_NUMERICHOST | NI_NUMERICSERV)
                return unsafe result == 0 ? nil : String(cString: gai_strerror(result))
            }
        }
        if let failure { throw Unreachable(failure) }
        func text(_ characters: [CChar]) -> String {
            String(
                decoding: characters.map { UInt8(truncatingIfNeeded: $0) }
                    .prefix { $0 != 0 && $0 != UInt8(ascii: "%") }, as: UTF8.self)
        }
        return (text(host), text(port))
    }
}

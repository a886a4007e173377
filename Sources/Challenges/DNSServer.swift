import Glibc
import PKI

/// A DNS server that is asked directly: the one of `--resolver`, or the system's for records that getaddrinfo(3) does not know.
package struct DNSServer: Sendable, CustomStringConvertible {
    private let endpoint: TLSEndpoint

    /// Why there is no answer.
    package struct Failure: Error, Equatable, Sendable, CustomStringConvertible {
        package let description: String

        package init(description: String) { self.description = description }
    }

    /// How long one question may take, asked twice.
    package static let timeout: Duration = .seconds(5)

    /// An address with or without a port, which is 53 then; nil for anything else.
    package init?(_ text: String) {
        guard let plain = TLSEndpoint(text), case .ip? = SubjectName(plain.host) else { return nil }
        let isBare = text == plain.host || text == "[\(plain.host)]"
        let withPort = plain.host.contains(":") ? "[\(plain.host)]:53" : "\(plain.host):53"
        guard let endpoint = isBare ? TLSEndpoint(withPort) : plain else { return nil }
        self.endpoint = endpoint
    }

    /// The server at an address.
    init?(address: SubjectName, port: Int) {
        guard case .ip = address else { return nil }
        let text = address.description
        guard let endpoint = TLSEndpoint(text.contains(":") ? "[\(text)]:\(port)" : "\(text):\(port)") else {
            return nil
        }
        self.endpoint = endpoint
    }

    /// The first server of /etc/resolv.conf; nil where it names none.
    package static func ofSystem(_ resolvConf: String) -> DNSServer? {
        for line in resolvConf.split(whereSeparator: \.isNewline) {
            let words = line.split { $0 == " " || $0 == "\t" }
            // The zone of a link-local address is lost to the parser, and such a server is rare.
            if words.count > 1, words[0] == "nameserver", let server = DNSServer(String(words[1])) { return server }
        }
        return nil
    }

    package var description: String { endpoint.port == 53 ? endpoint.host : endpoint.description }

    /// Asks by UDP, twice, and by TCP where the answer does not fit. Waits on the calling thread.
    package func ask(
        _ name: String, _ kind: DNSMessage.Kind, within limit: Duration, isRecursive: Bool = true
    ) throws(Failure) -> DNSMessage.Answer {
        let id = UInt16.random(in: .min ... .max)
        guard let query = DNSMessage.query(name, kind, id: id, isRecursive: isRecursive) else {
            throw Failure(description: "\(name) is not a DNS name")
        }
        let end = ContinuousClock.now + limit
        var failure = Failure(description: "\(self) did not answer")
        for attempt in 1...2 {
            do throws(Failure) {
                let answer = try exchange(query, id, SOCK_DGRAM, until: attempt == 1 ? .now + limit / 2 : end)
                guard answer.isTruncated else { return answer }
                let framed = [UInt8(query.count >> 8), UInt8(query.count & 0xFF)] + query
                return try exchange(framed, id, SOCK_STREAM, until: end)
            } catch {
                failure = error
            }
        }
        throw failure
    }

    private func exchange(
        _ query: [UInt8], _ id: UInt16, _ type: __socket_type, until end: ContinuousClock.Instant
    ) throws(Failure) -> DNSMessage.Answer {
        let family = endpoint.host.contains(":") ? AF_INET6 : AF_INET
        let descriptor = socket(family, Int32(type.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw refusal() }
        defer { close(descriptor) }
        // A connected UDP socket takes answers of this server only, and learns that no server listens there.
        DNSServer.limit(descriptor, until: end)
        guard connect(descriptor) == 0 else { throw refusal() }
        guard
            unsafe query.withUnsafeBytes({ unsafe send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) })
                == query.count
        else { throw refusal() }
        var received: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_535)
        while ContinuousClock.now < end {
            DNSServer.limit(descriptor, until: end)
            let count = unsafe recv(descriptor, &buffer, buffer.count, 0)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw refusal() }
            if type == SOCK_DGRAM {
                // One that answers another question is late, or forged: the right one may follow.
                if let answer = DNSMessage.answer(Array(buffer.prefix(count)), to: id) { return answer }
                continue
            }
            received += buffer.prefix(count)
            guard received.count >= 2, case let length = Int(received[0]) << 8 | Int(received[1]),
                received.count >= 2 + length
            else { continue }
            guard let answer = DNSMessage.answer(Array(received[2..<2 + length]), to: id) else { break }
            return answer
        }
        throw Failure(description: "\(self) did not answer")
    }

    private static func limit(_ descriptor: Int32, until end: ContinuousClock.Instant) {
        let microseconds = max(1000, Int((end - .now) / .microseconds(1)))
        var time = timeval(tv_sec: microseconds / 1_000_000, tv_usec: microseconds % 1_000_000)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            unsafe _ = setsockopt(descriptor, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
        }
    }

    private func connect(_ descriptor: Int32) -> Int32 {
        guard case .ip(let bytes)? = SubjectName(endpoint.host) else { return -1 }
        return SocketAddress(ip: bytes, port: endpoint.port).connect(descriptor)
    }

    private func refusal() -> Failure {
        let code = errno
        guard code != EAGAIN, code != EINPROGRESS else { return Failure(description: "\(self) did not answer") }
        return unsafe Failure(description: "\(self): \(String(cString: strerror(code)))")
    }
}

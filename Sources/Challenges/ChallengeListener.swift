import CLinux
import Glibc
import PKI

/// A small web server that answers challenges and nothing else, on a thread of its own, until it is stopped.
///
/// It keeps no connection and reads no body. Clients that connect and send nothing do not delay the answers of others.
final class ChallengeListener: Sendable {
    /// Why it cannot listen.
    struct Failure: Error, Sendable, CustomStringConvertible {
        let description: String
        /// Whether another program has the port.
        var isTaken = false
    }

    /// A CA asks from a handful of networks at once; beyond this the oldest connection goes.
    private static let mostConnections = 256
    /// More than any CA sends in the head of a request.
    private static let longestHead = 8192
    /// How long a client may take to ask.
    private static let patience: Duration = .seconds(10)

    private let stopping: WakeUp

    /// - Parameters:
    ///   - address: an IP address; nil is all of this host's.
    ///   - answers: by token, the key authorization (RFC 8555 §8.3).
    init(address: String?, port: Int, answers: [String: String]) throws(Failure) {
        let sockets = try ChallengeListener.sockets(address, port)
        do throws(SystemFailure) {
            let stopping = try WakeUp()
            self.stopping = stopping
            try startThread {
                var server = Server(listening: sockets, stop: stopping, answers: answers)
                server.run()
            }
        } catch {
            for socket in sockets { close(socket) }
            throw Failure(description: "no thread for port \(port): \(error)")
        }
    }

    deinit { stopping.raise() }

    /// Ends it; the port is free a moment later.
    func stop() { stopping.raise() }

    /// Listens, and closes the port at once.
    static func tryListening(address: String?, port: Int) throws(Failure) {
        for socket in try sockets(address, port) { close(socket) }
    }

    private static func sockets(_ address: String?, _ port: Int) throws(Failure) -> [Int32] {
        guard let address else {
            // One socket for both families; a host without IPv6 has IPv4 alone.
            do throws(Failure) {
                return [try bound([UInt8](repeating: 0, count: 16), "port \(port)", port)]
            } catch {
                if error.isTaken { throw error }
                return [try bound([0, 0, 0, 0], "port \(port)", port)]
            }
        }
        guard case .ip(let bytes)? = SubjectName(address) else {
            throw Failure(description: "http01_address = \(address) is no IP address")
        }
        return [try bound(bytes, address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)", port)]
    }

    private static func bound(_ address: [UInt8], _ place: String, _ port: Int) throws(Failure) -> Int32 {
        let isV6 = address.count == 16
        let descriptor = socket(isV6 ? AF_INET6 : AF_INET, socketKind(SOCK_STREAM), 0)
        guard descriptor >= 0 else { throw failure(place) }
        var (on, off): (Int32, Int32) = (1, 0)
        let size = socklen_t(MemoryLayout<Int32>.size)
        // Connections of the server before, in TIME_WAIT, do not block the port.
        unsafe _ = setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, size)
        if isV6 { unsafe _ = setsockopt(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &off, size) }
        guard SocketAddress(ip: address, port: port).bind(descriptor) == 0, listen(descriptor, SOMAXCONN) == 0 else {
            let failure = failure(place)
            close(descriptor)
            throw failure
        }
        return descriptor
    }

    private static func failure(_ place: String) -> Failure {
        let code = errno
        switch code {
        case EADDRINUSE: return Failure(description: "\(place) is taken", isTaken: true)
        case EACCES:
            return Failure(
                description:
                    "\(place) may not be listened on by this process; in certctl.service, certctl setup lets it")
        default: return Failure(description: "\(place) cannot be listened on: \(SystemFailure(code: code))")
        }
    }

    /// The thread's own side.
    private struct Server {
        private struct Connection {
            let descriptor: Int32
            let end: ContinuousClock.Instant
            var head: [UInt8] = []
        }

        private let listening: [Int32]
        private let stop: WakeUp
        private let answers: [String: String]
        private var connections: [Connection] = []

        init(listening: [Int32], stop: WakeUp, answers: [String: String]) {
            (self.listening, self.stop, self.answers) = (listening, stop, answers)
        }

        mutating func run() {
            while true {
                var waits = ([stop.descriptor] + listening + connections.map(\.descriptor)).map {
                    pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
                }
                // A second, for those whose time is up.
                _ = unsafe poll(&waits, nfds_t(waits.count), connections.isEmpty ? -1 : 1000)
                if waits[0].revents != 0 { break }
                let ready = Set(waits.dropFirst().filter { $0.revents != 0 }.map(\.fd))
                serve(ready)
                for socket in listening where ready.contains(socket) { accept(on: socket) }
            }
            for descriptor in listening + connections.map(\.descriptor) { close(descriptor) }
        }

        private mutating func accept(on socket: Int32) {
            while true {
                let descriptor = certctl_accept(socket)
                guard descriptor >= 0 else { return }
                if connections.count >= ChallengeListener.mostConnections {
                    close(connections.removeFirst().descriptor)
                }
                connections.append(Connection(descriptor: descriptor, end: .now + ChallengeListener.patience))
            }
        }

        private mutating func serve(_ ready: Set<Int32>) {
            connections = connections.compactMap { connection in
                var connection = connection
                let isDone = ready.contains(connection.descriptor) && isDone(&connection)
                guard isDone || connection.end < .now else { return connection }
                close(connection.descriptor)
                return nil
            }
        }

        /// Reads what there is; whether the connection has come to its end.
        private func isDone(_ connection: inout Connection) -> Bool {
            var buffer = [UInt8](repeating: 0, count: 4096)
            while true {
                let count = unsafe recv(connection.descriptor, &buffer, buffer.count, 0)
                if count < 0 { return errno != EAGAIN && errno != EINTR }
                if count == 0 { return true }
                connection.head += buffer.prefix(count)
                if connection.head.firstRange(of: Array("\r\n\r\n".utf8)) != nil {
                    let answer = Array(Server.response(to: connection.head, answers).utf8)
                    unsafe _ = answer.withUnsafeBytes {
                        unsafe send(connection.descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                    }
                    shutdown(connection.descriptor, Int32(SHUT_WR))
                    return true
                }
                if connection.head.count > ChallengeListener.longestHead { return true }
            }
        }

        private static func response(to head: [UInt8], _ answers: [String: String]) -> String {
            let line = String(decoding: head.prefix { $0 != UInt8(ascii: "\r") }, as: UTF8.self)
            let words = line.split(separator: " ")
            let path = "/.well-known/acme-challenge/"
            var (status, body) = ("404 Not Found", "certctl answers challenges here, and nothing else\n")
            if words.count == 3, words[0] == "GET", words[1].hasPrefix(path),
                let answer = answers[String(words[1].dropFirst(path.count))]
            {
                (status, body) = ("200 OK", answer)
            }
            return "HTTP/1.1 \(status)\r\nContent-Type: text/plain\r\nContent-Length: \(body.utf8.count)\r\n"
                + "Connection: close\r\n\r\n\(body)"
        }
    }
}

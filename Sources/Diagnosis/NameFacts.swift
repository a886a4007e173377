import Challenges
import Glibc
import Lineages
import PKI

/// What a name resolves to.
enum NameAddresses: Equatable, Sendable {
    /// At least one address.
    case found(v4: [String], v6: [String])
    /// The DNS says that there is none: in its words.
    case none(String)
    /// No server answered.
    case unanswered(String)

    var all: [String] {
        if case .found(let v4, let v6) = self { v4 + v6 } else { [] }
    }
}

/// Looks names up: with the system's resolver, or with one server alone.
struct NameProbe: Sendable {
    /// Nil is the system's resolver.
    let server: DNSServer?

    static let timeout: Duration = .seconds(6)

    var description: String { server.map { "DNS server \($0)" } ?? "the system's resolver" }

    func addresses(of name: String, within limit: Duration) async -> NameAddresses {
        let server = server
        let found = await OffThread.value(within: limit) {
            if let server { NameProbe.ask(server, name, within: limit) } else { NameProbe.askSystem(name) }
        }
        return found ?? .unanswered("no answer within \(limit.components.seconds) s")
    }

    private static func ask(_ server: DNSServer, _ name: String, within limit: Duration) -> NameAddresses {
        do throws(DNSServer.Failure) {
            let v4 = try server.ask(name, .a, within: limit / 2)
            let v6 = try server.ask(name, .aaaa, within: limit / 2)
            func texts(_ answer: DNSMessage.Answer, _ kind: DNSMessage.Kind) -> [String] {
                answer.records.filter { $0.type == kind.rawValue }.map { SubjectName.ip($0.data).description }
            }
            let found = (texts(v4, .a), texts(v6, .aaaa))
            guard found.0.isEmpty, found.1.isEmpty else { return .found(v4: found.0, v6: found.1) }
            let words =
                switch v4.code {
                case 0: "it has neither A nor AAAA records"
                case 2: "\(server) says SERVFAIL"
                case 3: "\(server) says NXDOMAIN: there is no such name"
                default: "\(server) says error \(v4.code)"
                }
            return .none(words)
        } catch {
            return .unanswered(error.description)
        }
    }

    private static func askSystem(_ name: String) -> NameAddresses {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let result = unsafe getaddrinfo(name, nil, &hints, &list)
        guard result == 0 else {
            let words = unsafe String(cString: gai_strerror(result))
            // EAI_NONAME and EAI_NODATA (-5, which needs _GNU_SOURCE) are the DNS's word; all else is that there was none.
            return result == EAI_NONAME || result == -5 ? .none(words) : .unanswered(words)
        }
        defer { unsafe freeaddrinfo(list) }
        var (v4, v6): ([String], [String]) = ([], [])
        var next = unsafe list
        while let entry = unsafe next {
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            let status = unsafe getnameinfo(
                entry.pointee.ai_addr, entry.pointee.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
            if status == 0 {
                let address = String(
                    decoding: text.prefix { $0 != 0 }.map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
                if unsafe entry.pointee.ai_family == AF_INET6 {
                    if !v6.contains(address) { v6.append(address) }
                } else if !v4.contains(address) {
                    v4.append(address)
                }
            }
            unsafe next = entry.pointee.ai_next
        }
        return .found(v4: v4, v6: v6)
    }
}

/// The addresses that this host has itself (getifaddrs(3)).
enum OwnAddresses {
    static func all() -> Set<String> {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard unsafe getifaddrs(&list) == 0 else { return [] }
        defer { unsafe freeifaddrs(list) }
        var found: Set<String> = []
        var next = unsafe list
        while let entry = unsafe next {
            if let address = unsafe entry.pointee.ifa_addr {
                let family = unsafe Int32(address.pointee.sa_family)
                let size =
                    family == AF_INET
                    ? MemoryLayout<sockaddr_in>.size
                    : family == AF_INET6 ? MemoryLayout<sockaddr_in6>.size : 0
                var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
                if size > 0,
                    unsafe getnameinfo(address, socklen_t(size), &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
                        == 0
                {
                    let bytes = text.prefix { $0 != 0 }.map { UInt8(truncatingIfNeeded: $0) }
                    found.insert(String(String(decoding: bytes, as: UTF8.self).prefix { $0 != "%" }))
                }
            }
            unsafe next = entry.pointee.ifa_next
        }
        return found
    }

    /// Whether an address is this host's: one that it has, or any of 127.0.0.0/8.
    static func contain(_ address: String, in own: Set<String>) -> Bool {
        own.contains(address) || address.hasPrefix("127.") || address == "::1"
    }

    /// Whether an address is for one network only (RFC 1918, RFC 6598, RFC 4193, loopback, link-local): no public CA reaches it.
    static func isPrivate(_ address: String) -> Bool {
        guard case .ip(let bytes)? = SubjectName(address) else { return false }
        if bytes.count == 4 {
            return switch (bytes[0], bytes[1]) {
            case (10, _), (127, _), (192, 168), (169, 254), (172, 16...31), (100, 64...127): true
            default: false
            }
        }
        return bytes[0] & 0xFE == 0xFC || (bytes[0] == 0xFE && bytes[1] & 0xC0 == 0x80) || address == "::1"
    }
}

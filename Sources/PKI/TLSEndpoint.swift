/// Where a TLS server listens: a host and a port.
package struct TLSEndpoint: Hashable, Sendable, CustomStringConvertible {
    /// A DNS name in lower case, or an IPv4 or IPv6 address without brackets.
    package let host: String
    /// From 1 to 65535.
    package let port: Int

    /// The port of an endpoint that names none.
    private static let https = 443

    /// Reads an endpoint as an operator writes it: `127.0.0.1:443`, `[::1]:443`, `mail.example.org:465`; nil for anything
    /// else.
    ///
    /// Without a port it is 443, also for an IPv6 address without brackets, whose last group is never a port.
    package init?(_ text: String) {
        guard let (name, port) = TLSEndpoint.parts(of: text), let host = SubjectName(name), !host.isWildcard else {
            return nil
        }
        self.host = host.description
        self.port = port
    }

    /// With its port, and an IPv6 address in brackets.
    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    private static func parts(of text: String) -> (name: String, port: Int)? {
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { return nil }
            let address = text[text.index(after: text.startIndex)..<end]
            let rest = text[end...].dropFirst()
            guard address.contains(":") else { return nil }
            if rest.isEmpty { return (String(address), https) }
            guard rest.hasPrefix(":"), let port = port(rest.dropFirst()) else { return nil }
            return (String(address), port)
        }
        let pieces = text.split(separator: ":", omittingEmptySubsequences: false)
        guard pieces.count == 2 else { return (text, https) }
        return port(pieces[1]).map { (String(pieces[0]), $0) }
    }

    private static func port(_ text: Substring) -> Int? {
        guard text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }), let port = Int(text),
            (1...65_535).contains(port)
        else { return nil }
        return port
    }
}

extension TLSEndpoint: Codable {
    /// Reads the string that `description` writes, or any other spelling of an endpoint.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let endpoint = TLSEndpoint(text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "\(text): not an endpoint such as 127.0.0.1:443 or [::1]:443")
        }
        self = endpoint
    }

    /// Writes `description`.
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

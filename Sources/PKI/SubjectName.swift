import Glibc

/// A name that a certificate is for: a DNS name or an IP address (RFC 5280 §4.2.1.6).
package enum SubjectName: Hashable, Sendable, CustomStringConvertible {
    /// A DNS name in lower case, without a trailing dot; may begin with `*.`.
    case dns(String)
    /// An IP address: 4 or 16 bytes.
    case ip([UInt8])

    /// Reads a name as an operator writes it: an IPv4 or IPv6 address, else a DNS name; nil when it can be neither.
    ///
    /// A DNS name must be ASCII: letters, digits, hyphens and underscores in labels of 1 to 63 octets, 253 in all, with
    /// `*` allowed as the whole first label. International names are given in their `xn--` form.
    package init?(_ text: String) {
        // Before anything else: "\u{212A}" is a k in lower case, and C's functions stop at a NUL.
        guard text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else { return nil }
        let bare = text.hasPrefix("[") && text.hasSuffix("]") ? String(text.dropFirst().dropLast()) : text
        if let address = SubjectName.address(bare) {
            self = .ip(address)
            return
        }
        var name = text.lowercased()
        if name.hasSuffix(".") { name.removeLast() }
        guard SubjectName.isHostName(name) else { return nil }
        self = .dns(name)
    }

    /// As certificates, RFC 8738 and operators write it.
    package var description: String {
        switch self {
        case .dns(let name): name
        case .ip(let bytes): SubjectName.text(ofAddress: bytes) ?? bytes.hexadecimal
        }
    }

    /// Whether this is a DNS name for a whole level (`*.example.org`).
    package var isWildcard: Bool {
        if case .dns(let name) = self { name.hasPrefix("*.") } else { false }
    }

    /// Octets of the longest DNS name in text (RFC 1035 §2.3.4).
    static let longest = 253

    /// Whether it is what it says. A certificate may have anything for a name (a blank, a line break, `$(...)`): such a one is
    /// no DNS name, cannot be ordered, and is not to reach a shell.
    ///
    /// Underscores are allowed: names with them are in use, and in certificates of private CAs.
    package var isWellFormed: Bool {
        switch self {
        case .dns(let name): SubjectName(name) == self
        case .ip(let bytes): bytes.count == 4 || bytes.count == 16
        }
    }

    /// Whether this is an address that stands where DNS names do, as some private CAs have it.
    package var isAddressAsDNS: Bool {
        if case .dns(let name) = self, case .ip? = SubjectName(name) { true } else { false }
    }

    private static func isHostName(_ name: String) -> Bool {
        guard !name.isEmpty, name.utf8.count <= longest else { return false }
        var labels = name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        if labels.count > 1, labels[0].elementsEqual([UInt8(ascii: "*")]) { labels.removeFirst() }
        // A last label of digits only is an address gone wrong (10.0.0, 1.2.3.4.5), never a top-level domain.
        guard let last = labels.last, !last.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
        else { return false }
        return labels.allSatisfy { label in
            (1...63).contains(label.count) && label.first != UInt8(ascii: "-") && label.last != UInt8(ascii: "-")
                && label.allSatisfy { byte in
                    switch byte {
                    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                        UInt8(ascii: "-"), UInt8(ascii: "_"):
                        true
                    default: false
                    }
                }
        }
    }

    private static func address(_ text: String) -> [UInt8]? {
        for (family, size) in [(AF_INET, 4), (AF_INET6, 16)] {
            var bytes = [UInt8](repeating: 0, count: size)
            if unsafe inet_pton(family, text, &bytes) == 1 { return bytes }
        }
        return nil
    }

    private static func text(ofAddress bytes: [UInt8]) -> String? {
        guard bytes.count == 4 || bytes.count == 16 else { return nil }
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let family = bytes.count == 4 ? AF_INET : AF_INET6
        guard unsafe inet_ntop(family, bytes, &text, socklen_t(text.count)) != nil else { return nil }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
    }
}

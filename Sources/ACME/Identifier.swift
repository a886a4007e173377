package import PKI

/// What an order or an authorization is for (RFC 8555 §9.7.7, RFC 8738).
package struct Identifier: Codable, Hashable, Sendable, CustomStringConvertible {
    /// `dns` or `ip`.
    package let type: String
    package let value: String

    init(type: String, value: String) { (self.type, self.value) = (type, value) }

    package init(_ name: SubjectName) {
        type =
            switch name {
            case .dns: "dns"
            case .ip: "ip"
            }
        value = name.description
    }

    package var description: String { value }
}

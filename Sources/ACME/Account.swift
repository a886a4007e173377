/// What newAccount takes (RFC 8555 §7.3).
struct NewAccount: Encodable, Sendable {
    var contact: [String]?
    var termsOfServiceAgreed: Bool?
    var onlyReturnExisting: Bool?
    var externalAccountBinding: FlattenedJWS?
}

/// What an account URL takes to change the account (RFC 8555 §7.3.2, §7.3.6).
struct AccountChange: Encodable, Sendable {
    var contact: [String]?
    var status: String?
}

/// An account as the CA has it (RFC 8555 §7.1.2), cut to what an operator reads.
package struct AccountObject: Decodable, Sendable {
    /// `valid`, `deactivated` or `revoked`.
    package let status: String
    /// URLs such as `mailto:a@example.org`; empty where the CA keeps none, or does not say.
    package let contact: [String]
    /// ``contact`` without `mailto:`.
    package var addresses: [String] { contact.map { $0.hasPrefix("mailto:") ? String($0.dropFirst(7)) : $0 } }
    /// Whether the account was bound to one that the CA had before (RFC 8555 §7.3.4).
    package let isBound: Bool

    private enum CodingKeys: String, CodingKey { case status, contact, externalAccountBinding }

    private static let mostContacts = 20

    package init(from decoder: any Decoder) throws {
        let members = try decoder.container(keyedBy: CodingKeys.self)
        status = try members.decode(String.self, forKey: .status).line(atMost: 50)
        contact = ((try? members.decode([String].self, forKey: .contact)) ?? [])
            .prefix(AccountObject.mostContacts).map { $0.line(atMost: 320) }
        isBound = members.contains(.externalAccountBinding)
    }
}

/// How an account stands with its CA.
package enum AccountStanding: Sendable {
    case valid(AccountObject)
    /// By the operator, or by the CA; it cannot be used again (RFC 8555 §7.3.6).
    case deactivated
    /// The CA has no such account.
    case unknown
}

/// Where a CA may write to about an account (RFC 8555 §7.3).
package enum Contacts {
    /// The addresses of a text as certbot has them in `email`: one, or several with commas between them.
    package static func addresses(_ text: String) -> [String] {
        text.split(separator: ",").map { $0.filter { !$0.isWhitespace } }.filter { !$0.isEmpty }
    }

    /// Whether a CA could take it as an address: RFC 8555 §7.3 forbids what would make a `mailto` URL more than one address.
    package static func isAddress(_ text: String) -> Bool {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        return parts.count == 2 && parts.allSatisfy { !$0.isEmpty } && text.utf8.count <= 254
            && text.utf8.allSatisfy { (0x21...0x7E).contains($0) && !"?,;:<>()\\\"".utf8.contains($0) }
    }

    /// The `mailto` URLs of addresses. A percent sign in an address is escaped (RFC 6068 §2).
    static func urls(_ addresses: [String]) -> [String] {
        addresses.map { "mailto:" + $0.replacing("%", with: "%25").replacing("#", with: "%23") }
    }
}

package import FoundationEssentials

/// An order for a certificate (RFC 8555 §7.1.3).
package struct Order: Decodable, Sendable {
    /// The state that the CA says it is in (RFC 8555 §7.1.6).
    package enum Status: String, Decodable, Sendable {
        case pending, ready, processing, valid, invalid

        /// Pebble gives an order the state of an authorization that was given up; it cannot succeed any more.
        package init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            let text = try container.decode(String.self)
            guard
                let status = Status(rawValue: ["deactivated", "expired", "revoked"].contains(text) ? "invalid" : text)
            else { throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a status") }
            self = status
        }
    }

    package let status: Status
    /// What it is for; nil where the CA does not repeat it.
    let identifiers: [Identifier]?
    /// The URLs of the authorizations that it needs.
    package let authorizations: [String]
    /// Where the request for the certificate goes.
    package let finalize: String
    /// Where the certificate is, once the order is valid.
    package let certificate: String?
    /// When the CA gives it up (RFC 8555 §7.1.3); nil where the CA does not say so, or not legibly.
    package let expires: Date?
    /// The CA's profile that it is for (draft-ietf-acme-profiles §4); nil where the CA does not say so.
    let profile: String?
    /// Why it became invalid.
    package let error: Problem?

    private enum CodingKeys: String, CodingKey {
        case status, identifiers, authorizations, finalize, certificate, expires, profile, error
    }

    package init(from decoder: any Decoder) throws {
        let members = try decoder.container(keyedBy: CodingKeys.self)
        status = try members.decode(Status.self, forKey: .status)
        identifiers = try? members.decode([Identifier].self, forKey: .identifiers)
        authorizations = try members.decode([String].self, forKey: .authorizations)
        finalize = try members.decode(String.self, forKey: .finalize)
        certificate = try members.decodeIfPresent(String.self, forKey: .certificate)
        expires = (try? members.decode(String.self, forKey: .expires)).flatMap(Timestamp.date)
        profile = (try? members.decode(String.self, forKey: .profile))?.line(atMost: 100)
        error = try? members.decodeIfPresent(Problem.self, forKey: .error)
    }
}

extension Order {
    /// No CA takes more names than this.
    private static let mostNames = 1_000

    /// Makes sure that there are not many more authorizations than names: each costs requests. Some CAs give a name one for each
    /// type of challenge, so there may be two of each, and a few.
    ///
    /// - Parameter names: how many were ordered, where that is known.
    func requireBounds(names: Int?, from url: String) throws(ACMEError) {
        let count = min(max(names ?? identifiers?.count ?? 100, 1), Order.mostNames)
        let most = 2 * count + 10
        guard authorizations.count <= most else {
            throw .malformed(
                url: url, what: "the order has \(authorizations.count) authorizations for \(count) names")
        }
    }
}

/// What newOrder takes (RFC 8555 §7.4).
struct NewOrder: Encodable, Sendable {
    var identifiers: [Identifier]
    var profile: String?
    /// The certificate that the new one is for in its stead (RFC 9773 §5).
    var replaces: String?
}

package import FoundationEssentials

/// An order for a certificate (RFC 8555 §7.1.3).
package struct Order: Decodable, Sendable {
    /// The state that the CA says it is in (RFC 8555 §7.1.6).
    package enum Status: String, Decodable, Sendable {
        case pending, ready, processing, valid, invalid
    }

    package let status: Status
    /// The URLs of the authorizations that it needs.
    package let authorizations: [String]
    /// Where the request for the certificate goes.
    package let finalize: String
    /// Where the certificate is, once the order is valid.
    package let certificate: String?
    /// When the CA gives it up (RFC 8555 §7.1.3); nil where the CA does not say so, or not legibly.
    package let expires: Date?
    /// Why it became invalid.
    package let error: Problem?

    private enum CodingKeys: String, CodingKey {
        case status, authorizations, finalize, certificate, expires, error
    }

    package init(from decoder: any Decoder) throws {
        let members = try decoder.container(keyedBy: CodingKeys.self)
        status = try members.decode(Status.self, forKey: .status)
        authorizations = try members.decode([String].self, forKey: .authorizations)
        finalize = try members.decode(String.self, forKey: .finalize)
        certificate = try members.decodeIfPresent(String.self, forKey: .certificate)
        expires = (try? members.decode(String.self, forKey: .expires)).flatMap(Timestamp.date)
        error = try? members.decodeIfPresent(Problem.self, forKey: .error)
    }
}

/// What newOrder takes (RFC 8555 §7.4).
struct NewOrder: Encodable, Sendable {
    var identifiers: [Identifier]
    var profile: String?
}

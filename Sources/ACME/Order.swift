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
    /// Why it became invalid.
    package let error: Problem?
}

/// What newOrder takes (RFC 8555 §7.4).
struct NewOrder: Encodable, Sendable {
    var identifiers: [Identifier]
    var profile: String?
}

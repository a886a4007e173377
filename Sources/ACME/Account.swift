/// What newAccount takes (RFC 8555 §7.3).
struct NewAccount: Encodable, Sendable {
    var contact: [String]?
    var termsOfServiceAgreed: Bool?
    var onlyReturnExisting: Bool?
}

/// The account object, as far as certctl looks at it (RFC 8555 §7.1.2).
struct AccountObject: Decodable, Sendable {
    let status: String
}

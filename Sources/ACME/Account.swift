/// What newAccount takes (RFC 8555 §7.3).
struct NewAccount: Encodable, Sendable {
    var contact: [String]?
    var termsOfServiceAgreed: Bool?
    var onlyReturnExisting: Bool?
}

import FoundationEssentials

/// A CA's directory object: where its resources are (RFC 8555 §7.1.1).
package struct Directory: Decodable, Sendable {
    let newNonce: String
    let newAccount: String
    let newOrder: String
    /// What the CA says about itself.
    package let meta: Meta?

    /// The directory's `meta` object, as far as certctl looks at it.
    package struct Meta: Decodable, Sendable {
        /// The subscriber agreement.
        package let termsOfService: String?
        /// Whether a new account must be bound to one that the CA already has (RFC 8555 §7.3.4).
        package let externalAccountRequired: Bool?
        /// The domain names by which CAA records mean this CA (RFC 8555 §9.7.6).
        package let caaIdentities: [String]?
        /// The CA's certificate profiles and what each is for (draft-ietf-acme-profiles).
        package let profiles: [String: String]?
    }
}

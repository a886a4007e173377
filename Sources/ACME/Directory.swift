import FoundationEssentials
import Text

/// A CA's directory object: where its resources are (RFC 8555 §7.1.1).
package struct Directory: Decodable, Sendable {
    let newNonce: String
    let newAccount: String
    let newOrder: String
    let revokeCert: String?
    /// Where the CA says when a certificate should be renewed (RFC 9773 §4.1); nil where it does not.
    package let renewalInfo: String?
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

        private enum CodingKeys: String, CodingKey {
            case termsOfService, externalAccountRequired, caaIdentities, profiles
        }

        /// How many names of its own, and how many profiles, a CA has at most.
        private static let mostEntries = 50

        /// What is mistyped is as good as missing, and what is too long to read is cut.
        package init(from decoder: any Decoder) throws {
            let members = try decoder.container(keyedBy: CodingKeys.self)
            termsOfService = (try? members.decode(String.self, forKey: .termsOfService))?.plainSentence
            externalAccountRequired = try? members.decode(Bool.self, forKey: .externalAccountRequired)
            caaIdentities = (try? members.decode([String].self, forKey: .caaIdentities))?
                .prefix(Meta.mostEntries).map { $0.line(atMost: 255) }
            // A CA may come to say more of a profile than a sentence.
            let profiles = try? members.decode([String: Profile].self, forKey: .profiles)
            self.profiles = profiles.map { profiles in
                let entries = profiles.sorted { $0.key < $1.key }.prefix(Meta.mostEntries)
                return Dictionary(
                    entries.map { ($0.key.line(atMost: 100), $0.value.text.line(atMost: 500)) },
                    uniquingKeysWith: { first, _ in first })
            }
        }

        private struct Profile: Decodable {
            let text: String

            init(from decoder: any Decoder) throws {
                text = (try? decoder.singleValueContainer().decode(String.self)) ?? ""
            }
        }
    }
}

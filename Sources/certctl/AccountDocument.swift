import ACME
import ArgumentParser
import FoundationEssentials
import Lineages
import PKI

/// How `certctl account` writes what it has found.
enum AccountFormat: String, ExpressibleByArgument, CaseIterable {
    case text, json
}

/// What `certctl account list|show|profiles --format json` write: within a schema, members are only ever added.
enum AccountDocument {
    private static let schema = 1

    /// An account as the config directory has it.
    struct Stored: Encodable {
        let server: String
        let id: String
        /// Nil where its files cannot be used.
        let url: String?
        /// When it was made, as certbot writes it.
        let madeAt: String?
        /// The certificates that are renewed with it.
        let certificates: [String]
        /// Why its files cannot be used; nil where they can.
        let problem: String?
    }

    struct List: Encodable {
        let schema = AccountDocument.schema
        let accounts: [Stored]
    }

    /// An account as its CA has it.
    struct Shown: Encodable {
        let schema = AccountDocument.schema
        let server: String
        let id: String
        let url: String
        let keyType: String
        let thumbprint: String
        let madeAt: String?
        let madeOn: String?
        /// `valid`, `deactivated` or `unknown`.
        let status: String
        /// Mail addresses; nil where the CA does not take the account.
        let contacts: [String]?
        /// Whether it is bound to an account that the CA had before (RFC 8555 §7.3.4).
        let isBound: Bool?
        /// Where the CA's terms of service are.
        let termsOfService: String?

        init(
            _ account: StoredAccount, at server: String, thumbprint: String, _ standing: AccountStanding, terms: String?
        ) {
            (self.server, id, url) = (server, account.id, account.url)
            (keyType, self.thumbprint) = ("\(account.key.type)", thumbprint)
            (madeAt, madeOn) = (account.made?.at, account.made?.host)
            switch standing {
            case .valid(let object): (status, contacts, isBound) = (object.status, object.addresses, object.isBound)
            case .deactivated: (status, contacts, isBound) = ("deactivated", nil, nil)
            case .unknown: (status, contacts, isBound) = ("unknown", nil, nil)
            }
            termsOfService = terms
        }
    }

    struct Profiles: Encodable {
        struct Profile: Encodable {
            let name: String
            let description: String
        }

        let schema = AccountDocument.schema
        let server: String
        let profiles: [Profile]
    }

    static func print(_ document: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        Swift.print(String(decoding: try encoder.encode(document), as: UTF8.self))
    }
}

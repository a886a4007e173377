package import FoundationEssentials
import Lineages
package import PKI

/// What certctl knows of a lineage beside the files in the config directory: what a later run needs to go on where this one ended.
///
/// What belongs to the *lineage* (what the CA is doing for it) is apart from what belongs to this *host* (what is installed here, how
/// far its rollout is). Everything in it can be found out again from the config directory and the endpoints, so that a lost file is
/// never fatal. Changed by ``applying(_:at:)`` only.
package struct LineageState: Codable, Equatable, Sendable {
    /// The version of the format. A newer one is not read.
    static let schema = 2

    private(set) var schema = LineageState.schema
    package let name: String
    /// What the CA is doing for the lineage.
    package internal(set) var acquisition = Acquisition.idle
    /// When the CA wants the installed certificate to be renewed; nil where it was not asked.
    package internal(set) var suggested: SuggestedRenewal?
    /// That the installed certificate is revoked; nil where nothing is known of that.
    package internal(set) var revoked: RevokedVersion?
    /// The names that were wanted and not validated when the CA issued last; nil where there are none.
    package internal(set) var omitted: OmittedNames?
    package internal(set) var host = HostState()

    package init(name: String) { self.name = name }
}

/// A certificate that `certctl revoke` was run for, or one for a key that was found to be compromised.
package struct RevokedVersion: Codable, Equatable, Sendable {
    /// Of its DER, in hex.
    package let sha256: String
    /// As RFC 5280 §5.3.1 spells it.
    package let reason: String
    package let at: Date

    package init(sha256: String, reason: String, at: Date) {
        (self.sha256, self.reason, self.at) = (sha256, reason, at)
    }
}

/// Why a certificate is ordered.
package enum Need: Codable, Hashable, Sendable {
    /// The policy says so, of the certificate with this SHA-256.
    case due(live: String?)
    /// An operator says so, of the certificate with this SHA-256.
    case forced(live: String?)
    /// `certctl issue` asks for it.
    case issue

    /// The certificate that it replaces: another one in live/ ends the need.
    var live: String? {
        switch self {
        case .due(let live), .forced(let live): live
        case .issue: nil
        }
    }

    /// Whether an operator asked for it, whatever the dates say.
    package var isForced: Bool { if case .forced = self { true } else { false } }
}

/// What is under way with the CA.
package enum Acquisition: Codable, Equatable, Sendable {
    case idle
    /// No order; the last attempts have failed.
    case failing(need: Need, retry: Retry)
    /// The CA has an order, and its key is staged.
    case ordered(order: SavedOrder, retry: Retry?)
    /// Key and chain are staged and wait to be installed; the order, where it is known, has them still.
    case issued(need: Need, order: SavedOrder?, retry: Retry?)

    /// What has failed; nil where nothing has.
    package var retry: Retry? {
        switch self {
        case .idle: nil
        case .failing(_, let retry): retry
        case .ordered(_, let retry), .issued(_, _, let retry): retry
        }
    }

    package var need: Need? {
        switch self {
        case .idle: nil
        case .failing(let need, _), .issued(let need, _, _): need
        case .ordered(let order, _): order.need
        }
    }

    package var order: SavedOrder? { if case .ordered(let order, _) = self { order } else { nil } }

    /// The order, also where its certificate is staged already.
    var savedOrder: SavedOrder? { if case .issued(_, let order, _) = self { order } else { order } }

    package var isIssued: Bool { if case .issued = self { true } else { false } }
}

/// An order that the CA has: where it is, what it is for, and how far it has come.
package struct SavedOrder: Codable, Equatable, Sendable {
    /// Its URL, absolute.
    package let url: String
    /// The CA's directory URL.
    package let server: String
    /// The account that it is of, where a renewal config names one.
    package let account: String?
    /// The names, sorted.
    package let names: [String]
    /// What it goes without; nil where it is for every name that is wanted.
    package let omitted: OmittedNames?
    package let need: Need
    package let placedAt: Date
    /// When the CA forgets it (RFC 8555 §7.1.3); nil where it does not say.
    package let expires: Date?
    /// Whether the request may have been handed in: from then on the CA may have a certificate for it.
    package internal(set) var isFinalizing = false
    /// How often the CA itself has refused it, or answered what is no answer.
    package internal(set) var refusals = 0

    /// As many refusals as show that nothing will come of it.
    static let mostRefusals = 3
    /// How long it is kept where the CA does not say when it expires, in seconds.
    static let lifetime: TimeInterval = 86_400

    package init(
        url: String, server: String, account: String? = nil, names: [String], omitted: OmittedNames? = nil, need: Need,
        placedAt: Date, expires: Date?
    ) {
        (self.url, self.server, self.account) = (url, server, account)
        (self.names, self.omitted, self.need) = (names.sorted(), omitted, need)
        (self.placedAt, self.expires) = (placedAt, expires)
    }

    /// The names of the certificate that was wanted.
    var wantedNames: Set<String> { Set(names + (omitted?.names ?? [])) }

    func hasExpired(at now: Date) -> Bool {
        now >= expires ?? placedAt.addingTimeInterval(SavedOrder.lifetime) || placedAt > now.addingTimeInterval(3600)
    }
}

/// A certificate as the engine tells certificates apart.
package struct Leaf: Hashable, Sendable {
    /// SHA-256 of its DER, in hex.
    package let sha256: String
    package let serial: String
    package let names: [SubjectName]
    package let notBefore: Date
    package let notAfter: Date

    package init(sha256: String, serial: String, names: [SubjectName], notBefore: Date, notAfter: Date) {
        (self.sha256, self.serial, self.names) = (sha256, serial, names)
        (self.notBefore, self.notAfter) = (notBefore, notAfter)
    }

    package init(_ certificate: Certificate) throws(PKIError) {
        self.init(
            sha256: try certificate.sha256(), serial: certificate.serial, names: certificate.names,
            notBefore: certificate.notBefore, notAfter: certificate.notAfter)
    }

    var validity: Validity { Validity(notBefore: notBefore, notAfter: notAfter) }
}

/// A version of a lineage as it stands in archive/.
package struct Version: Codable, Equatable, Sendable {
    package let sha256: String
    package let serial: String
    package let notBefore: Date
    /// Its number in archive/; nil where the links do not agree on one.
    package let number: Int?
    /// When it was installed, or found.
    package let at: Date

    package init(_ leaf: Leaf, number: Int?, at now: Date) {
        (sha256, serial, notBefore) = (leaf.sha256, leaf.serial, leaf.notBefore)
        (self.number, at) = (number, now)
    }

    init(sha256: String, serial: String, notBefore: Date, number: Int?, at: Date) {
        (self.sha256, self.serial, self.notBefore) = (sha256, serial, notBefore)
        (self.number, self.at) = (number, at)
    }
}

package import HTTP
package import PKI
import Text

/// Why a CA did not do what it was asked for.
package enum ACMEError: Error, Sendable, CustomStringConvertible {
    /// There was no whole answer.
    case unreachable(HTTPError)
    /// The CA refused a request, and may have said when to come again, in seconds from now.
    case refused(Problem, retryAfter: Duration?)
    /// The directory's URL leads to another host, or to no end.
    case redirected(from: String, to: String, reason: String)
    /// An answer is not what RFC 8555 says it is.
    case malformed(url: String, what: String)
    /// The CA says that it does not have an order (any more).
    case orderGone(url: String, Problem)
    /// An authorization that an order needs cannot become valid any more: it expired, was deactivated, or failed in an earlier
    /// run. The refusal has no name where the CA does not have the authorization at all.
    case authorizationGone(url: String, Refusal)
    /// The CA could not validate names: its words about each.
    case authorizationFailed([Refusal])
    /// An order became invalid for another reason than its authorizations.
    case orderInvalid(Problem?)
    /// Nothing here can prove control of a name; nothing was ordered.
    case noSolver(name: String)
    /// The CA offers no challenge for a name that certctl can answer.
    case noChallenge(name: String, offered: [String])
    /// There is no account, and the operator has not agreed to the terms of service.
    case termsNotAgreed(server: String, terms: String?)
    /// The CA gives accounts only to those that it knows already.
    case externalAccountRequired(server: String)
    /// The CA does not know the account of the config directory.
    case unknownAccount(url: String)
    /// The CA does not take the account of the config directory: it was deactivated, by the operator or by the CA.
    case accountDeactivated(url: String)
    /// The CA refuses a profile that its directory has, for this account or these names; perhaps as late as at finalize.
    case profileRefused(String, Problem)
    /// The directory has no such profile, and the lineage needs it.
    case unknownProfile(String, offered: [String])
    /// An answer to a challenge could not be shown.
    case notPresented(ChallengeFailure)
    /// The order stayed as it was for longer than anybody waits.
    case stillPending(url: String, status: Order.Status, waited: Duration)
    /// A request could not be signed.
    case signing(PKIError)
    /// The task was cancelled.
    case cancelled

    /// One name that was not validated, and why.
    package struct Refusal: Hashable, Sendable {
        package let name: String?
        package let problem: Problem?
        /// Of the challenge that failed, such as `dns-01`; nil where the CA does not say.
        package var challenge: String?

        fileprivate var text: String {
            (name.map { "\($0.line(atMost: 255)): " } ?? "") + (problem.map(\.description) ?? "no reason given")
        }
    }

    /// Whether trying again later may help, with nothing changed here.
    package var isTemporary: Bool {
        switch self {
        case .unreachable(let error): error.isTemporary
        case .refused(let problem, _): problem.isTemporary
        case .orderInvalid(let problem): problem?.isTemporary ?? false
        // A new order is what it takes.
        case .orderGone, .authorizationGone: true
        case .stillPending: true
        case .redirected, .malformed, .notPresented, .authorizationFailed, .noSolver, .noChallenge, .termsNotAgreed,
            .externalAccountRequired,
            .unknownAccount, .accountDeactivated, .profileRefused, .unknownProfile, .signing, .cancelled:
            false
        }
    }

    /// The names that the CA refuses for good, where it says which: those that it could not validate, or those of its subproblems
    /// (RFC 8555 §6.7.1).
    package var refusedNames: [String] {
        switch self {
        case .authorizationFailed(let refusals): refusals.compactMap(\.name)
        case .refused(let problem, _), .orderInvalid(let problem?):
            problem.isTemporary ? [] : problem.subproblems.compactMap(\.identifier?.value)
        default: []
        }
    }

    /// Whether the CA says that it has no such account.
    var isUnknownAccount: Bool {
        if case .refused(let problem, _) = self { problem.type == "accountDoesNotExist" } else { false }
    }

    var isBadNonce: Bool {
        if case .refused(let problem, _) = self { problem.type == "badNonce" } else { false }
    }

    /// One line: what a CA wrote has no control characters left, wherever in the error it stands, and no more than a screenful.
    package var description: String { text.line(atMost: ACMEError.longest) }

    /// The same for records that others read, such as history, metrics and notifications: what could be used in the operator's
    /// place is left out. See ``Swift/String/redacted``.
    package var publicDescription: String { description.redacted }

    private static let longest = 4_000
    /// How many names, or names of profiles, are said.
    private static let mostSaid = 10

    private static func list(_ items: [String], separator: String = ", ") -> String {
        if items.isEmpty { return "none" }
        let more = items.count > mostSaid ? "\(separator)and \(items.count - mostSaid) more" : ""
        return items.prefix(mostSaid).map { $0.line(atMost: 500) }.joined(separator: separator) + more
    }

    private var text: String {
        switch self {
        case .unreachable(let error): "\(error)"
        case .refused(let problem, let retryAfter):
            "the CA refuses: \(problem)" + (retryAfter.map { "; try again in \($0.components.seconds) s" } ?? "")
        case .redirected(let from, let to, let reason): "\(from) redirects to \(to): \(reason)"
        case .malformed(let url, let what): "the answer of \(url) is not ACME: \(what)"
        case .authorizationFailed(let refusals):
            "the CA could not validate " + ACMEError.list(refusals.map(\.text), separator: "; ")
        case .orderInvalid(let problem): "the order failed: \(problem.map(\.description) ?? "no reason given")"
        case .orderGone(let url, let problem): "the CA does not have the order \(url) any more: \(problem)"
        case .authorizationGone(let url, let refusal):
            "the authorization \(url) cannot be used any more: \(refusal.text)"
        case .noSolver(let name): "nothing is configured here that could prove control of \(name)"
        case .noChallenge(let name, let offered):
            "the CA offers no challenge for \(name) that certctl can answer, only \(ACMEError.list(offered))"
        case .termsNotAgreed(let server, let terms):
            "there is no account at \(server) yet; to make one, read \(terms ?? "its terms of service") "
                + "and run again with --agree-tos"
        case .externalAccountRequired(let server):
            "\(server) makes accounts only for those that it knows: get a key identifier and an HMAC key there, and make the "
                + "account with certctl account register --eab-kid ID --eab-hmac-key-file FILE"
        case .unknownAccount(let url):
            "the CA does not know the account \(url): it was deleted there, or the account is of another CA"
        case .accountDeactivated(let url): "the account \(url) is deactivated at the CA"
        case .profileRefused(let name, let problem): "the CA does not take the profile \(name): \(problem)"
        case .unknownProfile(let name, let offered):
            "the CA has no profile \(name), only \(ACMEError.list(offered))"
        case .notPresented(let failure): "\(failure)"
        case .stillPending(let url, let status, let waited):
            "the order \(url) is still \(status.rawValue) after \(waited.components.seconds) s"
        case .signing(let error): "\(error)"
        case .cancelled: "cancelled"
        }
    }
}

/// Runs what needs the account key; its failure is one of signing.
func signing<Result>(_ body: () throws(PKIError) -> Result) throws(ACMEError) -> Result {
    do throws(PKIError) {
        return try body()
    } catch {
        throw .signing(error)
    }
}

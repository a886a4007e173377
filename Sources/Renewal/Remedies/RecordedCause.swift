import ACME
import Deployment
import HTTP
import Lineages

/// Why a renewal failed, as a value that is kept with the certificate's state.
///
/// The words that were printed for it are kept beside it, for people; nothing decides by them.
package enum RecordedCause: Codable, Hashable, Sendable {
    /// The CA could not be reached.
    case unreachable
    /// The CA's TLS certificate is not trusted.
    case notTrusted
    /// The CA refuses: its problem type (RFC 8555 §6.7).
    case refused(type: String?)
    /// The CA has paused a name after too many failures: where it is unpaused, if it says so.
    case paused(url: String?)
    /// The CA's terms have changed (RFC 8555 §7.3.3): where to read and agree.
    case termsChanged(url: String?)
    /// The CA could not validate a name: the problem types.
    case notValidated(types: [String])
    /// The tree has no account that the CA takes.
    case account(server: String?)
    /// The CA has no such profile.
    case profile(String)
    /// Something in the webroot is in the way.
    case webroot(path: String?)
    /// A file operation failed: its path and `errno`, 0 for a refusal of certctl's own.
    case file(path: String, code: Int32)
    /// A hook failed: its kind and what tells it apart.
    case hook(kind: String, identity: String)
    /// The certificate's own files or settings are at fault: the code that status has for it.
    case lineage(code: String)
    /// The CA's limit for these names is near.
    case budget
    /// nginx refuses its configuration, so that a new certificate could not be served.
    case server
    /// Nothing of the above.
    case other

    package init(_ error: any Error) {
        switch error {
        case let error as ACMEError: self.init(error)
        case let problem as LineageProblem: self = .lineage(code: problem.code.rawValue)
        case let error as AccountError:
            if case .ambiguous(_, let server) = error {
                self = .account(server: server)
            } else {
                self = .account(server: nil)
            }
        case let error as CertificateAuthorities.NoAccount: self = .account(server: error.server)
        case let failure as WebrootResponder.Failure:
            if case .obstructed(_, let error) = failure {
                self = .webroot(path: error.path)
            } else {
                self = .webroot(path: nil)
            }
        case let error as FileError: self = .file(path: error.path, code: error.code)
        case let failure as HookFailure:
            self = .hook(kind: failure.hook.kind.rawValue, identity: failure.hook.identity)
        case is BudgetRefusal: self = .budget
        case is ServerRefusal: self = .server
        default: self = .other
        }
    }

    private init(_ error: ACMEError) {
        switch error {
        case .unreachable(let error):
            self = error.kind == .tlsNotTrusted || error.kind == .unreadableCABundle ? .notTrusted : .unreachable
        case .refused(let problem, _): self.init(problem)
        case .orderInvalid(let problem?): self.init(problem)
        case .authorizationFailed(let refusals):
            self = .notValidated(types: refusals.compactMap { $0.problem?.type })
        case .unknownAccount: self = .account(server: nil)
        case .termsNotAgreed(let server, _), .externalAccountRequired(let server): self = .account(server: server)
        case .unknownProfile(let name, _): self = .profile(name)
        case .notPresented: self = .webroot(path: nil)
        default: self = .other
        }
    }

    private init(_ problem: Problem) {
        switch problem.type {
        // Let's Encrypt has no type of its own for a paused name, but a page of its own in the detail.
        case "rateLimited" where problem.unpauseURL != nil: self = .paused(url: problem.unpauseURL)
        case "rateLimited": self = .refused(type: "rateLimited")
        case _ where problem.status == 429: self = .refused(type: "rateLimited")
        case "userActionRequired": self = .termsChanged(url: problem.firstURL)
        case "accountDoesNotExist", "unauthorized": self = .account(server: nil)
        default: self = .refused(type: problem.type)
        }
    }
}

/// A certificate by force that could not be served: nginx refuses its configuration.
package struct ServerRefusal: Error, Sendable, CustomStringConvertible {
    package let description: String

    package init(_ evidence: String) { description = "not ordered: \(evidence)" }
}

extension Problem {
    /// The page on which Let's Encrypt takes a name's pause away (https://letsencrypt.org/docs/rate-limits/): the URL of its
    /// self-service portal; nil where the detail has none.
    fileprivate var unpauseURL: String? { urls.first { $0.contains("/unpause") } }

    fileprivate var firstURL: String? { urls.first }

    private var urls: [String] {
        (detail ?? "").split(whereSeparator: { $0.isWhitespace || $0 == ")" || $0 == "\"" || $0 == "<" || $0 == ">" })
            .filter { $0.hasPrefix("https://") }
            .map { word in
                var word = word
                while let last = word.last, ".,;".contains(last) { word.removeLast() }
                return String(word)
            }
    }
}

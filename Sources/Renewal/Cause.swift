import ACME
import Deployment
import HTTP
import Lineages

/// Why something has not succeeded: a code to decide by, and a sentence for people that nothing decides by.
///
/// It is part of the state file, so that a later run, `status` and `doctor` know it as exactly as the run that met it.
package struct Cause: Error, Codable, Hashable, Sendable, CustomStringConvertible {
    /// What kind of thing went wrong. The names are part of the state file.
    package enum Code: String, Codable, Sendable, CaseIterable {
        // The way to the CA, and what it answers.
        /// There was no whole answer.
        case unreachable
        /// The CA's TLS certificate is not trusted here.
        case tlsNotTrusted
        /// The CA limits this account or these names (RFC 8555 §6.6).
        case rateLimited
        /// A name was paused after too many failures; `url` is where an operator unpauses it.
        case paused
        /// The CA's own trouble: a 5xx.
        case serverError
        /// Any other refusal.
        case refused
        /// An answer is not what RFC 8555 says it is.
        case malformed
        /// A name was not validated.
        case notValidated
        /// The order became invalid.
        case orderInvalid
        /// The order stayed as it was for too long.
        case stillPending
        /// The CA offers no challenge that can be answered here.
        case noChallenge
        /// An answer to a challenge could not be put where the CA looks.
        case notPresented
        /// No account exists, or none that the CA knows.
        case account
        /// The operator has not agreed to the terms of service.
        case terms
        /// The CA has no such profile.
        case profile

        // What the CA has issued.
        /// The certificate is not one to be installed.
        case unfit

        // This host.
        /// The lineage cannot be used as it is.
        case lineage
        /// Something else has to renew it.
        case unmanaged
        /// A webroot is missing, or cannot be written to.
        case webroot
        /// A setting has a value that cannot be used.
        case setting
        /// A file operation failed.
        case file
        /// A hook failed.
        case hook
        /// The check hooks refuse what is installed.
        case checkFailed
        /// An endpoint serves an older certificate of the lineage.
        case stale
        /// An endpoint serves another certificate.
        case otherCertificate
        /// An endpoint fails the handshake.
        case brokenHandshake
        /// An endpoint does not answer.
        case silent
        /// A forced order would be the last one that the CA allows for days.
        case budget
        /// The run has used up its time.
        case outOfTime
        /// The run was asked to stop.
        case interrupted
        /// What a certctl of another version wrote: its words are all that is known.
        case unknown
    }

    package let code: Code
    /// One line, without control characters, of at most ``longestMessage`` characters.
    package let message: String
    /// What it is about: the ACME problem type, the hook's identity, the endpoint, or the path of a file.
    package let subject: String?
    /// A page of the CA's that an operator should visit.
    package let url: String?
    /// Whether it may pass by itself, with nothing changed on this host.
    package let isTemporary: Bool

    /// Longer than any sentence, and short enough for a line of a journal and a variable of a hook.
    static let longestMessage = 600

    package init(
        _ code: Code, _ message: String, subject: String? = nil, url: String? = nil, isTemporary: Bool = false
    ) {
        (self.code, self.message, self.subject) = (code, Cause.line(message), subject.map(Cause.line))
        (self.url, self.isTemporary) = (url.map(Cause.line), isTemporary)
    }

    package var description: String { message }

    private static func line(_ text: String) -> String {
        let plain = text.plain
        guard plain.unicodeScalars.count > longestMessage else { return plain }
        return String(String.UnicodeScalarView(plain.unicodeScalars.prefix(longestMessage))) + "…"
    }
}

extension Cause {
    /// The cause of an error, whatever threw it.
    package init(_ error: any Error) {
        switch error {
        case let cause as Cause: self = cause
        case let error as ACMEError: self.init(acme: error)
        case let failure as HookFailure:
            if failure.outcome.status == .cancelled {
                self.init(.interrupted, "\(failure)", subject: failure.hook.identity)
            } else {
                self.init(.hook, "\(failure)", subject: failure.hook.identity)
            }
        case let error as FileError: self.init(.file, "\(error)", subject: error.path)
        case let unfit as CertificateSet.Unfit: self.init(.unfit, "\(unfit)")
        case let problem as LineageProblem: self.init(.lineage, "\(problem)", subject: problem.code.rawValue)
        case let failure as WebrootResponder.Failure: self.init(.webroot, "\(failure)", subject: failure.wayOut)
        case is CertificateAuthorities.NoAccount, is AccountError: self.init(.account, "\(error)")
        case is CancellationError: self.init(.interrupted, "interrupted")
        default: self.init(.unknown, "\(error)")
        }
    }

    private init(acme error: ACMEError) {
        let text = "\(error)"
        switch error {
        case .cancelled: self.init(.interrupted, text)
        case .unreachable(let http) where http.kind == .tlsNotTrusted: self.init(.tlsNotTrusted, text)
        case .unreachable(let http): self.init(.unreachable, text, isTemporary: http.isTemporary)
        case .refused(let problem, _): self.init(problem: problem, text, isTemporary: error.isTemporary)
        case .malformed: self.init(.malformed, text)
        case .authorizationFailed: self.init(.notValidated, text)
        case .orderInvalid: self.init(.orderInvalid, text, isTemporary: error.isTemporary)
        case .stillPending: self.init(.stillPending, text, isTemporary: true)
        case .orderGone, .authorizationGone: self.init(.orderInvalid, text, isTemporary: error.isTemporary)
        case .noChallenge, .noSolver: self.init(.noChallenge, text)
        case .notPresented: self.init(.notPresented, text)
        case .unknownAccount, .externalAccountRequired: self.init(.account, text)
        case .termsNotAgreed: self.init(.terms, text)
        case .unknownProfile: self.init(.profile, text)
        case .signing: self.init(.account, text)
        }
    }

    private init(problem: Problem, _ text: String, isTemporary: Bool) {
        let code: Code =
            switch problem.type {
            // A name that failed too often, at Let's Encrypt: the detail holds the address of its self-service page.
            case "rateLimited" where problem.pageURL != nil: .paused
            case "accountDoesNotExist": .account
            case "userActionRequired": .terms
            case "invalidProfile": .profile
            default: problem.isRateLimit ? .rateLimited : (problem.status ?? 0) >= 500 ? .serverError : .refused
            }
        self.init(code, text, subject: problem.type, url: problem.pageURL, isTemporary: isTemporary && code != .paused)
    }
}

extension Problem {
    /// The page that a rate-limited CA sends an operator to; nil where a wait is all there is to do.
    ///
    /// Let's Encrypt names it in the detail of a paused name ("…unpause…" in its path); RFC 8555 has no field for it.
    fileprivate var pageURL: String? {
        guard let detail, let start = detail.firstRange(of: "https://")?.lowerBound else { return nil }
        var url = detail[start...].prefix { !$0.isWhitespace && $0 != ")" && $0 != "\"" }
        while url.last == "." || url.last == "," { url.removeLast() }
        return url.contains("unpause") ? String(url) : nil
    }
}

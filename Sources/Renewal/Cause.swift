import ACME
import Challenges
import Deployment
import HTTP
import Lineages
import Text

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
        /// A proxy of the environment is in the way.
        case proxy
        /// The CA's directory has moved to another host.
        case redirected
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
        /// Its chain leads to no root, where the one before did.
        case chain

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
        /// nginx refuses its configuration, so that a new certificate could not be served.
        case server
        /// The run has used up its time.
        case outOfTime
        /// An operator was asked, and does not want it.
        case declined
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

    /// Longer than any sentence, and short enough for a line of a journal and a variable of a hook, in Unicode scalars.
    static let longestMessage = 1000

    package init(
        _ code: Code, _ message: String, subject: String? = nil, url: String? = nil, isTemporary: Bool = false
    ) {
        (self.code, self.message) = (code, message.line(atMost: Cause.longestMessage))
        (self.subject, self.url, self.isTemporary) = (subject?.line(), url?.line(atMost: 2000), isTemporary)
    }

    package var description: String { message }
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
        case let failure as WebrootSolver.Failure:
            if case .obstructed(_, let error) = failure {
                self.init(.webroot, "\(failure)", subject: error.path)
            } else {
                self.init(.webroot, "\(failure)")
            }
        case let error as CertificateAuthorities.NoAccount: self.init(.account, "\(error)", subject: error.server)
        case let error as AccountError:
            if case .ambiguous(_, let server) = error {
                self.init(.account, "\(error)", subject: server)
            } else {
                self.init(.account, "\(error)")
            }
        case is Challenges.Unproven, is SolverProgram.Failure: self.init(.notPresented, "\(error)")
        case is CancellationError: self.init(.interrupted, "interrupted")
        default: self.init(.unknown, "\(error)")
        }
    }

    /// What an error of a conversation with a CA says. The message goes into files that others read: what could be used in the
    /// operator's place is left to ``url``.
    private init(acme error: ACMEError) {
        let text = error.publicDescription
        switch error {
        case .cancelled: self.init(.interrupted, text)
        case .unreachable(let http): self.init(Cause.code(of: http), text, isTemporary: http.isTemporary)
        case .refused(let problem, _): self.init(problem: problem, text, isTemporary: error.isTemporary)
        case .redirected(_, let url, _): self.init(.redirected, text, subject: url)
        case .malformed: self.init(.malformed, text)
        case .authorizationFailed(let refusals):
            self.init(
                .notValidated, text,
                subject: refusals.flatMap { [$0.problem?.type, $0.challenge].compactMap(\.self) }.joined(separator: " ")
            )
        case .orderInvalid, .orderGone, .authorizationGone:
            self.init(.orderInvalid, text, isTemporary: error.isTemporary)
        case .stillPending: self.init(.stillPending, text, isTemporary: true)
        case .noChallenge, .noSolver: self.init(.noChallenge, text)
        case .notPresented: self.init(.notPresented, text)
        case .unknownAccount, .accountDeactivated, .externalAccountRequired, .signing: self.init(.account, text)
        case .termsNotAgreed(_, let terms): self.init(.terms, text, url: terms)
        case .unknownProfile(let name, _), .profileRefused(let name, _): self.init(.profile, text, subject: name)
        }
    }

    private static func code(of error: HTTPError) -> Code {
        switch error.kind {
        case .tlsNotTrusted: .tlsNotTrusted
        case .proxy, .proxyRefused, .invalidProxy: .proxy
        case .unreadableCABundle: .setting
        default: .unreachable
        }
    }

    private init(problem: Problem, _ text: String, isTemporary: Bool) {
        let code: Code =
            switch problem.type {
            case "userActionRequired": .terms
            case "rateLimited" where problem.needsOperator: .paused
            case "accountDoesNotExist": .account
            case "invalidProfile": .profile
            default: problem.isRateLimit ? .rateLimited : (problem.status ?? 0) >= 500 ? .serverError : .refused
            }
        self.init(
            code, text, subject: problem.type, url: problem.needsOperator ? problem.page : nil, isTemporary: isTemporary
        )
    }
}

extension Problem {
    /// The page that an operator is to open: the instance (RFC 7807 §3.1), or the one in the detail of a paused name, for which
    /// RFC 8555 has no field.
    fileprivate var page: String? {
        if let instance { return instance }
        guard let detail, let start = detail.firstRange(of: "https://")?.lowerBound else { return nil }
        var url = detail[start...].prefix { !$0.isWhitespace && $0 != ")" && $0 != "\"" }
        while url.last == "." || url.last == "," { url.removeLast() }
        return String(url)
    }
}

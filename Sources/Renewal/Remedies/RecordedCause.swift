/// Why a renewal failed, as far as the remedy depends on it: what the state keeps as a ``Cause``.
package enum RecordedCause: Hashable, Sendable {
    /// The CA could not be reached.
    case unreachable
    /// A proxy that an environment variable names is in the way.
    case proxy
    /// The CA's directory redirects to another host.
    case moved(to: String?)
    /// The CA's TLS certificate is not trusted.
    case notTrusted
    /// The CA refuses: its problem type (RFC 8555 §6.7).
    case refused(type: String?)
    /// The CA has paused a name after too many failures: where it is unpaused, if it says so.
    case paused(url: String?)
    /// The CA's terms have changed (RFC 8555 §7.3.3): where to read and agree.
    case termsChanged(url: String?)
    /// The CA could not validate a name: the problem types, and those of the challenges.
    case notValidated(types: [String])
    /// The tree has no account that the CA takes.
    case account(server: String?)
    /// The CA has no such profile.
    case profile(String)
    /// A plugin or a hook could not make what proves a name.
    case notPresented
    /// Something in the webroot is in the way.
    case webroot(path: String?)
    /// A file operation failed: its path and `errno`, 0 for certctl's own refusal.
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

    /// What a cause is to the table of remedies.
    package init(_ cause: Cause) {
        switch cause.code {
        case .unreachable, .serverError, .stillPending, .outOfTime: self = .unreachable
        case .proxy: self = .proxy
        case .redirected: self = .moved(to: cause.subject)
        case .tlsNotTrusted: self = .notTrusted
        case .rateLimited: self = .refused(type: "rateLimited")
        case .refused: self = .refused(type: cause.subject)
        case .paused: self = .paused(url: cause.url)
        case .terms: self = .termsChanged(url: cause.url)
        case .notValidated:
            self = .notValidated(types: cause.subject?.split(separator: " ").map(String.init) ?? [])
        case .account: self = .account(server: cause.subject)
        case .profile: self = .profile(cause.subject ?? "")
        case .notPresented: self = .notPresented
        case .webroot: self = .webroot(path: cause.subject)
        case .file: self = .file(path: cause.subject ?? "", code: 0)
        case .hook, .checkFailed: self = .hook(kind: "pre", identity: cause.subject ?? "")
        case .lineage, .setting: self = .lineage(code: cause.subject ?? "")
        case .budget: self = .budget
        case .server: self = .server
        case .malformed, .orderInvalid, .noChallenge, .unfit, .chain, .unmanaged, .stale, .otherCertificate,
            .brokenHandshake, .silent, .interrupted, .declined, .unknown:
            self = .other
        }
    }
}

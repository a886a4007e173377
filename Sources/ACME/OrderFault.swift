/// What an error says about the order that was being processed, for the decision whether to go on with it.
package enum OrderFault: Hashable, Sendable {
    /// The CA does not have the order (any more). A new one can be placed at once.
    case gone
    /// An authorization of the order is gone, has expired or was deactivated, so that the order cannot succeed. A new one can be
    /// placed at once.
    case authorizationGone
    /// The order has failed, and the names with it: it is of no more use, and a new one would fail alike until something changes.
    case failed
    /// The CA refuses a request about the order, or answers with something else than ACME. The order may still be good: such
    /// answers count against it.
    case refused
}

extension ACMEError {
    /// What the error says about the order; nil where it says nothing, as a network fault, a 5xx or a rate limit does.
    ///
    /// It has a meaning for errors of calls that are about an order which was placed already: ``Issuance/placed(at:)``,
    /// ``Issuance/proven(_:)``, ``Issuance/issued(_:request:)`` and ``Issuance/chain(at:parameters:)``.
    package var orderFault: OrderFault? {
        switch self {
        case .orderGone: .gone
        case .authorizationGone: .authorizationGone
        case .authorizationFailed, .profileRefused: .failed
        case .orderInvalid(let problem): problem?.isTemporary == true ? .gone : .failed
        case .malformed, .noChallenge: .refused
        case .refused(let problem, _):
            problem.isTemporary || !(400..<500).contains(problem.status ?? 0) || problem.isAboutAccount ? nil : .refused
        case .unreachable, .redirected, .unknownAccount, .accountDeactivated, .termsNotAgreed, .externalAccountRequired,
            .unknownProfile,
            .noSolver,
            .notPresented, .stillPending, .signing, .cancelled:
            nil
        }
    }
}

extension Problem {
    /// Whether the CA says with it that it does not have what a URL of its own names. A 404 of a proxy's or of a web server's
    /// that stands before the CA has no problem document.
    var saysGone: Bool {
        guard isDocument, let status else { return false }
        return status == 404 || status == 410
            || (400..<500).contains(status) && ["malformed", "unauthorized"].contains(type)
    }

    /// Whether the account has to be seen to, and not the order.
    fileprivate var isAboutAccount: Bool { ["accountDoesNotExist", "userActionRequired"].contains(type) }
}

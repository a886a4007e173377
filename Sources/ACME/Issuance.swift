package import FoundationEssentials
package import PKI

/// One certificate, from order to chain (RFC 8555 §7.4): the exchange in as few requests as it takes.
///
/// The order is polled and the authorizations are not: an order of many names then costs one request a look.
package struct Issuance: Sendable {
    /// What happens during an issuance, for what shows progress.
    package enum Step: Hashable, Sendable {
        /// The order is made; its URL is where a later run finds it.
        case ordered(url: String)
        /// The answers to these challenges are about to be shown. What saves progress saves them now: should the run be killed, the
        /// next one knows what to take away.
        case presenting([PendingChallenge])
        /// The answers of these names are shown, and the CA may not see them yet.
        case waiting(names: [String])
        /// The answers to the challenges of these names are shown, and the CA learns that they are.
        case validating(names: [String])
        /// All names are validated; the request is handed in.
        case finalizing
        /// A preferred profile or chain is not to be had; the CA's default is taken.
        case fellBack(String)
        /// A dry run does not validate the name: the CA has it validated already.
        case notValidated(ReusedAuthorization)
    }

    let client: Client
    let solver: any ChallengeSolver
    let report: @Sendable (Step) -> Void

    package init(
        client: Client, solver: any ChallengeSolver, report: @escaping @Sendable (Step) -> Void = { _ in }
    ) {
        (self.client, self.solver, self.report) = (client, solver, report)
    }

    /// What is asked of the CA beyond the names.
    package struct OrderParameters: Sendable {
        package var preferredProfile: String?
        package var requiredProfile: String?
        /// The common name of the topmost certificate's issuer, as certbot has it.
        package var preferredChain: String?
        /// The root that the chain is to lead to; it goes before ``preferredChain``.
        package var preferredRoot: Certificate?
        /// The certificate that the new one is for in its stead (RFC 9773 §5). Only the account that got it may say so.
        package var replaces: CertificateID?

        package init(
            preferredProfile: String? = nil, requiredProfile: String? = nil, preferredChain: String? = nil,
            preferredRoot: Certificate? = nil, replaces: CertificateID? = nil
        ) {
            (self.preferredProfile, self.requiredProfile) = (preferredProfile, requiredProfile)
            (self.preferredChain, self.preferredRoot, self.replaces) = (preferredChain, preferredRoot, replaces)
        }
    }

    /// An order that the CA has: its URL is all that it takes to go on with it later.
    package struct PlacedOrder: Sendable {
        /// An absolute `https` URL.
        package let url: String
        let order: Order
        /// Whether an earlier run placed it, and may have left answers to its challenges behind.
        var isResumed = false

        package var status: Order.Status { order.status }
        /// When the CA gives the order up, where it says so (RFC 8555 §7.1.3).
        package var expires: Date? { order.expires }
        /// The URLs of the authorizations that the order needs.
        package var authorizations: [String] { order.authorizations }
    }

    /// Takes up an order that an earlier run placed. ``ACMEError/orderFault`` says what an error means for the order; after
    /// ``OrderFault/gone``, ``OrderFault/authorizationGone`` and ``OrderFault/failed`` there is nothing to take up.
    package func placed(at url: String) async throws(ACMEError) -> PlacedOrder {
        let order = try await client.order(url).order
        if order.status == .invalid { throw await explained(.orderInvalid(order.error), order) }
        return PlacedOrder(url: url, order: order, isResumed: true)
    }

    /// Proves control of every name that the CA still wants proven: afterwards the order can be finalized, or was before.
    package func proven(_ placed: PlacedOrder) async throws(ACMEError) -> PlacedOrder {
        let order = try await validated(placed)
        if placed.isResumed { await cleanUpLeftovers(of: order) }
        return PlacedOrder(url: placed.url, order: order)
    }

    /// Hands in the request for an order whose names are proven, and returns the URL of its certificate.
    ///
    /// - Parameter request: signed with the key that the order is for; an order that was finalized before has its
    ///   certificate for the request of that time.
    package func issued(_ proven: PlacedOrder, request: SigningRequest) async throws(ACMEError) -> String {
        let valid = try await finalized(proven.order, at: proven.url, request)
        guard let certificate = valid.certificate else {
            throw .malformed(url: proven.url, what: "the order is valid but has no certificate")
        }
        return certificate
    }

    /// What to ask for in another order, after an error of ``issued(_:request:)``: nil where that is of no use. CAs may refuse a
    /// preferred profile as late as at finalize; it is left out then.
    package func parameters(_ parameters: OrderParameters, after error: ACMEError) -> OrderParameters? {
        guard case .profileRefused(_, let problem) = error, let preferred = parameters.preferredProfile,
            parameters.requiredProfile == nil
        else { return nil }
        report(.fellBack("the CA does not take the profile \(preferred): \(problem); its default is taken"))
        var parameters = parameters
        parameters.preferredProfile = nil
        return parameters
    }

    /// Hands in the request and waits for the certificate.
    ///
    /// The request is never repeated blindly. After a fault the order tells whether it arrived, and only while the order is
    /// still `ready` is it handed in again.
    private func finalized(_ order: Order, at url: String, _ request: SigningRequest) async throws(ACMEError) -> Order {
        var order = order
        var retryAfter: Duration?
        // What the CA said of the request, should the order not say it.
        var refusal: Problem?
        var budget = RetryBudget(client.session.stopwatch())
        if order.status == .ready { report(.finalizing) }
        while order.status == .ready {
            do throws(ACMEError) {
                (order, retryAfter) = try await client.finalize(order, request)
                // An answer that still says `ready` is older than the request: the polls will tell.
                break
            } catch {
                guard let wait = budget.wait(afterFinalizing: error) else { throw error.atFinalize(order) }
                if case .refused(let problem, _) = error { refusal = problem }
                if wait > .zero { try await client.session.pause(wait) }
                (order, retryAfter) = try await client.order(url)
            }
        }
        if order.status == .invalid { throw ACMEError.orderInvalid(order.error ?? refusal).atFinalize(order) }
        if order.status == .valid, order.certificate != nil { return order }
        do throws(ACMEError) {
            return try await poll(
                url, while: [.pending, .ready, .processing], for: OrderPoll.issuance, retryAfter: retryAfter)
        } catch {
            throw error.atFinalize(order)
        }
    }

    /// Looks at the order until its status is none of `waiting`.
    ///
    /// - Parameter look: called while it is, after each look at the order, with the time since the first one.
    func poll(
        _ url: String, while waiting: Set<Order.Status>, for limit: Duration, retryAfter: Duration? = nil,
        look: (Duration) async throws(ACMEError) -> Void = { _ throws(ACMEError) in }
    ) async throws(ACMEError) -> Order {
        let stopwatch = client.session.stopwatch()
        var delays = OrderPoll()
        var asked = retryAfter
        while true {
            try await client.session.pause(delays.next(after: asked, left: limit - stopwatch.elapsed))
            let (order, retryAfter) = try await client.order(url)
            if order.status == .invalid { throw .orderInvalid(order.error) }
            guard waiting.contains(order.status) else { return order }
            guard stopwatch.elapsed < limit else {
                throw .stillPending(url: url, status: order.status, waited: stopwatch.elapsed)
            }
            try await look(stopwatch.elapsed)
            asked = retryAfter
        }
    }
}

extension ACMEError {
    /// What an error of finalize is about: CAs may refuse a profile as late as that.
    fileprivate func atFinalize(_ order: Order) -> ACMEError {
        switch self {
        case .refused(let problem, _) where problem.type == "invalidProfile",
            .orderInvalid(.some(let problem)) where problem.type == "invalidProfile":
            .profileRefused(order.profile ?? "of the order", problem)
        default: self
        }
    }
}

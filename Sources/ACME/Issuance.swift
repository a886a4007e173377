package import FoundationEssentials
package import PKI

/// One certificate, from order to chain (RFC 8555 §7.4): the exchange in as few requests as it takes.
///
/// The order is polled and the authorizations are not: an order of many names then costs one request a look.
package struct Issuance: Sendable {
    /// What happens on the way, for whoever shows progress.
    package enum Step: Hashable, Sendable {
        /// The order is made; its URL is where a later run finds it.
        case ordered(url: String)
        /// The answers to these challenges are about to be shown. What saves progress saves them now: should the run be killed, the
        /// next one knows what to take away.
        case presenting([PendingChallenge])
        /// The answers of these names are shown, and the CA may not see them yet.
        case waiting(names: [String])
        /// The answers to the challenges of these names stand, and the CA is told.
        case validating(names: [String])
        /// All names are validated; the request is handed in.
        case finalizing
        /// A preferred profile or chain is not to be had; the CA's default is taken.
        case fellBack(String)
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
    package struct Wishes: Sendable {
        package var preferredProfile: String?
        package var requiredProfile: String?
        package var preferredChain: String?

        package init(preferredProfile: String? = nil, requiredProfile: String? = nil, preferredChain: String? = nil) {
            (self.preferredProfile, self.requiredProfile) = (preferredProfile, requiredProfile)
            self.preferredChain = preferredChain
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

    /// Orders a certificate for names.
    ///
    /// - Throws: ``ACMEError/noSolver(name:)`` before anything is ordered.
    package func place(_ names: [SubjectName], wishes: Wishes = Wishes()) async throws(ACMEError) -> PlacedOrder {
        for name in names where solver.challengeType(for: name) == nil { throw .noSolver(name: name.description) }
        let profile = try await profile(wishes)
        let (url, order) = try await client.newOrder(
            NewOrder(identifiers: names.map(Identifier.init), profile: profile))
        report(.ordered(url: url))
        return PlacedOrder(url: url, order: order)
    }

    /// Takes up an order that an earlier run placed. ``ACMEError/orderFault`` says what an error means for the order; after
    /// ``OrderFault/gone``, ``OrderFault/authorizationGone`` and ``OrderFault/failed`` there is nothing to take up.
    package func placed(at url: String) async throws(ACMEError) -> PlacedOrder {
        let order = try await client.order(url).order
        if order.status == .invalid { throw await explained(.orderInvalid(order.error), order) }
        return PlacedOrder(url: url, order: order, isResumed: true)
    }

    /// Brings an order to its end and returns the URL of its certificate.
    ///
    /// - Parameter request: signed with the key that the order is for; an order that was finalized before has its
    ///   certificate for the request of that time.
    package func certificateURL(of placed: PlacedOrder, request: SigningRequest) async throws(ACMEError) -> String {
        let ready = try await validated(placed)
        if placed.isResumed { await cleanUpLeftovers(of: ready) }
        let valid = try await finalized(ready, at: placed.url, request)
        guard let certificate = valid.certificate else {
            throw .malformed(url: placed.url, what: "the order is valid but has no certificate")
        }
        return certificate
    }

    /// Orders a certificate for names and returns its chain in PEM, the leaf first.
    package func certificate(
        for names: [SubjectName], request: SigningRequest, wishes: Wishes = Wishes()
    ) async throws(ACMEError) -> [UInt8] {
        let url = try await certificateURL(of: place(names, wishes: wishes), request: request)
        return try await chain(at: url, wishes: wishes)
    }

    private func profile(_ wishes: Wishes) async throws(ACMEError) -> String? {
        guard wishes.requiredProfile != nil || wishes.preferredProfile != nil else { return nil }
        let offered = try await client.session.fetchDirectory().meta?.profiles ?? [:]
        if let required = wishes.requiredProfile {
            guard offered[required] != nil else { throw .unknownProfile(required, offered: offered.keys.sorted()) }
            return required
        }
        guard let preferred = wishes.preferredProfile else { return nil }
        guard offered[preferred] != nil else {
            report(.fellBack("the CA has no profile \(preferred); its default is taken"))
            return nil
        }
        return preferred
    }

    /// Hands in the request and waits for the certificate.
    ///
    /// The request is never repeated blindly. After a fault the order tells whether it arrived, and only while the order is
    /// still `ready` is it handed in again.
    private func finalized(_ order: Order, at url: String, _ request: SigningRequest) async throws(ACMEError) -> Order {
        var order = order
        var retryAfter: Duration?
        var patience = Patience()
        if order.status == .ready { report(.finalizing) }
        while order.status == .ready {
            do throws(ACMEError) {
                (order, retryAfter) = try await client.finalize(order, request)
                // An answer that still says `ready` is older than the request: the polls will tell.
                break
            } catch {
                guard let wait = patience.wait(afterFinalizing: error) else { throw error }
                if wait > .zero { try await client.session.pause(wait) }
                (order, retryAfter) = try await client.order(url)
            }
        }
        if order.status == .invalid { throw .orderInvalid(order.error) }
        if order.status == .valid, order.certificate != nil { return order }
        return try await poll(
            url, while: [.pending, .ready, .processing], for: OrderPoll.issuance, retryAfter: retryAfter)
    }

    /// Looks at the order until its status is none of `waiting`.
    func poll(
        _ url: String, while waiting: Set<Order.Status>, for limit: Duration, retryAfter: Duration? = nil
    ) async throws(ACMEError) -> Order {
        var delays = OrderPoll(limit: limit)
        var asked = retryAfter
        while true {
            let delay = delays.next(after: asked)
            try await client.session.pause(delay)
            let (order, retryAfter) = try await client.order(url)
            if order.status == .invalid { throw .orderInvalid(order.error) }
            guard waiting.contains(order.status) else { return order }
            guard !delays.isExhausted else {
                throw .stillPending(url: url, status: order.status, waited: delays.waited)
            }
            asked = retryAfter
        }
    }

    /// Fetches the chain of a certificate in PEM, the leaf first. The CA's default is as good as any: what keeps another one from
    /// being had is reported, and no failure.
    package func chain(at url: String, wishes: Wishes = Wishes()) async throws(ACMEError) -> [UInt8] {
        let (pem, alternates) = try await client.certificate(url)
        do throws(PKIError) {
            _ = try Certificate.chain(pem: pem)
        } catch {
            throw .malformed(url: url, what: "\(error)")
        }
        guard let issuer = wishes.preferredChain, !Issuance.isIssued(pem, by: issuer) else { return pem }
        var failure: ACMEError?
        for alternate in alternates.prefix(Issuance.mostAlternates) {
            do throws(ACMEError) {
                let (other, _) = try await client.certificate(alternate)
                if Issuance.isIssued(other, by: issuer) { return other }
            } catch {
                if case .cancelled = error { throw error }
                failure = failure ?? error
            }
        }
        if let failure {
            report(.fellBack("a chain to \(issuer) could not be had: \(failure); the CA's default is taken"))
        } else {
            report(.fellBack("the CA offers no chain to \(issuer); its default is taken"))
        }
        return pem
    }

    /// CAs offer one to three; a header with a thousand must not become a thousand requests.
    private static let mostAlternates = 10

    /// Whether the topmost certificate's issuer has the common name.
    private static func isIssued(_ pem: [UInt8], by name: String) -> Bool {
        (try? Certificate.chain(pem: pem))?.last?.issuerCommonName == name
    }
}

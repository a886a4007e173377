package import PKI

/// One certificate, from order to chain (RFC 8555 §7.4): the exchange in as few requests as it takes.
///
/// The order is polled and the authorizations are not: an order of many names then costs one request a look.
package struct Issuance: Sendable {
    /// What happens on the way, for whoever shows progress.
    package enum Step: Hashable, Sendable {
        /// The order is made; its URL is where a later run finds it.
        case ordered(url: String)
        /// The answers to the challenges of these names stand, and the CA is told.
        case validating(names: [String])
        /// All names are validated; the request is handed in.
        case finalizing
        /// A preferred profile or chain is not to be had; the CA's default is taken.
        case fellBack(String)
    }

    private let client: Client
    private let responder: any ChallengeResponder
    private let report: @Sendable (Step) -> Void

    package init(
        client: Client, responder: any ChallengeResponder, report: @escaping @Sendable (Step) -> Void = { _ in }
    ) {
        (self.client, self.responder, self.report) = (client, responder, report)
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
        package let url: String
        fileprivate let order: Order
        /// Whether an earlier run placed it, and may have left answers to its challenges behind.
        fileprivate var isResumed = false
    }

    /// Orders a certificate for names.
    package func place(_ names: [SubjectName], wishes: Wishes = Wishes()) async throws(ACMEError) -> PlacedOrder {
        let profile = try await profile(wishes)
        let (url, order) = try await client.newOrder(
            NewOrder(identifiers: names.map(Identifier.init), profile: profile))
        report(.ordered(url: url))
        return PlacedOrder(url: url, order: order)
    }

    /// Takes up an order that an earlier run placed; ``ACMEError/meansOrderIsGone`` tells when there is nothing to take up.
    package func placed(at url: String) async throws(ACMEError) -> PlacedOrder {
        let order = try await client.order(url).order
        if order.status == .invalid { throw await explained(.orderInvalid(order.error), order) }
        return PlacedOrder(url: url, order: order, isResumed: true)
    }

    /// Takes away what an earlier run, cut short, has left for this order's challenges.
    private func cleanUpLeftovers(of order: Order) async {
        for url in order.authorizations {
            guard let authorization = try? await client.authorization(url), let name = SubjectName(authorization.name)
            else { continue }
            for challenge in authorization.challenges where challenge.type == responder.challengeType {
                await responder.cleanUp(token: challenge.token, for: name)
            }
        }
    }

    /// Brings an order to its end and returns the URL of its certificate.
    ///
    /// - Parameter request: signed with the key that the order is for; an order that was finalized before has its
    ///   certificate for the request of that time.
    package func certificateURL(of placed: PlacedOrder, request: SigningRequest) async throws(ACMEError) -> String {
        let ready = try await validated(placed.order, at: placed.url)
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

    /// Proves control of every name that the CA still wants proven, and waits until the order can be finalized.
    private func validated(_ order: Order, at url: String) async throws(ACMEError) -> Order {
        guard order.status == .pending else { return order }
        var answers: [Answer] = []
        for authorizationURL in order.authorizations {
            let authorization = try await client.authorization(authorizationURL)
            switch authorization.status {
            case .valid: continue
            case .pending: answers.append(try answer(to: authorization, at: authorizationURL))
            case .invalid, .deactivated, .expired, .revoked:
                throw .authorizationFailed([ACMEError.Refusal(authorization)])
            }
        }
        var presented: [Answer] = []
        let result: Result<Order, ACMEError>
        do throws(ACMEError) {
            for answer in answers {
                // What was presented by halves is taken away too.
                presented.append(answer)
                try await present(answer)
            }
            if !answers.isEmpty { report(.validating(names: answers.map(\.name.description).sorted())) }
            for answer in answers { try await start(answer) }
            result = .success(try await poll(url, while: [.pending], for: OrderPoll.validation))
        } catch {
            result = .failure(await explained(error, order))
        }
        for answer in presented { await responder.cleanUp(token: answer.challenge.token, for: answer.name) }
        return try result.get()
    }

    /// Tells the CA to look. Where the answer to that got lost, the repetition may be refused because it looks already.
    private func start(_ answer: Answer) async throws(ACMEError) {
        do throws(ACMEError) {
            try await client.ready(answer.challenge)
        } catch {
            guard case .refused(let problem, _) = error, problem.type == "malformed" else { throw error }
            let authorization = try await client.authorization(answer.authorizationURL)
            let challenge = authorization.challenges.first { $0.url == answer.challenge.url }
            guard authorization.status != .pending || (challenge?.status ?? "pending") != "pending" else { throw error }
        }
    }

    private struct Answer {
        let authorizationURL: String
        let challenge: Challenge
        let name: SubjectName
        let keyAuthorization: String
    }

    private func answer(to authorization: Authorization, at url: String) throws(ACMEError) -> Answer {
        guard let name = SubjectName(authorization.name),
            let challenge = authorization.challenges.first(where: { $0.type == responder.challengeType })
        else { throw .noChallenge(name: authorization.name, offered: authorization.offeredTypes) }
        return Answer(
            authorizationURL: url, challenge: challenge, name: name,
            keyAuthorization: "\(challenge.token).\(try client.thumbprint())")
    }

    private func present(_ answer: Answer) async throws(ACMEError) {
        do {
            try await responder.present(
                token: answer.challenge.token, keyAuthorization: answer.keyAuthorization, for: answer.name)
        } catch {
            throw .notPresented(name: answer.name.description, reason: "\(error)")
        }
    }

    /// An invalid order rarely says why; its authorizations do. Where they do not either, the order's error stands.
    private func explained(_ error: ACMEError, _ order: Order) async -> ACMEError {
        guard case .orderInvalid = error else { return error }
        var refusals: [ACMEError.Refusal] = []
        for url in order.authorizations {
            guard let authorization = try? await client.authorization(url) else { continue }
            if authorization.status == .invalid { refusals.append(ACMEError.Refusal(authorization)) }
        }
        return refusals.isEmpty ? error : .authorizationFailed(refusals)
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
    private func poll(
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

extension ACMEError.Refusal {
    init(_ authorization: Authorization) {
        let problem = authorization.challenges.lazy.compactMap(\.error).first
        self.init(
            name: authorization.identifier.value,
            problem: problem ?? Problem(type: nil, detail: "the authorization is \(authorization.status.rawValue)"))
    }
}

/// When to look at an order: soon at first, then as the CA says, else at rising intervals.
struct OrderPoll {
    /// How long names may take to be validated: a CA looks from several networks, and queues.
    static let validation: Duration = .seconds(180)
    /// How long a CA may take to sign.
    static let issuance: Duration = .seconds(120)
    /// Asking at once wastes a request; a local CA is done after this.
    static let first: Duration = .milliseconds(20)
    /// The intervals rise to this.
    static let longest: Duration = .seconds(5)
    /// A Retry-After is honoured up to this, so that a bad header cannot hold up the run.
    static let longestAsked: Duration = .seconds(60)

    private let limit: Duration
    private(set) var waited: Duration = .zero
    private var step: Duration = OrderPoll.first

    init(limit: Duration) { self.limit = limit }

    /// Whether the time is used up.
    var isExhausted: Bool { waited >= limit }

    /// The next delay.
    mutating func next(after asked: Duration?) -> Duration {
        let delay = asked.map { min(max($0, OrderPoll.first), OrderPoll.longestAsked) } ?? step
        step = min(step * 5 / 2, OrderPoll.longest)
        waited += delay
        return delay
    }
}

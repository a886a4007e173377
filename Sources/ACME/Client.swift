import FoundationEssentials
import HTTP
package import PKI

/// One account at one CA: the requests of RFC 8555 §7, each as a call.
package struct Client: Sendable {
    /// The conversation that the requests are part of.
    package let session: Session
    /// The account's URL.
    package let accountURL: String
    let key: PrivateKey
    private let signer: RequestSigner

    /// The client of an account that exists.
    package init(session: Session, key: PrivateKey, accountURL: String) {
        (self.session, self.key, self.accountURL) = (session, key, accountURL)
        signer = RequestSigner(key: key, identity: .account(accountURL))
    }

    /// Orders a certificate; the order's URL comes with it.
    func newOrder(_ request: NewOrder) async throws(ACMEError) -> (url: String, order: Order) {
        let url = try await session.fetchDirectory().newOrder
        let response: HTTPResponse
        do throws(ACMEError) {
            response = try await post(url, request)
        } catch {
            // Of all that may be unauthorized the account itself is the likeliest (RFC 8555 §7.3.6).
            guard case .refused(let problem, _) = error, problem.type == "unauthorized",
                case .deactivated? = try? await standing()
            else { throw error }
            throw .accountDeactivated(url: accountURL)
        }
        let location = try ServerURL.location(response.headers["Location"], of: "order", from: url)
        let order = try response.decode(Order.self, from: url)
        try order.requireBounds(names: request.identifiers.count, from: url)
        return (location, order)
    }

    /// Reads an order, and how long the CA wants to be left alone before the next look.
    ///
    /// - Throws: ``ACMEError/orderGone(url:_:)`` where the CA says that it does not have it.
    func order(_ url: String) async throws(ACMEError) -> (order: Order, retryAfter: Duration?) {
        let response: HTTPResponse
        do throws(ACMEError) {
            response = try await post(url)
        } catch {
            guard case .refused(let problem, _) = error, problem.saysGone else { throw error }
            throw .orderGone(url: url, problem)
        }
        let order = try response.decode(Order.self, from: url)
        try order.requireBounds(names: nil, from: url)
        return (order, RetryAfter.delay(in: response.headers, now: Date.now))
    }

    func authorization(_ url: String) async throws(ACMEError) -> Authorization {
        try await post(url).decode(Authorization.self, from: url)
    }

    /// Gives an authorization up (RFC 8555 §7.5.2).
    func deactivate(authorization url: String) async throws(ACMEError) {
        _ = try await post(url, ["status": "deactivated"])
    }

    /// Tells the CA that the answer to a challenge is there (RFC 8555 §7.5.1).
    func ready(_ challengeURL: String) async throws(ACMEError) {
        _ = try await post(challengeURL, [String: String]())
    }

    /// Hands in the request for the certificate (RFC 8555 §7.4). Not repeated: the order tells whether it arrived.
    func finalize(_ order: Order, _ request: SigningRequest) async throws(ACMEError) -> (
        order: Order, retryAfter: Duration?
    ) {
        let response = try await post(order.finalize, ["csr": Base64URL.encode(request.der)], repeatable: false)
        let finalized = try response.decode(Order.self, from: order.finalize)
        try finalized.requireBounds(names: order.identifiers?.count, from: order.finalize)
        return (finalized, RetryAfter.delay(in: response.headers, now: Date.now))
    }

    /// Fetches a chain in PEM, and where the CA offers others (RFC 8555 §7.4.2).
    func certificate(_ url: String) async throws(ACMEError) -> (pem: [UInt8], alternates: [String]) {
        let response = try await post(url, accept: "application/pem-certificate-chain")
        let targets = Link.targets(of: "alternate", in: response.headers.all("Link"))
        return (response.body, targets.map { Link.resolved($0, against: url) })
    }

    /// The second half of every key authorization (RFC 8555 §8.1).
    package func thumbprint() throws(ACMEError) -> String {
        try signing { () throws(PKIError) in try JSONWebKey(key).thumbprint() }
    }

    func post(_ url: String, accept: String? = nil) async throws(ACMEError) -> HTTPResponse {
        try await known { () throws(ACMEError) in
            try await session.post(url, payload: nil, signer: signer, accept: accept)
        }
    }

    func post(
        _ url: String, _ payload: some Encodable & Sendable, repeatable: Bool = true
    ) async throws(ACMEError) -> HTTPResponse {
        let body = try signing { () throws(PKIError) in try RequestSigner.json(payload) }
        return try await known { () throws(ACMEError) in
            try await session.post(url, payload: body, signer: signer, repeatable: repeatable)
        }
    }

    /// Says which account it is that the CA does not know.
    private func known(
        _ body: () async throws(ACMEError) -> HTTPResponse
    ) async throws(ACMEError) -> HTTPResponse {
        do throws(ACMEError) {
            return try await body()
        } catch {
            guard error.isUnknownAccount else { throw error }
            throw .unknownAccount(url: accountURL)
        }
    }
}

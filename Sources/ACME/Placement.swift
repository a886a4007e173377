package import PKI

/// The beginning of an issuance: the order is placed (RFC 8555 §7.4).
extension Issuance {
    /// Orders a certificate for names.
    ///
    /// Without a wish, an order with an IP address asks for the profile `shortlived` where the CA has it: Let's Encrypt takes addresses
    /// in no other.
    ///
    /// An order that says which certificate it replaces is placed once more without it where the CA refuses that; a preferred
    /// profile that the CA does not have is left out. Both are reported.
    ///
    /// - Throws: ``ACMEError/noSolver(name:)`` before anything is ordered.
    package func place(_ names: [SubjectName], parameters: OrderParameters = OrderParameters()) async throws(ACMEError)
        -> PlacedOrder
    {
        for name in names where solver.challengeType(for: name) == nil { throw .noSolver(name: name.description) }
        var request = NewOrder(
            identifiers: names.map(Identifier.init), profile: try await profile(parameters, for: names),
            replaces: parameters.replaces?.description)
        while true {
            do throws(ACMEError) {
                let (url, order) = try await client.newOrder(request)
                report(.ordered(url: url))
                return PlacedOrder(url: url, order: order)
            } catch {
                guard case .refused(let problem, _) = error else { throw error }
                if let profile = request.profile, problem.type == "invalidProfile" {
                    guard parameters.requiredProfile == nil else { throw .profileRefused(profile, problem) }
                    report(.fellBack("the CA does not take the profile \(profile): \(problem); its default is taken"))
                    request.profile = nil
                } else if let replaced = request.replaces, problem.refusesReplacement {
                    report(
                        .fellBack(
                            "the CA does not take the order as a replacement of \(replaced): \(problem); it is placed without "
                                + "that, and counts against rate limits"))
                    request.replaces = nil
                } else {
                    throw error
                }
            }
        }
    }

    /// The profile that takes IP addresses at Let's Encrypt (RFC 8738).
    private static let addressProfile = "shortlived"

    private func profile(_ parameters: OrderParameters, for names: [SubjectName]) async throws(ACMEError) -> String? {
        let hasAddress = names.contains { if case .ip = $0 { true } else { false } }
        guard parameters.requiredProfile != nil || parameters.preferredProfile != nil || hasAddress else { return nil }
        let offered = try await client.session.fetchDirectory().meta?.profiles ?? [:]
        if let required = parameters.requiredProfile {
            guard offered[required] != nil else { throw .unknownProfile(required, offered: offered.keys.sorted()) }
            return required
        }
        guard let preferred = parameters.preferredProfile else {
            return offered[Issuance.addressProfile].map { _ in Issuance.addressProfile }
        }
        guard offered[preferred] != nil else {
            report(.fellBack("the CA has no profile \(preferred); its default is taken"))
            return nil
        }
        return preferred
    }
}

extension Problem {
    /// Whether it may be about the certificate that the order is to replace (RFC 9773 §5): replaced already, another account's,
    /// unknown, or without a name in common.
    fileprivate var refusesReplacement: Bool { type == "alreadyReplaced" || [400, 403, 404, 409].contains(status) }
}

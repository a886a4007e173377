package import FoundationEssentials
package import PKI

/// A name that a CA did not validate for an order, since it had been before.
package struct ReusedAuthorization: Hashable, Sendable {
    /// As it was ordered.
    package let name: String
    package let url: String
    /// Until when the CA takes it as validated, where it says so.
    package let expires: Date?
}

/// What an order proves beyond the certificate: that the names can be validated now.
extension Issuance {
    /// The names of an order that the CA takes as validated already. Asked before the order is brought further, these are the
    /// ones that it does not validate; after that, all.
    package func reusedAuthorizations(of placed: PlacedOrder) async throws(ACMEError) -> [ReusedAuthorization] {
        var reused: [ReusedAuthorization] = []
        for url in placed.authorizations {
            let authorization = try await authorization(url)
            guard authorization.status == .valid else { continue }
            reused.append(ReusedAuthorization(name: authorization.name, url: url, expires: authorization.expires))
        }
        return reused
    }

    /// Gives authorizations up, so that the names are validated for the next order (RFC 8555 §7.5.2). One that the CA does not
    /// have any more is no fault.
    package func deactivate(authorizations urls: [String]) async throws(ACMEError) {
        for url in urls {
            do throws(ACMEError) {
                try await client.deactivate(authorization: url)
            } catch {
                guard case .refused(let problem, _) = error, problem.saysGone else { throw error }
            }
        }
    }

    /// Gives up what an order that is abandoned leaves pending at the CA, which counts against a limit of its own there. No other
    /// order may name these authorizations.
    ///
    /// - Returns: how many were pending.
    @discardableResult
    package func deactivatePending(of placed: PlacedOrder) async throws(ACMEError) -> Int {
        var pending: [String] = []
        for url in placed.authorizations {
            guard let authorization = try? await client.authorization(url), authorization.status == .pending else {
                continue
            }
            pending.append(url)
        }
        try await deactivate(authorizations: pending)
        return pending.count
    }

    /// Places the order of a dry run, and says which names will not be validated for it.
    ///
    /// - Parameter deactivating: whether names that the CA takes as validated are validated all the same: their authorizations are
    ///   deactivated and the order is placed again. Only for a staging environment: elsewhere somebody may have validated names
    ///   by hand.
    package func placeRehearsal(
        _ names: [SubjectName], parameters: OrderParameters = OrderParameters(), deactivating: Bool
    ) async throws(ACMEError) -> (placed: PlacedOrder, notValidated: [ReusedAuthorization]) {
        let placed = try await place(names, parameters: parameters)
        let reused = try await reusedAuthorizations(of: placed)
        guard deactivating, !reused.isEmpty else { return (placed, reused) }
        try await deactivate(authorizations: reused.map(\.url))
        let again = try await place(names, parameters: parameters)
        return (again, try await reusedAuthorizations(of: again))
    }
}

import HTTP
package import PKI

/// Why a certificate is revoked (RFC 5280 §5.3.1): the reasons that a subscriber may give.
package enum RevocationReason: Int, Sendable, CaseIterable, CustomStringConvertible {
    case unspecified = 0
    /// Somebody else has the key: it is never to be used again, for any certificate.
    case keyCompromise = 1
    case affiliationChanged = 3
    case superseded = 4
    case cessationOfOperation = 5

    /// As RFC 5280 spells it, in any case, as certbot takes it.
    package init?(named name: String) {
        guard let reason = RevocationReason.allCases.first(where: { "\($0)".lowercased() == name.lowercased() }) else {
            return nil
        }
        self = reason
    }

    package var description: String {
        switch self {
        case .unspecified: "unspecified"
        case .keyCompromise: "keyCompromise"
        case .affiliationChanged: "affiliationChanged"
        case .superseded: "superseded"
        case .cessationOfOperation: "cessationOfOperation"
        }
    }
}

/// How a revocation ended; either way the certificate is revoked.
package enum RevocationResult: Hashable, Sendable {
    case revoked
    /// It was before (RFC 8555 §7.6, `alreadyRevoked`).
    case wasRevoked
}

/// Revocation (RFC 8555 §7.6).
extension Client {
    /// Revokes a certificate as the account that got it, or as one that is validated for all its names.
    package func revoke(
        _ certificate: Certificate, reason: RevocationReason = .unspecified
    ) async throws(ACMEError) -> RevocationResult {
        let url = try await Client.revocationURL(session)
        let request = RevocationRequest(certificate, reason)
        return try await Client.outcome { () throws(ACMEError) in _ = try await post(url, request) }
    }

    /// Revokes a certificate by its own key, without an account.
    ///
    /// The key is to be treated as compromised after that by everybody who has seen the request: a CA may refuse it from then on.
    package static func revoke(
        _ certificate: Certificate, key: PrivateKey, session: Session, reason: RevocationReason = .unspecified
    ) async throws(ACMEError) -> RevocationResult {
        let url = try await revocationURL(session)
        let request = RevocationRequest(certificate, reason)
        return try await outcome { () throws(ACMEError) in _ = try await session.post(url, request, signedBy: key) }
    }

    private static func revocationURL(_ session: Session) async throws(ACMEError) -> String {
        guard let url = try await session.fetchDirectory().revokeCert else {
            throw .malformed(url: session.server, what: "there is no revokeCert")
        }
        return url
    }

    private static func outcome(
        _ body: () async throws(ACMEError) -> Void
    ) async throws(ACMEError) -> RevocationResult {
        do throws(ACMEError) {
            try await body()
            return .revoked
        } catch {
            guard case .refused(let problem, _) = error, problem.type == "alreadyRevoked" else { throw error }
            return .wasRevoked
        }
    }
}

private struct RevocationRequest: Encodable, Sendable {
    let certificate: String
    /// Left out where there is none to give (RFC 5280 §5.3.1).
    let reason: Int?

    init(_ certificate: Certificate, _ reason: RevocationReason) {
        self.certificate = Base64URL.encode(certificate.der)
        self.reason = reason == .unspecified ? nil : reason.rawValue
    }
}

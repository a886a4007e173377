import PKI

/// The end of an issuance: the chain is fetched, the CA's default or another one (RFC 8555 §7.4.2).
extension Issuance {
    /// Fetches the chain of a certificate in PEM, the leaf first.
    ///
    /// The preferred one of those that are accepted is taken; else the CA's default if that is accepted; else any that is; else
    /// the default as it is. What keeps another one from being had is reported, and no failure.
    ///
    /// - Parameter isAccepted: whether a chain is one that could be installed.
    package func chain(
        at url: String, parameters: OrderParameters = OrderParameters(),
        isAccepted: @Sendable ([UInt8]) -> Bool = { _ in true }
    ) async throws(ACMEError) -> [UInt8] {
        let (pem, alternates) = try await client.certificate(url)
        do throws(PKIError) {
            _ = try Certificate.chain(pem: pem)
        } catch {
            throw .malformed(url: url, what: "\(error)")
        }
        let preference = parameters.chainPreference
        let isGood = isAccepted(pem)
        if isGood, preference.map({ $0.isMet(by: pem) }) ?? true { return pem }
        var failure: ACMEError?
        var second: [UInt8]?
        for alternate in alternates.prefix(Issuance.mostAlternates) {
            do throws(ACMEError) {
                let (other, _) = try await client.certificate(alternate)
                guard isAccepted(other) else { continue }
                if preference.map({ $0.isMet(by: other) }) ?? true { return other }
                second = second ?? other
            } catch {
                if case .cancelled = error { throw error }
                failure = failure ?? error
            }
        }
        if let preference {
            if let failure {
                report(.fellBack("a chain to \(preference) could not be had: \(failure); the CA's default is taken"))
            } else {
                report(.fellBack("the CA offers no chain to \(preference); its default is taken"))
            }
        }
        return isGood ? pem : second ?? pem
    }

    /// CAs offer one to three; a header with a thousand must not become a thousand requests.
    private static let mostAlternates = 10
}

/// Which of a CA's chains is wanted.
enum ChainPreference: CustomStringConvertible {
    /// The topmost certificate's issuer has that common name: what certbot goes by.
    case issuer(String)
    /// The topmost certificate is that root, or is signed by it. Names of roots are used again, keys are not.
    case root(Certificate)

    func isMet(by pem: [UInt8]) -> Bool {
        guard let top = (try? Certificate.chain(pem: pem))?.last else { return false }
        switch self {
        case .issuer(let name): return top.issuerCommonName == name
        case .root(let root): return top == root || (try? ChainPath.hasIssued(root, top)) ?? false
        }
    }

    var description: String {
        switch self {
        case .issuer(let name): name
        case .root(let root): (try? root.sha256()).map { "\(root.subject) (SHA-256 \($0))" } ?? root.subject
        }
    }
}

extension Issuance.OrderParameters {
    /// The root goes before the name.
    fileprivate var chainPreference: ChainPreference? {
        preferredRoot.map(ChainPreference.root) ?? preferredChain.map(ChainPreference.issuer)
    }
}

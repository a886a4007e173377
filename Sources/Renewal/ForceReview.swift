import Challenges
package import FoundationEssentials
package import Lineages
package import PKI

/// What there is to say before a certificate is ordered by force: what is wrong, and whether a renewal can help.
///
/// Pure: what was seen is given to it.
package struct ForceReview: Sendable {
    /// What would help.
    package enum Advice: Hashable, Sendable {
        /// A new certificate.
        case renew
        /// The certificate on the disk is good, and is not served.
        case deploy
        /// Nothing: a new certificate would only cost one of those that the CA allows.
        case nothing
    }

    package let name: String
    package let advice: Advice
    /// What is wrong, or that nothing is, in a line.
    package let finding: String
    package let budget: CertificateBudget
    /// The CA's other limits; nil where it has none, as far as is known.
    package let authority: AuthorityBudget?

    /// What is to be said of the CA's limits.
    package var budgets: String {
        guard let authority, authority.isLow else { return budget.description }
        return "\(budget.description); \(authority.description)"
    }

    /// Why the order needs an operator's word: one of the CA's limits is near; nil where none is.
    package var refusal: Cause? {
        if budget.isLow { return budget.refusal }
        return authority.flatMap { $0.isLow ? $0.refusal : nil }
    }

    /// - Parameters:
    ///   - chain: what its fullchain.pem holds.
    ///   - state: what is known of it, as it applies to what live/ shows.
    ///   - served: what its endpoints were just seen serving.
    ///   - revoked: that it is revoked, where it is.
    package init(
        _ lineage: Lineage, chain: [Certificate], state: LineageState?, served: ProbeReport,
        revoked: RevokedCertificates.Entry? = nil, budget: CertificateBudget, authority: AuthorityBudget? = nil,
        at now: Date
    ) {
        name = lineage.name
        (self.budget, self.authority) = (budget, authority)
        guard let certificate = lineage.certificate, let options = lineage.options, lineage.fatalProblem == nil else {
            (advice, finding) = (.renew, lineage.fatalProblem?.message ?? "there is no certificate")
            return
        }
        let days = Int(certificate.notAfter.timeIntervalSince(now) / 86_400)
        if certificate.notAfter <= now {
            (advice, finding) = (.renew, "it has expired")
        } else if let revoked {
            (advice, finding) = (.renew, "it is \(revoked)")
        } else if case .renew(let reason) = RenewalPolicy().decision(
            for: certificate.validity, options: options, at: now)
        {
            (advice, finding) = (.renew, "it is due (\(reason)), and valid for \(days) days")
        } else if let fault = ChainFault.faults(in: chain, at: now).first {
            switch fault {
            case .incomplete(let reason): (advice, finding) = (.renew, reason)
            case .expired(let subject, _): (advice, finding) = (.renew, "\(subject) in fullchain.pem has expired")
            }
        } else if let held = state?.host.quarantine {
            (advice, finding) = (
                .deploy,
                "serial \(held.serial) was rolled back (\(held.retry.cause)) and can be deployed once that is fixed"
            )
        } else if let complaint = served.trouble {
            (advice, finding) = (.deploy, "\(complaint), and the one on the disk is valid for \(days) days")
        } else if let state, state.host.isRolloutPending {
            (advice, finding) = (.deploy, "\(state.summary), and what is on the disk is valid for \(days) days")
        } else {
            let place = served.matches.first.map { " and served at \($0.endpoint)" } ?? ""
            (advice, finding) = (.nothing, "nothing is wrong with it: it is valid for \(days) days\(place)")
        }
    }
}

extension ForceReview {
    /// Looks at lineages before they are renewed by force: at their endpoints, and at what was made of late.
    ///
    /// - Parameter all: the lineages of the config directory, for those with the same names.
    package static func reviews(
        of lineages: [Lineage], among all: [Lineage], _ store: StateStore, host: ConfFile, limit: Int?, at now: Date
    ) async -> [ForceReview] {
        await sideBySide(lineages.filter { $0.reasonUnmanaged == nil }) { lineage in
            let state = store.state(of: lineage, at: now)
            var served = await Verification().look(at: lineage, state: state, host: host) ?? ProbeReport([])
            // An endpoint that is slow for a moment is no reason to do something else than what was asked for.
            for _ in 0..<2 where served.wrong != nil && !served.isStale && !Task.isCancelled {
                served = await Verification().look(at: lineage, state: state, host: host) ?? ProbeReport([])
            }
            let budget = CertificateBudget(lineage, among: all, store: store, limit: limit, at: now)
            let authority = AuthorityBudget(
                lineage.certificate?.names ?? [], at: lineage.options?.server, among: all, store: store, at: now)
            let chain = lineage.paths.flatMap { try? FileSystem.read($0.link(.fullchain)) }
                .flatMap { try? Certificate.chain(pem: $0) }
            let revoked = lineage.certificate.flatMap { store.revoked().reason(against: $0) }
            return ForceReview(
                lineage, chain: chain ?? [], state: state, served: served, revoked: revoked, budget: budget,
                authority: authority, at: now)
        }
    }
}

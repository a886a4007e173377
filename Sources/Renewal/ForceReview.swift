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
        /// The certificate on the disk is good: what is missing is that it is served.
        case deploy
    }

    package let name: String
    package let advice: Advice
    /// What is wrong, or that nothing is, in a line.
    package let finding: String
    package let budget: CertificateBudget

    /// - Parameters:
    ///   - chain: what its fullchain.pem holds.
    ///   - served: what its listeners were just seen serving.
    package init(
        _ lineage: Lineage, chain: [Certificate], entry: LedgerEntry?, served: ServedReport, budget: CertificateBudget,
        at now: Date
    ) {
        name = lineage.name
        self.budget = budget
        guard let certificate = lineage.certificate, let options = lineage.options, lineage.fatalProblem == nil else {
            (advice, finding) = (.renew, lineage.fatalProblem?.message ?? "there is no certificate")
            return
        }
        let entry = entry.flatMap { $0.installed?.sha256 == (try? certificate.sha256()) ? $0 : nil }
        let days = Int(certificate.notAfter.timeIntervalSince(now) / 86_400)
        if certificate.notAfter <= now {
            (advice, finding) = (.renew, "it has expired")
        } else if case .renew(let reason) = RenewalPolicy().decision(for: certificate, options: options, at: now) {
            (advice, finding) = (.renew, "it is due (\(reason)), and valid for \(days) days")
        } else if let fault = ChainFault.faults(in: chain, at: now).first {
            switch fault {
            case .incomplete(let reason): (advice, finding) = (.renew, reason)
            case .expired(let subject, _): (advice, finding) = (.renew, "\(subject) in fullchain.pem has expired")
            }
        } else if let held = entry?.held {
            (advice, finding) = (
                .deploy, "serial \(held.serial) was taken back (\(held.reason)) and can be deployed once that is mended"
            )
        } else if let complaint = served.complaint {
            (advice, finding) = (.deploy, "\(complaint), and the one on the disk is valid for \(days) days")
        } else if let entry, entry.isDeploymentPending {
            (advice, finding) = (.deploy, "\(entry.pendingReason), and what is on the disk is valid for \(days) days")
        } else {
            let place = served.matches.first.map { " and served at \($0.endpoint)" } ?? ""
            (advice, finding) = (.renew, "nothing is wrong with it: it is valid for \(days) days\(place)")
        }
    }
}

/// How many certificates for an exact set of names were made in the last seven days, and how many a CA makes.
///
/// Let's Encrypt: 5 per exact set of names per 7 days, one coming back every 34 hours
/// (https://letsencrypt.org/docs/rate-limits/).
package struct CertificateBudget: Hashable, Sendable {
    package let used: Int
    /// Nil where the CA has no such limit, as far as is known.
    package let limit: Int?

    package init(used: Int, limit: Int?) { (self.used, self.limit) = (used, limit) }

    /// Whether the next one is the last, or one too many.
    package var isLow: Bool { limit.map { used >= $0 - 1 } ?? false }

    /// `3 of 5 certificates for exactly these names in the last 7 days`.
    package var description: String {
        let count =
            limit.map { "\(used) of \($0) certificates" } ?? (used == 1 ? "1 certificate" : "\(used) certificates")
        return "\(count) for exactly these names in the last 7 days"
    }

    static let window: TimeInterval = 7 * 86_400
    /// What Let's Encrypt makes.
    static let letsEncrypt = 5

    /// Counts what the tree and the books hold: each certificate once, however many copies there are.
    ///
    /// - Parameters:
    ///   - limit: the host's setting `duplicate_limit`; nil takes the CA's own, where it is known.
    package init(_ lineage: Lineage, among all: [Lineage], ledger: Ledger, limit: Int?, at now: Date) {
        let server = lineage.options?.server
        self.limit = limit ?? (server == RenewalOptions.defaultServer ? CertificateBudget.letsEncrypt : nil)
        let names = Set(lineage.certificate?.names ?? [])
        var seen: Set<[UInt8]> = []
        func count(_ path: String) {
            guard let pem = try? FileSystem.read(path), let leaf = try? Certificate.chain(pem: pem).first,
                Set(leaf.names) == names, now.timeIntervalSince(leaf.notBefore) < CertificateBudget.window
            else { return }
            seen.insert(leaf.der)
        }
        for other in all where other.options?.server == server && Set(other.certificate?.names ?? []) == names {
            count("\(ledger.heldDirectory(other.name))/fullchain.pem")
            count("\(ledger.stagingDirectory(other.name))/fullchain.pem")
            guard let paths = other.paths, let archive = try? Archive(directory: paths.archive) else { continue }
            for version in archive.versions.keys { count(archive.path(.cert, version)) }
        }
        used = seen.count
    }
}

/// A certificate by force that might be the CA's last one for its names.
package struct BudgetRefusal: Error, CustomStringConvertible {
    package let budget: CertificateBudget

    package init(budget: CertificateBudget) { self.budget = budget }

    package var description: String {
        "not ordered: \(budget.description); the next one may be the last that the CA makes for days"
    }
}

extension RenewalRun {
    /// Looks at lineages before they are renewed by force: at their listeners, and at what was made of late.
    ///
    /// - Parameter all: the lineages of the tree, for those with the same names.
    package func review(_ lineages: [Lineage], among all: [Lineage], limit: Int?) async -> [ForceReview] {
        var reviews: [ForceReview] = []
        for lineage in lineages where lineage.reasonUnmanaged == nil {
            let entry = ledger.knowledge(of: lineage.name).entry
            var served = await verification.look(at: lineage, entry: entry, host: hostConf) ?? ServedReport([])
            // A listener that is slow for a moment is no reason to do something else than what was asked for.
            for _ in 0..<2 where served.wrong != nil && !served.isStale && !Task.isCancelled {
                served = await verification.look(at: lineage, entry: entry, host: hostConf) ?? ServedReport([])
            }
            let budget = CertificateBudget(lineage, among: all, ledger: ledger, limit: limit, at: now())
            let chain = lineage.paths.flatMap { try? FileSystem.read($0.link(.fullchain)) }
                .flatMap { try? Certificate.chain(pem: $0) }
            reviews.append(
                ForceReview(lineage, chain: chain ?? [], entry: entry, served: served, budget: budget, at: now()))
        }
        return reviews
    }
}

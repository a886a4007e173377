package import FoundationEssentials
package import Lineages
package import PKI

/// How much of Let's Encrypt's limits for a registered domain and for an account an order would meet
/// (https://letsencrypt.org/docs/rate-limits/), as far as this host knows: other hosts may share both.
package struct AuthorityBudget: Hashable, Sendable {
    /// The registered domain of the names that has the most certificates, and how many were made in the last seven days.
    package let domain: String
    package let certificates: Int
    /// How many orders were placed in the last three hours.
    package let orders: Int

    /// 50 certificates per registered domain and 7 days; one comes back every 202 minutes.
    static let mostCertificates = 50
    /// 300 orders per account and 3 hours; one comes back every 36 seconds.
    static let mostOrders = 300

    package init(domain: String, certificates: Int, orders: Int) {
        (self.domain, self.certificates, self.orders) = (domain, certificates, orders)
    }

    /// Whether the next order is the last, or one too many.
    package var isLow: Bool {
        certificates >= AuthorityBudget.mostCertificates - 1 || orders >= AuthorityBudget.mostOrders - 1
    }

    /// `49 of 50 certificates for example.org in the last 7 days, 12 of 300 orders in the last 3 hours`.
    package var description: String {
        "\(certificates) of \(AuthorityBudget.mostCertificates) certificates for \(domain) in the last 7 days, "
            + "\(orders) of \(AuthorityBudget.mostOrders) orders in the last 3 hours"
    }

    /// Why a forced order is not placed.
    package var refusal: Cause {
        Cause(.budget, "not ordered: \(description); the next one may be the last that the CA takes for a while")
    }

    /// Counts what the config directory and the state directory hold.
    ///
    /// - Returns: nil where the CA has no such limits, as far as is known.
    package init?(
        _ names: [SubjectName], at server: String?, among all: [Lineage], store: StateStore, at now: Date
    ) {
        guard let server, server == RenewalOptions.defaultServer else { return nil }
        var counts: [String: Int] = [:]
        let wanted = Set(names.map { PublicSuffixes.ofHost.registeredDomain(of: $0.description) })
        for lineage in all where lineage.options?.server == server && lineage.original == nil {
            let domains = Set(
                (lineage.certificate?.names ?? []).map { PublicSuffixes.ofHost.registeredDomain(of: $0.description) })
            guard !domains.isDisjoint(with: wanted) else { continue }
            let recent = AuthorityBudget.recent(of: lineage, at: now)
            for domain in domains.intersection(wanted) { counts[domain, default: 0] += recent }
        }
        let most = counts.max { ($0.value, $1.key) < ($1.value, $0.key) }
        self.init(
            domain: most?.key ?? wanted.min() ?? "", certificates: most?.value ?? 0,
            orders: store.authorities()[server]?.count(at: now) ?? 0)
    }

    /// How many certificates of a lineage were made in the last seven days: those of its archive.
    private static func recent(of lineage: Lineage, at now: Date) -> Int {
        guard let paths = lineage.paths, let archive = try? Archive(directory: paths.archive) else { return 0 }
        return Set(archive.versions.keys.compactMap { CertificateBudget.recent(archive.path(.cert, $0), at: now)?.der })
            .count
    }
}

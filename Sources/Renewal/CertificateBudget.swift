package import FoundationEssentials
package import Lineages
package import PKI

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

    /// Why a forced order is not placed.
    package var refusal: Cause {
        Cause(.budget, "not ordered: \(description); the next one may be the last that the CA makes for days")
    }

    static let window: TimeInterval = 7 * 86_400
    /// What Let's Encrypt makes.
    static let letsEncrypt = 5

    /// Counts what the config directory and the state directory hold: each certificate once, however many copies exist.
    ///
    /// - Parameters:
    ///   - limit: the host's setting `duplicate_limit`; nil takes the CA's own, where it is known.
    package init(_ lineage: Lineage, among all: [Lineage], store: StateStore, limit: Int?, at now: Date) {
        self.init(
            Set(lineage.certificate?.names ?? []), at: lineage.options?.server, among: all, store: store, limit: limit,
            now: now)
    }

    /// The same for names that no lineage need have yet, at a CA.
    package init(
        _ names: Set<SubjectName>, at server: String?, among all: [Lineage], store: StateStore, limit: Int?, now: Date
    ) {
        self.limit = limit ?? (server == RenewalOptions.defaultServer ? CertificateBudget.letsEncrypt : nil)
        var seen: Set<[UInt8]> = []
        func count(_ path: String) {
            guard let leaf = CertificateBudget.recent(path, at: now), Set(leaf.names) == names else { return }
            seen.insert(leaf.der)
        }
        for other in all where other.options?.server == server && Set(other.certificate?.names ?? []) == names {
            count("\(store.quarantineDirectory(other.name))/fullchain.pem")
            count("\(store.staging(other.name).directory)/fullchain.pem")
            guard let paths = other.paths, let archive = try? Archive(directory: paths.archive) else { continue }
            for version in archive.versions.keys { count(archive.path(.cert, version)) }
        }
        used = seen.count
    }

    /// The certificate in a file, where it was made in the last seven days.
    static func recent(_ path: String, at now: Date) -> Certificate? {
        guard let pem = try? FileSystem.read(path), let leaf = try? Certificate.chain(pem: pem).first,
            now.timeIntervalSince(leaf.notBefore) < window
        else { return nil }
        return leaf
    }
}

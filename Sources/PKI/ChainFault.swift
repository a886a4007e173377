package import FoundationEssentials

/// What keeps clients from following the certificates of a `fullchain.pem` to a root.
package enum ChainFault: Hashable, Sendable {
    /// An issuer's certificate is not in its place: how, in a line.
    case incomplete(String)
    /// An intermediate has expired.
    case expired(subject: String, notAfter: Date)

    /// The faults of a chain, the leaf first; a root need not be at its end.
    package static func faults(in chain: [Certificate], at now: Date) -> [ChainFault] {
        var faults: [ChainFault] = []
        if let reason = reasonIncomplete(chain) { faults.append(.incomplete(reason)) }
        if let old = chain.dropFirst().first(where: { $0.notAfter <= now && !$0.isNamedAsIssued(by: $0) }) {
            faults.append(.expired(subject: old.subject, notAfter: old.notAfter))
        }
        return faults
    }

    private static func reasonIncomplete(_ chain: [Certificate]) -> String? {
        for (index, certificate) in chain.enumerated() where !certificate.isNamedAsIssued(by: certificate) {
            guard index + 1 < chain.count else {
                return index == 0
                    ? "fullchain.pem ends with the leaf: its issuer's certificate (\(certificate.issuer)) is missing"
                    : nil
            }
            if !certificate.isNamedAsIssued(by: chain[index + 1]) {
                return "in fullchain.pem, certificate \(index + 2) (\(chain[index + 1].subject)) is not the issuer of "
                    + "certificate \(index + 1) (\(certificate.issuer))"
            }
        }
        return nil
    }
}

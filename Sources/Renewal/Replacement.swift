import ACME
import Lineages
import PKI

/// An order that says which certificate it is to replace (RFC 9773 §5): CAs exempt it from rate limits.
extension Certification {
    /// The same, as the replacement of what is installed: where the CA has renewal information, the names stay the same, and the
    /// account is the one that the renewal config names. Another account's certificate may not be replaced.
    ///
    /// - Parameter lineage: what is installed; nil for a first certificate.
    /// - Throws: what keeps the CA's directory from being read.
    func replacing(_ lineage: Lineage?, at session: Session) async throws(ACMEError) -> Certification {
        guard let lineage, let installed = lineage.certificate, Set(installed.names) == Set(names),
            lineage.options?.server == server, let account,
            case .string(account)? = lineage.conf?.value("account", in: ["renewalparams"]),
            let id = CertificateID(installed), try await session.fetchDirectory().renewalInfo != nil
        else { return self }
        var certification = self
        certification.parameters.replaces = id
        return certification
    }
}

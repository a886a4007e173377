package import FoundationEssentials
package import PKI

/// A key, its certificate and the chain, checked: fit to be installed.
package struct CertificateSet: Sendable {
    /// The leaf.
    package let leaf: Certificate
    /// The leaf and what comes with it, in the order of the file.
    package let chain: [Certificate]
    private let key: PrivateKey
    private let files: [PEMKind: [UInt8]]

    /// The bytes of one file. fullchain is cert followed by chain, byte for byte.
    package func bytes(_ kind: PEMKind) -> [UInt8] { files[kind, default: []] }

    /// Why what a CA sent, or what an archive holds, is not installed.
    package enum Unfit: Error, Sendable, CustomStringConvertible {
        case malformed(PKIError)
        case keyDoesNotFit
        case namesMissing([SubjectName])
        /// What stands where names do, and is none: no DNS name, no address.
        case notNames([SubjectName])
        /// No path leads to a root, where one did before (``ChainPath``): why.
        case leadsNowhere(reason: String)
        case expired(Date)
        case notYetValid(Date)
        case olderThanLive(notBefore: Date, live: Date)

        /// Whether no server could work with it, whatever an operator wants.
        package var isDamaged: Bool {
            switch self {
            case .malformed, .keyDoesNotFit: true
            case .namesMissing, .notNames, .leadsNowhere, .expired, .notYetValid, .olderThanLive: false
            }
        }

        package var description: String {
            switch self {
            case .malformed(let error): "the certificate chain: \(error)"
            case .keyDoesNotFit: "the certificate is not for the key that goes with it"
            case .namesMissing(let names):
                "the certificate lacks \(names.map(\.description).joined(separator: ", "))"
            case .notNames(let names):
                "the certificate is for "
                    + names.prefix(3).map { "\"\($0)\"" }.joined(separator: ", ")
                    + (names.count > 3 ? " and \(names.count - 3) more" : "")
                    + ", which is neither a DNS name nor an address"
            case .leadsNowhere(let reason): "the certificate chain leads to no root: \(reason)"
            case .expired(let date):
                "the certificate expired at \(date.formatted(.iso8601)): is this host's clock right?"
            case .notYetValid(let date):
                "the certificate is not valid before \(date.formatted(.iso8601)): is this host's clock right?"
            case .olderThanLive(let notBefore, let live):
                "the certificate is from \(notBefore.formatted(.iso8601)), older than the live one, from "
                    + live.formatted(.iso8601)
            }
        }
    }

    /// How much earlier than the live certificate's a new one's notBefore may be. CAs backdate by different spans: Let's
    /// Encrypt by an hour, others to midnight, which matters to a lineage that changes its CA.
    static let backdating: TimeInterval = 86_400

    /// Checks a chain.
    ///
    /// - Parameters:
    ///   - chain: PEM, the leaf first.
    ///   - names: what the leaf must be for, at least.
    ///   - previous: the live leaf, if there is one.
    ///   - now: nil where an operator takes it whatever its dates are, and whatever stands among its names.
    package init(
        key: PrivateKey, chain: [UInt8], names: [SubjectName], after previous: Certificate?, now: Date?
    ) throws(Unfit) {
        do throws(PKIError) {
            let certificates = try Certificate.chain(pem: chain)
            // chain(pem:) throws rather than return nothing.
            guard let leaf = certificates.first else { throw PKIError.noCertificate }
            let cert = try leaf.pem()
            let rest = try ChainPath.pem(Array(certificates.dropFirst()))
            (self.leaf, self.chain, self.key) = (leaf, certificates, key)
            files = [.privkey: try key.pem(), .cert: cert, .chain: rest, .fullchain: cert + rest]
        } catch {
            throw .malformed(error)
        }
        guard key.fits(leaf) else { throw .keyDoesNotFit }
        let missing = Set(names).subtracting(leaf.names)
        guard missing.isEmpty else { throw .namesMissing(names.filter(missing.contains)) }
        if let now {
            // An address among the DNS names is wrong, too, but does no harm where it was asked for.
            let strange = leaf.names.filter { !$0.isWellFormed && !($0.isAddressAsDNS && names.contains($0)) }
            guard strange.isEmpty else { throw .notNames(strange) }
            guard leaf.notAfter > now else { throw .expired(leaf.notAfter) }
            guard leaf.notBefore <= now.addingTimeInterval(CertificateSet.backdating) else {
                throw .notYetValid(leaf.notBefore)
            }
        }
        if let previous, leaf.notBefore < previous.notBefore.addingTimeInterval(-CertificateSet.backdating) {
            throw .olderThanLive(notBefore: leaf.notBefore, live: previous.notBefore)
        }
    }

    /// Asks whether a path leads from the leaf to a root, if one did from the predecessor's (``ChainPath/judge(_:after:trust:)``).
    ///
    /// - Parameter predecessor: the live chain; empty where there is none.
    /// - Throws: ``Unfit/leadsNowhere(reason:)``, and nothing else: what OpenSSL cannot verify, it does not refuse.
    package func requirePath(after predecessor: [Certificate], trust: TrustStore) throws(Unfit) {
        guard case .leadsNowhere(let reason)? = try? ChainPath.judge(chain, after: predecessor, trust: trust) else {
            return
        }
        throw .leadsNowhere(reason: reason)
    }

    /// Whether a directory has a leaf's `fullchain.pem`, and in `privkey.pem` the key to it.
    package static func isWhole(in directory: String, sha256: String) -> Bool {
        func bytes(_ kind: PEMKind) -> [UInt8] { (try? FileSystem.read("\(directory)/\(kind.rawValue).pem")) ?? [] }
        guard let leaf = try? Certificate.chain(pem: bytes(.fullchain)).first, (try? leaf.sha256()) == sha256,
            let key = try? PrivateKey(pem: bytes(.privkey))
        else { return false }
        return key.fits(leaf)
    }
}

package import FoundationEssentials
package import PKI

/// A key, its certificate and the chain, checked: fit to be installed.
package struct CertificateSet: Sendable {
    /// The leaf.
    package let leaf: Certificate
    private let files: [PEMKind: [UInt8]]

    /// The bytes of one file. fullchain is cert followed by chain, byte for byte.
    package func bytes(_ kind: PEMKind) -> [UInt8] { files[kind, default: []] }

    /// Why what a CA sent, or what an archive holds, is not installed.
    package enum Unfit: Error, Sendable, CustomStringConvertible {
        case malformed(PKIError)
        case keyDoesNotFit
        case namesMissing([SubjectName])
        case expired(Date)
        case notYetValid(Date)
        case olderThanLive(notBefore: Date, live: Date)

        /// Whether no server could work with it, whatever an operator wants.
        package var isDamaged: Bool {
            switch self {
            case .malformed, .keyDoesNotFit: true
            case .namesMissing, .expired, .notYetValid, .olderThanLive: false
            }
        }

        package var description: String {
            switch self {
            case .malformed(let error): "the certificate chain: \(error)"
            case .keyDoesNotFit: "the certificate is not for the key that goes with it"
            case .namesMissing(let names):
                "the certificate lacks \(names.map(\.description).joined(separator: ", "))"
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
    ///   - now: nil where its dates do not matter.
    package init(
        key: PrivateKey, chain: [UInt8], names: [SubjectName], after previous: Certificate?, now: Date?
    ) throws(Unfit) {
        do throws(PKIError) {
            let certificates = try Certificate.chain(pem: chain)
            // chain(pem:) throws rather than return nothing.
            guard let leaf = certificates.first else { throw PKIError.noCertificate }
            let cert = try leaf.pem()
            var rest: [UInt8] = []
            for certificate in certificates.dropFirst() { rest += try certificate.pem() }
            self.leaf = leaf
            files = [.privkey: try key.pem(), .cert: cert, .chain: rest, .fullchain: cert + rest]
        } catch {
            throw .malformed(error)
        }
        guard key.fits(leaf) else { throw .keyDoesNotFit }
        let missing = Set(names).subtracting(leaf.names)
        guard missing.isEmpty else { throw .namesMissing(names.filter(missing.contains)) }
        if let now {
            guard leaf.notAfter > now else { throw .expired(leaf.notAfter) }
            guard leaf.notBefore <= now.addingTimeInterval(CertificateSet.backdating) else {
                throw .notYetValid(leaf.notBefore)
            }
        }
        if let previous, leaf.notBefore < previous.notBefore.addingTimeInterval(-CertificateSet.backdating) {
            throw .olderThanLive(notBefore: leaf.notBefore, live: previous.notBefore)
        }
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

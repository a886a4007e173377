package import ACME
package import Challenges
import FoundationEssentials
package import Lineages
package import PKI

/// Everything it takes to get one certificate and install it, decided before the CA is asked for anything.
package struct Certification: Sendable {
    /// The lineage's name.
    package let name: String
    package private(set) var names: [SubjectName]
    /// The CA's directory URL, and the account there.
    package let server: String
    package let account: String?
    /// The key that the certificate is to be for.
    package let key: KeySource
    package let mustStaple: Bool
    /// Whether a certificate without the names that the CA refuses is better than none.
    package let allowsSubset: Bool
    package internal(set) var parameters: Issuance.OrderParameters
    package let solver: any ChallengeSolver
    package let paths: LineagePaths
    /// The renewal config to write; nil where it stays as it is.
    package let conf: (path: String, bytes: [UInt8])?
    /// Set where the lineage's directories have to be made first.
    package let newLineage: NewLineage?

    /// Where the key comes from.
    package enum KeySource: Sendable {
        case generate(KeyType)
        /// The renewal config's `reuse_key`: the installed key, in a copy.
        case reuse(path: String)
        /// A new key where the renewal config would reuse the installed one, which is at the path: that one is not taken, nor a copy
        /// of it that is staged.
        case replace(path: String, KeyType)

        /// What a renewal config asks for.
        ///
        /// - Parameters:
        ///   - installed: where the installed key is; nil for a first certificate.
        ///   - needsNewKey: whether the key at a path is not to be used again, whatever `reuse_key` says.
        package init(_ options: RenewalOptions, installed: String?, needsNewKey: (String) -> Bool) {
            if !options.reuseKey {
                self = .generate(options.keyType)
            } else if let installed {
                self = needsNewKey(installed) ? .replace(path: installed, options.keyType) : .reuse(path: installed)
            } else {
                self = .generate(options.keyType)
            }
        }

        /// Whether a key that was staged earlier is one that would be made now.
        func takes(_ staged: PrivateKey) -> Bool {
            switch self {
            case .generate(let type): return staged.type == type
            case .reuse: return true
            case .replace(let path, let type):
                let installed = try? PrivateKey(pem: FileSystem.read(path)).publicKeyPEM()
                return staged.type == type && (try? staged.publicKeyPEM()) != installed
            }
        }

        func make() throws -> PrivateKey {
            switch self {
            case .generate(let type), .replace(_, let type): try PrivateKey(generating: type)
            case .reuse(let path): try PrivateKey(pem: FileSystem.read(path))
            }
        }
    }

    package init(
        name: String, names: [SubjectName], server: String, account: String?, key: KeySource, mustStaple: Bool = false,
        allowsSubset: Bool = false, parameters: Issuance.OrderParameters = Issuance.OrderParameters(),
        solver: any ChallengeSolver, paths: LineagePaths,
        conf: (path: String, bytes: [UInt8])? = nil, newLineage: NewLineage? = nil
    ) {
        (self.name, self.names, self.server, self.account) = (name, names, server, account)
        (self.key, self.mustStaple, self.allowsSubset) = (key, mustStaple, allowsSubset)
        (self.parameters, self.solver) = (parameters, solver)
        (self.paths, self.conf, self.newLineage) = (paths, conf, newLineage)
    }

    var request: OrderRequest {
        OrderRequest(
            lineage: name, server: server, account: account, names: names.map(\.description), allowsSubset: allowsSubset
        )
    }

    /// The same for those of its names that are ordered.
    func limited(to ordered: [String]) -> Certification {
        var limited = self
        limited.names = names.filter { ordered.contains($0.description) }
        return limited
    }
}

extension Certification {
    /// The renewal of a lineage as its renewal config has it.
    ///
    /// - Parameters:
    ///   - omitted: names that are wanted beside those of the installed certificate.
    ///   - trust: where `preferred_chain_root` is looked for.
    ///   - needsNewKey: whether the key at a path is not to be used again, whatever `reuse_key` says.
    /// - Throws: what is wrong with the lineage, or keeps its names from being proven.
    package init(
        renewing lineage: Lineage, with omitted: [String] = [], _ challenges: ChallengeSettings = ChallengeSettings(),
        trust: TrustStore = TrustStore(), needsNewKey: (String) -> Bool = { _ in false }
    ) throws {
        guard let options = lineage.options, let paths = lineage.paths, let certificate = lineage.certificate else {
            throw lineage.fatalProblem ?? LineageProblem(.confIncomplete, "\(lineage.confPath) is not complete")
        }
        // What stands in a certificate and is no name cannot be ordered (`SubjectName.isWellFormed`).
        var names = certificate.names.filter { $0.isWellFormed || $0.isAddressAsDNS }
        names += omitted.compactMap { SubjectName($0) }.filter { !certificate.names.contains($0) }
        guard !names.isEmpty else {
            throw LineageProblem(.certificateMalformed, "the certificate in \(paths.live) is for no name")
        }
        try Certification.requireWritable([paths.archive, FileSystem.directory(of: paths.live) ?? "/"])
        let key = KeySource(options, installed: paths.link(.privkey), needsNewKey: needsNewKey)
        self.init(
            name: lineage.name, names: names, server: options.server, account: options.account, key: key,
            mustStaple: options.mustStaple, allowsSubset: options.allowsSubset,
            parameters: Issuance.OrderParameters(options, trust: trust),
            solver: try Challenges.solver(for: names, options: options, challenges), paths: paths)
    }

    /// Asks whether a certificate could be installed, before one is ordered.
    package static func requireWritable(_ directories: [String]) throws(FileError) {
        for directory in directories { try FileSystem.requireWritable(directory) }
    }
}

extension Issuance.OrderParameters {
    /// What a renewal config asks for.
    ///
    /// - Parameter trust: where a preferred root is looked for; one that is not there is left out.
    package init(_ options: RenewalOptions, trust: TrustStore) {
        self.init(
            preferredProfile: options.preferredProfile, requiredProfile: options.requiredProfile,
            preferredChain: options.preferredChain,
            preferredRoot: options.preferredChainRoot.flatMap(trust.certificate))
    }
}

extension TrustStore {
    /// The certificate with this SHA-256, in lower-case hex, among the host's roots; nil where it is not there.
    package func certificate(sha256: String) -> Certificate? {
        for file in files {
            guard let pem = try? FileSystem.read(file), let roots = try? Certificate.chain(pem: pem) else { continue }
            if let root = roots.first(where: { (try? $0.sha256()) == sha256 }) { return root }
        }
        return nil
    }
}

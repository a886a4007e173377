package import ACME
package import Challenges
package import Challenges
import FoundationEssentials
package import Lineages
package import PKI

/// Everything it takes to get one certificate and install it, decided before the CA is asked for anything.
package struct Certification: Sendable {
    /// The lineage's name.
    package let name: String
    package let names: [SubjectName]
    /// The CA's directory URL, and the account there.
    package let server: String
    package let account: String?
    /// The key that the certificate is to be for.
    package let key: KeySource
    package let mustStaple: Bool
    package let wishes: Issuance.Wishes
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

        /// Whether a key that was staged earlier is one that would be made now.
        func takes(_ staged: PrivateKey) -> Bool {
            if case .generate(let type) = self { staged.type == type } else { true }
        }

        func make() throws -> PrivateKey {
            switch self {
            case .generate(let type): try PrivateKey(generating: type)
            case .reuse(let path): try PrivateKey(pem: FileSystem.read(path))
            }
        }
    }

    package init(
        name: String, names: [SubjectName], server: String, account: String?, key: KeySource, mustStaple: Bool = false,
        wishes: Issuance.Wishes = Issuance.Wishes(), solver: any ChallengeSolver, paths: LineagePaths,
        conf: (path: String, bytes: [UInt8])? = nil, newLineage: NewLineage? = nil
    ) {
        (self.name, self.names, self.server, self.account) = (name, names, server, account)
        (self.key, self.mustStaple, self.wishes, self.solver) = (key, mustStaple, wishes, solver)
        (self.paths, self.conf, self.newLineage) = (paths, conf, newLineage)
    }

    var request: OrderRequest { 
        OrderRequest(lineage: name, server: server, account: account, names: names.map(\.description))
    }
}

extension Certification {
    /// The renewal of a lineage as its renewal config has it.
    ///
    /// - Throws: what is wrong with the lineage, or keeps its names from being proven.
    package init(renewing lineage: Lineage, _ challenges: ChallengeSettings = ChallengeSettings()) throws {
        guard let options = lineage.options, let paths = lineage.paths, let certificate = lineage.certificate else {
            throw lineage.fatalProblem ?? LineageProblem(.confIncomplete, "\(lineage.confPath) is not complete")
        }
        // What stands in a certificate and is no name cannot be ordered (`SubjectName.isWellFormed`).
        let names = certificate.names.filter { $0.isWellFormed || $0.isAddressAsDNS }
        guard !names.isEmpty else {
            throw LineageProblem(.certificateMalformed, "the certificate in \(paths.live) is for no name")
        }
        try Certification.requireWritable([paths.archive, FileSystem.directory(of: paths.live) ?? "/"])
        self.init(
            name: lineage.name, names: names, server: options.server, account: options.account,
            key: options.reuseKey ? .reuse(path: paths.link(.privkey)) : .generate(options.keyType),
            mustStaple: options.mustStaple, wishes: Issuance.Wishes(options),
            solver: try Challenges.solver(for: names, options: options, challenges), paths: paths)
    }

    /// Asks whether a certificate could be installed, before one is ordered.
    package static func requireWritable(_ directories: [String]) throws(FileError) {
        for directory in directories { try FileSystem.requireWritable(directory) }
    }
}

extension Issuance.Wishes {
    /// What a renewal config asks for.
    init(_ options: RenewalOptions) {
        self.init(
            preferredProfile: options.preferredProfile, requiredProfile: options.requiredProfile,
            preferredChain: options.preferredChain)
    }
}

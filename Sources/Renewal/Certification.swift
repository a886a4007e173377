package import ACME
package import Challenges
import FoundationEssentials
package import Lineages
package import PKI

/// Everything it takes to get one certificate and make it live, decided before the CA is asked for anything.
package struct Certification: Sendable {
    /// The lineage's name.
    package let name: String
    package let names: [SubjectName]
    /// The key that the certificate is to be for.
    package let key: KeySource
    package let mustStaple: Bool
    package let wishes: Issuance.Wishes
    package let solver: any ChallengeSolver
    package let paths: LineagePaths
    /// The live leaf, if there is one.
    package let previous: Certificate?
    /// The conf to write; nil where it stays as it is.
    package let conf: (path: String, bytes: [UInt8])?
    /// Set where the lineage's directories have to be made first.
    package let newLineage: NewLineage?

    /// Where the key comes from.
    package enum KeySource: Sendable {
        case generate(KeyType)
        /// The conf's `reuse_key`: the live key, in a copy.
        case reuse(path: String)

        /// Whether a key that was staged earlier is one that would be made now.
        func takes(_ staged: PrivateKey) -> Bool {
            if case .generate(let type) = self { staged.type == type } else { true }
        }
    }

    package init(
        name: String, names: [SubjectName], key: KeySource, mustStaple: Bool = false,
        wishes: Issuance.Wishes = Issuance.Wishes(), solver: any ChallengeSolver, paths: LineagePaths,
        previous: Certificate?, conf: (path: String, bytes: [UInt8])?, newLineage: NewLineage?
    ) {
        (self.name, self.names, self.key, self.mustStaple, self.wishes) = (name, names, key, mustStaple, wishes)
        (self.solver, self.paths, self.previous) = (solver, paths, previous)
        (self.conf, self.newLineage) = (conf, newLineage)
    }

    /// Whether an earlier run has brought this certificate to the stage *issued*.
    func isStaged(books: LineageBooks, entry: LedgerEntry) -> Bool {
        guard entry.isIssued, books.staging.key != nil, let chain = books.staging.chain else { return false }
        // One that cannot be read is for the installation to refuse.
        guard let leaf = try? Certificate.chain(pem: chain).first else { return true }
        // Some CAs add a name of their own accord.
        return Set(names).isSubset(of: leaf.names)
    }

    /// Brings the certificate to the stage *issued*: key and chain are staged, and the books say so.
    ///
    /// An order that an earlier run placed for the same names is taken up by its URL, with the key that was staged for it.
    func issue(
        client: Client, books: LineageBooks, entry: inout LedgerEntry,
        report: @escaping @Sendable (Issuance.Step) -> Void
    ) async throws(RenewalFailure) {
        entry.isIssued = false
        let issuance = Issuance(client: client, solver: solver, report: report)
        let (key, placed) = try await placedOrder(issuance, client, books, &entry)
        do {
            let request = try SigningRequest(for: names, key: key, mustStaple: mustStaple)
            let url: String
            do throws(ACMEError) {
                url = try await issuance.certificateURL(of: placed, request: request)
            } catch {
                if error.meansNewOrder { entry.order = nil }
                throw error
            }
            // Whatever keeps the chain from being fetched, the order has it, and only the order can say otherwise.
            let chain = try await issuance.chain(at: url, wishes: wishes)
            try books.staging.stage(chain: chain)
            entry.order = nil
            entry.isIssued = true
            try books.save(entry)
        } catch {
            throw RenewalFailure(.issuance, error)
        }
    }

    /// Runs the whole exchange with a key that is not kept, and checks what comes as an installation would.
    func rehearse(
        client: Client, now: Date, report: @escaping @Sendable (Issuance.Step) -> Void
    ) async throws -> CertificateSet {
        let key =
            switch key {
            case .generate(let type): try PrivateKey(generating: type)
            case .reuse(let path): try PrivateKey(pem: FileSystem.read(path))
            }
        let request = try SigningRequest(for: names, key: key, mustStaple: mustStaple)
        let chain = try await Issuance(client: client, solver: solver, report: report)
            .certificate(for: names, request: request, wishes: wishes)
        return try CertificateSet(key: key, chain: chain, names: names, after: nil, now: now)
    }

    /// Checks what is staged and makes it live; returns the number of the new version. The entry is to be saved, and then the
    /// staging to be cleared.
    func install(
        _ installation: Installation, books: LineageBooks, entry: inout LedgerEntry, now: Date
    ) throws(RenewalFailure) -> (version: Int, certificate: Certificate) {
        do {
            guard let key = books.staging.key, let chain = books.staging.chain else {
                throw FileError("read", "the staged certificate", because: "it is not there any more")
            }
            let set = try CertificateSet(
                key: PrivateKey(pem: key), chain: chain, names: names, after: previous, now: now)
            try newLineage?.makeDirectories()
            let version = try installation.install(set, conf: conf)
            try entry.install(set.leaf, number: version, at: now)
            return (version, set.leaf)
        } catch {
            // A set that is not fit will not be so the next time: it is ordered anew. But for one that only a wrong clock keeps out.
            let isEarly = if case .notYetValid? = error as? CertificateSet.Unfit { true } else { false }
            if error is CertificateSet.Unfit || error is PKIError, !isEarly {
                entry.isIssued = false
                try? books.staging.clear()
            }
            throw RenewalFailure(.installation, error)
        }
    }

    private func placedOrder(
        _ issuance: Issuance, _ client: Client, _ books: LineageBooks, _ entry: inout LedgerEntry
    ) async throws(RenewalFailure) -> (key: PrivateKey, placed: Issuance.PlacedOrder) {
        let wanted = names.map(\.description).sorted()
        do {
            if let order = entry.order, order.server == client.session.server, order.names.sorted() == wanted,
                let pem = books.staging.key, let staged = try? PrivateKey(pem: pem), key.takes(staged)
            {
                do throws(ACMEError) {
                    return (staged, try await issuance.placed(at: order.url))
                } catch {
                    // What the CA has no more, or what has failed, is ordered anew.
                    guard error.meansNewOrder else { throw error }
                }
            }
            entry.order = nil
            let key =
                switch key {
                case .generate(let type): try PrivateKey(generating: type)
                case .reuse(let path): try PrivateKey(pem: FileSystem.read(path))
                }
            try books.staging.stage(key: try key.pem())
            let placed = try await issuance.place(names, wishes: wishes)
            entry.order = LedgerEntry.Order(url: placed.url, server: client.session.server, names: wanted)
            try books.save(entry)
            return (key, placed)
        } catch {
            throw RenewalFailure(.issuance, error)
        }
    }
}

/// The books as far as one lineage is concerned.
struct LineageBooks: Sendable {
    let ledger: Ledger
    let stateDirectory: String
    let name: String

    var staging: Staging { ledger.staging(name) }

    func save(_ entry: LedgerEntry) throws(FileError) { try ledger.save(entry) }
}

extension Certification {
    /// The renewal of a lineage as its conf has it.
    ///
    /// - Throws: what is wrong with the lineage, or keeps its names from being proven.
    package init(renewing lineage: Lineage, _ challenges: ChallengeSettings = ChallengeSettings()) throws {
        guard let options = lineage.options, let paths = lineage.paths, let certificate = lineage.certificate else {
            throw lineage.fatalProblem ?? LineageProblem(.confIncomplete, "\(lineage.confPath) is not complete")
        }
        let names = certificate.names
        guard !names.isEmpty else {
            throw LineageProblem(.certificateMalformed, "the certificate in \(paths.live) is for no name")
        }
        try Certification.requireWritable([paths.archive, FileSystem.directory(of: paths.live) ?? "/"])
        self.init(
            name: lineage.name, names: names,
            key: options.reuseKey ? .reuse(path: paths.link(.privkey)) : .generate(options.keyType),
            mustStaple: options.mustStaple, wishes: Issuance.Wishes(options),
            solver: try Challenges.solver(for: names, options: options, challenges), paths: paths,
            previous: certificate, conf: nil, newLineage: nil)
    }
}

extension Certification {
    /// Asks whether a certificate could be installed, before one is ordered.
    package static func requireWritable(_ directories: [String]) throws(FileError) {
        for directory in directories { try FileSystem.requireWritable(directory) }
    }
}

extension Issuance.Wishes {
    /// What a conf asks for.
    init(_ options: RenewalOptions) {
        self.init(
            preferredProfile: options.preferredProfile, requiredProfile: options.requiredProfile,
            preferredChain: options.preferredChain)
    }
}

extension ACMEError {
    /// Whether the order that was processed is of no more use.
    fileprivate var meansNewOrder: Bool { [.gone, .authorizationGone, .failed].contains(orderFault) }
}

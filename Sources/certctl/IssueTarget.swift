import ACME
import Challenges
import FoundationEssentials
import Lineages
import PKI
import Renewal

/// The lineage that `certctl issue` is about: one that is there, or a new one.
struct IssueTarget {
    let name: String
    let server: String
    /// The account that the operator or the conf names.
    let account: String?
    private let names: [SubjectName]
    private let keyType: KeyType
    private let webroots: [(name: SubjectName, path: String)]
    private let existing: Lineage?
    private let newLineage: NewLineage
    private let tree: Tree

    init(_ command: IssueCommand, names: [SubjectName], tree: Tree) throws {
        let lineages: [Lineage]
        do throws(Tree.Failure) {
            lineages = try tree.lineages()
        } catch {
            throw CommandFailure(error)
        }
        let lineage = try IssueTarget.existing(command, names: names, among: lineages)
        let options = lineage?.options
        name = lineage?.name ?? command.name ?? names[0].description
        server = command.server ?? options?.server ?? tree.defaults.value("server") ?? RenewalOptions.defaultServer
        // An account is one CA's: that of the conf is of no use with another.
        account = command.account ?? (options?.server == server ? options?.account : tree.defaults.value("account"))
        keyType = try command.keyType ?? options?.keyType ?? IssueTarget.defaultKeyType(tree)
        let usual = tree.defaults.values("webroot_path").last ?? RenewalOptions.defaultWebroot
        webroots = names.map { ($0, command.webroot?.text ?? options?.webroot(for: $0) ?? usual) }
        existing = lineage
        self.names = names
        self.tree = tree
        do {
            newLineage = try NewLineage(name: name, in: tree)
        } catch {
            throw CommandFailure(.usage, "\(error)", next: "choose another with --name")
        }
        let paths = lineage?.paths ?? newLineage.paths
        if let problem = tree.problem(with: paths, of: name) {
            throw CommandFailure(.failed, "\(name): \(problem)", next: NextStep.after(problem, lineage: name))
        }
        try IssueTarget.requireOwnFiles(paths, of: name, among: lineages)
    }

    /// What is installed for one lineage must not be served for another: a copy of a conf leads to the original's files.
    private static func requireOwnFiles(_ paths: LineagePaths, of name: String, among lineages: [Lineage]) throws {
        let isThere = lineages.contains { $0.name == name }
        // A copy of this one is left alone by every run.
        for other in lineages where other.name != name && other.original != name {
            guard let theirs = other.paths else { continue }
            // A directory of its own name is its own, whoever leads there besides.
            let shared = paths.directories(sharedWith: theirs).filter { !isThere || FileSystem.name(of: $0) != name }
            guard let directory = shared.first else { continue }
            throw CommandFailure(
                .failed, "\(directory) belongs to \(other.name), by its \(other.confPath)",
                next: isThere
                    ? "move renewal/\(name).conf away if it is a copy, and run this again"
                    : "give \(other.name) these names with --name \(other.name), or choose another --name")
        }
    }

    private static func defaultKeyType(_ tree: Tree) throws -> KeyType {
        var conf = ConfFile()
        // What certbot 2 and later take when nothing is said.
        try conf.set("key_type", to: .string("ecdsa"), in: ["renewalparams"])
        do {
            return try RenewalOptions(conf, defaults: tree.defaults).keyType
        } catch {
            throw CommandFailure(.configuration, "cli.ini: \(error)")
        }
    }

    private static func existing(
        _ command: IssueCommand, names: [SubjectName], among lineages: [Lineage]
    ) throws -> Lineage? {
        if let name = command.name {
            guard let lineage = lineages.first(where: { $0.name == name }) else { return nil }
            guard lineage.conf != nil, lineage.paths != nil else {
                throw CommandFailure(
                    .failed, lineage.fatalProblem?.message ?? "\(lineage.confPath) cannot be used",
                    next: "restore it from a backup, or move it away and run this again")
            }
            return lineage
        }
        let same = lineages.filter { Set($0.certificate?.names ?? []) == Set(names) && $0.original == nil }
        let taken = lineages.first { $0.name == names[0].description }
        // Of several, the one without a -0001.
        if let found = same.first(where: { $0.name == taken?.name }) ?? same.first { return found }
        guard let taken else { return nil }
        let list = taken.certificate?.names.map(\.description).joined(separator: ", ") ?? "unknown names"
        throw CommandFailure(
            .failed, "there is a lineage \(taken.name) already, for \(list)",
            next: "give it these names with --name \(taken.name), or choose another --name for a second one")
    }

    var hooks: HookCommands { HookCommands(existing?.options, tree.defaults) }

    /// Why nothing is to be done: the lineage has what is asked for.
    func reasonToWait(at now: Date) -> String? {
        guard let existing, existing.fatalProblem == nil, let certificate = existing.certificate,
            let options = existing.options, Set(certificate.names) == Set(names),
            options.server == server, options.keyType == keyType, existing.reasonUnmanaged == nil,
            webroots.allSatisfy({ options.webroot(for: $0.name) == $0.path })
        else { return nil }
        switch RenewalPolicy().decision(for: certificate, options: options, at: now) {
        case .renew: return nil
        case .wait, .never:
            return "\(name): has a certificate for these names until \(LocalTime.text(certificate.notAfter)); "
                + "certctl renew --force \(name) replaces it"
        }
    }

    /// Checks, before even an account is made, that challenges can be answered.
    func checkWebroots() throws {
        _ = try IssueTarget.responder(webroots, names)
        var directories = [tree.path]
        // What is not there any more, the installation makes.
        if let paths = existing?.paths {
            directories += [paths.archive, paths.live].filter {
                (try? FileSystem.status($0, followingLinks: true)) != nil
            }
        }
        do {
            try Certification.requireWritable(directories)
        } catch {
            throw CommandFailure(.failed, "\(error)")
        }
    }

    /// What answers the challenges, once the webroots are seen to be there.
    static func responder(
        _ webroots: [(name: SubjectName, path: String)], _ names: [SubjectName]
    ) throws -> WebrootSolver {
        do {
            let paths = Dictionary(uniqueKeysWithValues: webroots.map { ($0.name, $0.path) })
            return try WebrootSolver(webroots: paths, names: names)
        } catch {
            throw CommandFailure(
                .failed, "\(error)", next: error.wayOut ?? "name the directory that nginx serves with --webroot")
        }
    }

    /// Everything that the order needs, the conf as it will be included.
    func certification(account: String) throws -> Certification {
        let settings = NewLineage.Settings(server: server, account: account, keyType: keyType, webroots: webroots)
        let bytes: [UInt8]
        do {
            if var conf = existing?.conf {
                try settings.write(to: &conf)
                bytes = conf.bytes
            } else {
                bytes = try newLineage.conf(settings).bytes
            }
        } catch {
            throw CommandFailure(
                .failed, "\(tree.confPath(name)) could not be rewritten faithfully: \(error)",
                next: "nothing was ordered; simplify that value, or choose another --name")
        }
        return Certification(
            name: name, names: names, key: .generate(keyType),
            mustStaple: existing?.options?.mustStaple ?? false,
            wishes: Issuance.Wishes(
                preferredProfile: existing?.options?.preferredProfile ?? tree.defaults.value("preferred_profile"),
                requiredProfile: existing?.options?.requiredProfile ?? tree.defaults.value("required_profile"),
                preferredChain: existing?.options?.preferredChain ?? tree.defaults.value("preferred_chain")),
            solver: try IssueTarget.responder(webroots, names), paths: existing?.paths ?? newLineage.paths,
            previous: existing?.certificate,
            conf: (existing?.confPath ?? tree.confPath(name), bytes), newLineage: existing == nil ? newLineage : nil)
    }
}

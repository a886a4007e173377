import ACME
import Challenges
import Deployment
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
    private let proof: IssueProof
    let existing: Lineage?
    private let newLineage: NewLineage
    private let tree: Tree
    private let lineages: [Lineage]
    private let options: [(key: String, value: String)]
    /// For the section `[certctl]`.
    private let ownOptions: [(key: String, value: String)]

    init(_ command: IssueCommand, names: [SubjectName], tree: Tree) throws {
        let lineages: [Lineage]
        do throws(Tree.Failure) {
            // A tree that does not exist is made, once there is something to make it for.
            lineages = tree.exists ? try tree.lineages() : []
        } catch {
            throw CommandFailure(error)
        }
        let lineage = try IssueTarget.existing(command, names: names, among: lineages, tree)
        let options = lineage?.options
        name = lineage?.name ?? command.name ?? IssueTarget.lineageName(names[0])
        server = command.server ?? options?.server ?? tree.defaults.value("server") ?? RenewalOptions.defaultServer
        // An account is one CA's: that of the conf is of no use with another.
        account = command.account ?? (options?.server == server ? options?.account : tree.defaults.value("account"))
        keyType = try command.keyType ?? options?.keyType ?? IssueProof.options(tree.defaults).keyType
        proof = try IssueProof(command.proof, names: names, existing: options, tree.defaults)
        existing = lineage
        self.names = names
        self.tree = tree
        self.lineages = lineages
        do throws(ConfError) {
            self.options = try command.saved.lines(tree.defaults)
        } catch {
            throw CommandFailure(.configuration, "cli.ini: \(error)")
        }
        ownOptions = command.saved.ownLines
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

    /// The name of a new lineage, as certbot chooses it.
    private static func lineageName(_ first: SubjectName) -> String {
        first.isWildcard ? String(first.description.dropFirst(2)) : first.description
    }

    /// What is installed for one lineage must not be served for another: a copy of a conf leads to the original's files.
    private static func requireOwnFiles(_ paths: LineagePaths, of name: String, among lineages: [Lineage]) throws {
        let isThere = lineages.contains { $0.name == name }
        // A copy of this one is left alone by every run.
        for other in lineages where other.name != name && other.original != name {
            guard let theirs = other.paths else { continue }
            // A directory of its own name is its own, even if another renewal config refers to it.
            let shared = paths.directories(sharedWith: theirs).filter { !isThere || FileSystem.name(of: $0) != name }
            guard let directory = shared.first else { continue }
            throw CommandFailure(
                .failed, "\(directory) belongs to \(other.name), by its \(other.confPath)",
                next: isThere
                    ? "move renewal/\(name).conf away if it is a copy, and run this again"
                    : "give \(other.name) these names with --name \(other.name), or choose another --name")
        }
    }

    private static func existing(
        _ command: IssueCommand, names: [SubjectName], among lineages: [Lineage], _ tree: Tree
    ) throws -> Lineage? {
        if let name = command.name {
            guard let lineage = lineages.first(where: { $0.name == name }) else { return nil }
            guard lineage.conf != nil, lineage.paths != nil else {
                let refusal = (try? tree.repairPlan(for: name, at: Date.now))?.refusal
                throw CommandFailure(
                    .failed, lineage.fatalProblem?.message ?? "\(lineage.confPath) cannot be used",
                    next: refusal.map { NextStep.after($0, lineage: name, tree) }
                        ?? "certctl repair \(name.shellWord)")
            }
            return lineage
        }
        let store = StateStore(stateDirectory: command.tree.statePath)
        let wanted = Set(names.map(\.description))
        let same = lineages.filter { lineage in
            let own = Set((lineage.certificate?.names ?? []).map(\.description))
            guard lineage.original == nil, own.isSubset(of: wanted) else { return false }
            // Only of the few that may be meant is the state read.
            return own == wanted
                || own.union(store.state(of: lineage, at: Date.now)?.liveOmitted?.names ?? []) == wanted
        }
        let taken = lineages.first { $0.name == lineageName(names[0]) }
        // Of several, the one without a -0001.
        if let found = same.first(where: { $0.name == taken?.name }) ?? same.first { return found }
        guard let taken else { return nil }
        let list = taken.certificate?.names.map(\.description).joined(separator: ", ") ?? "unknown names"
        throw CommandFailure(
            .failed, "there is a lineage \(taken.name) already, for \(list)",
            next: "give it these names with --name \(taken.name), or choose another --name for a second one")
    }

    /// What a run is given of it: the lineage as it is, with the hooks that the new one has.
    func subject(_ certification: Certification, host: ConfFile) -> Subject {
        let old = existing.map { Subject($0, host: host) }
        return Subject(
            name: name, leaf: old?.leaf, number: old?.number, options: existing?.options, commands: hooks,
            livePath: certification.paths.live, settingsProblem: old?.settingsProblem)
    }

    /// The hooks that its renewals will run.
    private var hooks: HookCommands {
        if let conf = try? conf(account: account ?? ""),
            let options = try? RenewalOptions(conf, defaults: tree.defaults)
        {
            return HookCommands(options)
        }
        return HookCommands(existing?.options, tree.defaults)
    }

    /// How the names differ from those of the installed certificate: what is added, what is removed.
    var changes: [String] {
        guard let old = existing?.certificate?.names else { return [] }
        return names.filter { !old.contains($0) }.map { "adds \($0)" }
            + old.filter { !names.contains($0) }.map { "removes \($0)" }
    }

    /// Why nothing is to be done: the lineage has what is asked for.
    func reasonToWait(at now: Date) -> String? {
        guard let existing, existing.fatalProblem == nil, let certificate = existing.certificate,
            let options = existing.options, Set(certificate.names) == Set(names),
            options.server == server, options.keyType == keyType, existing.reasonUnmanaged == nil,
            proof.isThat(of: options)
        else { return nil }
        switch RenewalPolicy().decision(for: certificate.validity, options: options, at: now) {
        case .renew: return nil
        case .wait, .never:
            return "\(name): has a certificate for these names until \(LocalTime.text(certificate.notAfter)); "
                + "certctl renew --force \(name) replaces it"
        }
    }

    /// Saves options that differ from the renewal config of a lineage which has its certificate; false where none does.
    func saveOptions() throws -> Bool {
        guard let existing, var conf = existing.conf, !options.isEmpty || !ownOptions.isEmpty else {
            return false
        }
        do {
            for option in options {
                try conf.set(option.key, to: .string(option.value), in: ["renewalparams"])
            }
            try setOwnOptions(in: &conf)
            guard conf.bytes != existing.conf?.bytes else { return false }
            let path = FileSystem.resolved(existing.confPath)
            let old = try FileSystem.status(path)
            try NewFile(path, conf.bytes, mode: old?.mode ?? 0o644, owner: old?.owner, group: old?.group).commit()
            return true
        } catch {
            throw CommandFailure(.failed, "\(existing.confPath): \(error)")
        }
    }

    /// Refuses the order that may be the CA's last one for exactly these names.
    ///
    /// - Parameter limit: the host's `duplicate_limit`; nil takes Let's Encrypt's for Let's Encrypt.
    func checkBudget(_ limit: Int?, _ store: StateStore, isYes: Bool, at now: Date) throws {
        let budget = CertificateBudget(
            Set(names), at: server, among: lineages, store: store, limit: limit, now: now)
        let authority = AuthorityBudget(names, at: server, among: lineages, store: store, at: now)
        let refusal =
            budget.used > 0 && budget.isLow
            ? budget.refusal : authority.flatMap { $0.isLow ? $0.refusal : nil }
        guard let refusal, !isYes else { return }
        throw CommandFailure(
            .failed, "\(name): \(refusal)",
            next: "to order anyway (counts towards the rate limit), run it again with --yes")
    }

    /// Checks, before even an account is made, that names can be proven and the certificate installed.
    func requireReady(_ challenges: ChallengeSettings) async throws {
        var directories = [tree.path]
        // What is not there any more, the installation makes.
        if let paths = existing?.paths { directories += [paths.archive, paths.live] }
        do {
            try Certification.requireWritable(
                directories.filter { (try? FileSystem.status($0, followingLinks: true)) != nil })
        } catch {
            throw CommandFailure(.failed, "\(error)")
        }
        let hasPreHook =
            hooks.command(.pre) != nil || !HookDirectory(configDirectory: tree.path).list(.pre).hooks.isEmpty
        try await proof.requireReady(hasPreHook: hasPreHook, challenges)
    }

    /// The renewal config as it will be.
    private func conf(account: String) throws(ConfError) -> ConfFile {
        let settings = NewLineage.Settings(
            server: server, account: account, keyType: keyType, proof: proof.settings, options: options)
        var conf: ConfFile
        if let old = existing?.conf {
            conf = old
            try settings.write(to: &conf)
        } else {
            conf = try newLineage.conf(settings)
        }
        try setOwnOptions(in: &conf)
        return conf
    }

    /// The installed key, as far as a renewal config could keep it: of the type that is asked for. One that cannot be read is replaced,
    /// with the certificate.
    private var reusableKey: String? {
        guard let path = existing?.paths?.link(.privkey),
            let key = try? PrivateKey(pem: FileSystem.read(path)), key.type == keyType
        else { return nil }
        return path
    }

    private func setOwnOptions(in conf: inout ConfFile) throws(ConfError) {
        for option in ownOptions { try conf.set(option.key, to: .string(option.value), in: ["certctl"]) }
    }

    /// Everything that the order needs, the conf as it will be included.
    ///
    /// - Parameters:
    ///   - trust: where a preferred root is looked for.
    ///   - needsNewKey: whether the key at a path is not to be used again, whatever `reuse_key` says.
    func certification(
        account: String, trust: TrustStore, _ challenges: ChallengeSettings, needsNewKey: (String) -> Bool
    ) throws -> Certification {
        let conf: ConfFile
        let wanted: RenewalOptions
        do {
            conf = try self.conf(account: account)
            wanted = try RenewalOptions(conf, defaults: tree.defaults)
        } catch {
            throw CommandFailure(
                .failed, "\(tree.confPath(name)) could not be rewritten faithfully: \(error)",
                next: "nothing was ordered; simplify that value, or choose another --name")
        }
        let solver: any ChallengeSolver
        do {
            solver = try Challenges.solver(for: names, options: wanted, challenges)
        } catch {
            throw CommandFailure(.failed, "\(error)")
        }
        return Certification(
            name: name, names: names, server: server, account: account,
            key: Certification.KeySource(wanted, installed: reusableKey, needsNewKey: needsNewKey),
            mustStaple: wanted.mustStaple, allowsSubset: wanted.allowsSubset,
            parameters: Issuance.OrderParameters(wanted, trust: trust),
            solver: solver, paths: existing?.paths ?? newLineage.paths,
            conf: (existing?.confPath ?? tree.confPath(name), conf.bytes),
            newLineage: existing == nil ? newLineage : nil)
    }
}

extension Tree {
    /// Whether there is anything at its path, as far as that can be seen.
    var exists: Bool { (try? FileSystem.status(path, followingLinks: true)) != nil }
}

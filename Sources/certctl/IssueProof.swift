import Challenges
import Lineages
import PKI
import Renewal

/// How the names of `certctl issue` are proven: as was typed, else as the lineage has it, else as cli.ini has it, else by a webroot.
struct IssueProof {
    let plan: ProofPlan
    /// What the renewal config is to say of it; nil where that stays as it is.
    let settings: ProofSettings?
    private let names: [SubjectName]
    private let webroots: [(name: SubjectName, path: String)]

    /// - Parameter existing: the options of the lineage; nil where there is none yet.
    init(
        _ options: ProofOptions, names: [SubjectName], existing: RenewalOptions?, _ defaults: CLIDefaults
    ) throws {
        let present = try existing?.proof ?? IssueProof.options(defaults).proof
        let typed = options.methods(changing: present)
        // What certctl has no method for becomes a webroot, if cli.ini does not insist.
        let methods =
            typed
            ?? (present.obstacle == nil && !present.methods.isEmpty ? present.methods : present.methods + [.webroot])
        try IssueProof.requireAgreement(of: ProofSettings.authenticator(methods), defaults)
        plan = ProofPlan(methods: methods)
        if let reason = plan.reasonUnproven(names) {
            throw CommandFailure(.usage, reason, next: .do(IssueProof.advice(names)))
        }
        self.names = names
        let isWebroot = ProofSettings.authenticator(methods) == "webroot"
        let usual = defaults.values("webroot_path").last ?? RenewalOptions.defaultWebroot
        webroots =
            isWebroot
            ? names.filter { !$0.isWildcard }.map {
                ($0, options.webroot?.text ?? existing?.webroot(for: $0) ?? usual)
            } : []
        settings =
            typed == nil && existing != nil && !isWebroot ? nil : ProofSettings(methods, webroots: webroots)
    }

    /// What a new renewal config would say if nothing were typed.
    ///
    /// - Throws: what is wrong with cli.ini.
    static func options(_ defaults: CLIDefaults) throws -> RenewalOptions {
        var conf = ConfFile()
        // What certbot 2 and later take when nothing is said.
        try conf.set("key_type", to: .string("ecdsa"), in: ["renewalparams"])
        do {
            return try RenewalOptions(conf, defaults: defaults)
        } catch {
            throw CommandFailure(.configuration, "cli.ini: \(error)")
        }
    }

    /// An authenticator of cli.ini applies to every lineage: with another one here, the lineage would be renewed in another way than
    /// it was issued, or not at all.
    private static func requireAgreement(of authenticator: String, _ defaults: CLIDefaults) throws {
        guard let set = defaults.value("authenticator"), let file = defaults.source(of: "authenticator"),
            set.split(separator: ":").last.map(String.init) != authenticator
        else { return }
        throw CommandFailure(
            .configuration,
            "\(file) sets authenticator = \(set) for every certificate, and this one is to be proven by \(authenticator)",
            next: "take that line out of \(file), or order this certificate with certbot")
    }

    private static func advice(_ names: [SubjectName]) -> String {
        if names.contains(where: \.isWildcard) {
            return "add --dns PLUGIN --dns-credentials FILE, or --manual-auth-hook COMMAND --preferred-challenges dns "
                + "(see dns.md)"
        }
        return "prove it with --webroot DIR or --standalone, or leave it out"
    }

    /// Whether a lineage proves the names so already.
    func isThat(of options: RenewalOptions) -> Bool {
        plan.methods == options.proof.methods && webroots.allSatisfy { options.webroot(for: $0.name) == $0.path }
    }

    /// Checks, before even an account is made, that challenges can be answered.
    func requireReady(hasPreHook: Bool, _ settings: ChallengeSettings) async throws {
        let paths = Dictionary(uniqueKeysWithValues: webroots.map { ($0.name, $0.path) })
        do {
            try await Challenges.requireReady(
                plan, for: names, webroot: { paths[$0] }, hasPreHook: hasPreHook, settings)
        } catch let obstacle as ProofObstacle {
            throw CommandFailure(obstacle)
        } catch let failure as WebrootSolver.Failure {
            throw CommandFailure(
                .failed, "\(failure)",
                next: .do(failure.advice ?? "name the directory that nginx serves with --webroot"))
        } catch {
            throw CommandFailure(.failed, "\(error)")
        }
    }
}

extension CommandFailure {
    fileprivate init(_ obstacle: ProofObstacle) {
        switch obstacle {
        case .credentialsMissing(let path, let plugin):
            self.init(
                .failed, "the credentials file \(path) of \(plugin) does not exist",
                next: "write it, or name another with --dns-credentials")
        case .credentialsReadable(let path, let mode):
            self.init(
                .failed,
                "the credentials file \(path) is world-readable (mode \(String(mode & 0o7777, radix: 8)))",
                next: .run("chmod 600 \(path.shellWord)"))
        case .credentialsUnusable(let error): self.init(.failed, "\(error)")
        case .programUnusable(let words, let isWithoutCredentials):
            self.init(
                .failed, words,
                next: isWithoutCredentials
                    ? "once it is installed, name its credentials file with --dns-credentials" : nil)
        case .portUnusable(let words, let isTaken, let holder):
            let holder = holder.map { ": \($0) listens there" } ?? ""
            self.init(
                .failed, "\(words)\(holder)",
                next: isTaken
                    ? """
                    stop it with --pre-hook COMMAND and start it with --post-hook COMMAND, or let it serve the challenges from \
                    a directory with --webroot DIR
                    """ : nil)
        }
    }
}

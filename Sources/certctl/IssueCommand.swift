import ACME
import ArgumentParser
import Challenges
import FoundationEssentials
import Glibc
import Lineages
import PKI
import Renewal
import Setup

/// `certctl issue`: the first certificate of a lineage, or other names for it.
struct IssueCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "issue", abstract: "Get a certificate for new names.",
        discussion: """
            Run again with the same names it does nothing until the certificate is due. With --name and other names the \
            lineage gets those. Names are proven by files in a webroot unless --dns, --manual-auth-hook, --standalone or \
            --stateless says otherwise; a wildcard needs one of the first two.
            """)

    @OptionGroup var tree: TreeOptions
    @OptionGroup var ca: CAOptions
    @OptionGroup var output: OutputOptions

    @Option(
        name: [.customShort("d"), .customLong("domain")],
        help: ArgumentHelp("A name for the certificate; give it once for each.", valueName: "name"))
    var domains: [String] = []

    @Argument(help: ArgumentHelp("Names for the certificate, as with -d.", valueName: "name"))
    var names: [String] = []

    @Option(
        name: .long, help: ArgumentHelp("The lineage's name (default: the first domain).", valueName: "lineage"),
        completion: .lineage)
    var name: String?

    @OptionGroup var proof: ProofOptions

    @Option(name: .long, help: ArgumentHelp("The CA's directory (default: Let's Encrypt).", valueName: "url"))
    var server: String?

    @Option(name: .long, help: "Where the CA may write to about the account.")
    var email: String?

    @Flag(name: .long, help: "Agree to the CA's terms of service, for a new account.")
    var agreeTos = false

    @Option(name: .long, help: "The account, if there are several for the CA.")
    var account: String?

    @Option(
        name: .long, help: "ecdsa (the default, on P-256), p384, rsa (2048 bits), rsa3072 or rsa4096.",
        completion: .list(["ecdsa", "p384", "rsa", "rsa3072", "rsa4096"]), transform: IssueCommand.keyType)
    var keyType: KeyType?

    @Flag(name: .long, help: "Make a new private key, also where the renewal config says to keep it.")
    var newKey = false

    @Flag(name: .long, help: "Try the whole exchange at the staging environment (or --server); nothing is installed.")
    var dryRun = false

    @OptionGroup var saved: SavedOptions

    @Flag(name: [.short, .long], help: "Order even if the CA's rate limit for these names is nearly reached.")
    var yes = false

    func run() async throws {
        let names = try parsedNames()
        // What is wrong with the command is said before anything is made, the tree above all.
        let found = try tree.tree()
        let draft = try IssueTarget(self, names: names, tree: found)
        if !found.exists {
            try await draft.requireReady(RunSetup.challenges(tree.settings(), nil, hidden: []))
        }
        let setup = try await RunSetup(tree, ca, output, makingTree: true)
        let target = try IssueTarget(self, names: names, tree: setup.tree)
        if !dryRun, let reason = target.reasonToWait(at: Date.now) {
            setup.printer.result(reason)
            if try target.saveOptions() {
                setup.printer.result("\(target.name): the options were saved in its renewal config")
            }
            // It may not have reached its listeners.
            let lineage = try setup.tree.selected([target.name])[0]
            let code = await setup.carryOut("issue", .finish, [lineage])
            if code != 0 { throw ExitCode(code) }
            return
        }
        let trust = TrustStore.system(caBundle: ca.caBundle?.text ?? setup.settings.caBundle)
        if let root = saved.preferredChainRoot, trust.certificate(sha256: root) == nil {
            throw CommandFailure(
                .usage, "this host has no root with SHA-256 \(root)",
                next: "install it among the system's, or name its file with --ca-bundle")
        }
        for change in target.changes { setup.printer.result("\(target.name): \(change)") }
        let challenges = setup.challenges(of: target.name)
        try await target.requireReady(challenges)
        if dryRun { return try await rehearse(target, trust, challenges, setup) }
        try target.checkBudget(
            setup.settings.duplicateLimit, StateStore(stateDirectory: tree.statePath), isYes: yes, at: Date.now)
        let account = try await registered(target, setup, agreesToTerms: agreesToTerms(setup.tree))
        let revoked = StateStore(stateDirectory: tree.statePath).revoked()
        let certification = try target.certification(account: account.id, trust: trust, challenges) { path in
            newKey || revoked.isCompromised(keyAt: path)
        }
        if let server, let ofDefaults = setup.tree.defaults.value("server"), ofDefaults != server {
            setup.printer.warn(
                "cli.ini sets server = \(ofDefaults), which renewals go by: take it out there to renew from \(server)")
        }
        let run = setup.run(in: setup.world(target.existing.map { [$0] } ?? [], issuing: certification))
        let subject = target.subject(certification, host: setup.settings.conf)
        let code = await setup.carryOut("issue") { await run.run(.issue, [subject], isExplicit: true) }
        await refreshDropIn(setup)
        if code != 0 { throw ExitCode(code) }
    }

    /// The whole exchange, of which nothing but an account is kept: at Let's Encrypt's staging environment, or at the CA that was
    /// named.
    private func rehearse(
        _ target: IssueTarget, _ trust: TrustStore, _ challenges: ChallengeSettings, _ setup: borrowing RunSetup
    ) async throws {
        let isStaged = target.server == RenewalOptions.defaultServer
        let account = isStaged ? "" : try await registered(target, setup, agreesToTerms: agreesToTerms(setup.tree)).id
        let certification = try target.certification(account: account, trust: trust, challenges) { _ in newKey }
        let world = RehearsalWorld(
            setup.world(target.existing.map { [$0] } ?? [], issuing: certification), authorities: setup.authorities,
            server: nil, host: HostName.current)
        let (run, subject) = (setup.run(in: world), target.subject(certification, host: setup.settings.conf))
        let code = await setup.carryOut("issue --dry-run") {
            await run.run(.rehearse(runsDeployHooks: false), [subject], isExplicit: true)
        }
        if code != 0 { throw ExitCode(code) }
    }

    /// Lets the service write to a new webroot, where setup has put the drop-in.
    private func refreshDropIn(_ setup: borrowing RunSetup) async {
        guard geteuid() == 0 else { return }
        let statePath = tree.statePath
        do {
            let lineages = try setup.tree.lineages()
            let port = PortDropIn(lineages)
            if tree.isHostsOwn, port.text != nil, !port.isCurrent() {
                setup.printer.warn("certctl.service may not listen on port 80 yet: run certctl setup")
            }
            let dropIn = WebrootDropIn(
                lineages, treePath: setup.tree.path, statePath: statePath,
                reports: setup.settings.reports)
            if try await dropIn.refresh(stateDirectory: statePath) {
                setup.printer.warn("\(WebrootDropIn.path) was updated for the service")
            }
        } catch {
            setup.printer.warn("the service may not be able to write to the webroot: \(error)")
        }
    }

    private func parsedNames() throws -> [SubjectName] {
        let names = try DomainArgument.names(domains + names)
        guard !names.isEmpty else {
            throw CommandFailure(.usage, "no name to issue a certificate for", next: "certctl issue NAME...")
        }
        return names
    }

    /// The account to order with: the tree's, else a new one, which is kept before anything is ordered with it.
    private func registered(
        _ target: IssueTarget, _ setup: borrowing RunSetup, agreesToTerms: Bool
    ) async throws -> (id: String, client: Client) {
        let store = StateStore(stateDirectory: tree.statePath)
        do {
            let registration = try await setup.authorities.registration(
                at: target.server, account: target.account, email: email ?? setup.tree.defaults.value("email"),
                agreeToTerms: agreesToTerms, host: HostName.current)
            if !dryRun { try? store.note(nil, ofRegistrationAt: target.server) }
            if registration.isNew { setup.printer.result("made an account at \(target.server): \(registration.id)") }
            return (registration.id, registration.client)
        } catch let error as AccountError {
            throw CommandFailure(.failed, "\(error)")
        } catch let error as ACMEError {
            if !dryRun {
                try? store.note(RegistrationFailure(at: Date.now, Cause(error)), ofRegistrationAt: target.server)
            }
            throw CommandFailure(
                error.isTemporary ? .tryLater : .failed, "\(error)",
                next: NextStep.after(
                    RenewalFailure(.preparation, Cause(error)), lineage: target.name, isNew: target.existing == nil))
        } catch {
            throw CommandFailure(.failed, "\(error)")
        }
    }

    private func agreesToTerms(_ tree: Tree) throws -> Bool {
        if agreeTos { return true }
        do throws(ConfError) {
            return try tree.defaults.flag("agree_tos") == true
        } catch {
            throw CommandFailure(.configuration, "\(tree.path)/cli.ini: \(error)")
        }
    }

    static func keyType(_ text: String) throws -> KeyType {
        switch text.lowercased() {
        case "ecdsa", "p256", "p-256": return .ec(.p256)
        case "p384", "p-384": return .ec(.p384)
        case "rsa", "rsa2048": return .rsa(bits: 2048)
        case "rsa3072": return .rsa(bits: 3072)
        case "rsa4096": return .rsa(bits: 4096)
        default: throw ValidationError("\(text) is not a key type: ecdsa, p384, rsa, rsa3072 or rsa4096")
        }
    }
}

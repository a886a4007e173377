import ArgumentParser
import Deployment
import FoundationEssentials
import Lineages
import PKI
import Renewal
import Text

/// What `deploy --dry-run` and `rollback --dry-run` show: the version, the hooks in their order and the endpoints, as the run would
/// have them. No lock is taken, and nothing is written.
struct DeploymentPreview {
    /// What would be installed or deployed.
    enum Kind {
        case deploy, rollBack
    }

    private let tree: Tree
    private let settings: HostSettings
    private let store: StateStore
    private let runsDirectoryHooks: Bool

    init(_ options: TreeOptions) throws {
        (tree, settings) = (try options.tree(), try options.settings())
        store = StateStore(stateDirectory: options.statePath)
        runsDirectoryHooks = try RunSetup.directoryHooks(tree)
    }

    func lineage(_ name: String) throws -> Lineage { try tree.selected([name])[0] }

    /// Shows what a deployment of these certificates, or of all, would do.
    func show(_ names: [String]) throws {
        let lineages = try tree.selected(names)
        if lineages.isEmpty { StandardStreams.print(line: StatusTable.nothing(in: tree.path)) }
        var failed = false
        for lineage in lineages {
            let (state, now) = (store.state(of: lineage, at: Date.now), Date.now)
            let plan = Planner(.deploy, isExplicit: true).plan(
                Subject(lineage, host: settings.conf), state ?? LineageState(name: lineage.name),
                staged: (false, false, nil), at: now)
            switch (plan.outcome, plan.rollOut) {
            case (.failed(let failure), _):
                failed = true
                StandardError.write(
                    fault: "\(lineage.name): \(failure)", next: NextStep.after(failure, lineage: lineage.name))
            case (_, .reinstall):
                let serial = state?.host.quarantine?.serial ?? ""
                try show(lineage, "the quarantined version, serial \(serial), installed again", .deploy)
            case (_, .goBack):
                try show(lineage, "the version before, to which an earlier run was rolling back", .deploy)
            default:
                let shown = lineage.certificate.map(DeploymentPreview.text) ?? "the installed version"
                let number = lineage.version.map { "version \($0), " } ?? ""
                try show(lineage, number + shown, .deploy)
            }
        }
        try StandardStreams.finishOutput()
        if failed { throw ExitCode(ExitStatus.failed.rawValue) }
    }

    /// Shows what would be done with one certificate.
    ///
    /// - Parameter what: the version.
    func show(_ lineage: Lineage, _ what: String, _ kind: Kind) throws {
        let verb = kind == .deploy ? "deploy" : "roll back to"
        StandardStreams.print(line: "\(lineage.name): would \(verb) \(what)")
        let (directory, own) = (HookDirectory(configDirectory: tree.path), HookCommands(lineage.options, tree.defaults))
        let runsHooks = runsDirectoryHooks && lineage.options?.directoryHooks ?? true
        var count = 0
        for kind in [Hook.Kind.check, .deploy, .post] {
            let names = runsHooks ? directory.list(kind).hooks.map { "\(directory.path(of: kind))/\($0.name)" } : []
            for command in names + [own.command(kind)].compactMap(\.self) {
                count += 1
                StandardStreams.print(line: "  would run the \(kind.rawValue) hook \(command)")
            }
        }
        if count == 0 { StandardStreams.print(line: "  no hook would run: nothing reloads the server") }
        do throws(LineageProblem) {
            let verification = try VerificationSettings(lineage: lineage.conf, host: settings.conf)
            let targets = verification.targets(for: lineage.certificate?.names ?? [])
            for (target, _) in targets {
                StandardStreams.print(line: "  would probe \(target.endpoint) for \(target.name)")
            }
            if targets.isEmpty { StandardStreams.print(line: "  no endpoint would be probed") }
        } catch {
            throw CommandFailure(.failed, "\(lineage.name): \(error)")
        }
        if kind == .rollBack { try StandardStreams.finishOutput() }
    }

    /// `serial 5d10…, valid until 2027-02-25 10:00`.
    static func text(_ certificate: Certificate) -> String {
        "serial \(certificate.serial), valid until \(LocalTime.text(certificate.notAfter))"
    }
}

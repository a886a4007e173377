import ArgumentParser
import Lineages
import Renewal

/// `certctl renew`: what the timer runs.
struct RenewCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "renew", abstract: "Renew what is due, and run the hooks that deploy it.",
        discussion: """
            Exits with 0 when everything is done, also when nothing was due; 1 when something failed; 64 for a wrong \
            command line; 75 when it is enough to try again later (the config directory is locked, the CA cannot be reached, a rate \
            limit); 78 when the configuration cannot be read.
            """)

    @OptionGroup var tree: TreeOptions
    @OptionGroup var ca: CAOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: ArgumentHelp("The certificates (default: all).", valueName: "name"), completion: .lineage)
    var names: [String] = []

    @Flag(name: .long, help: "Renew even if it is not due.")
    var force = false

    @Flag(
        name: [.short, .long],
        help:
            "With --force: renew without asking, even if a deployment would do, the CA's rate limit is nearly reached, or nginx refuses its configuration."
    )
    var yes = false

    @Flag(name: .long, help: "Make a new private key, also where the renewal config says to keep it.")
    var newKey = false

    @Flag(name: .long, help: "Try the whole exchange at the staging environment (or --server); nothing is installed.")
    var dryRun = false

    @Option(name: .long, help: ArgumentHelp("The CA's directory for a dry run.", valueName: "url"))
    var server: String?

    @Flag(name: .long, help: "Run the deploy hooks in a dry run, too.")
    var runDeployHooks = false

    @Flag(
        name: .long,
        help: "Run each hook as a transient unit of systemd, unsandboxed: for certctl.service.")
    var hooksInUnits = false

    @Option(
        name: .long, help: "How many certificates are obtained side by side (default: jobs in certctl.conf, else 4).")
    var jobs: Int?

    func validate() throws {
        if let jobs, SettingBounds.jobs.number("\(jobs)") == nil {
            throw ValidationError("--jobs takes \(SettingBounds.jobs)")
        }
        if yes, !force { throw ValidationError("--yes goes with --force") }
        if newKey, dryRun { throw ValidationError("--new-key does not go with --dry-run, which keeps no key") }
        guard !dryRun else { return }
        if server != nil {
            throw ValidationError("--server goes with --dry-run: a renewal goes to the CA of its renewal config")
        }
        if runDeployHooks { throw ValidationError("--run-deploy-hooks goes with --dry-run") }
    }

    func run() async throws {
        let setup = try await RunSetup(
            tree, ca, output, offersToStop: force, hooksInUnits: hooksInUnits, jobs: jobs)
        let lineages = try setup.tree.selected(names)
        if lineages.isEmpty { setup.printer.result(StatusTable.nothing(in: setup.tree.path)) }
        let dialogue = try dialogue(setup, lineages)
        let code = dryRun ? await rehearse(lineages, setup) : await renew(lineages, setup, dialogue)
        if code != 0 { throw ExitCode(code) }
    }

    private func dialogue(_ setup: borrowing RunSetup, _ lineages: [Lineage]) throws -> ForceDialogue? {
        guard force, !dryRun else { return nil }
        let all = names.isEmpty ? lineages : try setup.tree.selected([])
        return ForceDialogue(setup, tree, all: all, isYes: yes, isQuiet: output.quiet)
    }

    private func renew(_ lineages: [Lineage], _ setup: borrowing RunSetup, _ dialogue: ForceDialogue?) async -> Int32 {
        let (run, subjects) = (setup.run(in: setup.world(lineages, rotatesKeys: newKey)), setup.subjects(lineages))
        let (isForced, isExplicit, newKey) = (force, !names.isEmpty, newKey)
        return await setup.carryOut("renew", read: lineages) {
            var exceptions = await dialogue?.exceptions(for: lineages) ?? RunExceptions()
            exceptions.makesNewKeys = newKey
            return await run.run(
                .renew(isForced: isForced), subjects, isExplicit: isExplicit, exceptions: exceptions)
        }
    }

    private func rehearse(_ lineages: [Lineage], _ setup: borrowing RunSetup) async -> Int32 {
        let world = RehearsalWorld(
            setup.world(lineages), authorities: setup.authorities, server: server, host: HostName.current)
        let (run, subjects) = (setup.run(in: world), setup.subjects(lineages))
        let (runsDeployHooks, isExplicit) = (runDeployHooks, !names.isEmpty)
        return await setup.carryOut("renew --dry-run") {
            await run.run(.rehearse(runsDeployHooks: runsDeployHooks), subjects, isExplicit: isExplicit)
        }
    }
}

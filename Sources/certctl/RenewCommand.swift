import ArgumentParser
import Lineages
import Renewal

/// `certctl renew`: what the timer runs.
struct RenewCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "renew", abstract: "Renew what is due, and run the hooks that deploy it.",
        discussion: """
            Exits with 0 when everything is done, also when nothing was due; 1 when something failed; 64 for a wrong \
            command line; 75 when it is enough to try again later (the lock is held, the CA cannot be reached, a rate \
            limit); 78 when the configuration cannot be read.
            """)

    @OptionGroup var tree: TreeOptions
    @OptionGroup var ca: CAOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: ArgumentHelp("The lineages to look at (default: all).", valueName: "name"))
    var names: [String] = []

    @Flag(name: .long, help: "Renew whether it is due or not.")
    var force = false

    @Flag(name: .long, help: "Try the whole exchange at the staging directory (or --server); nothing is installed.")
    var dryRun = false

    @Option(name: .long, help: ArgumentHelp("The CA's directory for a dry run.", valueName: "url"))
    var server: String?

    @Flag(name: .long, help: "Run the deploy hooks in a dry run, too.")
    var runDeployHooks = false

    func validate() throws {
        guard !dryRun else { return }
        if server != nil { throw ValidationError("--server goes with --dry-run: a renewal goes to the CA of its conf") }
        if runDeployHooks { throw ValidationError("--run-deploy-hooks goes with --dry-run") }
    }

    func run() async throws {
        let setup = try RunSetup(tree, ca, output)
        let lineages = try setup.tree.selected(names)
        if lineages.isEmpty { setup.printer.result(StatusTable.nothing(in: setup.tree.path)) }
        let (policy, named) = (RenewalPolicy(isForced: force), !names.isEmpty)
        let (isDry, server, runsDeployHooks) = (dryRun, server, runDeployHooks)
        let code = await setup.carryOut { run in
            if isDry {
                await run.dryRun(
                    lineages, server: server, runsDeployHooks: runsDeployHooks, named: named, host: HostName.current)
            } else {
                await run.renew(lineages, policy: policy, named: named)
            }
        }
        if code != 0 { throw ExitCode(code) }
    }
}

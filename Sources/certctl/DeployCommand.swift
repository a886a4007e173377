import ArgumentParser
import Lineages
import Renewal

/// `certctl deploy`: the deploy step again, for a certificate that is installed and not served.
struct DeployCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deploy", abstract: "Run the deploy and post hooks again and verify, without ordering anything.")

    @OptionGroup var tree: TreeOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: ArgumentHelp("The certificates to deploy (default: all).", valueName: "name"), completion: .lineage)
    var names: [String] = []

    @Flag(name: .long, help: "Show which hooks would run and which endpoints would be probed, and change nothing.")
    var dryRun = false

    func run() async throws {
        if dryRun { return try DeploymentPreview(tree).show(names) }
        let setup = try await RunSetup(tree, nil, output, offersToStop: true)
        let lineages = try setup.tree.selected(names)
        if lineages.isEmpty { setup.printer.result(StatusTable.nothing(in: setup.tree.path)) }
        let code = await setup.carryOut("deploy", .deploy, lineages)
        if code != 0 { throw ExitCode(code) }
    }
}

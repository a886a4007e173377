import ACME
import ArgumentParser
import Deployment
import FoundationEssentials
import Glibc
import Lineages
import PKI
import Renewal

/// `certctl hooks`: what will run, and whether it works.
struct HooksCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hooks", abstract: "Show the hooks of a lineage, or try them.",
        subcommands: [List.self, Run.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "Show what will run, in order, and what will not, and why.")

        @OptionGroup var tree: TreeOptions

        @Argument(
            help: ArgumentHelp("The lineage whose own hooks are shown, too.", valueName: "name"), completion: .lineage)
        var name: String?

        func run() throws {
            let tree = try tree.tree()
            let options = try name.map { try tree.selected([$0])[0].options } ?? nil
            let directory = HookDirectory(configDirectory: tree.path)
            let own = HookCommands(options, tree.defaults)
            let runsDirectory = try RunSetup.directoryHooks(tree)
            if !runsDirectory { print("no-directory-hooks in cli.ini: what is in renewal-hooks does not run") }
            for kind in Hook.Kind.allCases {
                let listing = runsDirectory ? directory.list(kind) : HookDirectory.Listing()
                print("\(kind.rawValue):")
                if let unreadable = listing.unreadable { print("  \(unreadable)") }
                for hook in listing.hooks { print("  \(directory.path(of: kind))/\(hook.name)") }
                if let command = own.command(kind) { print("  \(command.plain)  (\(name ?? "cli.ini"))") }
                for skipped in listing.skipped { print("  not \(skipped.name.plain): \(skipped.reason)") }
                if listing.hooks.isEmpty, listing.skipped.isEmpty, own.command(kind) == nil { print("  none") }
            }
        }
    }

    struct Run: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "run", abstract: "Run the pre, deploy and post hooks of a lineage now, as a renewal would.")

        @OptionGroup var tree: TreeOptions
        @OptionGroup var output: OutputOptions

        @Flag(
            name: .long,
            help: "Run them with this shell's environment, and not with that of the service, which a renewal has.")
        var keepEnvironment = false

        @Argument(help: ArgumentHelp("The lineage.", valueName: "name"), completion: .lineage)
        var name: String

        func run() async throws {
            // What a variable of the shell makes of a hook says nothing of the next renewal.
            let isBooted = unsafe access("/run/systemd/system", F_OK) == 0
            let runsInUnits = !keepEnvironment && geteuid() == 0 && isBooted
            if !keepEnvironment, !runsInUnits { try ServiceEnvironment.restart(with: "--keep-environment") }
            let setup = try RunSetup(tree, nil, output, hooksInUnits: runsInUnits)
            let lineage = try setup.tree.selected([name])[0]
            guard let options = lineage.options, let paths = lineage.paths else {
                throw CommandFailure(.failed, lineage.fatalProblem?.message ?? "\(lineage.confPath) cannot be used")
            }
            let domains = lineage.certificate?.names.map(\.description) ?? []
            let (failures, wasInterrupted) = await setup.inGoodOrder { run in
                // What an earlier run owes comes first, here as in every run.
                var failures = await run.paidDebts()
                failures += await run.hooks.pre(conf: options.preHook, post: options.postHook)
                if failures.isEmpty, !Task.isCancelled {
                    // They come to their end, as in a renewal.
                    failures += await Task {
                        await run.hooks.deploy(conf: options.deployHook, domains: domains, lineage: paths.live).failures
                    }.value
                }
                failures += await run.hooks.post(renewedDomains: domains, failedDomains: []).failures
                return (failures, Task.isCancelled)
            }
            if wasInterrupted { setup.printer.fault("interrupted: the post hooks have run", next: nil) }
            guard failures.isEmpty, !wasInterrupted else { throw ExitCode(ExitStatus.failed.rawValue) }
            setup.printer.result("\(name): every hook exited with 0")
        }
    }
}

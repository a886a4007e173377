import ArgumentParser
import Deployment
import FoundationEssentials
import Glibc
import Lineages
import PKI
import Renewal
import Text

/// `certctl hooks`: what will run, and whether it works.
struct HooksCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hooks", abstract: "Show the hooks of a certificate, or try them.",
        subcommands: [List.self, Run.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "Show what will run, in order, and what will not, and why.")

        @OptionGroup var tree: TreeOptions

        @Argument(
            help: ArgumentHelp("The certificate whose own hooks are shown as well.", valueName: "name"),
            completion: .lineage)
        var name: String?

        func run() throws {
            let tree = try tree.tree()
            let lineage = try name.map { try tree.selected([$0])[0] }
            let options = lineage?.options
            let directory = HookDirectory(configDirectory: tree.path)
            let own = HookCommands(options, tree.defaults)
            let runsDirectory = try RunSetup.directoryHooks(tree)
            if !runsDirectory {
                StandardStreams.print(line: "no-directory-hooks in cli.ini: what is in renewal-hooks does not run")
            }
            for kind in Hook.Kind.allCases {
                let listing = runsDirectory ? directory.list(kind) : HookDirectory.Listing()
                StandardStreams.print(line: "\(kind.rawValue):")
                if let unreadable = listing.unreadable { StandardStreams.print(line: "  \(unreadable)") }
                for hook in listing.hooks {
                    StandardStreams.print(line: "  \(directory.path(of: kind))/\(hook.name)")
                }
                if let command = own.command(kind) {
                    StandardStreams.print(line: "  \(command)  (\(name ?? "cli.ini"))")
                }
                for skipped in listing.skipped {
                    StandardStreams.print(line: "  not \(skipped.name): \(skipped.reason)")
                }
                if listing.hooks.isEmpty, listing.skipped.isEmpty, own.command(kind) == nil {
                    StandardStreams.print(line: "  none")
                }
            }
            let codes: [LineageProblem.Code] = [.optionMisplaced, .optionMisspelled, .optionIgnored]
            let ignored = (lineage?.problems ?? []).filter { codes.contains($0.code) }
            guard let lineage, !ignored.isEmpty else { return }
            StandardStreams.print(line: "\(lineage.confPath.plain):")
            for problem in ignored { StandardStreams.print(line: "  \(problem.message.plain)") }
        }
    }

    struct Run: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "run", abstract: "Run the pre, deploy and post hooks of a certificate now, as a renewal would."
        )

        @OptionGroup var tree: TreeOptions
        @OptionGroup var output: OutputOptions

        @Flag(
            name: .long,
            help: "Run them with this shell's environment, and not with that of the service, which a renewal has.")
        var keepEnvironment = false

        @Argument(help: ArgumentHelp("The certificate.", valueName: "name"), completion: .lineage)
        var name: String

        func run() async throws {
            // What a variable of the shell makes of a hook says nothing of the next renewal.
            let isBooted = unsafe access("/run/systemd/system", F_OK) == 0
            let runsInUnits = !keepEnvironment && geteuid() == 0 && isBooted
            if !keepEnvironment, !runsInUnits { try ServiceEnvironment.restart(with: "--keep-environment") }
            let setup = try await RunSetup(tree, nil, output, hooksInUnits: runsInUnits)
            let lineage = try setup.tree.selected([name])[0]
            guard let options = lineage.options, let paths = lineage.paths else {
                throw CommandFailure(.failed, lineage.fatalProblem?.message ?? "\(lineage.confPath) cannot be used")
            }
            let domains = lineage.certificate?.names.map(\.description) ?? []
            let (run, hooks, executor) = (setup.run(in: setup.world([lineage])), setup.hooks, setup.executor)
            let (failures, wasInterrupted) = await setup.inGoodOrder {
                // What an earlier run owes comes first, here as in every run.
                var failures = await run.paidHooks()
                failures += await hooks.pre(conf: options.preHook, post: options.postHook)
                if failures.isEmpty, !Task.isCancelled {
                    // They come to their end, as in a renewal.
                    failures += await Task(executorPreference: executor) {
                        await hooks.deploy(conf: options.deployHook, domains: domains, lineage: paths.live).failures
                    }.value
                }
                failures += await hooks.post(renewedDomains: domains, failedDomains: []).failures
                return (failures, Task.isCancelled)
            }
            if wasInterrupted { setup.printer.fault("interrupted: the post hooks have run", next: nil) }
            guard failures.isEmpty, !wasInterrupted else { throw ExitCode(ExitStatus.failed.rawValue) }
            setup.printer.result("\(name): every hook exited with 0")
        }
    }
}

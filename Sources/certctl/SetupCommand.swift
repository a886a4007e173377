import ACME
import ArgumentParser
import Diagnosis
import Glibc
import Lineages
import Renewal
import Setup
import Text

/// `certctl setup`: everything around the program that makes it take certbot's place, and back.
struct SetupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "setup",
        abstract: "Set this host up to renew with certctl: units, timer, hook, certbot's schedule.",
        discussion: """
            Shows what it will do and asks. Without a terminal and without --yes it changes nothing and exits with 64. \
            --undo undoes it. No CA is contacted.
            """)

    @OptionGroup var tree: TreeOptions

    @Flag(name: [.short, .long], help: "Do it without asking.")
    var yes = false

    @Flag(name: .long, help: "Undo what setup did, and nothing else.")
    var undo = false

    @Flag(name: .long, help: "Show what would be done, and change nothing.")
    var dryRun = false

    @Flag(name: .long, help: "Show every file that would change, as a unified diff.")
    var diff = false

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Renew certificates of certbot's nginx and apache plugins with challenge files in this directory.",
            valueName: "dir"))
    var webroot: OperatorPath?

    @Flag(name: .long, help: "Replace hooks that reload nginx by certctl's reload-nginx.")
    var replaceHook = false

    func validate() throws {
        if undo, replaceHook || webroot != nil || diff {
            throw ValidationError("--undo undoes everything: --webroot, --replace-hook and --diff do not go with it")
        }
    }

    func run() async throws {
        guard geteuid() == 0 else {
            throw CommandFailure(
                .configuration, "setup changes the system's units and schedules", next: "run it as root")
        }
        do {
            if undo { try await takeBack() } else { try await setUp() }
        } catch let error as SetupFailure {
            throw CommandFailure(.failed, error.description, next: error.next.map { .do($0) })
        }
    }

    private var isTerminal: Bool { isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1 }

    private var mayAsk: Bool { !yes && !dryRun && isTerminal }

    // MARK: - Setting up

    private func setUp() async throws {
        // What the service would stop at, an operator hears of now.
        _ = try tree.settings()
        let found = try tree.existingTree()
        if let found {
            let statePath = tree.statePath
            try RunSetup.owningState { () throws(StateOwner.Failure) in try StateOwner.check(statePath, for: found) }
        }
        var request = try self.request(found)
        request.settingsPath = tree.config?.text
        request.reports = try tree.settings().reports
        request.replacesHook = replaceHook
        for lineage in WebrootMove.candidates(among: request.lineages) {
            request.webroots[lineage.name] = webroot?.text ?? (mayAsk ? askForWebroot(lineage) : nil)
        }
        if !replaceHook, mayAsk { request.replacesHook = askForHook(request) }
        let plan = try await SetupPlan(request, on: SetupHost())
        guard !plan.steps.isEmpty else {
            StandardStreams.print(line: "nothing to do: this host is set up")
            show(plan.remarks)
            return
        }
        StandardStreams.print(line: "certctl setup will")
        for (number, step) in plan.steps.enumerated() {
            StandardStreams.print(line: "\(number + 1). \(step.title.plain)")
            for detail in step.details { StandardStreams.print(line: "     \(detail.plain)") }
        }
        if diff { for line in try SetupDiff.lines(of: plan) { print(line.plain) } }
        show(plan.remarks)
        if dryRun { return StandardStreams.print(line: "nothing was changed: this is a dry run") }
        try confirm()
        let lock = try found.map { try RunLock.take($0, state: tree.statePath) }
        var run = try SetupRun(on: SetupHost(), statePath: tree.statePath)
        do {
            try await run.carryOut(plan)
        } catch {
            throw CommandFailure(
                .failed, "\(error)",
                next:
                    "\(error.next ?? "fix the cause"), then certctl setup continues; certctl setup --undo undoes what is done"
            )
        }
        withExtendedLifetime(lock) {}
        try await sayWhatIsNext(found)
    }

    private func request(_ found: Tree?) throws -> SetupRequest {
        do throws(Tree.Failure) {
            return try SetupRequest(
                tree: found, treePath: tree.configDir.text, statePath: tree.statePath, arguments: tree.arguments,
                binary: SetupCommand.binary)
        } catch {
            throw CommandFailure(error)
        }
    }

    /// What an operator does now, and what doctor says of the host as it stands.
    private func sayWhatIsNext(_ found: Tree?) async throws {
        StandardStreams.print(line: "done; certctl setup --undo undoes it")
        guard let found else {
            StandardStreams.print(line: "next: certctl issue NAME, for the first certificate")
            return
        }
        StandardStreams.print(line: "next: certctl renew --dry-run")
        StandardStreams.print(line: "")
        let settings = try tree.settings()
        let lineages: [Lineage]
        do throws(Tree.Failure) {
            lineages = try found.lineages()
        } catch {
            throw CommandFailure(error)
        }
        let host = Diagnosis.Host(
            found, lineages, path: found.path, settings: settings, statePath: tree.statePath,
            transport: try RunSetup.transport(caBundle: settings.caBundle))
        StandardStreams.print(line: "certctl doctor says:")
        print(DoctorText(await Diagnosis(host).run(), style: .forTerminal).text)
    }

    private func askForWebroot(_ lineage: Lineage) -> String? {
        let plugin = lineage.options?.authenticator ?? ""
        StandardStreams.print(
            line: "\(lineage.name.plain) is renewed by certbot's \(plugin.plain) plugin, which certctl does not have.")
        let answer = ask("Directory that nginx serves its challenges from (empty: leave it to certbot): ")
        return answer.isEmpty ? nil : OperatorPath(argument: answer)?.text
    }

    private func askForHook(_ request: SetupRequest) -> Bool {
        let reloads = HookStep.found(request).filter { $0.isFile && !$0.isShipped }
        guard !reloads.isEmpty else { return false }
        for reload in reloads {
            StandardStreams.print(line: "\(reload.place.plain) reloads nginx: \(reload.line.plain)")
        }
        return SetupCommand.isYes(ask("Put certctl's reload-nginx in its place? [y/N] "))
    }

    // MARK: - Undoing

    private func takeBack() async throws {
        var run = try SetupRun(on: SetupHost(), statePath: tree.statePath)
        let undoing = run.undoing
        guard !undoing.isEmpty else {
            StandardStreams.print(line: "nothing to do: setup has changed nothing on this host")
            return
        }
        StandardStreams.print(line: "certctl setup --undo will")
        for (number, title) in undoing.enumerated() { StandardStreams.print(line: "\(number + 1). \(title.plain)") }
        if dryRun { return StandardStreams.print(line: "nothing was changed: this is a dry run") }
        try confirm()
        let lock = try tree.existingTree().map { try RunLock.take($0, state: tree.statePath) }
        let isComplete = try await run.undo { outcome in
            switch outcome {
            case .restored(let what): StandardStreams.print(line: what)
            case .nothingToDo: break
            case .left(let why): StandardError.write(fault: why, next: nil)
            }
        }
        withExtendedLifetime(lock) {}
        guard isComplete else {
            throw CommandFailure(
                .failed, "not everything could be undone",
                next: "certctl setup --undo, once what is named above is fixed")
        }
        StandardStreams.print(line: "done; the config directory and its certificates are unchanged")
    }

    // MARK: - Asking

    private func show(_ remarks: [String]) {
        guard !remarks.isEmpty else { return }
        StandardStreams.print(line: "found, and not changed:")
        for remark in remarks { StandardStreams.print(line: "  - \(remark.plain)") }
    }

    private func confirm() throws {
        if yes { return }
        guard isTerminal else {
            throw CommandFailure(
                .usage, "nothing was done: there is no terminal to ask at",
                next: "certctl setup --yes, or certctl setup at a terminal")
        }
        guard SetupCommand.isYes(ask("Do this? [y/N] ")) else {
            throw CommandFailure(.failed, "nothing was done")
        }
    }

    private func ask(_ question: String) -> String {
        print(question, terminator: "")
        fflush(nil)
        return readLine() ?? ""
    }

    private static func isYes(_ answer: String) -> Bool { ["y", "yes"].contains(answer.lowercased()) }

    /// This program's own file.
    private static var binary: String { (try? FileSystem.linkText("/proc/self/exe")) ?? "/usr/bin/certctl" }
}

extension TreeOptions {
    /// The tree; nil where there is none yet.
    fileprivate func existingTree() throws -> Tree? {
        do {
            guard try FileSystem.status(configDir.text, followingLinks: true) != nil else { return nil }
        } catch {
            throw CommandFailure(.configuration, "\(error)")
        }
        return try tree()
    }

    /// What a service has to be called with to work in the same place.
    fileprivate var arguments: [String] {
        var arguments: [String] = []
        if configDir.text != OperatorPath.tree.text { arguments += ["--config-dir", configDir.text] }
        if statePath != OperatorPath.state.text { arguments += ["--state-dir", statePath] }
        if let config, config.text != HostSettings.defaultPath { arguments += ["--config", config.text] }
        return arguments
    }
}

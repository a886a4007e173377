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
        abstract: "Have this host renew with certctl: units, timer, hook, certbot's schedule; --undo takes it back.",
        discussion: """
            Says what it will do and asks. Without a terminal, and without --yes, it only says it, and exits with 64. Talks to \
            no CA.
            """)

    @OptionGroup var tree: TreeOptions

    @Flag(name: [.short, .long], help: "Do it without asking.")
    var yes = false

    @Flag(name: .long, help: "Take back what setup did, and nothing else.")
    var undo = false

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Have lineages of certbot's nginx and apache plugins proven by files in this directory.",
            valueName: "dir"))
    var webroot: OperatorPath?

    @Flag(name: .long, help: "Put certctl's reload-nginx in the place of hooks that reload nginx.")
    var replaceHook = false

    func validate() throws {
        if undo, replaceHook || webroot != nil {
            throw ValidationError(
                "--undo takes back all that setup did: --webroot and --replace-hook mean nothing with it")
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
            throw CommandFailure(.failed, error.description, next: error.next)
        }
    }

    private var isTerminal: Bool { isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1 }

    // MARK: - There

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
            request.webroots[lineage.name] = webroot?.text ?? (yes || !isTerminal ? nil : askForWebroot(lineage))
        }
        if !replaceHook, !yes, isTerminal { request.replacesHook = askForHook(request) }
        let plan = try await SetupPlan(request, on: SetupHost())
        guard !plan.steps.isEmpty else {
            print("nothing to do: this host is set up")
            show(plan.remarks)
            return
        }
        print("certctl setup will")
        for (number, step) in plan.steps.enumerated() {
            print("\(number + 1). \(step.title.plain)")
            for detail in step.details { print("     \(detail.plain)") }
        }
        show(plan.remarks)
        try confirm()
        let lock = try found.map { try RunLock.take($0, state: tree.statePath) }
        var run = try SetupRun(on: SetupHost(), statePath: tree.statePath)
        do {
            try await run.carryOut(plan)
        } catch {
            throw CommandFailure(
                .failed, "\(error)",
                next:
                    "\(error.next ?? "mend it") (certctl setup goes on from there, certctl setup --undo takes back what is done)"
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
        print("done; certctl setup --undo takes it back")
        guard let found else {
            print("next: certctl issue -d NAME, for the first certificate")
            return
        }
        print("next: certctl renew --dry-run")
        print("")
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
        print("certctl doctor says:")
        print(DoctorText(await Diagnosis(host).run(), style: .forTerminal).text)
    }

    private func askForWebroot(_ lineage: Lineage) -> String? {
        let plugin = lineage.options?.authenticator ?? ""
        print("\(lineage.name.plain) is renewed by certbot's \(plugin.plain) plugin, which certctl does not have.")
        let answer = ask("Directory that nginx serves its challenges from (empty: leave it to certbot): ")
        return answer.isEmpty ? nil : OperatorPath(argument: answer)?.text
    }

    private func askForHook(_ request: SetupRequest) -> Bool {
        let reloads = HookStep.found(request).filter { $0.isFile && !$0.isShipped }
        guard !reloads.isEmpty else { return false }
        for reload in reloads { print("\(reload.place.plain) reloads nginx: \(reload.line.plain)") }
        return SetupCommand.isYes(ask("Put certctl's reload-nginx in its place? [y/N] "))
    }

    // MARK: - And back

    private func takeBack() async throws {
        var run = try SetupRun(on: SetupHost(), statePath: tree.statePath)
        let undoing = run.undoing
        guard !undoing.isEmpty else {
            print("nothing to do: setup has changed nothing on this host")
            return
        }
        print("certctl setup --undo will")
        for (number, title) in undoing.enumerated() { print("\(number + 1). \(title.plain)") }
        try confirm()
        let lock = try tree.existingTree().map { try RunLock.take($0, state: tree.statePath) }
        let isComplete = try await run.undo { outcome in
            switch outcome {
            case .restored(let what): print(what.plain)
            case .nothingToDo: break
            case .left(let why): StandardError.write("certctl: \(why.plain)\n")
            }
        }
        withExtendedLifetime(lock) {}
        guard isComplete else {
            throw CommandFailure(
                .failed, "not everything could be taken back",
                next: "look at what is named above; certctl setup --undo tries it again")
        }
        print("done; the tree and its certificates are as they were left by the last renewal")
    }

    // MARK: - A conversation

    private func show(_ remarks: [String]) {
        guard !remarks.isEmpty else { return }
        print("seen, and left alone:")
        for remark in remarks { print("  - \(remark.plain)") }
    }

    private func confirm() throws {
        if yes { return }
        guard isTerminal else {
            throw CommandFailure(
                .usage, "nothing was done: there is no terminal to ask at", next: "say --yes to have it done")
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

import ACME
import Challenges
import Deployment
import FoundationEssentials
import Glibc
import HTTP
import Lineages
import Renewal

/// What `renew` and `issue` share: the options, the lock, the engine, the way their reports end.
struct RunSetup: ~Copyable {
    let tree: Tree
    let authorities: CertificateAuthorities
    let hooks: HookRun
    let printer: RunPrinter
    let settings: HostSettings
    let transport: CurlTransport
    private let lock: TreeLock
    /// Whether all that earlier runs left of a switch is completed.
    private let isComplete: Bool
    /// Where the run's blocking work is done; nil where the system gives no threads, for Swift's own.
    let executor: WorkerThreads?
    private let report: @Sendable (RenewalEvent) -> Void
    private let trace: RunTrace
    private let reports: RunReports
    private let units: OutsideUnits?
    private let statePath: String
    private let jobs: Int
    private let nextRun: NextRun
    private let caBundle: String?
    private let challenges: ChallengeSettings

    /// Takes the lock and completes what an earlier run left of a switch.
    ///
    /// - Parameters:
    ///   - ca: nil for a command that talks to no CA.
    ///   - makingTree: whether a config directory that is not there is made.
    ///   - offersToStop: whether an operator at a terminal is asked to stop a run that holds the lock.
    ///   - hooksInUnits: whether this process is confined, and hooks are not to be.
    ///   - jobs: how many lineages are renewed side by side; nil as the host's settings have it.
    init(
        _ options: TreeOptions, _ ca: CAOptions?, _ output: OutputOptions, makingTree: Bool = false,
        offersToStop: Bool = false, hooksInUnits: Bool = false, jobs jobsOption: Int? = nil
    ) async throws {
        SignalTrap.outliveOutputs()
        let settings = try options.settings()
        let tree = try options.tree()
        let proof = RunProof(
            tree, StateStore(stateDirectory: options.statePath), limit: settings.duplicateLimit)
        let printer = RunPrinter(output, proof, host: settings.conf)
        let transport = try RunSetup.transport(caBundle: ca?.caBundle?.text ?? settings.caBundle)
        let units: OutsideUnits? = try hooksInUnits ? RunSetup.units() : nil
        if makingTree { try RunSetup.make(tree) }
        let directoryHooks = try RunSetup.directoryHooks(tree)
        let statePath = options.statePath
        let lock: TreeLock
        if offersToStop {
            lock = try await RunLock.takeOrAsk(
                tree, state: statePath, printer, patience: settings.hookTimeout + RunSetup.patience)
        } else {
            lock = try RunLock.take(tree, state: statePath)
        }
        try RunSetup.requireState(options.statePath)
        try RunSetup.owningState { () throws(StateOwner.Failure) in
            try StateOwner.claim(options.statePath, for: tree)
        }
        for key in settings.unknownKeys {
            printer.warn("\(options.config?.text ?? HostSettings.defaultPath): \(key) means nothing here")
        }
        if !tree.defaults.unsupportedKeys.isEmpty {
            printer.warn("cli.ini: ignored: \(tree.defaults.unsupportedKeys.joined(separator: ", "))")
        }
        if directoryHooks { RunSetup.warnOfSkippedHooks(HookDirectory(configDirectory: tree.path), printer) }
        let store = StateStore(stateDirectory: statePath)
        let trace = RunTrace(store)
        let report: @Sendable (RenewalEvent) -> Void = { event in
            trace.note(event)
            printer.print(event)
        }
        let jobs = jobsOption ?? settings.jobs
        let executor = try? WorkerThreads(most: jobs + RunSetup.spareThreads)
        let accounts = AccountStore(configDirectory: tree.path)
        let authorities = CertificateAuthorities(accounts: accounts, transport: transport) { report(.exchange($0)) }
        let hooks = HookRun(
            directory: HookDirectory(configDirectory: tree.path),
            directoryHooks: directoryHooks, runner: units?.hooks ?? SubprocessRunner(), timeout: settings.hookTimeout,
            environment: ["CERTCTL_CONFIG_DIR": tree.path, "CERTCTL_STATE_DIR": statePath],
            executor: executor,
            remember: { hooks in
                do {
                    try store.owe(hooks)
                } catch {
                    printer.print(.stateFailed("\(error)"))
                }
            }
        ) { report(.hook($0)) }
        isComplete = RunSetup.completeSwitches(statePath, printer)
        challenges = RunSetup.challenges(settings, units, hidden: [tree.path, statePath])
        reports = RunReports(
            tree: tree, store: store, settings: settings, statusFile: options.statusFile(settings), printer: printer)
        self.tree = tree
        self.settings = settings
        self.transport = transport
        self.authorities = authorities
        self.hooks = hooks
        (self.units, self.statePath) = (units, statePath)
        (self.jobs, self.executor, self.report, self.trace) = (jobs, executor, report, trace)
        nextRun = NextRun(isTimed: options.isHostsOwn, isTimersOwn: RunSetup.initiator == .timer, last: store.lastRun)
        caBundle = ca?.caBundle?.text ?? settings.caBundle
        self.printer = printer
        self.lock = lock
    }

    /// What solvers need: programs that certctl ships are confined wherever systemd can do that; manual hooks run as hooks do.
    static func challenges(
        _ settings: HostSettings, _ units: OutsideUnits?, hidden: [String]
    ) -> ChallengeSettings {
        var challenges = settings.challenges
        challenges.hidden = hidden
        if let units {
            challenges.hooks = units.hooks
            challenges.portHolder = { await units.portHolder($0) }
        }
        if let programs = try? units?.hooks ?? (geteuid() == 0 ? TransientUnits() : nil) {
            challenges.programs = programs
        }
        return challenges
    }

    /// One for the hooks, and one for what is left of a lane that ends.
    private static let spareThreads = 2
    /// A run that was asked to stop takes so long beside its hook: it finishes the request to the CA and takes its challenges away.
    private static let patience: Duration = .seconds(60)

    private static func units() throws -> OutsideUnits {
        do {
            return try OutsideUnits()
        } catch {
            throw CommandFailure(
                .configuration, "\(error)", next: "leave out --hooks-in-units, which is for certctl.service")
        }
    }

    static func transport(caBundle: String?) throws -> CurlTransport {
        do {
            return try CurlTransport(
                userAgent: "certctl/\(Version.number) libcurl/\(CurlTransport.libraryVersion)", caBundle: caBundle)
        } catch {
            throw CommandFailure(.configuration, "\(error)")
        }
    }

    /// systemd gives every service an INVOCATION_ID; a shell at a terminal may have inherited one.
    static var initiator: Initiator {
        unsafe getenv("INVOCATION_ID") != nil && isatty(STDERR_FILENO) == 0 ? .timer : .manual
    }

    private static func make(_ tree: Tree) throws {
        do {
            guard try FileSystem.status(tree.path, followingLinks: true) == nil else { return }
            try FileSystem.makeDirectories(tree.path, mode: 0o755)
        } catch {
            throw CommandFailure(.configuration, "\(error)", next: error.isPermission ? "run it as root" : nil)
        }
    }

    /// A run that cannot note what it does must not buy certificates.
    private static func requireState(_ directory: String) throws {
        do {
            // One that is there keeps its mode.
            if try FileSystem.status(directory, followingLinks: true)?.kind != .directory {
                try FileSystem.makeDirectories(directory, mode: 0o755)
            }
            try FileSystem.requireWritable(directory)
        } catch {
            throw CommandFailure(
                .configuration, "\(error)",
                next: error.isPermission ? "run it as root" : "make it writable, or name another with --state-dir")
        }
    }

    /// Says what is to be done about a state directory that belongs to another config directory.
    static func owningState(_ body: () throws(StateOwner.Failure) -> Void) throws {
        do throws(StateOwner.Failure) {
            try body()
        } catch {
            let next: Remedy.Step? =
                switch error {
                case .another(let directory, _, _):
                    "name another directory with --state-dir; if the config directory was moved, remove \(StateOwner.path(in: directory))"
                case .file(let file): file.isPermission ? "run it as root" : nil
                }
            throw CommandFailure(.configuration, "\(error)", next: next)
        }
    }

    /// Whether the hooks of `renewal-hooks` run.
    static func directoryHooks(_ tree: Tree) throws -> Bool {
        do throws(ConfError) {
            return try tree.defaults.flag("no_directory_hooks") != true
        } catch {
            throw CommandFailure(.configuration, "\(tree.path)/cli.ini: \(error)")
        }
    }

    /// Names what looks like a hook and does not run; backups and files like `.gitkeep` are not meant to.
    private static func warnOfSkippedHooks(_ directory: HookDirectory, _ printer: RunPrinter) {
        for kind in Hook.Kind.allCases {
            for skipped in directory.list(kind).skipped
            where !skipped.name.hasPrefix(".") && !skipped.name.hasSuffix("~") {
                printer.warn("\(directory.path(of: kind))/\(skipped.name) does not run: it \(skipped.reason)")
            }
        }
    }

    /// One lineage's switch that cannot be completed keeps no other lineage from its renewal.
    private static func completeSwitches(_ statePath: String, _ printer: RunPrinter) -> Bool {
        do {
            for name in try SwitchJournal.completeAll(in: statePath) { printer.print(.completedSwitch(name: name)) }
            return true
        } catch {
            printer.fault("a switch of live/ could not be completed: \(error)", next: nil)
            return false
        }
    }

    /// What solvers need of this host for a lineage that is not read from its renewal config.
    func challenges(of name: String) -> ChallengeSettings {
        challenges.of(name, StateStore(stateDirectory: statePath), report: report)
    }

    /// The real world of a run over lineages.
    func world(_ lineages: [Lineage], issuing: Certification? = nil, rotatesKeys: Bool = false) -> LocalWorld {
        let units = units
        printer.begin(lineages)
        if let damage = StateStore(stateDirectory: statePath).revoked().damage {
            printer.warn("\(damage): no earlier version is installed again, and every renewal gets a new key")
        }
        return LocalWorld(
            lineages, issuing: issuing, authorities: authorities, stateDirectory: statePath, hostConf: settings.conf,
            caBundle: caBundle, rotatesKeys: rotatesKeys, challenges: challenges,
            isMounted: { await units?.isMounted($0) }, nextRun: { [nextRun] in await nextRun.date() },
            executor: executor)
    }

    /// A run in a world.
    func run(in world: any RenewalWorld) -> RenewalRun {
        RenewalRun(world, hooks: hooks, jobs: jobs, initiator: RunSetup.initiator, report: report)
    }

    /// What a run is given of lineages.
    func subjects(_ lineages: [Lineage]) -> [Subject] { lineages.map { Subject($0, host: settings.conf) } }

    /// Does what was asked for with lineages, prints the summary and returns the exit code.
    func carryOut(
        _ command: String, _ request: RunRequest, _ lineages: [Lineage], isExplicit: Bool = true
    ) async -> Int32 {
        let (run, subjects) = (run(in: world(lineages)), subjects(lineages))
        return await carryOut(command, read: lineages) {
            await run.run(request, subjects, isExplicit: isExplicit)
        }
    }

    /// Carries out the work so that SIGINT and SIGTERM end it in good order, prints the summary and returns the exit code.
    ///
    /// - Parameters:
    ///   - command: its name, for the record of the last run.
    ///   - lineages: what was read for it; only what the run has changed is read again for its report.
    func carryOut(
        _ command: String, read lineages: [Lineage] = [], _ work: @escaping @Sendable () async -> RunReport
    ) async -> Int32 {
        let report = await inGoodOrder(work)
        // What a switch replaced was kept for processes that had it open.
        let isComplete = RunSetup.completeSwitches(statePath, printer)
        let code = isComplete && self.isComplete ? report.exitCode : ExitStatus.failed.rawValue
        printer.finish(report, exitCode: code)
        // A dry run leaves no trace.
        if command.hasSuffix("--dry-run") { return code }
        let lastRun = LastRun(at: Date.now, by: RunSetup.initiator, command: command, exitCode: code)
        await reports.leave(
            lastRun, known: StatusReport.known(lineages, report), isProbing: !report.wasInterrupted)
        return code
    }

    /// Carries out work so that a signal cancels its task, and it ends in good order.
    func inGoodOrder<Result: Sendable>(_ work: @escaping @Sendable () async -> Result) async -> Result {
        let printer = printer
        let task = Task(executorPreference: executor) { await work() }
        SignalTrap.install {
            printer.warn("stopping in good order; a second signal ends it at once")
            task.cancel()
        }
        // From now on it can be stopped in good order.
        trace.begin()
        defer { trace.end() }
        return await task.value
    }
}

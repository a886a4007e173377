import Text

/// The hooks of one run, in certbot's order and with its bookkeeping.
///
/// Hooks never run at the same time, however many lineages are renewed side by side. Unlike certbot it tells which
/// hooks failed.
package actor HookRun {
    /// The longest list of names that a post hook receives, in bytes, as with certbot; the names beyond it are left out.
    static let longestDomainList = 16_000
    /// The same for a deploy hook, which certbot tells all of them. The kernel takes no variable of more than 128 KiB with its
    /// name and the NUL (`MAX_ARG_STRLEN`, execve(2)), and starts nothing with a longer one; some is left for the name.
    static let longestVariable = 131_072 - 256
    /// How many names were left out of a hook's lists; set only where some were.
    static let omittedDomains = "CERTCTL_DOMAINS_OMITTED"

    private let directory: (any HookListing)?
    private let runner: any CommandRunner
    private let timeout: Duration
    private let report: @Sendable (HookEvent) -> Void

    /// The pre hooks that ran, each with its failure if it had one.
    private var done: [String: HookFailure?] = [:]
    /// The post hooks to run at the end.
    private var owed: [Hook] = []
    /// The post hooks that an earlier run owed and that failed in this one.
    private var unpaid: [Hook] = []
    /// The callers that wait for the hooks of another one.
    private var queue: [CheckedContinuation<Void, Never>] = []
    private var isBusy = false

    private let environment: [String: String]
    /// Where what must not be cancelled runs; nil for the default.
    private let executor: (any TaskExecutor)?
    /// Told what is owed before the first pre hook runs, and of nothing once it is paid.
    private let remember: @Sendable ([Hook]) -> Void

    /// A run that has not run a hook yet.
    ///
    /// - Parameters:
    ///   - directory: Where directory hooks are.
    ///   - directoryHooks: Whether they run at all (certbot's `--no-directory-hooks`).
    ///   - timeout: The longest time for one hook.
    ///   - environment: Environment variables of every hook, beside certbot's.
    ///   - executor: Where hooks that run also for a cancelled task do so.
    ///   - remember: Called with the post hooks that are owed before a pre hook runs, and with none when they have run: what
    ///     it saves is what runs after a crash.
    ///   - report: Called at each hook's start and end, from any thread, one at a time.
    package init(
        directory: any HookListing, directoryHooks: Bool = true, runner: any CommandRunner,
        timeout: Duration = .seconds(600), environment: [String: String] = [:],
        executor: (any TaskExecutor)? = nil,
        remember: @escaping @Sendable ([Hook]) -> Void = { _ in },
        report: @escaping @Sendable (HookEvent) -> Void = { _ in }
    ) {
        self.directory = directoryHooks ? directory : nil
        self.runner = runner
        self.timeout = timeout
        self.environment = environment
        self.executor = executor
        self.remember = remember
        self.report = report
    }

    /// Runs the pre hooks for a lineage that is due, and notes the post hooks that are owed for it.
    ///
    /// First those of the directory, then the conf's. The same command runs once a run: if it failed, its failure is
    /// returned again for each lineage that depends on it.
    /// - Parameters:
    ///   - hook: The conf's `pre_hook`.
    ///   - postHook: The conf's `post_hook`.
    package func pre(conf hook: String?, post postHook: String?) async -> [HookFailure] {
        await inTurn {
            let (postHooks, postTrouble) = hooks(.post, conf: postHook)
            // Nothing is begun for a cancelled task, so that nothing has to be brought to its end.
            if !Task.isCancelled { note(postHooks) }
            let (hooks, trouble) = hooks(.pre, conf: hook)
            var failures = trouble
            for hook in hooks {
                let failure: HookFailure?
                if let earlier = done[hook.identity] {
                    failure = earlier
                } else {
                    if !Task.isCancelled { remember(unpaid + owed) }
                    failure = await run(hook).failure
                    done[hook.identity] = .some(failure)
                }
                if let failure { failures.append(failure) }
            }
            return failures + postTrouble
        }
    }

    /// Runs the deploy hooks for a lineage that was renewed: those of the directory, then the conf's unless it is one
    /// of those. A hook that fails does not stop the next.
    ///
    /// - Parameters:
    ///   - hook: The conf's `renew_hook`.
    ///   - domains: The names in the new certificate.
    ///   - lineage: The path of the lineage's directory in `live/`.
    ///   - isWanted: Which of them, where only some have to be run again.
    package func deploy(
        conf hook: String?, domains: [String], lineage: String, where isWanted: (Hook) -> Bool = { _ in true }
    ) async -> [HookResult] {
        await inTurn {
            let (hooks, trouble) = hooks(.deploy, conf: hook)
            let facts =
                Self.facts(["RENEWED_DOMAINS": domains], longest: Self.longestVariable)
                .merging(["RENEWED_LINEAGE": lineage]) { $1 }
            return await trouble.map(HookResult.init) + runAll(hooks.filter(isWanted).map { $0.told(facts) })
        }
    }

    /// Notes the post hooks of a lineage that is deployed without a renewal in this run.
    ///
    /// - Parameters:
    ///   - hook: The conf's `post_hook`.
    ///   - isWanted: Which of them, where only some have to be run again.
    package func owe(conf hook: String?, where isWanted: (Hook) -> Bool = { _ in true }) {
        note(hooks(.post, conf: hook).0.filter(isWanted))
    }

    /// Runs the post hooks that are owed, each once, in the order in which they were noted.
    ///
    /// They run also for a cancelled task, up to their time-out: a post hook may have to start the service again that
    /// a pre hook stopped. One that fails in a run with pre hooks stays owed.
    ///
    /// - Parameter kept: the identities of those that are tried again anyway, with the lineage that they were run for.
    package func post(
        renewedDomains: [String], failedDomains: [String], kept: Set<String> = []
    ) async -> [HookResult] {
        let facts = Self.facts(
            ["RENEWED_DOMAINS": renewedDomains, "FAILED_DOMAINS": failedDomains], longest: Self.longestDomainList)
        return await Task(executorPreference: executor) { [self] in await runOwed(facts, kept) }.value
    }

    private func runOwed(_ facts: [String: String], _ kept: Set<String>) async -> [HookResult] {
        await inTurn {
            let hooks = owed
            owed = []
            let results = await runAll(hooks.map { $0.told(facts) })
            guard !done.isEmpty || !unpaid.isEmpty else { return results }
            unpaid.removeAll { debt in results.contains { $0.hook.identity == debt.identity } }
            unpaid += results.failures.map(\.hook).filter { !kept.contains($0.identity) }
            remember(unpaid)
            return results
        }
    }

    /// Runs the post hooks that an earlier run owed. Those that fail stay owed, beside what this run comes to owe.
    package func pay(_ debts: [Hook]) async -> [HookResult] {
        // Noted before their facts were known, and a script may insist on its variables.
        let facts = ["RENEWED_DOMAINS": "", "FAILED_DOMAINS": ""]
        return await inTurn {
            let results = await runAll(debts.map { $0.environment.isEmpty ? $0.told(facts) : $0 })
            unpaid = results.failures.map(\.hook)
            remember(unpaid)
            return results
        }
    }

    /// Runs the hooks of a kind that has no conf key, `failure` or `recovered`, with facts. They run also for a cancelled task.
    ///
    /// - Parameter identities: which of them, where not all have to run.
    package func tell(
        _ kind: Hook.Kind, _ facts: [String: String], only identities: [String]? = nil
    ) async -> [HookResult] {
        await Task(executorPreference: executor) { [self] in await runTold(kind, facts, identities) }.value
    }

    private func runTold(
        _ kind: Hook.Kind, _ facts: [String: String], _ identities: [String]?
    ) async -> [HookResult] {
        await inTurn {
            let (all, trouble) = hooks(kind, conf: nil)
            // The directory itself could not be read: then whatever is in it.
            let wanted = identities.flatMap { $0.contains(directory?.path(of: kind) ?? "") ? nil : $0 }
            let hooks = all.filter { wanted?.contains($0.identity) ?? true }
            // What a CA or a listener said is among them, and is not to decide whether the hook can be started.
            let said = facts.mapValues { $0.line(atMost: PlainText.longestSentence) }
            return await trouble.map(HookResult.init) + runAll(hooks.map { $0.told(said) })
        }
    }

    /// What would run for a lineage, in order, without running it. A directory that cannot be read stands for the hooks in it.
    package func plan(_ kind: Hook.Kind, conf command: String?) -> [Hook] {
        let (hooks, trouble) = hooks(kind, conf: command)
        return trouble.map(\.hook) + hooks
    }

    private func note(_ hooks: [Hook]) {
        for hook in hooks where !owed.contains(where: { $0.identity == hook.identity }) { owed.append(hook) }
    }

    /// The hooks of a kind in order, the same one once, and a failure if the directory could not be read.
    private func hooks(_ kind: Hook.Kind, conf command: String?) -> ([Hook], [HookFailure]) {
        var hooks: [Hook] = []
        var trouble: [HookFailure] = []
        if let directory {
            let listing = directory.list(kind)
            hooks = listing.hooks
            if let unreadable = listing.unreadable {
                let all = Hook(kind, .directory(path: unreadable.path))
                let outcome = CommandOutcome(.notStarted("\(unreadable)"))
                trouble.append(HookFailure(hook: all, outcome: outcome))
            }
        }
        if let command, !command.isEmpty {
            let hook = Hook(kind, .configuration(command: command))
            if !hooks.contains(where: { $0.identity == hook.identity }) { hooks.append(hook) }
        }
        return (hooks, trouble)
    }

    private func runAll(_ hooks: [Hook]) async -> [HookResult] {
        var results: [HookResult] = []
        for hook in hooks { results.append(await run(hook)) }
        return results
    }

    private func run(_ hook: Hook) async -> HookResult {
        report(.started(hook))
        var command = hook.command
        command.environment.merge(environment) { fact, _ in fact }
        let outcome = await runner.run(command, timeout: timeout)
        report(.finished(hook, outcome))
        return HookResult(hook: hook, outcome: outcome)
    }

    /// Names in one variable each, whole ones only, and how many were left out of all.
    private static func facts(_ lists: [String: [String]], longest: Int) -> [String: String] {
        var facts: [String: String] = [:]
        var omitted = 0
        for (variable, domains) in lists {
            var list = ""
            var listed = 0
            for domain in domains where isName(domain) {
                guard list.utf8.count + 1 + domain.utf8.count <= longest else { break }
                list += list.isEmpty ? domain : " " + domain
                listed += 1
            }
            facts[variable] = list
            omitted += domains.count - listed
        }
        if omitted > 0 { facts[omittedDomains] = "\(omitted)" }
        return facts
    }

    /// Whether a name can be passed in a list: a certificate from elsewhere may have one with a blank or a line break in it.
    private static func isName(_ domain: String) -> Bool {
        !domain.isEmpty
            && domain.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: "-_.*:".utf8.contains(byte)
                }
            }
    }

    /// Runs `body` when all that was asked for before is done: an actor alone lets others in while one waits.
    private func inTurn<Result>(_ body: () async -> Result) async -> Result {
        if isBusy { await withCheckedContinuation { queue.append($0) } }
        isBusy = true
        let result = await body()
        if queue.isEmpty { isBusy = false } else { queue.removeFirst().resume() }
        return result
    }
}

package import ACME
package import Challenges
package import Deployment
package import FoundationEssentials
package import Lineages
import PKI

/// One run over a tree: what an earlier run left is finished, what is due is renewed, everything is deployed and verified, and the
/// books say how far each lineage came. One lineage's failure stops no other.
///
/// To be used with the tree's lock held.
package struct RenewalRun: Sendable {
    let authorities: CertificateAuthorities
    /// The hooks of the run.
    package let hooks: HookRun
    let ledger: Ledger
    let history: History
    let verification: Verification
    let hostConf: ConfFile
    let stateDirectory: String
    let initiator: String
    let isMounted: @Sendable (String) async -> Bool?
    let challenges: ChallengeSettings
    let now: @Sendable () -> Date
    let report: @Sendable (RenewalEvent) -> Void

    /// A run.
    ///
    /// - Parameters:
    ///   - hostConf: the host-wide settings, for those that a lineage may have of its own.
    ///   - initiator: who began it, for the history: `timer` or `terminal`.
    ///   - isMounted: whether some process has a mount of a directory itself, for a run that cannot see all processes; nil
    ///     where it can, and looks.
    ///   - challenges: what solvers need of the host.
    ///   - now: the wall clock.
    ///   - report: told of everything that happens, one event at a time.
    package init(
        authorities: CertificateAuthorities, hooks: HookRun, stateDirectory: String, hostConf: ConfFile = ConfFile(),
        verification: Verification = Verification(), initiator: String = "terminal",
        isMounted: @escaping @Sendable (String) async -> Bool? = { _ in nil },
        challenges: ChallengeSettings = ChallengeSettings(),
        now: @escaping @Sendable () -> Date = { Date.now }, report: @escaping @Sendable (RenewalEvent) -> Void
    ) {
        (self.authorities, self.hooks, self.stateDirectory) = (authorities, hooks, stateDirectory)
        (ledger, history) = (Ledger(stateDirectory: stateDirectory), History(stateDirectory: stateDirectory))
        (self.hostConf, self.verification, self.initiator) = (hostConf, verification, initiator)
        (self.isMounted, self.now, self.report) = (isMounted, now, report)
        self.challenges = challenges
    }

    /// What solvers need of the host, with reports that name the lineage.
    func challengeSettings(for name: String) -> ChallengeSettings {
        challenges.reporting { [report] in report(.step(name: name, .fellBack($0))) }
    }

    func installation(_ paths: LineagePaths) async -> Installation {
        Installation(paths: paths, stateDirectory: stateDirectory, isMounted: await isMounted(paths.live))
    }

    /// Completes what an earlier run left of a switch of live/. To be called before the tree is read.
    package func completeSwitches() throws(FileError) {
        for name in try SwitchJournal.completeAll(in: stateDirectory) { report(.completedSwitch(name: name)) }
    }

    /// What was decided about lineages before a renewal by force.
    package struct Exceptions: Sendable {
        /// Deployed again and not renewed.
        package var deployed: Set<String> = []
        /// Neither: why.
        package var refused: [String: BudgetRefusal] = [:]

        package init() {}
    }

    /// Finishes what is pending and renews the lineages that the policy says are due.
    ///
    /// - Parameters:
    ///   - named: whether the operator named them: then nothing waits for its time, and one that certctl cannot renew is a failure.
    ///   - exceptions: lineages that something else is done with.
    package func renew(
        _ lineages: [Lineage], policy: RenewalPolicy, named: Bool, exceptions: Exceptions = Exceptions()
    ) async -> RunReport {
        await run(lineages, isNamed: named) { lineage, run in
            if exceptions.deployed.contains(lineage.name) { return await deployAgain(lineage, &run) }
            if let refusal = exceptions.refused[lineage.name] {
                let work = opened(lineage, &run)
                return work.failure == nil ? fail(work, RenewalFailure(.waiting, refusal)) : work
            }
            return await take(lineage, policy: policy, isNamed: named, &run)
        }
    }

    /// Runs the deploy step of lineages again, every hook of theirs, without ordering anything.
    package func deploy(_ lineages: [Lineage]) async -> RunReport {
        await run(lineages, isNamed: true) { await deployAgain($0, &$1) }
    }

    private func deployAgain(_ lineage: Lineage, _ run: inout RunReport) async -> Work {
        var work = opened(lineage, &run)
        guard work.failure == nil else { return work }
        if work.entry.held != nil { return await withHeld(work, lineage, isNamed: true, &run) }
        work.outcome = .deployed
        work.deployment = .all
        return await deployed(work, isNamed: true, &run)
    }

    /// Finishes what is pending of a lineage's deployment, without ordering anything.
    package func finish(_ lineage: Lineage) async -> RunReport {
        await run([lineage], isNamed: true) { lineage, run in
            let work = opened(lineage, &run)
            guard work.failure == nil else { return work }
            return await finishedAlone(work, isNamed: true, &run)
        }
    }

    /// Gets one certificate that was asked for by name, with the hooks that a renewal has.
    package func issue(
        _ certification: Certification, client: Client, hooks commands: HookCommands, because reason: String
    ) async -> RunReport {
        var run = RunReport()
        await payDebts(&run)
        var work = Work(certification, commands, entry(certification.name, &run))
        // The conf as it will be has the settings that the lineage has now.
        prepareVerification(&work, conf: certification.conf.flatMap { try? ConfFile(bytes: $0.bytes) }, &run)
        work = await carryOut(certification, work, because: reason, &run) { client }
        await conclude([work], isNamed: true, &run)
        run.wasInterrupted = Task.isCancelled
        return run
    }

    /// Makes an earlier version live again: a copy of it becomes the next one, which is then deployed and verified.
    package func rollBack(_ lineage: Lineage, to set: CertificateSet) async -> RunReport {
        await run([lineage], isNamed: true) { lineage, run in
            var work = Work(lineage, entry(lineage.name, &run), outcome: .leftAlone(because: "not begun"))
            guard let paths = lineage.paths else {
                return fail(work, RenewalFailure(.preparation, lineage.fatalProblem ?? RenewalRun.incomplete(lineage)))
            }
            prepareVerification(&work, conf: lineage.conf, &run)
            do {
                try ledger.requireWritable()
                // An operator has acted: what is held would undo it.
                if work.entry.held != nil { release(&work, &run) }
                work.entry.replaced = nil
                // A run that is cut short after the switch is recognized by what is staged, and deployed by the next one.
                try ledger.staging(work.name).stage(set)
                let version = try await installation(paths).install(set)
                try work.entry.install(set.leaf, number: version, at: now())
                try ledger.save(work.entry)
                try ledger.staging(work.name).clear()
                work.certificate = set.leaf
                work.outcome = .renewed(version: version, set.leaf)
                report(.installed(name: work.name, version: version, set.leaf))
                note(.rolledBack, work, &run)
            } catch {
                return fail(work, RenewalFailure(.installation, error))
            }
            work.deployment = .all
            return await deployed(work, isNamed: true, &run)
        }
    }

    private func run(
        _ lineages: [Lineage], isNamed: Bool, _ take: (Lineage, inout RunReport) async -> Work
    ) async -> RunReport {
        var run = RunReport()
        await payDebts(&run)
        var works: [Work] = []
        for lineage in lineages {
            if Task.isCancelled { break }
            works.append(await take(lineage, &run))
        }
        await conclude(works, isNamed: isNamed, &run)
        run.wasInterrupted = Task.isCancelled
        return run
    }

    /// Runs the post hooks that an earlier run owed and did not come to: a service may be stopped since.
    func payDebts(_ run: inout RunReport) async { run.hookFailures += await paidDebts() }

    /// Runs what an earlier run owes; returns what has failed, and stays owed.
    package func paidDebts() async -> [HookFailure] {
        let debts: [Hook]
        switch ledger.debts() {
        case .known(let hooks): debts = hooks
        case .unreadable(let reason):
            report(.remark(name: nil, "\(reason); the post hooks that an earlier run may owe are not known"))
            return []
        }
        guard !debts.isEmpty else { return [] }
        report(.remark(name: nil, "an earlier run left post hooks undone: they run now"))
        return await hooks.pay(debts).failures
    }
}

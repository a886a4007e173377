import Deployment
import FoundationEssentials
import Lineages

/// The stage in which versions are installed and reach their endpoints: one lineage at a time, but for the probes.
extension RenewalRun {
    /// Installs what was obtained, finishes what an earlier run has left, runs the hooks, and probes.
    func rollOut(_ batch: [LineageContext], _ request: RunRequest) async -> [LineageContext] {
        var batch = await probed(batch) { context in
            context.isObtained || context.plan.rollOut == .probe || context.plan.rollOut == .reinstall
                || request.isCopy
        }
        for index in batch.indices {
            if Task.isCancelled, !batch[index].isObtained { continue }
            await begin(&batch[index], request)
            await runDeployHooks(&batch[index])
        }
        await runPostHooks(&batch)
        return await verified(batch)
    }

    /// Whatever changes live/, or decides that hooks have to run.
    private func begin(_ context: inout LineageContext, _ request: RunRequest) async {
        if case .rehearse(let runsDeployHooks) = request {
            return rehearsed(&context, runsDeployHooks: runsDeployHooks)
        }
        if context.isObtained { return await install(.staged, &context) }
        if case .rollBack(let number, let isForced) = request, context.failure == nil {
            apply(.quarantineReleased, to: &context)
            return await install(.copy(of: number, isForced: isForced), &context)
        }
        switch context.plan.rollOut {
        case .nothing: break
        case .all: context.rollout = .all
        case .probe: await resume(&context)
        case .goBack: await goOnBack(&context)
        case .reinstall: await install(.quarantine, &context)
        case .quarantined(let date):
            let cause = context.state.host.quarantine?.retry.cause ?? Cause(.unknown, context.state.summary)
            context.outcome = .failed(RenewalFailure(.waiting, Cause(cause.code, context.state.summary)))
            report(.pending(name: context.name, context.state.summary, next: date, command: "deploy"))
            // What is installed meanwhile is owed its hooks all the same.
            context.isExplicit = false
            if context.state.host.live.rollout.map({ $0.isPending || !$0.failedHooks.isEmpty }) ?? true {
                context.probes = await observe(context)
                await resume(&context)
            }
        }
        if context.rollout != nil { apply(.rollingOut, to: &context) }
    }

    // MARK: Installation

    private func install(_ source: InstallSource, _ context: inout LineageContext) async {
        let name = context.name
        let leaf: Leaf
        do throws(InstallFailure) {
            leaf = try world.candidate(source, of: name)
        } catch {
            return refuse(source, error, &context)
        }
        if let warning = world.warning(source, of: name) {
            report(.alarm(name: name, warning))
        }
        // From now on it would be a step back.
        if case .staged = source, context.state.host.quarantine != nil { apply(.quarantineReleased, to: &context) }
        let predecessor = source.isChosen ? nil : await predecessor(of: leaf, context)
        if let probes = context.probes { apply(.served(probes.matches), to: &context) }
        do throws(FileError) {
            try commit(.switching(to: leaf.sha256, predecessor: predecessor), to: &context)
            let number = try await world.install(source, of: name)
            installed(leaf, number, source, &context)
        } catch {
            // Where the switch itself was made, what comes after it is not lost.
            guard let live = world.live(of: name), live.leaf.sha256 == leaf.sha256 else {
                apply(.switchFailed, to: &context)
                return refuse(source, InstallFailure(Cause(error), .keeps), &context)
            }
            recorder.update { $0.stateFailed = true }
            report(.stateFailed("\(error)"))
            installed(leaf, live.number ?? 0, source, &context)
        }
        _ = await passesChecks(&context)
    }

    private func installed(_ leaf: Leaf, _ number: Int, _ source: InstallSource, _ context: inout LineageContext) {
        apply(.installed(leaf, number: number), to: &context)
        (context.leaf, context.outcome) = (leaf, .renewed(number: number, leaf))
        (context.rollout, context.isExplicit, context.isChanged) = (.all, true, true)
        report(.installed(name: context.name, number: number, leaf))
        let omitted = context.state.liveOmitted
        if let omitted { report(.alarm(name: context.name, "installed \(omitted)")) }
        note(source.isChosen ? .rolledBack : .installed, context, error: omitted?.description)
    }

    /// Checks what a dry run has got as an installation would.
    private func rehearsed(_ context: inout LineageContext, runsDeployHooks: Bool) {
        guard context.isObtained else { return }
        do throws(InstallFailure) {
            let leaf = try world.candidate(.staged, of: context.name)
            report(.tried(name: context.name, server: context.server, leaf))
            if runsDeployHooks { context.rollout = .all }
        } catch {
            fail(&context, RenewalFailure(.issuance, error.cause))
        }
    }

    private func refuse(_ source: InstallSource, _ failure: InstallFailure, _ context: inout LineageContext) {
        defer { fail(&context, RenewalFailure(.installation, failure.cause)) }
        switch source {
        case .copy: break
        case .quarantine:
            // It cannot be had any more, or is not fit: then the next run orders another.
            if failure.verdict == .drops { apply(.quarantineReleased, to: &context) }
        case .staged:
            var verdict = failure.verdict
            // What had expired before it was ordered tells of a wrong clock, and another one would be no better.
            if let placed = context.state.acquisition.savedOrder?.placedAt, let leaf = world.staged(context.name).leaf,
                leaf.notAfter < placed, placed <= world.now
            {
                verdict = .keepsForADay
            }
            let rule: RetryRule =
                switch verdict {
                case .keeps: .nextRun
                case .keepsForADay: .daily
                case .drops: context.plan.isDue ? backedOff(context) : .none
                }
            let need = context.state.acquisition.need ?? .due(live: context.leaf?.sha256)
            apply(
                .installationFailed(failure.cause, need: need, keepsStaged: verdict != .drops, retry: rule),
                to: &context)
        }
    }

    /// What a certificate takes the place of, and how the host is just before. A version with other names, or one that could not be
    /// shown again, is none to go back to.
    private func predecessor(of leaf: Leaf, _ context: LineageContext) async -> Predecessor? {
        guard let live = context.leaf, live.sha256 != leaf.sha256, Set(live.names) == Set(leaf.names) else {
            return nil
        }
        let probes = context.probes ?? ProbeReport([])
        // What the installed version has broken is for the one that was good before to repair, should the new one not do it.
        if let good = context.trial, world.fitVersion(good.number, of: context.name)?.sha256 == good.sha256,
            probes.evidence(at: good.answered) != nil || (probes.matches.isEmpty && !good.answered.isEmpty)
        {
            return good
        }
        guard let number = context.state.host.live.version?.number,
            let fit = world.fitVersion(number, of: context.name),
            fit.sha256 == live.sha256
        else { return nil }
        let results = await check(context)
        return Predecessor(
            number: number, sha256: live.sha256, answered: probes.answered,
            passedChecks: !results.isEmpty && results.failures.isEmpty)
    }

    // MARK: What an earlier run has left

    private func resume(_ context: inout LineageContext) async {
        let probes = context.probes ?? ProbeReport([])
        if case .adopted = context.state.host.live, probes.trouble == nil {
            apply(.adopted(matches: probes.matches), to: &context)
            let found = probes.matches.first.map { "\($0.endpoint) serves it" } ?? "no endpoint serves it here"
            return report(.adopted(name: context.name, found))
        }
        guard await passesChecks(&context) else { return }
        // An endpoint that never changes is not pestered every few hours for ever.
        if probes.isStale, !context.isExplicit, let retry = context.state.host.live.rollout?.retry,
            retry.failures >= Backoff.failuresBeforeDaily, retry.wait(at: world.now) != nil
        {
            return
        }
        context.rollout = probes.isStale ? .all : .unfinished
        if case .leftAlone = context.outcome { context.outcome = .deployed }
    }

    // MARK: Hooks

    /// Runs the deploy hooks to their end, also when a signal has asked the run to stop: a certificate that is installed and not
    /// deployed is the outage that certctl exists to prevent. The post hooks are noted for the end of the wave.
    func runDeployHooks(_ context: inout LineageContext) async {
        guard context.rollout != nil else { return }
        let moment = world.now
        let results = await uncancelled(on: world.executor) { [context, hooks] in
            let commands = context.subject.commands
            await hooks.owe(conf: commands.post) { context.wants($0, at: moment) }
            return await hooks.deploy(
                conf: commands.deploy, domains: context.domains, lineage: context.subject.livePath
            ) { context.wants($0, at: moment) }
        }
        finished(results, &context)
    }

    func finished(_ results: [HookResult], _ context: inout LineageContext) {
        recorder.update { $0.hookFailures += results.failures }
        let now = world.now
        if !results.isEmpty { apply(.hooksEnded(results.map { HookRecord($0, at: now) }), to: &context) }
    }

    /// Runs the post hooks of a wave, each once.
    private func runPostHooks(_ batch: inout [LineageContext]) async {
        let renewed = batch.filter { $0.rollout != nil || ($0.isObtained && $0.outcome == .tried) }.flatMap(\.domains)
        let failed = batch.filter { $0.failure.map { $0.stage != .waiting } ?? false }.flatMap(\.domains)
        var planned: [Int: Set<String>] = [:]
        for index in batch.indices where batch[index].rollout != nil {
            planned[index] = Set(await hooks.plan(.post, conf: batch[index].subject.commands.post).map(\.identity))
        }
        let kept = planned.values.reduce(into: Set()) { $0.formUnion($1) }
        let results = await hooks.post(renewedDomains: renewed, failedDomains: failed, kept: kept)
        recorder.update { $0.hookFailures += results.failures }
        let now = world.now
        for (index, identities) in planned {
            let own = results.filter { identities.contains($0.hook.identity) }.map { HookRecord($0, at: now) }
            if !own.isEmpty { apply(.hooksEnded(own), to: &batch[index]) }
        }
    }

    func check(_ context: LineageContext) async -> [HookResult] {
        await hooks.tell(
            .check, ["CERTCTL_LINEAGE": context.name, "RENEWED_LINEAGE": context.subject.livePath])
    }
}

extension InstallSource {
    /// Whether an operator has chosen the version: then it stays, whatever endpoints do.
    var isChosen: Bool { if case .copy = self { true } else { false } }
}

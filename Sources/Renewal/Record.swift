package import Deployment
import FoundationEssentials
import Lineages

/// The last stage: how far each lineage came is written down, and hooks are notified.
extension RenewalRun {
    func record(_ batch: [LineageContext], _ request: RunRequest) async -> [LineageContext] {
        if case .rehearse = request { return batch }
        var batch = batch
        for index in batch.indices {
            if batch[index].rollout != nil || batch[index].isRolledOut { await recordRollout(&batch[index]) }
            let context = batch[index]
            // A run that was asked to stop has not failed: the next one goes on at once.
            if context.failure?.isInterruption == true || (context.isUnseen && context.failure == nil) { continue }
            recordPending(context)
            await notify(&batch[index])
        }
        await abandonOrders()
        return batch
    }

    private func recordRollout(_ context: inout LineageContext) async {
        let commands = context.subject.commands
        let planned = await hooks.plan(.deploy, conf: commands.deploy) + hooks.plan(.post, conf: commands.post)
        if context.isUnseen { return apply(.rolloutInterrupted(hooks: planned.map(HookID.init)), to: &context) }
        let probes = context.probes ?? ProbeReport([])
        apply(
            .rolloutEnded(hooks: planned.map(HookID.init), probes: probes, jitter: world.jitter()), to: &context)
        guard probes.trouble == nil else { return }
        if !probes.matches.isEmpty {
            let targets = probes.observations.filter { $0.verdict == .match }.map(\.target)
            report(.verified(name: context.name, by: targets))
        } else if context.state.host.live.rollout?.deployedAt != nil, let first = probes.observations.first {
            report(.notVerified(name: context.name, "\(first.target.endpoint) \(first.verdict)"))
        }
    }

    private func recordPending(_ context: LineageContext) {
        let state = context.state
        let isRolloutPending = state.host.isRolloutPending
        guard state.isPending, context.failure == nil || isRolloutPending else { return }
        recorder.update { $0.pending.append(context.name) }
        let isDeployment = isRolloutPending || state.host.quarantine != nil || state.host.move != nil
        report(
            .pending(
                name: context.name, state.summary, next: context.failure == nil ? state.nextAttempt : nil,
                command: isDeployment ? "deploy" : "renew"))
    }

    /// Runs the hooks of `renewal-hooks/failure` and `recovered`, once a change and not once a run; those that fail are run again by
    /// the next run.
    private func notify(_ context: inout LineageContext) async {
        let state = context.state
        let isFailure = context.isInTrouble
        let isNews = isFailure != state.host.notified.isFailure
        let unheard = state.host.notified.unheard
        guard isNews || !unheard.isEmpty else { return }
        // Nothing was looked at that could tell.
        if !isFailure, case .leftAlone = context.outcome { return }
        let facts = [
            "CERTCTL_LINEAGE": context.name,
            "CERTCTL_STAGE": context.failure?.stage.rawValue ?? state.stage?.rawValue ?? "",
            "CERTCTL_ERROR": isFailure ? context.failure?.description ?? state.summary : "",
            "CERTCTL_CONSECUTIVE_FAILURES": String(state.failures),
            // Its name in 0.1.0, which hooks may go on to use.
            "CERTCTL_ATTEMPTS": String(state.failures),
            "CERTCTL_NEXT": isFailure ? Fault.known(state, context.subject.fault).first?.remedy?.line ?? "" : "",
        ]
        let results = await hooks.tell(isFailure ? .failure : .recovered, facts, only: isNews ? nil : unheard)
        recorder.update { $0.hookFailures += results.failures }
        apply(
            .notified(isFailure: isFailure, unheard: results.failures.map(\.hook.identity)), to: &context)
    }

    private func abandonOrders() async {
        for order in recorder.takeAbandoned() { await world.abandon(order: order) }
    }

    // MARK: What an earlier run owes

    /// Runs the post hooks that an earlier run owed and did not come to: a service may be stopped since.
    ///
    /// - Parameter isAcknowledged: whether an operator deploys, so that hooks which do not exist any more are forgotten.
    func payOwedHooks(isAcknowledged: Bool) async {
        let failures = await paidHooks(isAcknowledged: isAcknowledged)
        recorder.update { $0.hookFailures += failures }
    }

    /// Runs what an earlier run owes; returns what has failed, and stays owed.
    package func paidHooks(isAcknowledged: Bool = false) async -> [HookFailure] {
        var owed: [Hook] = []
        switch world.owedHooks() {
        case .known(let hooks): owed = hooks
        case .unreadable(let reason):
            report(.remark(name: nil, "\(reason); the post hooks that an earlier run may owe are not known"))
            if !isAcknowledged {
                recorder.update { $0.debtsUnknown = true }
                report(.remark(name: nil, "see that the web server runs; certctl deploy then forgets about them"))
                return []
            }
            _ = await hooks.pay([])
        }
        if isAcknowledged {
            let missing = owed.filter { !$0.exists }
            for hook in missing {
                report(.remark(name: nil, "\(hook.name), which an earlier run owes, is gone: forgotten"))
            }
            owed.removeAll { !$0.exists }
            if owed.isEmpty, !missing.isEmpty { _ = await hooks.pay([]) }
        }
        guard !owed.isEmpty else { return [] }
        report(.remark(name: nil, "an earlier run left post hooks undone: they run now"))
        return await hooks.pay(owed).failures
    }
}

extension LineageContext {
    /// Whether something is wrong that an operator should know of. A forced attempt that has failed while nothing was due is none.
    var isInTrouble: Bool {
        if state.isPending || state.acquisition.retry != nil || subject.problem != nil { return true }
        return !(state.host.live.rollout?.failedHooks.isEmpty ?? true)
    }
}

import Deployment
import FoundationEssentials
import Lineages

/// The stage in which a version that endpoints fail with is rolled back: one suspect at a time, each once, with a probe after each.
///
/// A suspect whose endpoints answer again with the predecessor is the culprit, and is quarantined. One that had gone back before, in
/// vain, is installed again then, and stays if nothing breaks. Where no predecessor helps, the certificates are not what is
/// wrong, and all go forward.
extension RenewalRun {
    func judge(_ start: [LineageContext]) async -> [LineageContext] {
        var batch = start
        var inVain: [Int] = []
        var isFirst = true
        for index in batch.indices where batch[index].evidence != nil {
            // Suspects that are not reached stay on trial, for the next run.
            if Task.isCancelled || world.uptime - startedAt > RenewalRun.judgingBudget { break }
            // The rollback of another one may have helped this one, too.
            if index != batch.indices.first(where: { start[$0].evidence != nil }) {
                batch[index].probes = await observe(batch[index])
            }
            guard let evidence = batch[index].evidence, let way = way(of: batch[index]) else { continue }
            // What was silent for so long with two versions is not on its way up.
            let finding = await goBack(&batch[index], way, evidence, awaiting: isFirst ? .restart : .reload)
            isFirst = false
            switch finding {
            case .notGone: break
            case .helped, .unknown: settleBack(&batch[index], way, isProven: true)
            case .inVain: inVain.append(index)
            }
        }
        // What is not the culprit goes forward.
        for index in inVain {
            guard let way = batch[index].way else { continue }
            let isServed = await observe(batch[index]).evidence(at: way.answered) == nil
            if Task.isCancelled {
                settleBack(&batch[index], way, isProven: false)
                continue
            }
            guard await goForward(&batch[index], way, isServed: isServed), isServed,
                let evidence = batch[index].probes?.evidence(at: way.answered)
            else { continue }
            // It answered with the predecessor, beside another one's, and does not with this: it is a culprit as well.
            _ = await goBack(&batch[index], way, evidence, awaiting: .reload)
            settleBack(&batch[index], way, isProven: true)
        }
        return batch
    }

    /// The two versions between which a lineage goes.
    struct Way: Sendable {
        let number: Int
        let new: Leaf
        let predecessor: Predecessor
        let old: Leaf
        var answered: Set<ProbeTarget> { predecessor.answered }
    }

    /// Nil where there is no earlier version to go back to, or it may not be shown again.
    private func way(of context: LineageContext) -> Way? {
        guard let predecessor = context.trial, let new = context.leaf,
            let number = context.state.host.live.version?.number, number != predecessor.number,
            let old = world.fitVersion(predecessor.number, of: context.name), old.sha256 == predecessor.sha256
        else { return nil }
        return Way(number: number, new: new, predecessor: predecessor, old: old)
    }

    private enum Finding {
        case notGone, helped, inVain
        /// A hook failed that had not before, or the run was asked to stop: what was good before stays.
        case unknown
    }

    /// Installs the predecessor again, with every hook, and probes.
    ///
    /// - Parameter time: what an endpoint that is silent is given time for.
    private func goBack(
        _ context: inout LineageContext, _ way: Way, _ evidence: Evidence, awaiting time: ProbeTime
    ) async -> Finding {
        report(.remark(name: context.name, "\(evidence.cause); rolling back to version \(way.predecessor.number)"))
        let known = Set(context.state.host.live.rollout?.failedHooks.map(\.identity) ?? [])
        do throws(FileError) {
            try await turnBack(&context, way, evidence.cause)
        } catch {
            report(.remark(name: context.name, "could not roll back: \(error)"))
            apply(.exonerated, to: &context)
            return .notGone
        }
        context.way = way
        await redeploy(&context, awaiting: time)
        let failed = context.state.host.live.rollout?.failedHooks.map(\.identity) ?? []
        // A hook that fails either way, as for a container that is down, is no matter of versions.
        if Task.isCancelled || !known.isSuperset(of: failed) { return .unknown }
        return context.probes?.evidence(at: way.answered) == nil ? .helped : .inVain
    }

    /// Has live/ show the predecessor. The version is in quarantine before, with its key.
    private func turnBack(_ context: inout LineageContext, _ way: Way, _ cause: Cause) async throws(FileError) {
        try world.quarantine(way.number, sha256: way.new.sha256, of: context.name)
        try commit(
            .rollingBack(way.new, from: way.number, to: way.predecessor, cause, jitter: world.jitter()), to: &context)
        try await world.show(way.predecessor.number, of: context.name)
        apply(.installed(way.old, number: way.predecessor.number), to: &context)
        context.leaf = way.old
    }

    /// Ends a rollback: the predecessor stays, and the other version is out of archive/.
    private func settleBack(_ context: inout LineageContext, _ way: Way, isProven: Bool, isRolledOut: Bool = true) {
        let reason = context.state.host.quarantine?.retry.cause ?? Cause(.unknown, "it was rolled back")
        keep { () throws(FileError) in
            // Its key is nowhere else once it is out of archive/.
            try world.quarantine(way.number, sha256: way.new.sha256, of: context.name)
            try world.removeFromArchive(way.number, sha256: way.new.sha256, of: context.name)
        }
        apply(.rolledBack(isProven: isProven, isRolledOut: isRolledOut), to: &context)
        let text =
            "\(reason); version \(way.predecessor.number) is installed again, and the new certificate is quarantined"
        fail(&context, RenewalFailure(.deployment, Cause(reason.code, text, subject: reason.subject)))
    }

    /// Installs the version again that was not what is wrong; false where that fails, and the predecessor stays.
    ///
    /// - Parameter isServed: whether endpoints answer with the predecessor: else there is nothing to wait for.
    private func goForward(_ context: inout LineageContext, _ way: Way, isServed: Bool) async -> Bool {
        do throws(FileError) {
            try await world.show(way.number, of: context.name)
        } catch {
            report(.remark(name: context.name, "could not deploy the new version again: \(error)"))
            settleBack(&context, way, isProven: false)
            return false
        }
        apply(.exonerated, to: &context)
        apply(.installed(way.new, number: way.number), to: &context)
        context.leaf = way.new
        await redeploy(&context, awaiting: isServed ? .reload : .nothing)
        return true
    }

    /// Every hook of a lineage again, and a probe.
    private func redeploy(_ context: inout LineageContext, awaiting time: ProbeTime) async {
        (context.rollout, context.isExplicit) = (.all, true)
        await runDeployHooks(&context)
        let planned = Set(await hooks.plan(.post, conf: context.subject.commands.post).map(\.identity))
        finished(await hooks.post(renewedDomains: context.domains, failedDomains: [], kept: planned), &context)
        context.probes = await awaited(context, time)
    }

    // MARK: Check hooks

    /// Rolls a version back that the check hooks refuse, where they took the one before: nothing was reloaded yet, so that no hook has
    /// to run for it. False where it was rolled back.
    func passesChecks(_ context: inout LineageContext) async -> Bool {
        guard let predecessor = context.trial, predecessor.passedChecks,
            context.state.host.live.rollout?.hooks.isEmpty == true, let way = way(of: context),
            let failure = await check(context).failures.first
        else { return true }
        let cause = Cause(.checkFailed, "\(failure)", subject: failure.hook.identity)
        do throws(FileError) {
            try await turnBack(&context, way, cause)
            guard await check(context).failures.isEmpty else {
                // It is not the certificate: the server refuses the old one as well by now.
                try await world.show(way.number, of: context.name)
                apply(.exonerated, to: &context)
                apply(.installed(way.new, number: way.number), to: &context)
                (context.leaf, context.rollout) = (way.new, .all)
                return true
            }
        } catch {
            report(.remark(name: context.name, "could not roll back: \(error)"))
            apply(.switchFailed, to: &context)
            context.rollout = .all
            return true
        }
        context.rollout = nil
        settleBack(&context, way, isProven: true, isRolledOut: false)
        return false
    }

    // MARK: A rollback that was interrupted

    /// Finishes what an earlier run was cut short on.
    func goOnBack(_ context: inout LineageContext) async {
        guard case .back(let number, let sha256, let from) = context.state.host.move,
            let held = context.state.host.quarantine
        else { return }
        report(.remark(name: context.name, "an earlier run was rolling back to version \(number): \(held.retry.cause)"))
        context.isExplicit = true
        guard let old = world.fitVersion(number, of: context.name), old.sha256 == sha256 else {
            report(.remark(name: context.name, "could not roll back: version \(number) must not be installed again"))
            apply(.exonerated, to: &context)
            context.rollout = .all
            return
        }
        do throws(FileError) {
            if context.leaf?.sha256 != sha256 {
                try world.quarantine(from, sha256: held.sha256, of: context.name)
                try await world.show(number, of: context.name)
            }
            apply(.installed(old, number: number), to: &context)
            context.leaf = old
            keep { () throws(FileError) in
                try world.removeFromArchive(from, sha256: held.sha256, of: context.name)
            }
            apply(.rolledBack(isProven: held.isProven, isRolledOut: true), to: &context)
            let text =
                "\(held.retry.cause); version \(number) is installed again, and the new certificate is quarantined"
            fail(&context, RenewalFailure(.deployment, Cause(held.retry.cause.code, text)))
        } catch {
            report(.remark(name: context.name, "could not roll back: \(error)"))
            apply(.exonerated, to: &context)
        }
        context.rollout = .all
    }
}

import ACME
import Deployment
import FoundationEssentials
import Lineages
import PKI

extension RenewalRun {
    /// The end of a run: post hooks once, then every deployed lineage is looked for at its listeners, and the books and the
    /// operator's own hooks are told.
    func conclude(_ taken: [Work], isNamed: Bool, _ run: inout RunReport) async {
        var works = taken
        let renewed = works.filter { $0.deployment != nil }.flatMap(\.domains)
        let failed = works.filter { $0.failure.map { $0.stage != .waiting } ?? false }.flatMap(\.domains)
        var planned: [Int: Set<String>] = [:]
        for index in works.indices where works[index].deployment != nil {
            planned[index] = Set(await hooks.plan(.post, conf: works[index].commands.post).map(\.identity))
        }
        let kept = planned.values.reduce(into: Set()) { $0.formUnion($1) }
        let posts = await hooks.post(renewedDomains: renewed, failedDomains: failed, kept: kept)
        run.hookFailures += posts.failures
        for (index, identities) in planned {
            works[index].record(posts.filter { identities.contains($0.hook.identity) }, at: now())
        }
        works = await verified(works)
        let broken = works.indices.filter { works[$0].isBrokenBy != nil }
        for (count, index) in broken.enumerated() {
            // Going back with one may have mended the others.
            if count > 0 { works[index].seen = await look(at: works[index]) }
            works[index] = await takenBack(works[index], isAlone: broken.count == 1, &run)
        }
        for index in works.indices { await close(&works[index], &run) }
        run.outcomes = works.map { ($0.name, $0.outcome) }
    }

    /// Waits, side by side, until each deployed lineage is served or its time is up.
    private func verified(_ works: [Work]) async -> [Work] {
        var works = works
        await withTaskGroup(of: (Int, ServedReport).self) { group in
            for (index, work) in works.enumerated() where work.deployment != nil {
                guard let certificate = work.certificate, let settings = work.settings else { continue }
                group.addTask { [verification] in
                    (
                        index,
                        await verification.wait(
                            for: certificate, settings, work.entry, work.paths, answeredBefore: work.answeredBefore)
                    )
                }
            }
            for await (index, report) in group { works[index].seen = report }
        }
        // A run that was asked to stop has not waited for the listeners, and cannot tell: the next one does.
        if Task.isCancelled { for index in works.indices { works[index].seen = nil } }
        return works
    }

    /// Writes down how far a lineage came, and tells whoever has to know.
    private func close(_ work: inout Work, _ run: inout RunReport) async {
        let isUnseen = work.deployment != nil && work.seen == nil && work.settings != nil && Task.isCancelled
        if work.deployment != nil { await settle(&work, isUnseen: isUnseen, &run) }
        // A run that was asked to stop has not failed: the next one goes on at once.
        if work.failure?.isInterruption == true || (isUnseen && work.failure == nil) {
            keep(&run) { () throws(FileError) in try ledger.save(work.entry) }
            return
        }
        // What was taken back has been settled as a deployment.
        if let failure = work.failure, failure.stage != .waiting, failure.stage != .deployment {
            work.entry.fail(
                "\(failure)", at: now(), notBefore: failure.retryAfter, jitter: Double.random(in: 0...1))
            work.entry.lastErrorIsTemporary = failure.isTemporary
            work.entry.lastCause = RecordedCause(failure.cause)
            // Where nothing was asked of a CA, trying again costs nothing, and who has mended it need not wait.
            if failure.stage == .preparation, !(failure.cause is ACMEError) { work.entry.nextAttempt = nil }
            note(.failed, work, error: "\(failure)", &run)
        }
        if work.entry.isPending, work.failure == nil || work.entry.isDeploymentPending {
            run.pending.append(work.name)
            let isDeployment = work.entry.isDeploymentPending || work.entry.held != nil
            report(
                .pending(
                    name: work.name, work.entry.pendingReason,
                    next: work.failure == nil ? work.entry.nextAttempt : nil,
                    command: isDeployment ? "deploy" : "renew"))
        }
        await tell(&work, &run)
        let entry = work.entry
        guard entry.installed != nil || entry.attempts > 0 || entry.isTold else { return }
        keep(&run) { () throws(FileError) in try ledger.save(entry) }
    }

    /// - Parameter isUnseen: whether the run was asked to stop before it had seen what is served.
    private func settle(_ work: inout Work, isUnseen: Bool, _ run: inout RunReport) async {
        let planned =
            await hooks.plan(.deploy, conf: work.commands.deploy) + hooks.plan(.post, conf: work.commands.post)
        // A hook that is gone is no trouble any more.
        work.entry.hooks.removeAll { record in
            !planned.contains { $0.kind.rawValue == record.kind && $0.identity == record.identity }
        }
        let entry = work.entry
        let isDeployed = planned.allSatisfy { hook in
            entry.hooks.contains { $0.kind == hook.kind.rawValue && $0.identity == hook.identity && $0.succeeded }
        }
        if isDeployed, entry.deployedAt == nil {
            work.entry.deployedAt = now()
            note(.deployed, work, &run)
        }
        if isUnseen { return }
        let seen = work.seen ?? ServedReport([])
        if seen.wrong == nil { work.entry.replaced = nil }
        work.entry.served.formUnion(seen.matches)
        work.entry.servedWrongly = seen.complaint
        // What was held is live again and nothing is wrong with it, as far as anybody can see.
        if let held = entry.held, held.sha256 == entry.installed?.sha256, seen.wrong == nil,
            isDeployed || !seen.matches.isEmpty
        {
            release(&work, &run)
        }
        if seen.wrong == nil, !seen.matches.isEmpty {
            let isNews = entry.verifiedAt == nil
            work.entry.verifiedAt = now()
            report(.verified(name: work.name, by: seen.matches))
            if isNews { note(.verified, work, &run) }
        } else if seen.wrong == nil, isDeployed, let first = seen.sightings.first {
            report(.notVerified(name: work.name, "\(first.place.endpoint) \(first.verdict)"))
        }
        if work.entry.isDeploymentPending || work.entry.held != nil {
            let reason =
                work.entry.held.map(\.reason) ?? work.entry.servedWrongly ?? work.entry.failedHooks.first?.error
                ?? "its hooks have not run"
            // A renewal that fails or waits has a count and a time of its own, which a CA may have asked for.
            if work.failure.map({ $0.stage == .deployment }) ?? true {
                // To try what was taken back costs a site its handshakes for as long as it takes to see that it still fails.
                let wait: Duration? = work.entry.held == nil ? nil : .seconds(86_400)
                work.entry.fail(reason, at: now(), notBefore: wait, jitter: Double.random(in: 0...1))
                // A deployment costs nothing: every run tries it, until it has failed so often that once a day is enough.
                if work.entry.held == nil, work.entry.attempts < Backoff.hookFailuresBeforeDaily {
                    work.entry.nextAttempt = nil
                }
            }
            note(.failed, work, error: reason, &run)
        } else if work.failure == nil {
            work.entry.succeed()
        }
    }

    /// Runs the hooks of `renewal-hooks/failure` and `recovered`, once a change and not once a run; those that fail are told
    /// again by the next run.
    private func tell(_ work: inout Work, _ run: inout RunReport) async {
        // A hook that has failed is tried again by each run, also where its lineage is served.
        let isInTrouble = work.failure != nil || work.entry.isPending || !work.entry.failedHooks.isEmpty
        let isNews = isInTrouble != work.entry.isTold
        let untold = work.entry.untold ?? []
        guard isNews || !untold.isEmpty else { return }
        if !isInTrouble, case .leftAlone = work.outcome {
            // Nothing was looked at that could tell.
            return
        }
        work.entry.isTold = isInTrouble
        let error = work.failure.map { "\($0)" } ?? work.entry.pendingReason
        let facts = [
            "CERTCTL_LINEAGE": work.name,
            "CERTCTL_STAGE": work.failure?.stage.rawValue ?? work.entry.stage?.rawValue ?? "",
            "CERTCTL_ERROR": isInTrouble ? error : "",
            "CERTCTL_NEXT": isInTrouble
                ? Fault.known(of: work.lineage, work.entry, name: work.name).first?.remedy?.line ?? "" : "",
            "CERTCTL_ATTEMPTS": String(max(work.entry.attempts, work.entry.failedHooks.map(\.failures).max() ?? 0)),
        ]
        let results = await hooks.tell(isInTrouble ? .failure : .recovered, facts, only: isNews ? nil : untold)
        run.hookFailures += results.failures
        let failed = results.failures.map(\.hook.identity)
        work.entry.untold = failed.isEmpty ? nil : failed
    }
}

extension LedgerEntry {
    /// What is not finished, and how often it was tried, in a line.
    package var pendingReason: String {
        let what: String
        if held == nil, order == nil, !isIssued, servedWrongly == nil, let hook = failedHooks.first {
            let name = hook.identity.split(separator: "/").last.map(String.init) ?? hook.identity
            return "\(hook.kind) hook \(name) failed \(hook.failures == 1 ? "once" : "\(hook.failures) times")"
        }
        if let held {
            what = "serial \(held.serial) was taken back: \(held.reason)"
        } else if isIssued {
            what = "issued, not installed"
        } else if order != nil {
            what = "ordered, not issued"
        } else if let servedWrongly {
            what = servedWrongly
        } else if deployedAt != nil {
            what = "deployed, not seen served yet"
        } else {
            what = "installed, its hooks have not run"
        }
        switch attempts {
        case 0: return what
        case 1: return "\(what); failed once"
        default: return "\(what); failed \(attempts) times"
        }
    }
}

import ACME
import Deployment
import FoundationEssentials
import Lineages
import PKI

/// One lineage's way through a run: finish, decide, order, issue, install, deploy.
extension RenewalRun {
    func take(
        _ lineage: Lineage, policy: RenewalPolicy, isNamed: Bool, _ run: inout RunReport
    ) async -> Work {
        for problem in lineage.problems where !problem.isFatal {
            report(.remark(name: lineage.name, problem.message))
        }
        var work = opened(lineage, &run)
        guard work.failure == nil else { return work }
        if let reason = lineage.reasonUnmanaged {
            if isNamed { return fail(work, RenewalFailure(.preparation, Unmanaged(reason: reason))) }
            report(.leftAlone(name: lineage.name, because: reason))
            work.outcome = .leftAlone(because: reason)
            // What was begun while certctl could renew it. A copy's deployment is that of the original.
            (work.entry.order, work.entry.isIssued) = (nil, false)
            return lineage.original == nil ? await finishedAlone(work, isNamed: isNamed, &run) : work
        }
        guard let certificate = lineage.certificate, let options = lineage.options else {
            return fail(work, RenewalFailure(.preparation, RenewalRun.incomplete(lineage)))
        }
        if policy.isForced { work = await tried(work, &run) }
        // It is let go of when there is another to install, and not before.
        if let held = work.entry.held, !policy.isForced, !RenewalRun.isOutlived(held, by: certificate, at: now()) {
            return await withHeld(work, lineage, isNamed: isNamed, &run)
        }
        let isInFlight = isInFlight(&work, certificate)
        switch policy.decision(for: certificate, options: options, at: now()) {
        case .renew(let reason):
            let renewed = await renew(
                lineage, options, work, because: "\(reason)", mayWait: !isNamed && !policy.isForced, &run)
            return await settled(renewed, isNamed: isNamed, &run)
        case .wait(let date, _) where isInFlight:
            work.outcome = .notDue(until: date)
            let renewed = await renew(
                lineage, options, work, because: "begun earlier", mayWait: !isNamed, &run)
            return await settled(renewed, isNamed: isNamed, &run)
        case .never(let reason) where isInFlight:
            work.outcome = .leftAlone(because: "\(reason)")
            let renewed = await renew(
                lineage, options, work, because: "begun earlier", mayWait: !isNamed, &run)
            return await settled(renewed, isNamed: isNamed, &run)
        case .wait(let date, let reason):
            work.outcome = .notDue(until: date)
            let finished = await finished(work, isNamed: isNamed, &run)
            if finished.deployment == nil { report(.notDue(name: lineage.name, until: date, because: reason)) }
            return finished
        case .never(let reason):
            work.outcome = .leftAlone(because: "\(reason)")
            report(.leftAlone(name: lineage.name, because: "\(reason)"))
            return await finishedAlone(work, isNamed: isNamed, &run)
        }
    }

    /// Takes back what an earlier run has broken and did not see, so that a renewal starts from what is good: a version that is
    /// passed over would stay in archive/ as the newest one.
    private func tried(_ start: Work, _ run: inout RunReport) async -> Work {
        var work = start
        guard work.entry.isOnTrial, let certificate = work.certificate, let settings = work.settings else {
            return work
        }
        work.seen = await verification.wait(
            for: certificate, settings, work.entry, work.paths, answeredBefore: work.answeredBefore)
        return await takenBack(work, isAlone: true, &run)
    }

    /// Finishes what is pending of a lineage that is not renewed.
    func finishedAlone(_ work: Work, isNamed: Bool, _ run: inout RunReport) async -> Work {
        var finished = await finished(work, isNamed: isNamed, &run)
        if finished.deployment != nil { finished.outcome = .deployed }
        return finished
    }

    /// Whether an order or a certificate waits that a renewal of the lineage can finish.
    ///
    /// What `certctl issue` has begun for other names it cannot: with an order nothing is lost, and it is forgotten; what is
    /// issued waits for the operator.
    private func isInFlight(_ work: inout Work, _ certificate: Certificate) -> Bool {
        if let order = work.entry.order, order.names.sorted() != certificate.names.map(\.description).sorted() {
            let names = order.names.joined(separator: ", ")
            report(.remark(name: work.name, "the order for \(names), begun with certctl issue, is given up"))
            work.entry.order = nil
        }
        let staging = ledger.staging(work.name)
        // Without its key an order is of no use, and without its files a certificate is none.
        if staging.key == nil { (work.entry.order, work.entry.isIssued) = (nil, false) }
        let staged = staging.chain
        if staged == nil { work.entry.isIssued = false }
        if work.entry.isIssued, let leaf = staged.flatMap({ try? Certificate.chain(pem: $0).first }),
            Set(leaf.names) != Set(certificate.names)
        {
            let names = leaf.names.map(\.description).joined(separator: " -d ")
            let command = "certctl issue --name \(work.name) -d \(names)"
            report(.remark(name: work.name, "\(command) was cut short before the installation: run it again"))
            return false
        }
        return work.entry.order != nil || work.entry.isIssued
    }

    /// What is live is deployed also where nothing newer could be had.
    private func settled(_ work: Work, isNamed: Bool, _ run: inout RunReport) async -> Work {
        work.failure == nil ? work : await finished(work, isNamed: isNamed, &run)
    }

    func renew(
        _ lineage: Lineage, _ options: RenewalOptions, _ work: Work, because reason: String, mayWait: Bool,
        _ run: inout RunReport
    ) async -> Work {
        // What is issued costs nothing to install.
        if mayWait, !work.entry.isIssued, let next = work.entry.wait(at: now()) {
            var work = work
            let error = work.entry.lastError ?? "an earlier attempt failed"
            report(.pending(name: work.name, error, next: next, command: "renew"))
            work.outcome = .failed(
                RenewalFailure(
                    .waiting, RenewalFailure.NotYet(error: error, isTemporary: work.entry.lastErrorIsTemporary)))
            return work
        }
        let certification: Certification
        do {
            certification = try Certification(renewing: lineage, challengeSettings(for: lineage.name))
        } catch {
            return fail(work, RenewalFailure(.preparation, error))
        }
        return await carryOut(certification, work, because: reason, &run) {
            try await authorities.client(for: options.server, account: options.account)
        }
    }

    /// Order, issue, install, and the deploy hooks.
    func carryOut(
        _ certification: Certification, _ start: Work, because reason: String, _ run: inout RunReport,
        client: () async throws -> Client
    ) async -> Work {
        var work = start
        let name = work.name
        do {
            try ledger.requireWritable()
        } catch {
            return fail(work, RenewalFailure(.preparation, error))
        }
        report(.started(name: name, names: certification.names, because: reason))
        let preFailures = await hooks.pre(conf: work.commands.pre, post: work.commands.post)
        if let first = preFailures.first {
            run.hookFailures += preFailures.filter { !run.hookFailures.contains($0) }
            return fail(work, RenewalFailure(.preparation, first))
        }
        let books = LineageBooks(ledger: ledger, stateDirectory: stateDirectory, name: name)
        do throws(RenewalFailure) {
            if !certification.isStaged(books: books, entry: work.entry) {
                let client = try await connected(client)
                try await certification.issue(client: client, books: books, entry: &work.entry) { [report] in
                    report(.step(name: name, $0))
                }
            }
            let installation = await installation(certification.paths)
            try await prepareSwitch(&work, to: certification.names, installation, &run)
            let (version, certificate) = try certification.install(
                installation, books: books, entry: &work.entry, now: now())
            work.certificate = certificate
            work.outcome = .renewed(version: version, certificate)
            // It is live, and has to be deployed, whatever becomes of the books.
            keep(&run) { () throws(FileError) in
                try books.save(work.entry)
                try books.staging.clear()
            }
            report(.installed(name: name, version: version, certificate))
            note(.installed, work, &run)
            if let refused = await refused(work, &run) { return refused }
        } catch {
            return fail(work, error)
        }
        work.deployment = .all
        return await deployed(work, isNamed: true, &run)
    }

    /// Writes down, before the switch, what a certificate for these names takes the place of, and lets go of what is held: from now
    /// on it would be a step back.
    private func prepareSwitch(
        _ work: inout Work, to names: [SubjectName], _ installation: Installation, _ run: inout RunReport
    ) async throws(RenewalFailure) {
        if work.entry.held != nil { release(&work, &run) }
        await notePlaces(&work, to: names, installation)
        do {
            try ledger.save(work.entry)
        } catch {
            throw RenewalFailure(.installation, error)
        }
    }

    func connected(_ client: () async throws -> Client) async throws(RenewalFailure) -> Client {
        do {
            return try await client()
        } catch {
            throw RenewalFailure(.preparation, error)
        }
    }

    /// Takes up what an earlier run left of a deployment, or finds out where an unknown lineage stands.
    func finished(_ start: Work, isNamed: Bool, _ run: inout RunReport) async -> Work {
        var work = start
        let retries = work.entry.failedHooks.contains { isNamed || Backoff.isDue($0, at: now()) }
        guard
            work.entry.isAdopted || work.deployment != nil || work.entry.isDeploymentPending || work.entry.isOnTrial
                || retries
        else { return work }

        let seen = await look(at: work)
        work.seen = seen
        if work.entry.isAdopted, seen.wrong == nil { return adopt(work, seen, &run) }
        if let refused = await refused(work, &run) { return refused }
        if work.deployment == nil {
            // A listener that never changes is not pestered every few hours for ever.
            let isResting =
                !isNamed && work.entry.attempts >= Backoff.hookFailuresBeforeDaily
                && work.entry.wait(at: now()) != nil
            if seen.isStale, isResting { return work }
            work.deployment = seen.isStale ? .all : .unfinished
        }
        return await deployed(work, isNamed: isNamed, &run)
    }

    func look(at work: Work) async -> ServedReport {
        guard let certificate = work.certificate, let settings = work.settings else { return ServedReport([]) }
        return await verification.look(at: certificate, settings, work.entry, work.paths)
    }

    /// Looks just before the switch: who answers now, and who serves the lineage and has to go on doing so. A version with other
    /// names, or one that has expired, is none to go back to.
    func notePlaces(_ work: inout Work, to names: [SubjectName], _ installation: Installation) async {
        let seen = await look(at: work)
        work.entry.served.formUnion(seen.matches)
        let hasSameNames = Set(work.certificate?.names ?? []) == Set(names)
        // What the live version has broken is to be mended by the one that was good before, should the new one not do it.
        if hasSameNames, work.entry.isOnTrial,
            seen.complaint(at: work.answeredBefore) != nil || (seen.matches.isEmpty && !work.answeredBefore.isEmpty)
        {
            return
        }
        work.entry.replaced = nil
        guard hasSameNames, let live = work.certificate, live.notAfter > now(),
            let number = installation.liveVersion, let sha256 = try? live.sha256()
        else { return }
        work.entry.replaced = LedgerEntry.Replaced(
            number: number, sha256: sha256, answered: seen.answered, isAccepted: await isAccepted(work))
    }

    /// Enters a lineage that others have renewed, and that is served rightly as far as anybody can see: no hook runs.
    func adopt(_ start: Work, _ seen: ServedReport, _ run: inout RunReport) -> Work {
        var work = start
        work.entry.isAdopted = false
        work.entry.deployedAt = now()
        work.entry.served.formUnion(seen.matches)
        if !seen.matches.isEmpty { work.entry.verifiedAt = now() }
        let found = seen.matches.first.map { "\($0.endpoint) serves it" } ?? "nobody was seen serving it here"
        report(.adopted(name: work.name, found))
        note(.adopted, work, &run)
        keep(&run) { () throws(FileError) in try ledger.save(work.entry) }
        return work
    }

    /// Runs the deploy hooks to their end, also when a signal has asked the run to stop: a certificate that is live and not
    /// deployed is the outage that certctl is there to prevent. The post hooks are noted for the end of the run.
    func deployed(_ start: Work, isNamed: Bool, _ run: inout RunReport) async -> Work {
        var work = start
        guard work.deployment != nil, let paths = work.paths else { return work }
        work.entry.isAdopted = false
        let moment = now()
        let results = await Task { [work, hooks] in
            await hooks.owe(conf: work.commands.post) { work.wants($0, isNamed: isNamed, at: moment) }
            return await hooks.deploy(conf: work.commands.deploy, domains: work.domains, lineage: paths.live) {
                work.wants($0, isNamed: isNamed, at: moment)
            }
        }.value
        run.hookFailures += results.failures
        work.record(results, at: now())
        keep(&run) { () throws(FileError) in try ledger.save(work.entry) }
        return work
    }

    /// A lineage was named that something else has to renew.
    struct Unmanaged: Error, CustomStringConvertible {
        let reason: String

        var description: String { "certctl cannot renew it: \(reason)" }
    }
}

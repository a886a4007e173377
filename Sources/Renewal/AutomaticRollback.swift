import Deployment
import FoundationEssentials
import Lineages
import PKI

/// A renewal that breaks the handshake is taken back by itself: the old version is made live again, and the new one is *held*.
extension RenewalRun {
    /// With less than this share of the lifetime left, a held certificate no longer keeps a new one from being ordered.
    static let shareThatEndsAHold = 0.05

    /// Whether a live certificate has so little left that another is ordered in the place of the held one: once, and what is
    /// held since then is tried like any other.
    static func isOutlived(_ held: LedgerEntry.Held, by live: Certificate, at now: Date) -> Bool {
        let short = live.notAfter.addingTimeInterval(-live.lifetime * shareThatEndsAHold)
        return now > short && held.at < short
    }

    /// Goes back to the version before, if that mends the listeners; else goes forward again, since the renewal was not what
    /// broke them.
    ///
    /// - Parameter isAlone: whether no other lineage of the run is broken: what several have broken together, going back with one
    ///   of them does not mend.
    func takenBack(_ start: Work, isAlone: Bool, _ run: inout RunReport) async -> Work {
        guard let turn = await turn(start), let reason = start.isBrokenBy else { return start }
        report(.remark(name: start.name, "\(reason); going back to version \(turn.wayBack.to)"))
        let back: Work
        do {
            var work = start
            try hold(&work, turn, because: reason)
            back = try await shown(turn.wayBack.to, turn.old, work, turn, &run)
        } catch {
            report(.remark(name: start.name, "could not go back: \(error)"))
            return staying(start, &run)
        }
        // Where the run was asked to stop, or a hook has failed that had not before, nobody has seen whether it helps: the version
        // that was good before stays. A hook that fails either way, as for a container that is down, is no matter of versions.
        let known = Set(start.entry.failedHooks.map(\.identity))
        let failed = back.entry.failedHooks.map(\.identity)
        guard !Task.isCancelled, back.seen?.complaint(at: start.answeredBefore) != nil,
            failed.isEmpty ? isAlone : known.isSuperset(of: failed)
        else {
            return isBack(back, turn.installation, &run)
        }
        do {
            var work = try await shown(turn.wayBack.from, turn.new, back, turn, &run)
            work.entry.replaced = nil
            return letGo(work, &run)
        } catch {
            report(.remark(name: start.name, "could not go forward again: \(error)"))
            return isBack(back, turn.installation, &run)
        }
    }

    /// The two versions between which a lineage may turn back.
    private struct Turn {
        let wayBack: LedgerEntry.WayBack
        let new: Certificate
        let old: Certificate
        let installation: Installation
        let answered: Set<LedgerEntry.Place>
    }

    /// Nil where there is no earlier version to go back to, or it has expired.
    private func turn(_ work: Work) async -> Turn? {
        guard work.entry.isOnTrial, let replaced = work.entry.replaced, let new = work.certificate,
            let paths = work.paths,
            let from = work.entry.installed?.number, from != replaced.number,
            let old = archived(replaced.number, paths), old.notAfter > now(), (try? old.sha256()) == replaced.sha256
        else { return nil }
        return Turn(
            wayBack: LedgerEntry.WayBack(from: from, to: replaced.number), new: new, old: old,
            installation: await installation(paths), answered: replaced.answered)
    }

    private func archived(_ version: Int, _ paths: LineagePaths) -> Certificate? {
        let path = "\(paths.archive)/\(PEMKind.fullchain.rawValue)\(version).pem"
        return (try? FileSystem.read(path)).flatMap { try? Certificate.chain(pem: $0) }?.first
    }

    /// Notes that a version is being taken back before anything changes: where this run is cut short on the way, the next one
    /// finishes it, in place of ordering anew.
    private func hold(_ work: inout Work, _ turn: Turn, because reason: String) throws {
        try turn.installation.copy(turn.wayBack.from, to: ledger.heldDirectory(work.name))
        let sha256 = try turn.new.sha256()
        let times = work.entry.held.flatMap { $0.sha256 == sha256 ? $0.times : nil } ?? 0
        work.entry.held = LedgerEntry.Held(
            sha256: sha256, serial: turn.new.serial, reason: reason, at: now(), times: times + 1, wayBack: turn.wayBack)
        try ledger.save(work.entry)
    }

    /// Forgets a way back that was not gone; what was held before is so still.
    private func staying(_ start: Work, _ run: inout RunReport) -> Work {
        var work = start
        guard work.entry.held != nil else { return letGo(work, &run) }
        work.entry.held?.wayBack = nil
        keep(&run) { () throws(FileError) in try ledger.save(work.entry) }
        return work
    }

    /// Ends the way back: the version before is live, and in the books.
    private func isBack(_ start: Work, _ installation: Installation, _ run: inout RunReport) -> Work {
        guard let held = start.entry.held, let wayBack = held.wayBack else { return start }
        var work = start
        work.entry.replaced = nil
        // What comes again and again comes less often.
        work.entry.attempts = (held.times ?? 1) - 1
        keep(&run) { () throws(FileError) in
            let directory = ledger.heldDirectory(work.name)
            // Its key is nowhere else once it is out of archive/.
            if !CertificateSet.isWhole(in: directory, sha256: held.sha256) {
                try installation.copy(wayBack.from, to: directory)
            }
            try installation.removeFromArchive(wayBack.from, sha256: held.sha256)
            work.entry.held?.wayBack = nil
            try ledger.save(work.entry)
        }
        note(.rolledBack, work, error: held.reason, &run)
        return fail(work, RenewalFailure(.deployment, TakenBack(reason: held.reason, version: wayBack.to)))
    }

    /// What becomes of a lineage with a certificate that is held.
    func withHeld(_ work: Work, _ lineage: Lineage, isNamed: Bool, _ run: inout RunReport) async -> Work {
        guard let held = work.entry.held, let wayBack = held.wayBack else {
            return await deployedAgain(work, lineage, isNamed: isNamed, &run)
        }
        return await goneBack(work, lineage, held, wayBack, &run)
    }

    /// Finishes the way back that an earlier run was cut short on.
    private func goneBack(
        _ start: Work, _ lineage: Lineage, _ held: LedgerEntry.Held, _ wayBack: LedgerEntry.WayBack,
        _ run: inout RunReport
    ) async -> Work {
        var work = start
        guard let paths = work.paths, let live = work.certificate else { return work }
        report(.remark(name: work.name, "an earlier run was going back to version \(wayBack.to): \(held.reason)"))
        let installation = await installation(paths)
        work.deployment = .all
        do {
            var shown = live
            if lineage.version != wayBack.to {
                guard let old = archived(wayBack.to, paths), old.notAfter > now() else {
                    throw FileError("show", "version \(wayBack.to)", because: "it has expired, or is not there")
                }
                try installation.show(wayBack.to)
                shown = old
            }
            try work.entry.install(shown, number: wayBack.to, at: now())
            work.certificate = shown
            return await deployed(isBack(work, installation, &run), isNamed: true, &run)
        } catch {
            report(.remark(name: work.name, "could not go back: \(error)"))
            return await deployed(letGo(work, &run), isNamed: true, &run)
        }
    }

    /// Whether the hooks of `renewal-hooks/check` say that the server takes what is live; false where there are none to ask.
    func isAccepted(_ work: Work) async -> Bool {
        let results = await check(work)
        return !results.isEmpty && results.failures.isEmpty
    }

    private func check(_ work: Work) async -> [HookResult] {
        await hooks.tell(.check, ["CERTCTL_LINEAGE": work.name, "RENEWED_LINEAGE": work.paths?.live ?? ""])
    }

    /// Takes a version back that the check hooks refuse, where they took the one before: nothing was reloaded yet, so that no hook
    /// has to run for it. Nil where the new version may stay.
    func refused(_ start: Work, _ run: inout RunReport) async -> Work? {
        guard start.entry.replaced?.isAccepted == true, start.entry.hooks.isEmpty, let turn = await turn(start),
            let failure = await check(start).failures.first
        else { return nil }
        var work = start
        do {
            try hold(&work, turn, because: "\(failure)")
            try turn.installation.show(turn.wayBack.to)
            guard await check(start).failures.isEmpty else {
                // It is not the certificate: the server refuses the old one as well by now.
                try turn.installation.show(turn.wayBack.from)
                _ = staying(start, &run)
                return nil
            }
            try work.entry.install(turn.old, number: turn.wayBack.to, at: now())
        } catch {
            report(.remark(name: start.name, "could not go back: \(error)"))
            _ = staying(start, &run)
            return nil
        }
        // Nobody has reloaded anything: how it is served is for the next look to find out.
        work.entry.isAdopted = true
        (work.certificate, work.deployment) = (turn.old, nil)
        work = isBack(work, turn.installation, &run)
        work.entry.fail("\(failure)", at: now(), notBefore: nil, jitter: Double.random(in: 0...1))
        keep(&run) { () throws(FileError) in try ledger.save(work.entry) }
        return work
    }

    /// Makes a version live, with every hook, and looks at the listeners.
    private func shown(
        _ version: Int, _ certificate: Certificate, _ start: Work, _ turn: Turn, _ run: inout RunReport
    ) async throws -> Work {
        var work = start
        try turn.installation.show(version)
        try work.entry.install(certificate, number: version, at: now())
        keep(&run) { () throws(FileError) in try ledger.save(work.entry) }
        work.certificate = certificate
        work.deployment = .all
        work = await deployed(work, isNamed: true, &run)
        let planned = Set(await hooks.plan(.post, conf: work.commands.post).map(\.identity))
        let posts = await hooks.post(renewedDomains: work.domains, failedDomains: [], kept: planned)
        run.hookFailures += posts.failures
        work.record(posts, at: now())
        if let settings = work.settings {
            work.seen = await verification.wait(
                for: certificate, settings, work.entry, work.paths, answeredBefore: turn.answered)
        }
        return work
    }

    /// Installs a held certificate once more: what broke with it may have been mended.
    func deployedAgain(
        _ start: Work, _ lineage: Lineage, isNamed: Bool, _ run: inout RunReport
    ) async -> Work {
        var work = start
        if !isNamed, let next = work.entry.wait(at: now()) {
            work.outcome = .failed(
                RenewalFailure(
                    .waiting, RenewalFailure.NotYet(error: work.entry.pendingReason, isTemporary: false)))
            report(.pending(name: work.name, work.entry.pendingReason, next: next, command: "deploy"))
            // What is live meanwhile is owed its hooks all the same.
            return await finished(work, isNamed: false, &run)
        }
        guard let paths = work.paths else { return work }
        do {
            let directory = ledger.heldDirectory(work.name)
            let set = try CertificateSet(
                key: PrivateKey(pem: FileSystem.read("\(directory)/privkey.pem")),
                chain: FileSystem.read("\(directory)/fullchain.pem"), names: lineage.certificate?.names ?? [],
                after: nil,
                now: now())
            let installation = await installation(paths)
            await notePlaces(&work, to: set.leaf.names, installation)
            let number = try installation.number(for: set)
            if let live = lineage.version, live != number {
                work.entry.held?.wayBack = LedgerEntry.WayBack(from: number, to: live)
                try ledger.save(work.entry)
            }
            let version = try installation.install(set)
            try work.entry.install(set.leaf, number: version, at: now())
            keep(&run) { () throws(FileError) in try ledger.save(work.entry) }
            work.certificate = set.leaf
            work.outcome = .renewed(version: version, set.leaf)
            report(.installed(name: work.name, version: version, set.leaf))
            note(.installed, work, &run)
            if let refused = await refused(work, &run) { return refused }
            work.entry.held?.wayBack = nil
        } catch let error as FileError where !error.isNotFound {
            // A full disk, say: it is there still.
            work.entry.held?.wayBack = nil
            return fail(work, RenewalFailure(.installation, error))
        } catch CertificateSet.Unfit.notYetValid(let date) {
            // A clock that is wrong makes it no worse.
            return fail(work, RenewalFailure(.installation, CertificateSet.Unfit.notYetValid(date)))
        } catch {
            // It cannot be had any more, or is not fit: then a new one is to be ordered by the next run.
            release(&work, &run)
            return fail(work, RenewalFailure(.installation, error))
        }
        work.deployment = .all
        return await deployed(work, isNamed: true, &run)
    }

    /// Holds a certificate no longer.
    func release(_ work: inout Work, _ run: inout RunReport) {
        work.entry.succeed()
        work = letGo(work, &run)
    }

    /// Drops what is held: first from the books, and then its files, which have its only key.
    private func letGo(_ start: Work, _ run: inout RunReport) -> Work {
        var work = start
        work.entry.held = nil
        let directory = ledger.heldDirectory(work.name)
        keep(&run) { () throws(FileError) in
            try ledger.save(work.entry)
            for kind in PEMKind.allCases { try FileSystem.remove("\(directory)/\(kind.rawValue).pem") }
        }
        return work
    }

    /// A new certificate that listeners failed with.
    struct TakenBack: Error, CustomStringConvertible {
        let reason: String
        let version: Int

        var description: String { "\(reason); version \(version) is live again, and the new certificate is held" }
    }
}

extension ServedReport {
    /// The places where a certificate was seen, whichever.
    var answered: Set<LedgerEntry.Place> {
        Set(
            sightings.filter { sighting in
                switch sighting.verdict {
                case .match, .stale, .other: true
                case .broken, .unreachable: false
                }
            }.map(\.place))
    }

    /// How the first of these places fails the handshake; nil where none does.
    func complaint(at places: Set<LedgerEntry.Place>) -> String? {
        sightings.first { sighting in
            switch sighting.verdict {
            case .match, .stale, .other: false
            case .broken, .unreachable: places.contains(sighting.place)
            }
        }.map { "\($0.place.endpoint) \($0.verdict) for \($0.place.name)" }
    }
}

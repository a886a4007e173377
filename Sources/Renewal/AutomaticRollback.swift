import Deployment
import FoundationEssentials
import Lineages
import PKI

/// A renewal that breaks the handshake is taken back by itself: the old version is made live again, and the new one is *held*.
extension RenewalRun {
    /// With less than this share of the lifetime left, a held certificate no longer keeps a new one from being ordered.
    static let shareThatEndsAHold = 0.05

    static func isShort(_ certificate: Certificate, at now: Date) -> Bool {
        certificate.notAfter.timeIntervalSince(now) < certificate.lifetime * shareThatEndsAHold
    }

    /// Goes back to the version before, if that mends the listeners; else goes forward again, since the renewal was not what
    /// broke them.
    func takenBack(_ start: Work, _ run: inout RunReport) async -> Work {
        guard let paths = start.paths, let lineage = start.lineage, let old = lineage.certificate, old.notAfter > now(),
            let oldVersion = lineage.version, case .renewed(let version, let new) = start.outcome,
            version != oldVersion,
            let reason = start.seen?.complaint(at: start.answeredBefore)
        else { return start }
        report(.remark(name: start.name, "\(reason); going back to version \(oldVersion)"))
        let installation = await installation(paths)
        let back: Work
        do {
            var work = start
            try hold(&work, new, .init(from: version, to: oldVersion), because: reason, installation)
            back = try await shown(oldVersion, old, work, installation, &run)
        } catch {
            report(.remark(name: start.name, "could not go back: \(error)"))
            removeHeldFiles(start.name, &run)
            return start
        }
        guard back.seen?.complaint(at: start.answeredBefore) != nil else { return isBack(back, installation, &run) }
        do {
            var work = try await shown(version, new, back, installation, &run)
            work.entry.held = nil
            removeHeldFiles(work.name, &run)
            return work
        } catch {
            report(.remark(name: start.name, "could not go forward again: \(error)"))
            return isBack(back, installation, &run)
        }
    }

    /// Notes that a version is being taken back before anything changes: where this run is cut short on the way, the next one
    /// finishes it, in place of ordering anew.
    private func hold(
        _ work: inout Work, _ certificate: Certificate, _ wayBack: LedgerEntry.WayBack, because reason: String,
        _ installation: Installation
    ) throws {
        try installation.copy(wayBack.from, to: ledger.heldDirectory(work.name))
        work.entry.held = LedgerEntry.Held(
            sha256: try certificate.sha256(), serial: certificate.serial, reason: reason, at: now(), wayBack: wayBack)
        try ledger.save(work.entry)
    }

    /// Ends the way back: the version before is live, and in the books.
    private func isBack(_ start: Work, _ installation: Installation, _ run: inout RunReport) -> Work {
        guard let held = start.entry.held, let wayBack = held.wayBack else { return start }
        var work = start
        keep(&run) { () throws(FileError) in
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
        do {
            if lineage.version != wayBack.to {
                let chain = try FileSystem.read("\(paths.archive)/\(PEMKind.fullchain.rawValue)\(wayBack.to).pem")
                guard let old = try Certificate.chain(pem: chain).first, old.notAfter > now() else {
                    throw FileError("show", "version \(wayBack.to)", because: "it has expired")
                }
                try installation.show(wayBack.to)
                work.certificate = old
            }
            try work.entry.install(work.certificate ?? live, number: wayBack.to, at: now())
            work.deployment = .all
            return await deployed(isBack(work, installation, &run), isNamed: true, &run)
        } catch {
            report(.remark(name: work.name, "could not go back: \(error)"))
            work.entry.held = nil
            removeHeldFiles(work.name, &run)
            work.deployment = .all
            return await deployed(work, isNamed: true, &run)
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
    ///
    /// - Parameter before: the books from before the switch.
    func refused(_ start: Work, before: LedgerEntry, _ run: inout RunReport) async -> Work? {
        guard let failure = await check(start).failures.first, let paths = start.paths, let lineage = start.lineage,
            let old = lineage.certificate, old.notAfter > now(), let oldVersion = lineage.version,
            case .renewed(let version, let new) = start.outcome, version != oldVersion
        else { return nil }
        let installation = await installation(paths)
        do {
            var work = start
            try hold(&work, new, .init(from: version, to: oldVersion), because: "\(failure)", installation)
            try installation.show(oldVersion)
            guard await check(start).failures.isEmpty else {
                // It is not the certificate: the server refuses the old one as well by now.
                try installation.show(version)
                removeHeldFiles(start.name, &run)
                return nil
            }
            let held = work.entry.held
            work.entry = before
            (work.entry.order, work.entry.isIssued, work.entry.held) = (nil, false, held)
            work.certificate = old
            work.entry.fail("\(failure)", at: now(), notBefore: nil, jitter: Double.random(in: 0...1))
            return isBack(work, installation, &run)
        } catch {
            report(.remark(name: start.name, "could not go back: \(error)"))
            removeHeldFiles(start.name, &run)
            return nil
        }
    }

    /// Makes a version live, with every hook, and looks at the listeners.
    private func shown(
        _ version: Int, _ certificate: Certificate, _ start: Work, _ installation: Installation, _ run: inout RunReport
    ) async throws -> Work {
        var work = start
        try installation.show(version)
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
                for: certificate, settings, work.entry, work.paths, answeredBefore: start.answeredBefore)
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
            return work
        }
        guard let paths = work.paths else { return work }
        do {
            let directory = ledger.heldDirectory(work.name)
            let set = try CertificateSet(
                key: PrivateKey(pem: FileSystem.read("\(directory)/privkey.pem")),
                chain: FileSystem.read("\(directory)/fullchain.pem"), names: lineage.certificate?.names ?? [],
                after: nil,
                now: now())
            await lookBefore(&work)
            let passed = await isAccepted(work)
            let before = work.entry
            let installation = await installation(paths)
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
            if passed, let refused = await refused(work, before: before, &run) { return refused }
            work.entry.held?.wayBack = nil
        } catch let error as FileError where !error.isNotFound {
            // A full disk, say: it is there still.
            work.entry.held?.wayBack = nil
            return fail(work, RenewalFailure(.installation, error))
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
        work.entry.held = nil
        work.entry.succeed()
        removeHeldFiles(work.name, &run)
    }

    private func removeHeldFiles(_ name: String, _ run: inout RunReport) {
        let directory = ledger.heldDirectory(name)
        keep(&run) { () throws(FileError) in
            for kind in PEMKind.allCases { try FileSystem.remove("\(directory)/\(kind.rawValue).pem") }
        }
    }

    /// A new certificate that listeners failed with.
    struct TakenBack: Error, CustomStringConvertible {
        let reason: String
        let version: Int

        var description: String { "\(reason); version \(version) is live again, and the new certificate is held" }
    }
}

extension Work {
    /// Whether listeners that answered before the switch no longer do.
    var isBrokenByRenewal: Bool {
        guard case .renewed = outcome else { return false }
        return seen?.complaint(at: answeredBefore) != nil
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

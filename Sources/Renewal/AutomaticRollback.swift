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
            let reason = start.seen?.complaint(at: start.answeredBefore)
        else { return start }
        report(.remark(name: start.name, "\(reason); going back to version \(oldVersion)"))
        let installation = await installation(paths)
        do {
            let back = try await shown(oldVersion, old, start, installation, &run)
            guard back.seen?.complaint(at: start.answeredBefore) == nil else {
                return try await shown(version, new, start, installation, &run)
            }
            var work = back
            work.entry.held = LedgerEntry.Held(
                sha256: try new.sha256(), serial: new.serial, reason: reason, at: now())
            try installation.setAside(version, in: ledger.heldDirectory(work.name))
            try ledger.save(work.entry)
            work.outcome = .failed(RenewalFailure(.deployment, TakenBack(reason: reason, version: oldVersion)))
            report(
                .failed(name: work.name, RenewalFailure(.deployment, TakenBack(reason: reason, version: oldVersion))))
            note(.rolledBack, work, error: reason, &run)
            return work
        } catch {
            report(.remark(name: start.name, "could not go back: \(error)"))
            return start
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
            case .renewed(let version, let new) = start.outcome
        else { return nil }
        let installation = await installation(paths)
        do {
            try installation.show(oldVersion)
            guard await check(start).failures.isEmpty else {
                // It is not the certificate: the server refuses the old one as well by now.
                try installation.show(version)
                return nil
            }
            var work = start
            work.entry = before
            (work.entry.order, work.entry.isIssued) = (nil, false)
            work.entry.held = LedgerEntry.Held(
                sha256: try new.sha256(), serial: new.serial, reason: "\(failure)", at: now())
            work.certificate = old
            try installation.setAside(version, in: ledger.heldDirectory(work.name))
            work.entry.fail("\(failure)", at: now(), notBefore: nil, jitter: Double.random(in: 0...1))
            try ledger.save(work.entry)
            note(.rolledBack, work, error: "\(failure)", &run)
            return fail(
                work, RenewalFailure(.deployment, TakenBack(reason: "\(failure)", version: oldVersion)))
        } catch {
            report(.remark(name: start.name, "could not go back: \(error)"))
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
        try ledger.save(work.entry)
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
            let version = try await installation(paths).install(set)
            try work.entry.install(set.leaf, number: version, at: now())
            try ledger.save(work.entry)
            work.certificate = set.leaf
            work.outcome = .renewed(version: version, set.leaf)
            report(.installed(name: work.name, version: version, set.leaf))
            note(.installed, work, &run)
            if passed, let refused = await refused(work, before: before, &run) { return refused }
        } catch let error as FileError where !error.isNotFound {
            // A full disk, say: it is there still.
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
        let directory = ledger.heldDirectory(work.name)
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

import Deployment
import FoundationEssentials
import Lineages
import PKI

/// What a run reads from the books and writes into them.
extension RenewalRun {
    /// A lineage with what the books know of it; what live/ shows is the truth where they differ.
    func opened(_ lineage: Lineage, _ run: inout RunReport) -> Work {
        var work = Work(lineage, entry(lineage.name, &run), outcome: .leftAlone(because: "not begun"))
        if let problem = lineage.fatalProblem { return fail(work, RenewalFailure(.preparation, problem)) }
        guard let certificate = lineage.certificate, let sha256 = try? certificate.sha256() else {
            return fail(work, RenewalFailure(.preparation, RenewalRun.incomplete(lineage)))
        }
        prepareVerification(&work, conf: lineage.conf, &run)
        let isKnown = work.entry.installed?.sha256 == sha256
        if let held = work.entry.held, held.wayBack != nil || !isKnown,
            !held.outlasts(version: lineage.version, sha256: sha256)
        {
            release(&work, &run)
        }
        guard !isKnown else { return work }
        // A run that was cut short after the switch, and before the books: the hooks have not run.
        let staged = ledger.staging(lineage.name)
        let isOurs = staged.chain.flatMap { try? Certificate.chain(pem: $0).first }?.der == certificate.der
        if isOurs { work.deployment = .all } else { work.entry.replaced = nil }
        keep(&run) { () throws(FileError) in
            do {
                try work.entry.install(certificate, number: lineage.version, at: now())
            } catch {
                throw FileError("enter", lineage.name, because: "\(error)")
            }
            work.entry.isAdopted = !isOurs
            try ledger.save(work.entry)
            if isOurs { try staged.clear() }
        }
        return work
    }

    /// Finds out where the lineage is to be looked for. A setting that cannot be used stops no renewal, but nothing is verified,
    /// and the run has failed.
    func prepareVerification(_ work: inout Work, conf: ConfFile?, _ run: inout RunReport) {
        do throws(LineageProblem) {
            work.settings = try VerificationSettings(lineage: conf, host: hostConf)
        } catch {
            run.settingsFailed = true
            report(.failed(name: work.name, RenewalFailure(.preparation, error)))
        }
    }

    func entry(_ name: String, _ run: inout RunReport) -> LedgerEntry {
        switch ledger.knowledge(of: name) {
        case .known(let entry): return entry
        case .unknown: return LedgerEntry(name: name)
        case .unreadable(let reason):
            report(.remark(name: name, "\(reason); what it said is found out again from the tree and the listeners"))
            return LedgerEntry(name: name)
        }
    }

    /// Does something with the books; a failure is told, and makes the run one that failed.
    func keep(_ run: inout RunReport, _ body: () throws(FileError) -> Void) {
        do throws(FileError) {
            try body()
        } catch {
            run.booksFailed = true
            report(.booksFailed("\(error)"))
        }
    }

    func note(_ kind: HistoryEvent.Kind, _ work: Work, error: String? = nil, _ run: inout RunReport) {
        let event = HistoryEvent(
            at: now(), by: initiator, lineage: work.name, event: kind,
            from: kind == .installed || kind == .rolledBack ? work.before : nil, to: work.entry.installed?.serial,
            error: error, seconds: work.elapsed)
        keep(&run) { () throws(FileError) in try history.append(event) }
    }

    func fail(_ work: Work, _ failure: RenewalFailure) -> Work {
        var work = work
        report(.failed(name: work.name, failure))
        work.outcome = .failed(failure)
        return work
    }

    static func incomplete(_ lineage: Lineage) -> LineageProblem {
        LineageProblem(.confIncomplete, "\(lineage.confPath) is not complete")
    }
}

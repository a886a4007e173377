import Challenges
import Deployment
import FoundationEssentials
import Lineages
import PKI
import Renewal
import Setup

/// The host: its disks, the hooks, the timer, the lock, the clock.
extension Diagnosis {
    func disks(_ subjects: [Subject], _ tree: Tree) -> Findings {
        let files = subjects.compactMap(\.lineage.paths).flatMap { [$0.archive, $0.live] }
        return DiskJudgement.findings(
            [tree.path, "\(tree.path)/renewal"] + files + [host.stateDirectory, "\(host.stateDirectory)/lineages"])
    }

    func hooks(_ subjects: [Subject], _ tree: Tree, _ reports: [ProbeReport??]) -> Findings {
        let directory = TreeHooks(configDirectory: tree.path)
        let stale = Set(
            zip(subjects, reports).filter { ($0.1 ?? nil)?.isStale ?? false }.map(\.0.lineage.name))
        var findings = HookJudgement.findings(directory, isStale: !stale.isEmpty)
        for subject in subjects where subject.lineage.reasonUnmanaged == nil {
            let isServed = subject.verification.map { $0.endpoints != .none } ?? true
            findings += HookJudgement.findings(
                subject.lineage, own: HookCommands(subject.lineage.options, tree.defaults), directory: directory,
                isServed: isServed, isStale: stale.contains(subject.lineage.name), state: subject.state)
        }
        return findings
    }

    /// Certificates whose renewal config is gone. One that certctl has renewed was not given up by hand: `certctl delete` would
    /// have taken its state along.
    func orphans(_ tree: Tree) -> Findings {
        var findings = Findings()
        // Of some certificates alone nothing is asked of the others.
        guard let names = try? tree.lineageNames(), names.count == host.lineages.count,
            let orphans = try? tree.orphanedFiles()
        else { return findings }
        let store = StateStore(stateDirectory: host.stateDirectory)
        for orphan in orphans where orphan.certificate.notAfter > host.now {
            let plan = try? tree.repairPlan(for: orphan.name, views: Mounts.views(of: tree.path), at: host.now)
            let canRepair = plan.map { $0.refusal == nil && $0.hasChanges } ?? false
            let subject = FaultSubject(
                name: orphan.name, conf: orphan.confPath, live: "\(tree.path)/live/\(orphan.name)",
                names: orphan.certificate.names)
            let evidence =
                "\(orphan.confPath) is missing, while live/\(orphan.name) has a certificate that is valid until \(orphan.certificate.notAfter.formatted(.iso8601)): nothing renews it"
            let (fault, title) = (Fault.confMissing(subject, canRepair: canRepair), "the renewal config is missing")
            if store.knowledge(of: orphan.name).state != nil {
                findings.fail(.confUnreadable, orphan.name, at: orphan.confPath, evidence, fault, title: title)
            } else {
                findings.warn(.confUnreadable, orphan.name, at: orphan.confPath, evidence, fault, title: title)
            }
        }
        return findings
    }

    // MARK: Timer, lock, clock

    /// - Returns: whether systemd says that the clock is synchronized, beside what was found.
    func schedule(_ tree: Tree) async -> (Findings, Bool?) {
        var findings = Findings()
        let systemd = SystemdProbe(runner: runner)
        async let isSynchronized = timed(budget.time(SystemdProbe.timeout)) { await systemd.isClockSynchronized() }
        var mainProcess: Int32?
        if let unit = host.settings.timer {
            var facts = await timed(budget.time(.seconds(10))) { await systemd.timers(unit) }
            if case .success(var found)? = facts {
                mainProcess = found.service.mainProcess
                let lineages = (try? tree.lineages()) ?? []
                let wanted = WebrootDropIn(
                    lineages, treePath: tree.path, statePath: host.stateDirectory, reports: host.settings.reports)
                found.laterRun = laterRun(after: found.service.lastEnd, lineages)
                found.outdatedDropIn = TimerFacts.OutdatedDropIn(wanted, on: SetupHost())
                let sandbox = found.service.sandbox
                found.closed = wanted.needed.sorted().compactMap { path in
                    guard ((try? FileSystem.status(path)) ?? nil) != nil else { return nil }
                    return sandbox.barrier(before: path).map { (path, $0) }
                }
                facts = .success(found)
            }
            findings += TimerJudgement.findings(
                facts ?? .failure(NotAsked(reason: "no answer within 10 s")), unit: unit, at: host.now)
        } else {
            findings.skip(TimerJudgement.ids, at: "timer", because: "timer = none: something else runs certctl")
        }
        findings += lock(tree, mainProcess: mainProcess)
        return (findings, await isSynchronized ?? nil)
    }

    /// - Parameter mainProcess: the service's, as systemd has it: a host in a container may not see its own control groups.
    func lock(_ tree: Tree, mainProcess: Int32? = nil) -> Findings {
        let path = "\(tree.path)/\(TreeLock.fileName)"
        let service = host.settings.timer.map(Systemd.service)
        var facts = LockFacts.look(at: path, stateDirectory: host.stateDirectory)
        if case .held(var holder) = facts, holder.pid == mainProcess {
            holder.unit = service
            facts = .held(holder)
        }
        return LockJudgement.findings(
            facts, at: path, service: service, hookTimeout: host.settings.hookTimeout, now: host.now)
    }

    func clock(_ others: [ClockFacts.Other], isSynchronized: Bool?) -> Findings {
        var facts = ClockFacts(isSynchronized: isSynchronized)
        facts.others = others + [ClockFacts.hardware(at: host.now)].compactMap(\.self)
        (facts.newest, facts.setter) = (newest, ClockFacts.setterOfHost())
        return ClockJudgement.findings(facts, at: host.now)
    }
}

extension Diagnosis {
    /// The last run, if it ended well after a moment and nothing is left to do for any lineage.
    func laterRun(after moment: Date?, _ lineages: [Lineage]) -> LastRun? {
        let ledger = StateStore(stateDirectory: host.stateDirectory)
        guard let moment, let run = ledger.lastRun, run.exitCode == 0, run.at > moment,
            case .known(let owed) = ledger.owedHooks(), owed.isEmpty
        else { return nil }
        let isDone = lineages.allSatisfy { lineage in
            let subject = Subject(lineage, host)
            let isFinished = subject.state.map { $0.failures == 0 && !$0.isPending } ?? true
            return isFinished && subject.unreadableState == nil
        }
        return isDone ? run : nil
    }
}

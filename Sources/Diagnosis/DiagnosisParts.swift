import Challenges
import Deployment
import FoundationEssentials
import Glibc
import HTTP
import Lineages
import PKI
import Renewal
import Scheduling

extension Diagnosis {
    /// How long the look at a directory may take: a network file system hangs for longer.
    private static let fileTimeout: Duration = .seconds(5)
    /// A certificate has at most a hundred names, and each takes its time.
    private static let mostNames = 100

    // MARK: The web server

    func webServer(_ subjects: [Subject]) async -> (ListenerFacts?, Findings) {
        let ports = subjects.reduce(into: Set([host.settings.httpPort])) { $0.formUnion($1.tlsPorts) }
        let treePath = FileSystem.resolved(host.treePath)
        let webroots = webroots(subjects).map { (lineage: $0.lineage, path: FileSystem.resolved($0.path)) }
        let endpoint = DockerEndpoint(environment: host.environment, home: host.home)
        let settings = ReloadSettings.found(environment: host.environment)
        let listeners =
            await OffThread.value(within: budget.time(Diagnosis.fileTimeout)) {
                ListenerFacts.look(at: ports)
            } ?? nil
        let web = WebServer(
            tree: treePath, webroots: webroots.map(\.path), settings: settings, ports: ports, listeners: listeners)
        let facts = await DockerProbe(endpoint: endpoint, transport: host.transport, budget: budget).facts {
            web.mayBe($0)
        }
        var running: Set<Int32> = []
        if case .present(let all) = facts { running = Set(all.map(\.pid).filter { $0 > 0 }) }
        let files = DockerJudgement.Files(
            tree: treePath,
            lineages: subjects.compactMap { subject in
                subject.lineage.paths.map {
                    (subject.lineage.name, FileSystem.resolved($0.live), FileSystem.resolved($0.archive))
                }
            },
            webroots: webroots)
        var isServed = listeners?.listeners.isEmpty == false
        // Docker may lead a port to a container without anybody who listens.
        if case .present(let all) = facts {
            isServed = isServed || all.contains { $0.isRunning && !$0.hostPorts.isDisjoint(with: ports) }
        }
        var findings = DockerJudgement.findings(
            facts, at: endpoint.description, web, files, listeners: listeners, ports: ports, isServed: isServed)
        if let nginx = HostNginx.found(listeners, containers: running) {
            findings += await hostNginx(nginx)
        }
        return (listeners, findings)
    }

    private func hostNginx(_ found: Result<HostNginx, NotAsked>) async -> Findings {
        var findings = Findings()
        switch found {
        case _ where geteuid() != 0:
            findings.skip([.nginxConfigInvalid], at: HostNginx.place, because: "nginx -t can read keys as root alone")
        case .failure(let cause): findings.skip([.nginxConfigInvalid], at: HostNginx.place, because: cause.reason)
        case .success(let nginx):
            findings += HostNginx.findings(await nginx.configTest(runner, within: budget.time(HostNginx.testTimeout)))
        }
        return findings
    }

    /// Each lineage's webroots, once each.
    private func webroots(_ subjects: [Subject]) -> [(lineage: String, path: String)] {
        var found: [(lineage: String, path: String)] = []
        for subject in subjects {
            for name in subject.names {
                guard let path = subject.lineage.options?.webroot(for: name),
                    !found.contains(where: { $0.lineage == subject.lineage.name && $0.path == path })
                else { continue }
                found.append((subject.lineage.name, path))
            }
        }
        return found
    }

    // MARK: The way of a challenge

    private struct Question: Sendable {
        let lineage: String
        let name: SubjectName
        let webroot: String?
    }

    /// - Parameter locally: asks this host's own listeners only, and no DNS.
    func challenges(_ subjects: [Subject], locally: Bool = false) async -> ([ChallengeFacts], Findings) {
        var findings = Findings()
        var questions: [Question] = []
        for subject in subjects {
            let lineage = subject.lineage
            if let reason = lineage.reasonUnmanaged {
                findings.skip(
                    [.webrootMissing, .nameUnresolved, .httpNotListening, .challengeLocationMissing], lineage.name,
                    at: "its challenges", because: "certctl does not renew it: \(reason)")
            }
            questions += subject.names.prefix(Diagnosis.mostNames).map {
                Question(lineage: lineage.name, name: $0, webroot: lineage.options?.webroot(for: $0))
            }
        }
        let names = NameProbe(server: host.resolver)
        let budget = budget
        let texts = Array(Set(questions.map(\.name))).sorted { $0.description < $1.description }
        let found = await sideBySide(texts) { name -> NameAddresses in
            if locally { return .found(v4: ["127.0.0.1"], v6: []) }
            if case .ip = name { return .found(v4: [name.description], v6: []) }
            return await names.addresses(of: name.description, within: budget.time(NameProbe.timeout))
        }
        let addresses = Dictionary(uniqueKeysWithValues: zip(texts, found))
        for question in questions {
            if case .ip = question.name { continue }
            if locally { continue }
            findings += NameJudgement.findings(
                addresses[question.name, default: .unanswered("nobody asked")], of: question.name.description,
                lineage: question.lineage, by: names.description)
        }
        let (files, states) = await writeFiles(Set(questions.compactMap(\.webroot)))
        defer { for file in files.values { file.remove() } }
        for lineage in Set(questions.map(\.lineage)).sorted() {
            for path in Set(questions.filter { $0.lineage == lineage }.compactMap(\.webroot)).sorted() {
                findings += RenewalJudgement.webroot(
                    states[path] ?? .notAllowed("the time was up"), path: path, of: lineage)
            }
            if let question = questions.first(where: { $0.lineage == lineage && $0.webroot == nil }) {
                findings.fail(
                    .webrootMissing, lineage, at: "webroot of \(question.name)",
                    "no webroot is known for \(question.name): its conf has neither webroot_map nor webroot_path",
                    remedy: .advice(
                        "set webroot_path under [renewalparams] in \(host.treePath)/renewal/\(lineage).conf: the directory that nginx serves challenges from"
                    ))
            }
        }
        let own = OwnAddresses.all()
        let probe = ChallengeProbe(
            transport: host.transport, names: names, port: host.settings.httpPort, budget: budget, own: own)
        let isBehindNAT = own.allSatisfy(OwnAddresses.isPrivate)
        let facts = await sideBySide(questions) { question -> ChallengeFacts? in
            guard let webroot = question.webroot, !budget.isOver else { return nil }
            let file = files[webroot] ?? ProbeFile(webroot: webroot)
            let name = question.name.description
            let all = addresses[question.name]?.all ?? []
            let places = ["127.0.0.1", "::1"] + all.filter { $0 != "127.0.0.1" && $0 != "::1" }
            let answers = await sideBySide(places) { await probe.answer(of: $0, name: name, file: file) }
            let named = Set(all)
            // ::1 counts where the name has it; 127.0.0.1 stands for this host's own listener in any case.
            let local = answers.filter { $0.place.hasPrefix("127.0.0.1:") || $0.place.hasPrefix("[::1]:") }
            let isThere = files[webroot] != nil
            return ChallengeFacts(
                lineage: question.lineage, name: name, webroot: webroot,
                notWritten: isThere ? nil : states[webroot]?.reason ?? "the time was up", local: local,
                fromOutside: zip(places, answers).filter { named.contains($0.0) }.map(\.1),
                obstacle: isThere ? ProbeFile.obstacle(onWayTo: file.path) : nil, isBehindNAT: isBehindNAT)
        }
        if facts.contains(where: { $0 == nil }) {
            findings.skip(ChallengeJudgement.ids, at: "challenges", because: "the time was up, or no webroot is known")
        }
        return (facts.compactMap(\.self), findings)
    }

    /// Puts a file into each webroot that takes one.
    private func writeFiles(_ webroots: Set<String>) async -> (
        [String: ProbeFile], [String: RenewalJudgement.WebrootState]
    ) {
        var (files, states): ([String: ProbeFile], [String: RenewalJudgement.WebrootState]) = ([:], [:])
        let budget = budget
        let written = await sideBySide(webroots.sorted()) { path -> (ProbeFile, RenewalJudgement.WebrootState) in
            let file = ProbeFile(webroot: path)
            let state = await OffThread.value(within: budget.time(Diagnosis.fileTimeout)) { Diagnosis.write(file) }
            // One that is still on its way goes as soon as it is there.
            if state == nil { file.abandon() }
            return (file, state ?? .refused("no answer within \(Diagnosis.fileTimeout.components.seconds) s"))
        }
        for (file, state) in written {
            states[file.webroot.path] = state
            if state == .written { files[file.webroot.path] = file }
        }
        return (files, states)
    }

    private static func write(_ file: ProbeFile) -> RenewalJudgement.WebrootState {
        do {
            guard let status = try FileSystem.status(file.webroot.path, followingLinks: true) else { return .missing }
            guard status.kind == .directory else { return .notADirectory }
            try file.write()
            return .written
        } catch let error as FileError {
            if error.code == 0 { return .obstructed(error) }
            return error.isPermission && geteuid() != 0 ? .notAllowed("\(error)") : .refused(error.cause)
        } catch {
            return .notAllowed("interrupted")
        }
    }

    // MARK: What is served

    func served(_ subjects: [Subject]) async -> Findings {
        let (budget, settings, now) = (budget, host.settings.conf, host.now)
        let reports = await sideBySide(subjects, most: 8) { subject -> ServedReport?? in
            guard subject.verification != nil else { return .some(nil) }
            return await timed(budget.time(.seconds(20))) {
                await Verification().look(at: subject.lineage, entry: subject.entry, host: settings)
            }
        }
        var findings = Findings()
        for (subject, report) in zip(subjects, reports) {
            guard let report else {
                findings.skip(ServedJudgement.ids, subject.lineage.name, at: "listeners", because: "the time was up")
                continue
            }
            findings += ServedJudgement.findings(
                report, subject.lineage, installed: subject.lineage.certificate?.serial, at: now)
        }
        return findings
    }

    // MARK: Files and hooks

    func disks(_ subjects: [Subject], _ tree: Tree) -> Findings {
        let archives = subjects.compactMap { $0.lineage.paths?.archive }
        return DiskJudgement.findings([tree.path] + archives + [host.stateDirectory])
    }

    func hooks(_ subjects: [Subject], _ tree: Tree) -> Findings {
        let directory = HookDirectory(configDirectory: tree.path)
        var findings = HookJudgement.findings(directory)
        for subject in subjects where subject.lineage.reasonUnmanaged == nil {
            let isServed = subject.verification.map { $0.endpoints != .none } ?? true
            findings += HookJudgement.findings(
                subject.lineage, own: HookCommands(subject.lineage.options, tree.defaults), directory: directory,
                isServed: isServed, entry: subject.entry)
        }
        return findings
    }

    // MARK: Timer, lock, clock

    func schedule(_ tree: Tree) async -> Findings {
        var findings = Findings()
        let systemd = SystemdProbe(runner: runner)
        async let isSynchronized = timed(budget.time(SystemdProbe.timeout)) { await systemd.isClockSynchronized() }
        if let unit = host.settings.timer {
            var facts = await timed(budget.time(.seconds(10))) { await systemd.timers(unit) }
            if case .success(var found)? = facts {
                let lineages = (try? tree.lineages()) ?? []
                let wanted = WebrootDropIn(
                    lineages, treePath: tree.path, statePath: host.stateDirectory, reports: host.settings.reports)
                found.laterRun = laterRun(after: found.service.lastEnd, lineages)
                found.outdatedDropIn = TimerFacts.OutdatedDropIn(wanted, on: SetupHost())
                facts = .success(found)
            }
            findings += TimerJudgement.findings(
                facts ?? .failure(NotAsked(reason: "no answer within 10 s")), unit: unit, at: host.now)
        } else {
            findings.skip(TimerJudgement.ids, at: "timer", because: "timer = none: something else runs certctl")
        }
        let path = "\(tree.path)/\(TreeLock.fileName)"
        findings += LockJudgement.findings(LockFacts.look(at: path), at: path, now: host.now)
        var clock = ClockFacts(isSynchronized: await isSynchronized ?? nil)
        clock.future = newestCertificate
        // With a CA's clock at hand, that one is asked.
        if host.asksCA { return findings }
        findings += ClockJudgement.findings(clock, at: host.now)
        return findings
    }
}

extension Diagnosis {
    /// The last run, if it ended well after a moment and nothing is left to do for any lineage.
    func laterRun(after moment: Date?, _ lineages: [Lineage]) -> LastRun? {
        let ledger = Ledger(stateDirectory: host.stateDirectory)
        guard let moment, let run = ledger.lastRun, run.exitCode == 0, run.at > moment,
            case .known(let debts) = ledger.debts(), debts.isEmpty
        else { return nil }
        let isDone = lineages.allSatisfy { lineage in
            let subject = Subject(lineage, host)
            let isFinished = subject.entry.map { $0.attempts == 0 && !$0.isPending && $0.failedHooks.isEmpty } ?? true
            return isFinished && subject.unreadableBooks == nil
        }
        return isDone ? run : nil
    }
}

/// What a body returns within a limit; nil when it does not. The body is cancelled then, and waited for.
func timed<T: Sendable>(_ limit: Duration, _ body: @escaping @Sendable () async -> T) async -> T? {
    await withTaskGroup(of: T?.self) { group in
        group.addTask { await body() }
        group.addTask {
            try? await Task.sleep(for: limit)
            return nil
        }
        defer { group.cancelAll() }
        return await group.next() ?? nil
    }
}

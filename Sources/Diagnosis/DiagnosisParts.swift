import Challenges
import Deployment
import FoundationEssentials
import Glibc
import HTTP
import Lineages
import PKI
import Renewal
import Setup

extension Diagnosis {
    /// How long the look at a directory may take: a network file system hangs for longer.
    private static let fileTimeout: Duration = .seconds(5)
    /// A certificate has at most a hundred names, and each takes its time.
    private static let mostNames = 100

    // MARK: The web server

    func webServer(_ subjects: [Subject]) async -> (WebFacts, Findings) {
        let ports = ports(of: subjects)
        let endpoint = DockerEndpoint(environment: host.environment, home: host.home)
        let listeners =
            await OffThread.value(within: budget.time(Diagnosis.fileTimeout)) {
                ListenerFacts.look(at: ports)
            } ?? nil
        let web = web(subjects, listeners)
        let found = await DockerProbe(endpoint: endpoint, transport: host.transport, budget: budget).facts {
            web.mayBe($0)
        }
        var facts = WebFacts(listeners: listeners, docker: found)
        // A hook that asks for Docker fails where there is none.
        if case .absent(let reason) = found, web.settings.needsDocker {
            facts.docker = .unreachable("\(reason), which \(web.settings.path) needs")
        }
        var running: Set<Int32> = []
        if case .present(let all) = found {
            running = Set(all.map(\.pid).filter { $0 > 0 })
            facts.nginx = web.containers(in: all).compactMap { container in
                container.configuration.map {
                    NginxFacts(
                        place: .container(container.name), container: container, configuration: $0,
                        startedAt: container.startedAt)
                }
            }
        }
        var findings = Findings()
        if let problem = web.settings.problem {
            findings.fail(
                .hookSettingsWrong, at: web.settings.path, "reload-nginx stops at its settings: \(problem)",
                .hookSettings(path: web.settings.path))
        }
        if let nginx = HostNginx.found(listeners, containers: running) {
            findings += await hostNginx(nginx, &facts)
        }
        return (facts, findings)
    }

    private func ports(of subjects: [Subject]) -> Set<Int> {
        subjects.reduce(into: Set([host.settings.httpPort])) { $0.formUnion($1.tlsPorts) }
    }

    private func web(_ subjects: [Subject], _ listeners: ListenerFacts?) -> WebServer {
        WebServer(
            tree: FileSystem.resolved(host.treePath),
            webroots: webroots(subjects).map { FileSystem.resolved($0.path) },
            settings: ReloadSettings.found(environment: host.environment), ports: ports(of: subjects),
            listeners: listeners)
    }

    /// What is wrong with containers, now that it is known who serves what.
    func docker(_ facts: WebFacts, _ reports: [ProbeReport??], _ subjects: [Subject]) -> Findings {
        let endpoint = DockerEndpoint(environment: host.environment, home: host.home)
        let ports = ports(of: subjects)
        var isServed = facts.listeners?.listeners.isEmpty == false
        // Docker may lead a port to a container without anybody who listens.
        if case .present(let all) = facts.docker {
            isServed = isServed || all.contains { $0.isRunning && !$0.hostPorts.isDisjoint(with: ports) }
        }
        let matches = reports.compactMap { $0 ?? nil }.flatMap(\.matches)
        var around = DockerJudgement.Surroundings(
            listeners: facts.listeners, ports: ports, isServed: isServed,
            rightPorts: Set(matches.map(\.endpoint).filter(\.isLoopback).map(\.port)))
        if case .unreachable = facts.docker {
            let origin =
                endpoint.origin == "DOCKER_HOST" ? VariableOrigin.place(of: "DOCKER_HOST", home: host.home) : nil
            let isAnswering = unsafe access(DockerEndpoint.defaultSocket, R_OK | W_OK) == 0
            let hasDefault = isAnswering && endpoint.address != .socket(DockerEndpoint.defaultSocket)
            around.engineFault = endpoint.fault(setBy: origin, defaultAnswers: hasDefault)
        }
        let files = DockerJudgement.Files(
            tree: FileSystem.resolved(host.treePath),
            lineages: subjects.compactMap { subject in
                subject.lineage.paths.map {
                    (subject.lineage.name, FileSystem.resolved($0.live), FileSystem.resolved($0.archive))
                }
            },
            webroots: webroots(subjects).map { (lineage: $0.lineage, path: FileSystem.resolved($0.path)) })
        return DockerJudgement.findings(
            facts.docker, at: endpoint.description, web(subjects, facts.listeners), files, around)
    }

    private func hostNginx(_ found: Result<HostNginx, NotAsked>, _ facts: inout WebFacts) async -> Findings {
        var findings = Findings()
        switch found {
        case _ where geteuid() != 0:
            findings.skip([.nginxConfigInvalid], at: HostNginx.place, because: "nginx -t can read keys as root alone")
        case .failure(let cause): findings.skip([.nginxConfigInvalid], at: HostNginx.place, because: cause.reason)
        case .success(let nginx):
            let (test, configuration) = await nginx.configTest(runner, within: budget.time(HostNginx.testTimeout))
            if let configuration {
                facts.nginx.append(
                    NginxFacts(
                        place: .host, container: nil, configuration: configuration,
                        startedAt: ProcessTimes.start(of: nginx.pid), unit: PortOwner.unit(of: nginx.pid)))
            }
            findings += HostNginx.findings(test)
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
    func challenges(_ subjects: [Subject], _ web: WebFacts, locally: Bool = false) async -> Findings {
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
        if !locally {
            let asked = zip(texts, found).filter { if case .ip = $0.0 { false } else { true } }.map(\.1)
            findings += NameJudgement.findings(asked, by: names.description, isNamed: host.resolver != nil)
        }
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
                    "no webroot is known for \(question.name): its renewal config has neither webroot_map nor webroot_path",
                    .webrootUnknown(conf: "\(host.treePath)/renewal/\(lineage).conf"))
            }
        }
        let own = OwnAddresses.all()
        var probe = ChallengeProbe(
            transport: host.transport, names: names, port: host.settings.httpPort, budget: budget, own: own)
        let tlsPorts = subjects.reduce(into: Set()) { $0.formUnion($1.tlsPorts) }
        probe.tlsPort = tlsPorts.contains(443) ? 443 : tlsPorts.min() ?? 443
        let (asking, port) = (probe, host.settings.httpPort)
        let isBehindNAT = own.allSatisfy(OwnAddresses.isPrivate)
        let facts = await sideBySide(questions) { question -> ChallengeFacts? in
            guard let webroot = question.webroot, !budget.isOver else { return nil }
            let file = files[webroot] ?? ProbeFile(webroot: webroot)
            let name = question.name.description
            let all = addresses[question.name]?.all ?? []
            let places = ["127.0.0.1", "::1"] + all.filter { $0 != "127.0.0.1" && $0 != "::1" }
            let answers = await sideBySide(places) { await asking.answer(of: $0, name: name, file: file) }
            let named = Set(all)
            // ::1 counts where the name has it; 127.0.0.1 stands for this host's own listener in any case.
            let local = answers.filter { $0.place.hasPrefix("127.0.0.1:") || $0.place.hasPrefix("[::1]:") }
            let isThere = files[webroot] != nil
            return ChallengeFacts(
                lineage: question.lineage, name: name, webroot: webroot,
                notWritten: isThere ? nil : states[webroot]?.reason ?? "the time was up", local: local,
                fromOutside: zip(places, answers).filter { named.contains($0.0) }.map(\.1),
                obstacle: isThere ? ProbeFile.obstacle(onWayTo: file.path) : nil, isBehindNAT: isBehindNAT,
                server: ChallengeServer(name, port: port, webroot: webroot, web.nginx))
        }
        if facts.contains(where: { $0 == nil }) {
            findings.skip(ChallengeJudgement.ids, at: "challenges", because: "the time was up, or no webroot is known")
        }
        let isListening = locally ? nil : web.listeners.map { $0.isListening(port) }
        for facts in facts.compactMap(\.self) {
            findings += ChallengeJudgement.findings(
                facts, port: port, isListening: isListening, hasDocker: web.hasDocker)
        }
        return findings
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

    /// What was seen at each subject's endpoints; nil in nil where its time was up, nil where there is nothing to look at.
    func served(_ subjects: [Subject]) async -> [ProbeReport??] {
        let (budget, settings) = (budget, host.settings.conf)
        return await sideBySide(subjects, most: 16) { subject -> ProbeReport?? in
            guard subject.verification != nil else { return .some(nil) }
            guard !budget.isOver else { return nil }
            return await timed(budget.time(.seconds(20))) {
                await Verification().look(at: subject.lineage, state: subject.state, host: settings)
            }
        }
    }

    func judged(_ reports: [ProbeReport??], _ subjects: [Subject], _ tree: Tree, _ web: WebFacts) async -> Findings {
        let (budget, now) = (budget, host.now)
        let wrong = zip(subjects, reports).flatMap { subject, report -> [WrongEndpoint] in
            guard let certificate = subject.lineage.certificate, let paths = subject.lineage.paths else { return [] }
            return ((report ?? nil)?.observations ?? []).filter(\.isWrong).map {
                WrongEndpoint(place: $0.target, verdict: $0.verdict, expected: certificate, live: paths.live)
            }
        }
        var sources: [ProbeTarget: ServedSource] = [:]
        if !wrong.isEmpty {
            let lineages = (try? tree.lineages()) ?? []
            let index = await OffThread.value(within: budget.time(Diagnosis.fileTimeout)) { LeafIndex(lineages) }
            let found = await sideBySide(Array(wrong.prefix(Diagnosis.mostNames))) { endpoint -> ServedSource? in
                var leaf: Certificate?
                if case .broken = endpoint.verdict {
                } else if case .leaf(let served, _) = await TLSProbe(timeout: budget.time(.seconds(5)))
                    .leaf(at: endpoint.place.endpoint, serverName: endpoint.place.name)
                {
                    leaf = served
                }
                let served = leaf
                return await OffThread.value(within: budget.time(Diagnosis.fileTimeout)) {
                    ServedSource(
                        served, name: endpoint.place.name, port: endpoint.place.endpoint.port,
                        expected: endpoint.expected, live: endpoint.live, index: index ?? LeafIndex([]), web.nginx)
                }
            }
            for (endpoint, source) in zip(wrong, found) { sources[endpoint.place] = source }
        }
        var findings = Findings()
        for (subject, report) in zip(subjects, reports) {
            guard let report else {
                findings.skip(ServedJudgement.ids, subject.lineage.name, at: "endpoints", because: "the time was up")
                continue
            }
            var around = ServedJudgement.Surroundings()
            (around.sources, around.hasDocker) = (sources, web.hasDocker)
            around.server = web.nginx.first?.place ?? .host
            if let run = deployment(triedFor: subject) {
                (around.isTried, around.restart) = (true, nextCause(after: run, subject, tree, web))
            }
            findings += ServedJudgement.findings(
                report, subject.lineage, installed: subject.lineage.certificate?.serial, around, at: now)
        }
        return findings
    }

    private struct WrongEndpoint: Sendable {
        let place: ProbeTarget
        let verdict: Verdict
        let expected: Certificate
        let live: String
    }

    /// The run that has deployed what is installed, all hooks with success, without that it was served; nil where there is none.
    private func deployment(triedFor subject: Subject) -> LastRun? {
        guard let live = subject.state?.host.live, let rollout = live.rollout, rollout.trouble != nil,
            rollout.failedHooks.isEmpty, rollout.deployedAt != nil, let installed = live.version,
            let run = StateStore(stateDirectory: host.stateDirectory).lastRun,
            run.command == "deploy", run.exitCode != 0, run.at >= installed.at
        else { return nil }
        return run
    }

    /// What is left where hooks end well and nginx does not serve it: the hook that reloads nginx, then nginx itself.
    private func nextCause(after run: LastRun, _ subject: Subject, _ tree: Tree, _ web: WebFacts) -> String? {
        let directory = HookDirectory(configDirectory: tree.path)
        let hasOurs = [Hook.Kind.deploy, .post].contains { kind in
            directory.list(kind).hooks.contains { $0.name == "reload-nginx" }
        }
        if !hasOurs, subject.lineage.options?.directoryHooks ?? true {
            return "certctl setup --yes && certctl deploy \(subject.lineage.name.shellWord)"
        }
        let old = web.nginx.filter { nginx in nginx.startedAt.map { $0 < run.at } ?? true }
        return old.lazy.compactMap(\.restart).first
    }

    // MARK: Files and hooks

    func disks(_ subjects: [Subject], _ tree: Tree) -> Findings {
        let archives = subjects.compactMap { $0.lineage.paths?.archive }
        return DiskJudgement.findings([tree.path] + archives + [host.stateDirectory])
    }

    func hooks(_ subjects: [Subject], _ tree: Tree, _ reports: [ProbeReport??]) -> Findings {
        let directory = HookDirectory(configDirectory: tree.path)
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

    // MARK: Timer, lock, clock

    /// - Returns: whether systemd says that the clock is synchronized, beside what was found.
    func schedule(_ tree: Tree) async -> (Findings, Bool?) {
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
        findings += LockJudgement.findings(
            LockFacts.look(at: path, stateDirectory: host.stateDirectory), at: path, now: host.now)
        return (findings, await isSynchronized ?? nil)
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

import Challenges
import Deployment
import FoundationEssentials
import Glibc
import Lineages
import PKI
import Renewal
import Setup

/// The web server: containers, the host's own nginx, and what their configurations say.
extension Diagnosis {
    /// How long the look at a directory may take: a network file system hangs for longer.
    static let fileTimeout: Duration = .seconds(5)

    func webServer(_ subjects: [Subject]) async -> (WebFacts, Findings) {
        let ports = ports(of: subjects)
        let listeners =
            await OffThread.value(within: budget.time(Diagnosis.fileTimeout)) {
                ListenerFacts.look(at: ports)
            } ?? nil
        var facts = unasked(subjects, listeners)
        let web = facts.server
        let found = await DockerProbe(endpoint: facts.endpoint, transport: host.transport, budget: budget).facts {
            web.mayBe($0)
        }
        facts.docker = found
        // A hook that asks for Docker fails where there is none.
        if case .absent(let reason) = found, web.settings.needsDocker {
            facts.docker = .unreachable("\(reason), which \(web.settings.path) needs", isHung: false)
        }
        if case .unreachable(_, let isHung) = facts.docker {
            facts.engine = await EngineFacts.look(at: facts.endpoint, isHung: isHung, Systemd(runner: runner), budget)
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
        } else if facts.nginx.isEmpty, listeners?.listeners.isEmpty == true {
            findings += await stoppedNginx(&facts)
        }
        return (facts, findings)
    }

    private func ports(of subjects: [Subject]) -> Set<Int> {
        subjects.reduce(into: Set([host.settings.httpPort])) { $0.formUnion($1.tlsPorts) }
    }

    /// What is known of the web server before Docker is asked.
    func unasked(_ subjects: [Subject], _ listeners: ListenerFacts? = nil) -> WebFacts {
        let server = WebServer(
            tree: FileSystem.resolved(host.treePath),
            webroots: webroots(subjects).map { FileSystem.resolved($0.path) },
            settings: ReloadSettings.found(environment: host.environment), ports: ports(of: subjects),
            listeners: listeners)
        return WebFacts(server, DockerEndpoint(environment: host.environment, home: host.home))
    }

    /// What is wrong with containers, now that it is known who serves what.
    func docker(_ facts: WebFacts, _ reports: [ProbeReport??], _ subjects: [Subject]) -> Findings {
        let (endpoint, ports) = (facts.endpoint, facts.server.ports)
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
            around.engineFault = endpoint.fault(
                setBy: origin, defaultAnswers: hasDefault, facts.engine?.state(at: host.now))
            around.engineText = facts.engine?.text(at: host.now) ?? ""
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
            facts.docker, at: endpoint.description, facts.server, files, around)
    }

    /// Why nothing listens, where that should be the host's nginx: what its own test says, and its unit.
    private func stoppedNginx(_ facts: inout WebFacts) async -> Findings {
        var findings = Findings()
        if case .present(let all) = facts.docker, !all.isEmpty { return findings }
        guard let path = HostNginx.installed else { return findings }
        let systemd = Systemd(runner: runner)
        let state = await timed(budget.time(SystemdProbe.timeout)) { try? await systemd.state(of: "nginx.service") }
        facts.hostUnit = (state ?? nil).flatMap { $0.isThere ? $0 : nil }
        guard geteuid() == 0 else { return findings }
        let (test, _) = await HostNginx(installed: path).configTest(runner, within: budget.time(HostNginx.testTimeout))
        findings += HostNginx.findings(test)
        return findings
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
}

import Challenges
import FoundationEssentials
import Lineages
import Renewal

/// Whether nginx's container runs, and sees what it has to serve.
enum DockerJudgement {
    static let states: [CheckID] = [
        .containerMissing, .containerStopped, .containerRestarting, .containerUnhealthy, .nginxConfigInvalid,
        .upstreamStopped,
    ]
    static let mounts: [CheckID] = [
        .mountStale, .configStale, .treeNotMounted, .archiveNotMounted, .singleFileMounted, .webrootNotMounted,
    ]
    static let ids: [CheckID] = [.dockerUnreachable, .portHeld] + states + mounts

    /// What the files of lineages are, as far as a container has to see them; all paths without links.
    struct Files: Sendable {
        /// The tree's own path.
        let tree: String
        /// Lineage, the directory of its links, and the archive that they lead to.
        let lineages: [(name: String, live: String, archive: String)]
        let webroots: [(lineage: String, path: String)]
    }

    /// What is known of the host beside its containers.
    struct Surroundings: Sendable {
        let listeners: ListenerFacts?
        /// The ports on which nginx should listen.
        let ports: Set<Int>
        /// Whether anybody answers at one of them, so that no container has to.
        let isServed: Bool
        /// The ports at which the installed certificates are served, as far as was seen.
        var rightPorts: Set<Int> = []
        /// Why the engine does not answer, as a fault.
        var engineFault = Fault.dockerSilent(.inactive)
        /// What systemd has of the engine, for people; empty where it does not answer for another reason.
        var engineText = ""
    }

    static func findings(
        _ facts: DockerFacts, at place: String, _ web: WebServer, _ files: Files, _ around: Surroundings
    ) -> Findings {
        var findings = Findings()
        switch facts {
        case .absent(let reason), .notAsked(let reason): findings.skip(ids, at: place, because: reason)
        case .unreachable(let reason, let isHung):
            findings.fail(
                .dockerUnreachable, at: place, "the Docker Engine does not answer: \(reason)\(around.engineText)",
                around.engineFault, title: isHung ? "Docker hangs" : nil)
            findings.skip(
                ids.filter { $0 != .dockerUnreachable }, at: place, because: "the Docker Engine does not answer")
        case .present(let all):
            findings.pass([.dockerUnreachable], at: place)
            let containers = web.containers(in: all)
            if containers.isEmpty { judgeNone(all, place, web, isServed: around.isServed, &findings) }
            for container in containers {
                // Beside one that serves, another may well be at rest: the one before, or one that ran a command.
                let isNeeded = !containers.contains(where: \.isRunning)
                judgeState(container, all, isNeeded: isNeeded, around, &findings)
                judgeMounts(container, files, others: all.filter { $0.isRunning && $0.id != container.id }, &findings)
                if container.isRunning || isNeeded { judgePorts(container, all, around, &findings) }
            }
        }
        return findings
    }

    private static func judgeNone(
        _ all: [ContainerFacts], _ place: String, _ web: WebServer, isServed: Bool, _ findings: inout Findings
    ) {
        if web.names {
            let instead = all.filter { $0.isRunning && $0.isNginx }.map { container in
                container.composeFile.map {
                    "container \(container.name) (service \(container.service ?? "?") of \($0))"
                }
                    ?? "container \(container.name)"
            }
            findings.fail(
                .containerMissing, at: place,
                "there is no container \(web.named), which \(web.settings.path) names"
                    + (instead.isEmpty ? "" : "; there is \(instead.few())"),
                instead.isEmpty && web.settings.composeFile != nil
                    ? .containerMissing(composeFile: web.settings.composeFile)
                    : .containerNotThere(named: web.named, settings: web.settings.path, instead: instead))
        } else if isServed || web.settings.isHost {
            findings.skip(
                Array(ids.dropFirst()), at: place,
                because: "none of the \(all.count) containers is an nginx that mounts \(web.tree); nginx runs elsewhere"
            )
        } else {
            findings.fail(
                .containerMissing, at: place,
                "there is no nginx container (of \(all.count) containers, none is an nginx that mounts \(web.tree)), "
                    + "and no nginx runs on the host", .containerMissing(composeFile: nil))
        }
    }

    // MARK: State

    private static func judgeState(
        _ container: ContainerFacts, _ all: [ContainerFacts], isNeeded: Bool, _ around: Surroundings,
        _ findings: inout Findings
    ) {
        let place = "container \(container.name)"
        // A clean end says nothing in its last line.
        let last = container.exitCode == 0 ? nil : container.lastWords
        // What the engine says is of a start after that line.
        let words = container.error.isEmpty ? last.map { ": \($0)" } ?? "" : ": \(container.error)"
        // A container that nginx's configuration keeps from starting cannot be asked: its last words say so.
        if isNeeded, !container.isRunning, let last = container.lastWords {
            let complaint = NginxComplaint(last)
            if complaint.isOfConfiguration {
                judge(complaint, container, all, "nginx in \(container.name) does not start: \(last)", place, &findings)
            }
        }
        switch container.status {
        case "running":
            if container.health == "unhealthy" {
                findings.fail(
                    .containerUnhealthy, at: place,
                    "\(container.name) is unhealthy" + (container.healthOutput.map { ": \($0)" } ?? ""),
                    .containerUnhealthy(name: container.name))
            }
            switch container.configTest {
            case .passed: break
            case .failed(let reason):
                judge(
                    NginxComplaint(reason), container, all, "nginx -t fails in \(container.name): \(reason)", place,
                    &findings)
            case .notRun(let reason): findings.skip([.nginxConfigInvalid], at: place, because: reason)
            }
        case "restarting":
            findings.fail(
                .containerRestarting, at: place,
                "\(container.name) restarts again and again (exit code \(container.exitCode))\(words)",
                .containerRestarting(name: container.name))
        default: judgeRest(container, words, isNeeded: isNeeded, around, place, &findings)
        }
        findings.pass(states, at: place)
    }

    private static func judgeRest(
        _ container: ContainerFacts, _ words: String, isNeeded: Bool, _ around: Surroundings, _ place: String,
        _ findings: inout Findings
    ) {
        let state =
            switch container.status {
            case "exited": "exited at \(container.finishedAt.prefix(19))Z (exit code \(container.exitCode))"
            case "created": "was never started"
            default: "is \(container.status)"
            }
        let seen = "\(container.name) \(state)\(words)"
        guard isNeeded else {
            findings.warn(
                .containerStopped, at: place, "\(seen); another one runs", .containerSpare(name: container.name))
            return
        }
        // What serves the installed certificates may go on: the host's own nginx, after a rollback to it.
        if !around.rightPorts.isEmpty {
            findings.warn(
                .containerStopped, at: place, "\(seen); the certificates are served by another program all the same",
                title: "the nginx container is at rest")
            return
        }
        // It was started, and in vain: to start it again would be no other.
        let isInVain = !container.error.isEmpty || container.endedAtOnce
        findings.fail(
            .containerStopped, at: place, seen,
            isInVain
                ? .containerEnds(name: container.name)
                : .containerStopped(name: container.name, isPaused: container.status == "paused"))
    }

    private static func judge(
        _ complaint: NginxComplaint, _ container: ContainerFacts, _ all: [ContainerFacts], _ evidence: String,
        _ place: String, _ findings: inout Findings
    ) {
        let fault = complaint.fault(.container(container.name), containers: all, nginx: container)
        if case .upstreamStopped(let names, _) = fault {
            findings.fail(
                .upstreamStopped, at: place,
                "\(names.joined(separator: ", ")) of the same Compose project does not run, so that nginx does not find \(complaint.upstream ?? "it")",
                fault)
        }
        findings.fail(.nginxConfigInvalid, at: place, evidence, fault)
    }

    // MARK: Mounts

    /// - Parameter others: that run beside it: one may serve http, and another TLS.
    private static func judgeMounts(
        _ container: ContainerFacts, _ files: Files, others: [ContainerFacts], _ findings: inout Findings
    ) {
        let place = "mounts of \(container.name)"
        func add(_ volume: String) -> Fault { .notMounted(volume: volume, container: container.name) }
        let singles = container.mounts(below: files.tree).filter { mount in
            let kind = (try? FileSystem.status(mount.source, followingLinks: true))?.kind
            return kind == .file
        }
        if let single = singles.first {
            findings.fail(
                .singleFileMounted, at: place,
                "\(container.name) mounts the single file \(single.source), and so keeps the old one when it is replaced",
                add("\(files.tree):/etc/letsencrypt:ro"))
        }
        judgeStaleMounts(container, files, place, &findings)
        for lineage in files.lineages {
            guard let inside = container.inside(lineage.live) else { continue }
            // A relative link is followed from where the container has the directory.
            let links = ["cert.pem", "fullchain.pem"].compactMap { try? FileSystem.linkText("\(lineage.live)/\($0)") }
            guard let link = links.first else { continue }
            let target = ContainerPath.joined(inside, link)
            let shown = container.outside(target).map(FileSystem.resolved)
            if shown.map({ ContainerFacts.covers(lineage.archive, $0) }) != true {
                findings.fail(
                    .archiveNotMounted, lineage.name, at: place,
                    "\(container.name) has \(lineage.live) at \(inside), but its links lead to \(target), which it does not have",
                    add("\(files.tree):/etc/letsencrypt:ro"))
            }
        }
        let seesTree = ([container] + others).contains {
            $0.inside(files.tree) != nil || !$0.mounts(below: files.tree).isEmpty
        }
        if !seesTree, !files.lineages.isEmpty {
            findings.fail(
                .treeNotMounted, at: place, "\(container.name) does not mount \(files.tree)",
                add("\(files.tree):/etc/letsencrypt:ro"))
        }
        for webroot in files.webroots where !([container] + others).contains(where: { $0.inside(webroot.path) != nil })
        {
            findings.fail(
                .webrootNotMounted, webroot.lineage, at: place,
                "\(container.name) does not mount the webroot \(webroot.path)",
                add("\(webroot.path):\(webroot.path):ro"))
        }
        findings.pass(mounts, at: place)
    }

    /// What the container sees at a mount, and what the host has there now.
    private static func judgeStaleMounts(
        _ container: ContainerFacts, _ files: Files, _ place: String, _ findings: inout Findings
    ) {
        let test = NginxTest(image: container.image, network: container.network)
        for mount in container.staleMounts {
            // A file of the tree that is mounted singly is a fault of its own, with another remedy.
            if !mount.isDirectory, ContainerFacts.covers(files.tree, mount.source) { continue }
            var stale = Fault.bindMountStale(container: container.name, test: test)
            var refusal = ""
            if case .failed(let reason) = container.hostTest {
                let file = NginxComplaint(reason).place(in: container)
                stale = .bindMountRefused(container: container.name, file: file)
                refusal = "; nginx refuses what the host has now: \(reason)"
            }
            if mount.isGone {
                findings.fail(
                    .mountStale, at: place,
                    "\(container.name) has at \(mount.destination) what was at \(mount.source), which is gone from the host",
                    .bindMountGone(source: mount.source, container: container.name))
            } else if mount.isDirectory {
                findings.fail(
                    .mountStale, at: place,
                    "\(container.name) has at \(mount.destination) the directory that was \(mount.source) before: the host's was replaced after the container was started\(refusal)",
                    stale)
            } else if mount.differs {
                findings.fail(
                    .configStale, at: place,
                    "\(container.name) has at \(mount.destination) an older file than \(mount.source), which was replaced and differs: the next start reads the host's\(refusal)",
                    stale)
            }
        }
    }

    // MARK: Ports

    /// Whether a port that the container should have is somebody else's.
    private static func judgePorts(
        _ container: ContainerFacts, _ all: [ContainerFacts], _ around: Surroundings, _ findings: inout Findings
    ) {
        let place = "ports of \(container.name)"
        guard let listeners = around.listeners else {
            findings.skip([.portHeld], at: place, because: "/proc/net/tcp cannot be read")
            return
        }
        for port in around.ports.sorted() where container.isOnHostNetwork || container.hostPorts.contains(port) {
            if let holder = PortOwner.holder(of: port, except: container, all, listeners) {
                let evidence = "port \(port) is held by \(holder.description), not by \(container.name)"
                if !around.rightPorts.isEmpty {
                    findings.warn(
                        .portHeld, at: place, "\(evidence); the certificates are served all the same",
                        title: "another program serves in the container's place")
                } else {
                    findings.fail(.portHeld, at: place, evidence, .portHeld(holder, container: container.name))
                }
            } else if listeners.isListening(port), let limit = listeners.limit,
                !listeners.listeners.contains(where: { $0.port == port && $0.owner != nil })
            {
                findings.skip([.portHeld], at: place, because: limit)
            }
        }
        findings.pass([.portHeld], at: place)
    }
}

/// Paths in a container, which is not there to be asked.
enum ContainerPath {
    /// A link's target from the directory that it is in, with `..` taken out.
    static func joined(_ directory: String, _ link: String) -> String {
        var parts = link.hasPrefix("/") ? [] : directory.split(separator: "/")
        for part in link.split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(part) }
        }
        return "/" + parts.joined(separator: "/")
    }
}

import Challenges
import Lineages

/// Whether nginx's container runs, and sees what it has to serve.
enum DockerJudgement {
    static let states: [CheckID] = [
        .containerMissing, .containerStopped, .containerRestarting, .containerUnhealthy, .nginxConfigInvalid,
    ]
    static let mounts: [CheckID] = [.treeNotMounted, .archiveNotMounted, .singleFileMounted, .webrootNotMounted]
    static let ids: [CheckID] = [.dockerUnreachable, .portHeld] + states + mounts

    /// What the files of lineages are, as far as a container has to see them; all paths without links.
    struct Files: Sendable {
        /// The tree's own path.
        let tree: String
        /// Lineage, the directory of its links, and the archive that they lead to.
        let lineages: [(name: String, live: String, archive: String)]
        let webroots: [(lineage: String, path: String)]
    }

    /// - Parameters:
    ///   - ports: the ports on which nginx should listen.
    ///   - isServedElsewhere: whether an nginx of the host itself listens, so that no container has to.
    static func findings(
        _ facts: DockerFacts, at place: String, _ web: WebServer, _ files: Files, listeners: ListenerFacts?,
        ports: Set<Int>, isServed: Bool
    ) -> Findings {
        var findings = Findings()
        switch facts {
        case .absent(let reason), .notAsked(let reason): findings.skip(ids, at: place, because: reason)
        case .unreachable(let reason):
            findings.fail(
                .dockerUnreachable, at: place, "the Docker Engine does not answer: \(reason)",
                remedy: "systemctl status docker   # then: systemctl start docker")
            findings.skip(
                ids.filter { $0 != .dockerUnreachable }, at: place, because: "the Docker Engine does not answer")
        case .present(let all):
            findings.pass([.dockerUnreachable], at: place)
            let containers = web.containers(in: all)
            if containers.isEmpty {
                judgeNone(all, place, web, isServed: isServed, &findings)
            }
            for container in containers {
                // Beside one that serves, another may well be at rest: the one before, or one that ran a command.
                judgeState(container, isNeeded: !containers.contains(where: \.isRunning), &findings)
                judgeMounts(container, files, others: all.filter { $0.isRunning && $0.id != container.id }, &findings)
                judgePorts(container, all, listeners, ports, place, &findings)
            }
        }
        return findings
    }

    private static func judgeNone(
        _ all: [ContainerFacts], _ place: String, _ web: WebServer, isServed: Bool, _ findings: inout Findings
    ) {
        if web.names {
            findings.fail(
                .containerMissing, at: place, "there is no container \(web.named), which reload-nginx.conf names",
                remedy: web.settings.composeFile.map { .command("docker compose -f \($0.shellWord) up -d") }
                    ?? "docker ps -a")
        } else if isServed || web.settings.isHost {
            findings.skip(
                Array(ids.dropFirst()), at: place,
                because: "none of the \(all.count) containers is an nginx that sees the tree; nginx runs elsewhere")
        } else {
            findings.fail(
                .containerMissing, at: place,
                "there is no nginx container (of \(all.count) containers, none is an nginx that mounts \(web.tree)), "
                    + "and no nginx runs on the host",
                remedy: .advice("docker compose up -d, in the directory of the compose file"))
        }
    }

    private static func judgeState(_ container: ContainerFacts, isNeeded: Bool, _ findings: inout Findings) {
        let place = "container \(container.name)"
        let name = container.name.shellWord
        // A clean end says nothing in its last line.
        let last = container.exitCode == 0 ? nil : container.lastWords
        let words = last.map { ": \($0)" } ?? (container.error.isEmpty ? "" : ": \(container.error)")
        // A container that nginx's configuration keeps from starting cannot be asked: its last words say so.
        if isNeeded, !container.isRunning, let last = container.lastWords, NginxComplaint.isOfConfiguration(last) {
            findings.fail(
                .nginxConfigInvalid, at: place, "nginx in \(container.name) does not start: \(last)",
                remedy: "docker logs --tail 20 \(name)   # mend it, then: docker restart \(name)")
        }
        switch container.status {
        case "running":
            if container.health == "unhealthy" {
                findings.fail(
                    .containerUnhealthy, at: place,
                    "\(container.name) is unhealthy" + (container.healthOutput.map { ": \($0)" } ?? ""),
                    remedy: "docker inspect -f '{{json .State.Health}}' \(name)")
            }
            switch container.configTest {
            case .passed: break
            case .failed(let reason):
                findings.fail(
                    .nginxConfigInvalid, at: place, "nginx -t fails in \(container.name): \(reason)",
                    remedy: "docker exec \(name) nginx -t   # mend it, then: certctl deploy")
            case .notRun(let reason): findings.skip([.nginxConfigInvalid], at: place, because: reason)
            }
        case "restarting":
            findings.fail(
                .containerRestarting, at: place,
                "\(container.name) restarts again and again (exit code \(container.exitCode))\(words)",
                remedy: "docker logs --tail 20 \(name)")
        default:
            let state =
                switch container.status {
                case "exited": "exited at \(container.finishedAt.prefix(19))Z (exit code \(container.exitCode))"
                case "created": "was never started"
                default: "is \(container.status)"
                }
            let seen = "\(container.name) \(state)\(words)"
            guard isNeeded else {
                findings.warn(.containerStopped, at: place, "\(seen); another one runs", remedy: "docker rm \(name)")
                break
            }
            findings.fail(
                .containerStopped, at: place, seen,
                remedy: container.status == "paused" ? "docker unpause \(name)" : "docker start \(name)")
        }
        findings.pass(states, at: place)
    }

    /// - Parameter others: that run beside it: one may serve http, and another TLS.
    private static func judgeMounts(
        _ container: ContainerFacts, _ files: Files, others: [ContainerFacts], _ findings: inout Findings
    ) {
        let place = "mounts of \(container.name)"
        func add(_ volume: String) -> Check.Remedy {
            .advice("add \(volume) to the volumes of its service, then: docker compose up -d")
        }
        let singles = container.mounts(below: files.tree).filter { mount in
            let kind = (try? FileSystem.status(mount.source, followingLinks: true))?.kind
            return kind == .file
        }
        if let single = singles.first {
            findings.fail(
                .singleFileMounted, at: place,
                "\(container.name) mounts the single file \(single.source), and so keeps the old one when it is replaced",
                remedy: add("\(files.tree):/etc/letsencrypt:ro"))
        }
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
                    remedy: add("\(files.tree):/etc/letsencrypt:ro"))
            }
        }
        let seesTree = ([container] + others).contains {
            $0.inside(files.tree) != nil || !$0.mounts(below: files.tree).isEmpty
        }
        if !seesTree, !files.lineages.isEmpty {
            findings.fail(
                .treeNotMounted, at: place, "\(container.name) does not mount \(files.tree)",
                remedy: add("\(files.tree):/etc/letsencrypt:ro"))
        }
        for webroot in files.webroots where !([container] + others).contains(where: { $0.inside(webroot.path) != nil })
        {
            findings.fail(
                .webrootNotMounted, webroot.lineage, at: place,
                "\(container.name) does not mount the webroot \(webroot.path)",
                remedy: add("\(webroot.path):\(webroot.path):ro"))
        }
        findings.pass(mounts, at: place)
    }

    /// Programs that listen for a container: Docker's, and those of engines without root.
    private static let proxies: Set = ["docker-proxy", "rootlesskit", "rootlessport", "conmon"]

    /// Whether a port that the container should have is some other process's of the host.
    private static func judgePorts(
        _ container: ContainerFacts, _ all: [ContainerFacts], _ listeners: ListenerFacts?, _ ports: Set<Int>,
        _ place: String, _ findings: inout Findings
    ) {
        let place = "ports of \(container.name)"
        guard let listeners else {
            findings.skip([.portHeld], at: place, because: "/proc/net/tcp cannot be read")
            return
        }
        let running = Set(all.map(\.pid).filter { $0 > 0 })
        for port in ports.sorted() where container.isOnHostNetwork || container.hostPorts.contains(port) {
            let owners = listeners.listeners.filter { $0.port == port }.compactMap(\.owner)
            let strangers = owners.filter { !proxies.contains($0.name) && running.isDisjoint(with: $0.ancestry) }
            if let stranger = strangers.first, strangers.count == owners.count {
                findings.fail(
                    .portHeld, at: place,
                    "port \(port) is held by \(stranger.name) (process \(stranger.pid)) of the host, not by \(container.name)",
                    remedy: stranger.name == "nginx"
                        ? "systemctl disable --now nginx && docker restart \(container.name.shellWord)"
                        : "ps -fp \(stranger.pid)   # stop it, then: docker restart \(container.name.shellWord)")
            } else if owners.isEmpty, listeners.isListening(port), let limit = listeners.limit {
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

/// What nginx says when it does not start.
enum NginxComplaint {
    /// Whether its configuration or a file that it names is at fault, and not a port that is taken.
    static func isOfConfiguration(_ line: String) -> Bool {
        line.contains("nginx.conf") || line.contains(".conf:") || line.contains("cannot load certificate")
            || line.contains("SSL_CTX_") || line.contains("host not found in upstream")
    }
}

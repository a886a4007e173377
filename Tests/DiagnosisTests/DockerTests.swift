@testable import Challenges
import FoundationEssentials
import Lineages
import PKI
import Renewal
import Rig
import Testing

@testable import Diagnosis

struct DockerTests {
    @Test func `the engine is looked for where the docker command looks`() async throws {
        try await TemporaryDirectory.with { home in
            func endpoint(_ environment: [String: String]) -> DockerEndpoint {
                DockerEndpoint(environment: environment, home: home)
            }
            #expect(endpoint([:]) == endpoint(["DOCKER_HOST": "", "DOCKER_CONTEXT": "default"]))
            #expect(endpoint([:]).address == .socket("/var/run/docker.sock") && endpoint([:]).origin == nil)
            #expect(endpoint(["DOCKER_HOST": "unix:///x.sock"]).address == .socket("/x.sock"))
            #expect(endpoint(["DOCKER_HOST": "tcp://10.0.0.1:2375"]).address == .http("http://10.0.0.1:2375"))
            for host in [["DOCKER_HOST": "ssh://a@b"], ["DOCKER_HOST": "tcp://a:2376", "DOCKER_TLS_VERIFY": "1"]] {
                guard case .unsupported = endpoint(host).address else { throw RigError("\(host)") }
            }
            let digest = try Digest.sha256(Array("prod".utf8)).hexadecimal
            let meta = "\(home)/.docker/contexts/meta/\(digest)"
            try FileManager.default.createDirectory(atPath: meta, withIntermediateDirectories: true)
            try
                #"{"Name":"prod","Metadata":{},"Endpoints":{"docker":{"Host":"unix:///prod.sock","SkipTLSVerify":false}}}"#
                .write(toFile: "\(meta)/meta.json", atomically: false, encoding: .utf8)
            #expect(endpoint(["DOCKER_CONTEXT": "prod"]).address == .socket("/prod.sock"))
            try #"{"currentContext":"prod","auths":{}}"#
                .write(toFile: "\(home)/.docker/config.json", atomically: false, encoding: .utf8)
            #expect(endpoint([:]).address == .socket("/prod.sock"))
            #expect(
                endpoint(["DOCKER_HOST": "unix:///x.sock", "DOCKER_CONTEXT": "prod"]).address == .socket("/x.sock"))
        }
    }

    @Test func `nginx's complaint is found in what it prints`() {
        let text =
            "2026/11/25 18:35:26 [warn] 1#1: x\r\n2026/11/25 18:35:26 [emerg] 12#12: unknown directive \"y\" in /etc/nginx/nginx.conf:3\r\nnginx: configuration file /etc/nginx/nginx.conf test failed\r\n"
        #expect(NginxWords.complaint(in: text) == "unknown directive \"y\" in /etc/nginx/nginx.conf:3")
        #expect(NginxWords.complaint(in: "nginx: [emerg] host not found") == "host not found")
        #expect(NginxWords.complaint(in: "one\n\ntwo\n") == "two" && NginxWords.complaint(in: "\n") == nil)
    }

    @Test func `what nginx complains of is a file and a line of the host, or a service that is stopped`() {
        var nginx = DockerTests.container
        let complaint = NginxComplaint("unknown directive \"y\" in /certs/a.conf:3")
        #expect(
            complaint.fault(.container("web-nginx-1"), containers: [nginx], nginx: nginx)
                == .nginxConfig(.container("web-nginx-1"), file: "/etc/letsencrypt/a.conf:3"))
        let missing = NginxComplaint("host not found in upstream \"app:8080\" in /etc/nginx/conf.d/app.conf:7")
        #expect(missing.upstream == "app" && missing.place == "/etc/nginx/conf.d/app.conf:7")
        let app = DockerTests.container.named(
            "web-app-1", image: "app:1", sees: "/srv", service: "app", status: "exited")
        #expect(
            missing.fault(.container("web-nginx-1"), containers: [nginx, app], nginx: nginx)
                == .upstreamStopped(containers: ["web-app-1"], nginx: nil))
        #expect(
            missing.fault(.container("web-nginx-1"), containers: [nginx], nginx: nginx)
                == .upstreamUnknown(host: "app", .container("web-nginx-1")))
        nginx = nginx.changed(id: "b", name: "web-nginx-1", status: "exited")
        #expect(
            missing.fault(.container("web-nginx-1"), containers: [nginx, app], nginx: nginx).remedy?.command
                == "docker start web-app-1 web-nginx-1")
    }

    @Test func `reload-nginx's settings are judged as the hook judges them`() async throws {
        #expect(ReloadSettings("container = web\n").problem == nil)
        #expect(ReloadSettings("# x\nkontainer = web\n").problem == "line 2: there is no setting kontainer")
        #expect(ReloadSettings("compose_file = compose.yml").problem?.contains("not an absolute path") == true)
        #expect(ReloadSettings("host = maybe").problem?.contains("neither yes nor no") == true)
        try await TemporaryDirectory.with { directory in
            let file = "\(directory)/compose.yml"
            try "services: {}\n".write(toFile: file, atomically: false, encoding: .utf8)
            let unnamed = ReloadSettings("compose_file = \(file)")
            #expect(
                unnamed.expectedProject
                    == directory.split(separator: "/").last.map {
                        $0.lowercased().filter { $0.isLetter || $0.isNumber || "-_".contains($0) }
                    })
            try "name: \"shop\"  # ours\nservices: {}\n".write(toFile: file, atomically: false, encoding: .utf8)
            #expect(unnamed.expectedProject == "shop")
        }
    }

    @Test func `a log is read with and without heads`() {
        #expect(
            DockerProbe.unframed(
                [1, 0, 0, 0, 0, 0, 0, 2] + Array("a\n".utf8) + [2, 0, 0, 0, 0, 0, 0, 1] + Array("b".utf8)) == "a\nb")
        #expect(DockerProbe.unframed(Array("plain text of a terminal".utf8)) == "plain text of a terminal")
    }

    @Test func `paths lead into a container and out of it by the deepest mount`() {
        var container = DockerTests.container
        #expect(container.inside("/etc/letsencrypt/live/a") == "/certs/live/a")
        #expect(container.inside("/etc/letsencrypt-old") == nil)
        #expect(container.outside("/certs/live/a") == "/etc/letsencrypt/live/a")
        #expect(container.outside("/usr/share") == nil)
        #expect(ContainerPath.joined("/certs/live/a", "../../archive/a/cert1.pem") == "/certs/archive/a/cert1.pem")
        #expect(ContainerPath.joined("/certs", "/x/../y") == "/y")
        container = DockerTests.container
        #expect(container.mounts(below: "/etc").count == 1)
    }

    @Test func `reload-nginx's settings are read as the hook reads them`() {
        let settings = ReloadSettings(
            "# comment\r\ncontainer = web, other\ncompose_file=\"/srv/a b/compose.yml\"\nhost = yes\n")
        #expect(
            settings.containers == ["web", "other"] && settings.composeFile == "/srv/a b/compose.yml" && settings.isHost
        )
        let web = WebServer(
            tree: "/etc/letsencrypt", webroots: [], settings: ReloadSettings("container = lost"), ports: [80],
            listeners: nil)
        let findings = DockerJudgement.findings(
            .present([DockerTests.container]), at: "socket", web,
            .init(tree: "/etc/letsencrypt", lineages: [], webroots: []),
            .init(listeners: nil, ports: [80], isServed: true))
        #expect(findings.checks.first { $0.id == .containerMissing }?.evidence.contains("lost") == true)
    }

    @Test func `a container in which nginx runs is nginx's under any name, if it sees the files`() {
        let web = WebServer(
            tree: "/etc/letsencrypt", webroots: ["/w"], settings: ReloadSettings(), ports: [80], listeners: nil)
        var container = DockerTests.container.named("web", image: "registry.example/web:1", sees: "/etc/letsencrypt")
        #expect(web.mayBe(container) && web.containers(in: [container]).isEmpty)
        container.runsNginx = true
        #expect(web.containers(in: [container]) == [container])
        var elsewhere = DockerTests.container.named("other", image: "registry.example/other:1", sees: "/srv")
        #expect(!web.mayBe(elsewhere))
        elsewhere.runsNginx = true
        #expect(web.containers(in: [container, elsewhere]) == [container])
    }

    @Test func `a host without Docker, and one whose nginx is not in a container, are no failure`() {
        let web = WebServer(tree: "/t", webroots: [], settings: ReloadSettings(), ports: [80], listeners: nil)
        let files = DockerJudgement.Files(tree: "/t", lineages: [], webroots: [])
        for facts in [DockerFacts.absent("no socket"), .notAsked("not root"), .present([])] {
            let checks = DockerJudgement.findings(
                facts, at: "socket", web, files, .init(listeners: nil, ports: [80], isServed: true)
            ).checks
            #expect(checks.allSatisfy { $0.verdict == .skipped || $0.verdict == .ok })
        }
    }

    @Test func `beside a container that serves, another one may be at rest, or see the rest of the files`() {
        let web = WebServer(
            tree: "/etc/letsencrypt", webroots: ["/w"], settings: ReloadSettings(), ports: [80], listeners: nil)
        let files = DockerJudgement.Files(
            tree: "/etc/letsencrypt", lineages: [("a", "/x", "/y")], webroots: [("a", "/w")])
        func found(_ all: [ContainerFacts]) -> [CheckID: Check.Verdict] {
            let checks = DockerJudgement.findings(
                .present(all), at: "socket", web, files, .init(listeners: nil, ports: [80], isServed: true)
            ).checks.filter { [.warning, .failure].contains($0.verdict) }
            return Dictionary(checks.map { ($0.id, $0.verdict) }) { $1 }
        }
        let serving = DockerTests.container
        let old = serving.changed(id: "b", name: "web-nginx-run-1", status: "exited")
        let http = serving.changed(id: "c", name: "nginx-http", mounts: [.init(source: "/w", destination: "/w")])
        #expect(found([serving]) == [.webrootNotMounted: .failure])
        #expect(found([serving, http]).isEmpty)
        #expect(found([serving, http, old]) == [.containerStopped: .warning])
        #expect(found([old])[.containerStopped] == .failure)
    }

    static let container = ContainerFacts(
        id: "0123456789abcdef", name: "web-nginx-1", image: "nginx:1.28", service: "nginx", project: "web",
        composeFile: nil,
        status: "running", exitCode: 0, error: "", finishedAt: "", health: nil, healthOutput: nil, pid: 42,
        mounts: [.init(source: "/etc/letsencrypt", destination: "/certs")], hostPorts: [80, 443],
        isOnHostNetwork: false,
        lastWords: nil, configTest: .passed)
}

struct ListenerTests {
    @Test func `listening sockets are read of the kernel's tables`() {
        let table = """
              sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
               0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 0 100 0 0 10 0
               1: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 12346 1 0 100 0 0 10 0
               2: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 99 1
            """
        let sockets = ListenerFacts.sockets(in: table)
        #expect(sockets.map(\.port) == [8080, 80] && sockets.map(\.inode) == ["12345", "99"])
    }

    @Test func `the owner of a port is found`() throws {
        let port = Ports.free()
        #expect(ListenerFacts.look(at: [port])?.isListening(port) == false)
    }

    @Test func `of nginx's processes the master is meant, also where a worker's number is lower`() {
        let parents: [Int32: Int32] = [120: 32_700, 121: 32_700, 32_700: 1]
        #expect(ListenerFacts.topmost([120, 121, 32_700]) { parents[$0] } == 32_700)
        #expect(ListenerFacts.topmost([7]) { _ in nil } == 7)
        #expect(ListenerFacts.topmost([]) { _ in nil } == nil)
    }

    @Test func `another program on a container's port is told from Docker's own proxy and the container itself`() {
        func verdict(_ owner: ListenerFacts.Owner) -> Check.Verdict? {
            let listeners = ListenerFacts(listeners: [.init(port: 80, owner: owner)], limit: nil)
            let web = WebServer(
                tree: "/etc/letsencrypt", webroots: [], settings: ReloadSettings(), ports: [80], listeners: listeners)
            return DockerJudgement.findings(
                .present([DockerTests.container]), at: "socket", web,
                .init(tree: "/etc/letsencrypt", lineages: [], webroots: []),
                .init(listeners: listeners, ports: [80], isServed: true)
            ).checks.first { $0.id == .portHeld }?.verdict
        }
        func owner(_ name: String, _ ancestry: [Int32]) -> ListenerFacts.Owner {
            .init(pid: ancestry[0], name: name, ancestry: ancestry, title: "", isHere: true, user: 0)
        }
        #expect(verdict(owner("nginx", [900, 1])) == .failure)
        #expect(verdict(owner("docker-proxy", [900, 1])) == .ok)
        #expect(verdict(owner("nginx", [43, 42, 7, 1])) == .ok)
    }

    @Test func `root starts no program for a process that only calls itself nginx`() throws {
        func reason(_ user: UInt32?, _ executable: String?) -> String? {
            let owner = ListenerFacts.Owner(
                pid: 7, name: "nginx", ancestry: [7], title: "nginx: master process x -c /y", isHere: true, user: user)
            do throws(NotAsked) {
                _ = try HostNginx(owner, executable: executable)
                return nil
            } catch {
                return error.reason
            }
        }
        #expect(reason(65_534, "/usr/sbin/nginx")?.contains("was not started by root") == true)
        #expect(reason(nil, "/usr/sbin/nginx")?.contains("was not started by root") == true)
        // A set-user-ID program such as sudo is root's by the time it is looked at, and was given its name and arguments.
        #expect(reason(0, "/usr/bin/sudo")?.contains("runs /usr/bin/sudo") == true)
        #expect(reason(0, "/tmp/x/nginx")?.contains("/tmp/x/nginx is not started as root") == true)
        #expect(reason(0, nil)?.contains("cannot be seen") == true)
        let status = "Name:\tnginx\nUid:\t33\t0\t0\t0\nGid:\t0\t0\t0\t0\n"
        #expect(ListenerFacts.realUser(in: status) == 33 && ListenerFacts.realUser(in: "") == nil)
    }

    @Test func `a host nginx is tested with the configuration that it runs with`() {
        #expect(HostNginx.arguments(["-g", "daemon", "on;", "master_process", "on;"]) == [])
        #expect(HostNginx.arguments(["-p", "/x", "-g", "daemon off;", "-c", "/y"]) == ["-p", "/x", "-c", "/y"])
    }
}

extension ContainerFacts {
    fileprivate func named(
        _ name: String, image: String, sees source: String, service: String? = nil, status: String = "running"
    ) -> ContainerFacts {
        ContainerFacts(
            id: "c-\(name)", name: name, image: image, service: service ?? name, project: project,
            composeFile: composeFile,
            status: status, exitCode: exitCode, error: error, finishedAt: "", health: health,
            healthOutput: healthOutput, pid: pid, mounts: [.init(source: source, destination: "/files")],
            hostPorts: hostPorts, isOnHostNetwork: isOnHostNetwork, lastWords: nil, configTest: configTest)
    }

    fileprivate func changed(id: String, name: String, status: String = "running", mounts: [Mount]? = nil)
        -> ContainerFacts
    {
        ContainerFacts(
            id: id, name: name, image: image, service: service, project: project, composeFile: composeFile,
            status: status,
            exitCode: exitCode, error: error, finishedAt: "2026-11-25T18:00:00.1Z", health: health,
            healthOutput: healthOutput, pid: pid + 1, mounts: mounts ?? self.mounts, hostPorts: hostPorts,
            isOnHostNetwork: isOnHostNetwork, lastWords: nil, configTest: configTest)
    }
}

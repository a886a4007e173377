import FoundationEssentials
import Glibc
import Rig
import Testing

/// Faults of nginx in a real container, made for real, and what doctor says of each.
@Suite(.docker)
struct DoctorDockerTests {
    @Test func `a container that is stopped, missing, unhealthy, restarting, or has a broken configuration is named`()
        async throws
    {
        try await DockerHost.serving { served in
            let host = try served.prepared()
            let well = try await host.diagnosed()
            well.expectWell()
            #expect(well.checks("container-stopped").contains { $0.verdict == "ok" && $0.lookedAt.contains("nginx-1") })
            #expect(well.checks("nginx-config-invalid").contains { $0.verdict == "ok" }, "\(well.text)")
            #expect(well.checks("port-held").contains { $0.verdict == "ok" })
            #expect(host.challengeFiles.isEmpty)

            // A configuration that nginx refuses, while the old one runs on.
            let conf = string(host.stack.productionConf)
            try write(conf + "\nno_such_directive on;\n", host.stack.productionConf)
            let broken = try await host.diagnosed()
            broken.expectCause(
                "nginx-config-invalid", remedy: "correct \(host.stack.productionConf):", action: "operator",
                evidence: "no_such_directive")
            try await host.follow("the configuration of a running container is broken") {
                try write(conf, host.stack.productionConf)
            }
            try write(conf + "\nno_such_directive on;\n", host.stack.productionConf)

            // The same, when the container was started again: it ends at once, and Docker starts it over and over.
            let container = try #require(try await host.stack.container())
            _ = try await host.stack.engine.docker(["restart", "--time", "1", container])
            // Now and then it is caught running, for an instant.
            try await eventually("the container restarts, for its configuration") {
                let restarting = try await host.diagnosed()
                guard restarting.document.causes.first == "nginx-config-invalid" else { return false }
                func because(_ id: String) -> String? {
                    restarting.checks(id).first { $0.verdict == "failure" }?.causedBy
                }
                return ["container-restarting", "served-unreachable"].allSatisfy {
                    because($0) == "nginx-config-invalid"
                }
            }
            try await host.follow("a container restarts for its configuration") {
                try write(conf, host.stack.productionConf)
                _ = try await host.stack.engine.docker(["restart", "--time", "1", container])
                try await eventually("it runs again") { try await host.diagnosed().status == 0 }
            }

            // Nothing in it: a health check that fails.
            try write(conf.replacing("return 200 \"ok\\n\";", with: "return 503;"), host.stack.productionConf)
            _ = try await host.stack.engine.docker(["exec", container, "nginx", "-s", "reload"])
            try await eventually("it is unhealthy") {
                try await host.diagnosed().found().contains("container-unhealthy")
            }
            try await host.diagnosed().expectCause("container-unhealthy", action: "operator", evidence: "503")
            try await host.follow("a health check fails") {
                try write(conf, host.stack.productionConf)
                _ = try await host.stack.engine.docker(["exec", container, "nginx", "-s", "reload"])
                try await eventually("it is healthy") { try await host.diagnosed().status == 0 }
            }

            try await host.stack.stop()
            let stopped = try await host.diagnosed()
            stopped.expectCause("container-stopped", remedy: "docker start", action: "operator", evidence: "exited at")
            for id in ["http-not-listening", "served-unreachable"] {
                #expect(stopped.checks(id).first { $0.verdict == "failure" }?.causedBy == "container-stopped", "\(id)")
            }
            try await host.follow("the container is stopped")
            _ = try await host.stack.engine.docker(["pause", container])
            try await host.follow("the container is paused") {
                // A health check that was due meanwhile counts as failed until the next one.
                try await eventually("it is healthy again") { try await host.diagnosed().status == 0 }
            }.expectCause("container-stopped", remedy: "docker unpause", evidence: "is paused")
            try await host.stack.stop()

            // Another program has the port: docker would not tell.
            let port = "\(host.stack.httpPort)"
            try await Daemon.with(
                "python3", ["-m", "http.server", "--bind", "127.0.0.1", port], directory: "/",
                log: "\(host.stack.directory)/squatter.log", ready: .ports([host.stack.httpPort])
            ) { squatter in
                let held = try await host.diagnosed()
                held.expectCause("port-held", action: "operator", evidence: "port \(port) is held by python3")
                #expect(held.checks("container-stopped").first { $0.verdict == "failure" }?.causedBy == "port-held")
                try await host.follow("a program of the host holds the port") {
                    try await check("kill", ["\(squatter.pid)"])
                    try await eventually("the port is free") { !squatter.isRunning }
                    _ = try await host.stack.engine.docker(["restart", "--time", "1", container])
                    try await eventually("nginx answers") { Ports.accepts(host.stack.tlsPort) }
                }
            }
            try await host.stack.stop()

            _ = try await host.stack.compose(["rm", "--force", "--stop", "nginx"])
            let missing = try await host.diagnosed()
            missing.expectCause("container-missing", remedy: "docker compose", action: "operator")
            try await host.follow("the container is removed") { try await host.stack.serveHTTPS() }
        }
    }

    @Test func `nginx is found in a container that is not named like it, as the hook finds it`() async throws {
        try await DockerHost.serving { served in
            let host = try served.prepared()
            let (engine, image) = (host.stack.engine, "registry.example/web:\(UInt32.random(in: 0 ... .max))")
            _ = try await host.stack.compose(["rm", "--force", "--stop", "nginx"])
            func docker(_ arguments: [String]) async throws {
                let output = try await engine.docker(arguments)
                guard output.status == 0 else { throw RigError(output.stderr) }
            }
            try await docker(["tag", DockerEngine.image, image])
            let name = "web-\(host.stack.project)"
            let volumes = [
                "\(host.stack.example)/nginx:/etc/nginx/conf.d:ro", "\(host.stack.tree):/etc/letsencrypt:ro",
                "\(host.stack.webroot):/var/www/certbot:ro",
            ]
            try await docker(
                ["run", "--detach", "--network", "host", "--name", name] + volumes.flatMap { ["--volume", $0] } + [
                    image
                ])
            let outcome: Result<Void, any Error>
            do {
                try await eventually("nginx answers") { Ports.accepts(host.stack.tlsPort) }
                let well = try await host.diagnosed()
                well.expectWell()
                #expect(
                    well.checks("container-stopped").contains {
                        $0.verdict == "ok" && $0.lookedAt == "container \(name)"
                    })
                let conf = string(host.stack.productionConf)
                try write(conf + "\nno_such_directive on;\n", host.stack.productionConf)
                let requests = host.stack.pebble.requests().count
                let refused = try await host.certctl.renew("--force")
                #expect(
                    refused.status == 1 && refused.stderr.contains("a new certificate could not be served"),
                    "\(refused.stderr)")
                #expect(host.stack.pebble.requests().count == requests, "nothing was ordered")
                let renewal = try await host.certctl.renew("--force", "--yes")
                #expect(renewal.status == 1, "\(renewal.stdout)")
                let broken = try await host.diagnosed()
                broken.expectCause(
                    "nginx-config-invalid", remedy: "docker exec \(name) nginx -t", action: "operator",
                    evidence: "no_such_directive")
                let hook = broken.checks("hook-failed").first { $0.verdict == "failure" }
                #expect(hook?.causedBy == "nginx-config-invalid")
                #expect(hook?.evidence.contains("[emerg] unknown directive") == true, "\(hook?.evidence ?? "")")
                try await host.follow("nginx in a container refuses its configuration") {
                    try write(conf, host.stack.productionConf)
                    #expect(try await host.certctl.deploy().status == 0)
                }
                outcome = .success(())
            } catch {
                outcome = .failure(error)
            }
            _ = try await engine.docker(["rm", "--force", "--volumes", name])
            _ = try await engine.docker(["rmi", image])
            try outcome.get()
        }
    }

    @Test func `what the container does not mount is named`() async throws {
        try await DockerHost.serving { served in
            let host = try served.prepared()
            let (tree, webroot) = (host.stack.tree, host.stack.webroot)
            let live = "\(tree)/live/example.com"

            try await host.mount(["\(tree):/etc/letsencrypt:ro"])
            try await host.diagnosed().expectCause("webroot-not-mounted", remedy: webroot, action: "operator")
            try await host.follow("the webroot is not mounted") {
                try await host.mount(["\(tree):/etc/letsencrypt:ro", "\(webroot):/var/www/certbot:ro"])
            }
            try await host.mount(["\(tree):/etc/letsencrypt:ro"])
            let folded = try await host.diagnosed().checks("challenge-location-missing").first {
                $0.verdict == "failure"
            }
            #expect(folded?.causedBy == "webroot-not-mounted")

            try await host.mount(
                ["\(tree)/live:/etc/letsencrypt/live:ro", "\(webroot):/var/www/certbot:ro"], isUp: false)
            try await host.diagnosed().expectCause(
                "archive-not-mounted", remedy: "\(tree):/etc/letsencrypt", action: "operator")
            try await host.follow("live/ is mounted without archive/") {
                try await host.mount(["\(tree):/etc/letsencrypt:ro", "\(webroot):/var/www/certbot:ro"])
            }

            try await host.mount(["\(webroot):/var/www/certbot:ro"], isUp: false)
            try await host.diagnosed().expectCause(
                "tree-not-mounted", remedy: "\(tree):/etc/letsencrypt", action: "operator")
            try await host.follow("the config directory is not mounted") {
                try await host.mount(["\(tree):/etc/letsencrypt:ro", "\(webroot):/var/www/certbot:ro"])
            }

            let files = ["fullchain", "privkey"].map {
                "\(live)/\($0).pem:/etc/letsencrypt/live/example.com/\($0).pem:ro"
            }
            try await host.mount(files + ["\(webroot):/var/www/certbot:ro"])
            let renewal = try await host.certctl.renew("--force")
            #expect(renewal.status == 1, "the container has the old file: \(renewal.stdout)")
            let pinned = try await host.diagnosed()
            pinned.expectCause("single-file-mounted", action: "operator", evidence: "mounts the single file \(live)/")
            #expect(pinned.checks("served-stale").first { $0.verdict == "failure" }?.causedBy == "single-file-mounted")
            try await host.follow("the certificate's files are mounted singly") {
                try await host.mount(["\(tree):/etc/letsencrypt:ro", "\(webroot):/var/www/certbot:ro"])
            }
        }
    }

    @Test func `Docker that should answer and does not is named, and where it is absent that is said`() async throws {
        try await DockerHost.with { served in
            var host = try served.prepared()
            host.certctl.environment["DOCKER_HOST"] = "unix://\(host.stack.directory)/no.sock"
            try await host.diagnosed().expectCause("docker-unreachable", evidence: "No such file")
            let real = (host.stack.engine.environment["DOCKER_HOST"] ?? "").dropFirst("unix://".count)
            try await host.follow("DOCKER_HOST names a socket that does not exist") {
                try await check("ln", ["-s", String(real), "\(host.stack.directory)/no.sock"])
            }

            // A socket that takes connections and never answers.
            let path = "\(host.stack.directory)/hung.sock"
            let listen =
                "import socket,time; s=socket.socket(socket.AF_UNIX); s.bind('\(path)'); s.listen(); time.sleep(600)"
            try await Daemon.with(
                "python3", ["-c", listen], log: "\(host.stack.directory)/hung.log",
                ready: .predicate { FileManager.default.fileExists(atPath: path) }
            ) { _ in
                host.certctl.environment["DOCKER_HOST"] = "unix://\(path)"
                let start = ContinuousClock.now
                let hung = try await host.certctl.doctor(["--resolver", host.stack.pebble.resolver])
                #expect(hung.stdout.contains("[docker-unreachable]"), "\(hung.stdout)")
                #expect(start.duration(to: .now) < .seconds(30))
                let first = try await host.follow("Docker's socket takes connections and never answers") {
                    try await check("rm", [path])
                    try await check("ln", ["-s", String(real), path])
                }
                first.expectCause(
                    "docker-unreachable", remedy: "restart python3 (process ", action: "operator",
                    evidence: "takes connections, and has said nothing for 5 s")
                #expect(first.lines[0].hasPrefix("FAILURE Docker hangs: "), "\(first.text)")
            }

            // The CLI's own settings: a context of a name.
            host.certctl.environment["DOCKER_HOST"] = ""
            host.certctl.environment["DOCKER_CONFIG"] = "\(host.stack.directory)/docker"
            let engine = "host=\(host.stack.engine.environment["DOCKER_HOST"] ?? "")"
            let settings = ["DOCKER_CONFIG": "\(host.stack.directory)/docker"]
            _ = try await check("docker", ["context", "create", "rig", "--docker", engine], environment: settings)
            host.certctl.environment["DOCKER_CONTEXT"] = "rig"
            let named = try await host.diagnosed()
            #expect(named.checks("docker-unreachable").first?.verdict == "ok", "\(named.text)")
            host.certctl.environment["DOCKER_CONTEXT"] = ""
            _ = try await check("docker", ["context", "use", "rig"], environment: settings)
            #expect(try await host.diagnosed().checks("docker-unreachable").first?.verdict == "ok")
            host.certctl.environment["DOCKER_CONTEXT"] = "another"
            let unknown = try await host.diagnosed().checks("docker-unreachable").first
            #expect(unknown?.verdict == "skipped" && unknown?.evidence.contains("another") == true)
        }
    }

    private func write(_ text: String, _ path: String) throws {
        try text.write(toFile: path, atomically: false, encoding: .utf8)
    }
}

extension DockerHost {
    func diagnosed() async throws -> Diagnosed { try await certctl.diagnosed("--resolver", stack.pebble.resolver) }

    /// Has the robot follow doctor.
    @discardableResult
    func follow(
        _ fault: String, simulated: [String] = [], person: Bool = false, programs: [String: String] = [:],
        sourceLocation: SourceLocation = #_sourceLocation, fix: (() async throws -> Void)? = nil
    ) async throws -> Diagnosed {
        let robot = RobotOperator(
            certctl: certctl, arguments: ["--resolver", stack.pebble.resolver], programs: programs)
        return try await robot.follow(
            fault, simulated: simulated, person: person, sourceLocation: sourceLocation, fix: fix)
    }

    /// Makes the nginx container anew with its configuration and these mounts alone.
    ///
    /// - Parameter directory: whether its configuration is mounted as a directory.
    func mount(_ volumes: [String], isUp: Bool = true, directory: Bool = true) async throws {
        let all = (directory ? ["\(stack.example)/nginx:/etc/nginx/conf.d:ro"] : []) + volumes
        let override = """
            services:
              nginx:
                volumes: !override
            \(all.map { "      - \($0)" }.joined(separator: "\n"))

            """
        let file = "\(stack.directory)/mounts.yml"
        try override.write(toFile: file, atomically: false, encoding: .utf8)
        let up = try await sh(
            "docker",
            [
                "compose", "-f", stack.composeFile, "-f", "\(stack.directory)/override.yml", "-f", file, "-p",
                stack.project,
                "--progress", "quiet", "up", "--detach", "nginx",
            ],
            environment: stack.environment.merging(["NGINX_CONF": "\(stack.example)/nginx"]) { $1 })
        guard up.status == 0 else { throw RigError("docker compose up: \(up.stderr)") }
        if isUp { try await eventually("nginx answers") { Ports.accepts(stack.tlsPort) } }
    }
}

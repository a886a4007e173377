import FoundationEssentials

/// The stack of `docs/example` in containers on loopback, with a CA that can reach it.
///
/// The files are the example's own, with other ports, paths and images. Its names stay `example.com` and
/// `www.example.com`, its lineage `example.com`.
package struct DockerStack: Sendable {
    /// The directory of it all; a test may put files of its own there.
    package let directory: String
    package let engine: DockerEngine
    package let pebble: Pebble
    /// What the containers have as `/var/www/certbot`, and nginx serves on the port Pebble asks.
    package let webroot: String
    /// What the containers have as `/etc/letsencrypt`; an empty directory at first.
    package let tree: String
    /// The name of the Compose project.
    package let project: String
    package let httpPort: Int
    package let tlsPort: Int

    /// The copy of `docs/example`: `docker-compose.prod.yml` and `nginx/`.
    package var example: String { "\(directory)/example" }
    package var composeFile: String { "\(example)/docker-compose.prod.yml" }
    /// The file that nginx in the container reads when it serves https.
    package var productionConf: String { "\(example)/nginx/production.conf" }

    /// Makes `docker` talk to the engine, and fills in the compose file's variables.
    package var environment: [String: String] {
        engine.environment.merging([
            "TREE": tree, "WEBROOT": webroot, "NGINX_IMAGE": DockerEngine.image, "APP_IMAGE": DockerEngine.image,
        ]) { $1 }
    }

    /// The environment of the engine alone: what a hook finds that did not start the stack.
    package var hookEnvironment: [String: String] { engine.environment }

    /// `docker compose` with these arguments, for this project.
    package func compose(_ arguments: [String], environment extra: [String: String] = [:]) async throws -> Output {
        try await sh(
            "docker",
            ["compose", "-f", composeFile, "-f", "\(directory)/override.yml", "-p", project, "--progress", "quiet"]
                + arguments,
            environment: environment.merging(extra) { $1 })
    }

    /// Runs the stack without TLS, as before the first certificate; it starts like this.
    package func serveHTTP() async throws {
        try await up(["NGINX_CONF": "\(example)/nginx/first"])
        try await answer(on: httpPort)
    }

    /// Runs the stack with the certificate of the lineage `example.com`, which has to exist.
    package func serveHTTPS() async throws {
        try await up(["NGINX_CONF": "\(example)/nginx"])
        try await answer(on: tlsPort)
    }

    /// Stops the containers; they stay and mount the tree.
    package func stop() async throws {
        try await demand(compose(["stop", "--timeout", "2"]))
    }

    /// Starts the containers that `stop` has stopped, and waits until nginx answers.
    package func start() async throws {
        try await demand(compose(["start"]))
        try await answer(on: httpPort)
    }

    /// What a service has written, without Compose's prefixes.
    package func logs(service: String = "nginx") async throws -> String {
        let output = try await compose(["logs", "--no-color", "--no-log-prefix", service])
        return output.stdout + output.stderr
    }

    /// The id of a service's running container, or nil.
    package func container(service: String = "nginx") async throws -> String? {
        let output = try await compose(["ps", "--quiet", "--status", "running", service])
        return output.stdout.split(separator: "\n").first.map(String.init)
    }

    /// The serial number of the leaf that the container serves for a name, as `openssl x509 -serial` writes it.
    package func servedSerial(name: String) async throws -> String {
        try await serial(ofPEM: Nginx.servedLeaf(port: tlsPort, name: name))
    }

    /// Waits until the container serves this leaf: a reload returns before nginx has done it.
    /// Throws after three minutes, with the serial number that is served then.
    package func waitServed(_ serial: String, name: String) async throws {
        let deadline = ContinuousClock.now + .seconds(180)
        while true {
            let served = try await servedSerial(name: name)
            if served == serial { return }
            guard ContinuousClock.now < deadline else {
                throw RigError("\(name): serial number \(served) is served, not \(serial); \(try await logs())")
            }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    private func up(_ variables: [String: String]) async throws {
        // Not with --wait: the health check is not asked before a second has passed.
        try await demand(compose(["up", "--detach"], environment: variables))
    }

    private func answer(on port: Int) async throws {
        let deadline = ContinuousClock.now + .seconds(180)
        while !Ports.accepts(port) {
            guard ContinuousClock.now < deadline else {
                throw RigError("nginx does not answer on port \(port); its log:\n\(try await logs())")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    private func demand(_ output: Output) async throws {
        guard output.status == 0 else {
            throw RigError("docker compose: exit status \(output.status)\n\(output.stderr)\(try await logs())")
        }
    }

    fileprivate func down() async throws {
        let output = try await compose(["down", "--volumes", "--remove-orphans", "--timeout", "0"])
        guard output.status == 0 else { throw RigError("docker compose down: \(output.stderr)") }
    }
}

extension Rig {
    /// More stacks than this at once only make each other slow on a small machine.
    private static let dockerGate = Gate(places: 2)

    /// Runs `body` with the example stack in containers, without TLS yet, and removes all of it afterwards.
    ///
    /// The engine is started by the first stack of the process and stays. At most two stacks run at once.
    package static func withDockerStack<R: Sendable>(
        _ options: Pebble.Options = Pebble.Options(), _ body: (DockerStack) async throws -> R
    ) async throws -> R {
        let engine = try await DockerEngine.shared()
        await dockerGate.enter()
        defer { dockerGate.leave() }
        return try await TemporaryDirectory.with { directory in
            let (webroot, tree) = ("\(directory)/webroot", "\(directory)/letsencrypt")
            for path in [webroot, tree, "\(directory)/pebble"] {
                try FileManager.default.createDirectory(
                    atPath: path, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o755])
            }
            return try await Pebble.with("\(directory)/pebble", options: options) { pebble in
                let stack = DockerStack(
                    directory: directory, engine: engine, pebble: pebble, webroot: webroot, tree: tree,
                    project: "certctl-\(UInt32.random(in: 0 ... .max))", httpPort: pebble.httpPort,
                    tlsPort: Ports.free())
                try ExampleFiles.write(for: stack)
                let outcome: Result<R, any Error>
                do {
                    try await stack.serveHTTP()
                    outcome = .success(try await body(stack))
                } catch {
                    outcome = .failure(error)
                }
                // Also for a test that was cancelled, whose commands would be ended at once.
                try await Task { try await stack.down() }.value
                return try outcome.get()
            }
        }
    }
}

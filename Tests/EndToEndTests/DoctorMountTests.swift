import FoundationEssentials
import Glibc
import Rig
import Testing

/// What a running container sees beside what the host has, and who else is on the host, with real containers.
@Suite(.docker)
struct DoctorMountTests {
    @Test func `a directory that was replaced under a running container is the cause, and a restart mends it`()
        async throws
    {
        try await DockerHost.serving { served in
            let host = try served.prepared()
            for (what, path) in [("webroot", host.stack.webroot), ("config directory", host.stack.tree)] {
                try await check(
                    "sh", ["-ec", "cp -a \(path) \(path).new; mv \(path) \(path).old; mv \(path).new \(path)"])
                let stale = try await host.diagnosed()
                stale.expectCause(
                    "mount-stale", remedy: "docker run --rm --volumes-from", action: "operator",
                    evidence: "the directory that was \(path) before")
                try await host.follow("the \(what) was replaced under the container")
                try await check("rm", ["-rf", "\(path).old"])
            }
        }
    }

    @Test func `a configuration file that is mounted singly and was replaced is named`() async throws {
        try await DockerHost.serving { served in
            let host = try served.prepared()
            let conf = try await host.mountingConfSingly()
            try await host.diagnosed().expectWell()
            // As an editor does it, or sed -i.
            try (string(conf) + "\n# edited\n").write(toFile: conf, atomically: true, encoding: .utf8)
            try await host.diagnosed().expectCause(
                "config-stale", remedy: "nginx -t && docker restart", action: "operator",
                evidence: "an older file than \(conf)")
            try await host.follow("a configuration file was replaced under the container")

            // The file that has replaced it is broken: that is said before anything is restarted.
            let text = string(conf)
            try (text + "\nno_such_directive on;\n").write(toFile: conf, atomically: true, encoding: .utf8)
            func containers() async throws -> String {
                try await host.stack.engine.docker([
                    "ps", "--all", "--quiet", "--filter", "volume=\(host.stack.webroot)",
                ]).stdout
            }
            let before = try await containers()
            #expect(!before.isEmpty)
            try await host.diagnosed().expectCause(
                "config-stale", remedy: "correct \(conf):", action: "operator", evidence: "no_such_directive")
            // A busy engine takes its time to remove one.
            try await eventually("the container of the test is removed") { try await containers() == before }
            try await host.follow("the configuration file that replaced the container's is broken") {
                try (text + "\n# corrected\n").write(toFile: conf, atomically: true, encoding: .utf8)
            }
        }
    }

    @Test func `a container that Docker cannot start is not started again and again`() async throws {
        try await DockerHost.serving { served in
            let host = try served.prepared()
            let conf = try await host.mountingConfSingly()
            let container = try #require(try await host.stack.container())
            try await host.stack.stop()
            // As Docker itself makes it where a file is missing.
            try await check("sh", ["-ec", #"mv "$1" "$1.away"; mkdir "$1""#, "sh", conf])
            try await host.follow("a directory stands in place of a mounted file") {
                try await host.diagnosed().expectCause(
                    "container-stopped", remedy: "correct what keeps it from starting", evidence: "not a directory")
                try await check("sh", ["-ec", #"rmdir "$1"; mv "$1.away" "$1""#, "sh", conf])
                try await host.docker(["start", container])
                try await eventually("nginx answers") { Ports.accepts(host.stack.tlsPort) }
            }
        }
    }

    @Test func `an upstream's service that is stopped is the cause of what nginx refuses`() async throws {
        try await DockerHost.serving { served in
            let host = try served.prepared()
            let shared = "\(host.stack.directory)/shared"
            try FileManager.default.createDirectory(atPath: shared, withIntermediateDirectories: false)
            try "127.0.0.1 localhost app\n".write(toFile: "\(shared)/hosts", atomically: false, encoding: .utf8)
            // The engine has no network with names: the file is what Docker's DNS would be.
            let name = "app-\(host.stack.project)"
            try await host.docker([
                "run", "--detach", "--network", "host", "--name", name, "--label",
                "com.docker.compose.project=\(host.stack.project)", "--label", "com.docker.compose.service=app",
                "--volume", "\(shared):/shared", DockerEngine.image, "sh", "-c",
                "echo '127.0.0.1 localhost app' >/shared/hosts; exec sleep 600",
            ])
            let outcome: Result<Void, any Error>
            do {
                let conf = string(host.stack.productionConf)
                try conf.replacing("proxy_pass $app;", with: "proxy_pass http://app:8080;")
                    .write(toFile: host.stack.productionConf, atomically: false, encoding: .utf8)
                try await host.mount([
                    "\(host.stack.tree):/etc/letsencrypt:ro", "\(host.stack.webroot):/var/www/certbot:ro",
                    "\(shared)/hosts:/etc/hosts:ro",
                ])
                try await host.diagnosed().expectWell()
                try await host.docker(["stop", "--time", "1", name])
                try "127.0.0.1 localhost\n".write(toFile: "\(shared)/hosts", atomically: false, encoding: .utf8)
                let stopped = try await host.diagnosed()
                stopped.expectCause("upstream-stopped", remedy: "docker start \(name)", action: "operator")
                #expect(
                    stopped.checks("nginx-config-invalid").first { $0.verdict == "failure" }?.causedBy
                        == "upstream-stopped")
                try await host.follow("an upstream's service is stopped")
                outcome = .success(())
            } catch {
                outcome = .failure(error)
            }
            _ = try await host.stack.engine.docker(["rm", "--force", name])
            try outcome.get()
        }
    }

    @Test func `the container that holds the port is named, and an nginx of the host that serves is left alone`()
        async throws
    {
        try await DockerHost.serving { served in
            let host = try served.prepared()
            let stack = host.stack
            try await stack.stop()
            let directory = "\(stack.directory)/other"
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
            try "server { listen 127.0.0.1:\(stack.tlsPort); listen 127.0.0.1:\(stack.httpPort); return 503; }\n"
                .write(toFile: "\(directory)/other.conf", atomically: false, encoding: .utf8)
            let name = "other-\(stack.project)"
            try await host.docker([
                "run", "--detach", "--network", "host", "--name", name, "--volume", "\(directory):/etc/nginx/conf.d:ro",
                DockerEngine.image,
            ])
            let outcome: Result<Void, any Error>
            do {
                try await eventually("it answers") { Ports.accepts(stack.tlsPort) }
                try await host.diagnosed().expectCause(
                    "port-held", remedy: "docker stop \(name) && docker restart", action: "operator",
                    evidence: "is held by the container \(name)")
                try await host.follow("another container holds the port")
                outcome = .success(())
            } catch {
                outcome = .failure(error)
            }
            _ = try await stack.engine.docker(["rm", "--force", name])
            try outcome.get()

            // Back to the host's own nginx: it serves what is installed, and so nothing is wrong.
            try await stack.stop()
            let own = "\(stack.directory)/own"
            try FileManager.default.createDirectory(atPath: own, withIntermediateDirectories: false)
            let live = "\(stack.tree)/live/example.com"
            try """
            daemon off;
            pid \(own)/nginx.pid;
            error_log \(own)/error.log;
            events {}
            http {
                access_log off;
                client_body_temp_path \(own)/body; proxy_temp_path \(own)/proxy; fastcgi_temp_path \(own)/fastcgi;
                uwsgi_temp_path \(own)/uwsgi; scgi_temp_path \(own)/scgi;
                server {
                    listen 127.0.0.1:\(stack.httpPort);
                    location /.well-known/acme-challenge/ { root \(stack.webroot); }
                }
                server {
                    listen 127.0.0.1:\(stack.tlsPort) ssl;
                    server_name example.com www.example.com;
                    ssl_certificate \(live)/fullchain.pem;
                    ssl_certificate_key \(live)/privkey.pem;
                }
            }

            """.write(toFile: "\(own)/nginx.conf", atomically: false, encoding: .utf8)
            try await Daemon.with(
                "nginx", ["-p", own, "-c", "\(own)/nginx.conf", "-e", "\(own)/error.log"], log: "\(own)/log",
                ready: .ports([stack.tlsPort]), lastSignal: .terminate
            ) { _ in
                let back = try await host.diagnosed()
                back.expectWell()
                #expect(back.found("warning").contains("container-stopped"), "\(back.text)")
            }
        }
    }

    @Test func `settings of the hook that find nothing are named, with what is there instead`() async throws {
        try await DockerHost.serving { served in
            let host = try served.prepared()
            let settings = try #require(host.certctl.environment["CERTCTL_RELOAD_NGINX_CONF"])
            func write(_ text: String) throws {
                try text.write(toFile: settings, atomically: false, encoding: .utf8)
            }
            // The stack runs as another project than the file's.
            try write("compose_file = \(host.stack.composeFile)\n")
            try await host.diagnosed().expectCause(
                "container-missing", remedy: "correct \(settings)", action: "operator", evidence: "there is container")
            try await host.follow("the Compose project was renamed") {
                try write("compose_file = \(host.stack.composeFile)\nproject = \(host.stack.project)\n")
            }
            try write("kontainer = web\n")
            try await host.diagnosed().expectCause(
                "hook-settings-wrong", remedy: "correct the line in \(settings)",
                evidence: "there is no setting kontainer")
            try await host.follow("a setting of the hook is misspelt") { try write("") }

            var wrong = host
            wrong.certctl.environment["DOCKER_HOST"] = "unix://\(host.stack.directory)/no.sock"
            try await wrong.diagnosed().expectCause(
                "docker-unreachable", remedy: "correct or remove DOCKER_HOST", action: "operator")
        }
    }
}

extension DockerHost {
    /// A host on which doctor finds the rig's own parts.
    func prepared() throws -> DockerHost {
        var host = self
        let settings = "\(stack.directory)/doctor.conf"
        try doctorSettings(http: stack.httpPort, tls: stack.tlsPort)
            .write(toFile: settings, atomically: false, encoding: .utf8)
        host.certctl.settings = settings
        return host
    }

    func docker(_ arguments: [String]) async throws {
        let output = try await stack.engine.docker(arguments)
        guard output.status == 0 else { throw RigError(output.stderr) }
    }
}

extension DockerHost {
    /// Mounts nginx's configuration as a single file instead of its directory, and gives the file's path on the host.
    fileprivate func mountingConfSingly() async throws -> String {
        let conf = stack.productionConf
        try await mount(
            [
                "\(stack.tree):/etc/letsencrypt:ro", "\(stack.webroot):/var/www/certbot:ro",
                "\(conf):/etc/nginx/conf.d/production.conf:ro",
            ], directory: false)
        return conf
    }
}

import FoundationEssentials
import Rig
import Testing

/// The way from a host's nginx to one in Docker and back, as its page shows it, with a real engine, CA, certbot and nginx.
///
/// The page's blocks are marked `console stack`; what it takes as given, and what `certctl setup` would do, which would change
/// this machine, is in its comments `stack setup`.
@Suite(.docker, .parts("certbot"))
struct HostToDockerTests {
    @Test func `the steps of the page do what it shows`() async throws {
        let page = try MarkdownPage("docs/host-nginx-to-docker.md")
        try await Rig.withDockerStack { stack in
            let host = try await MovingHost(stack)
            let outcome: Result<Void, any Error>
            do {
                try await host.start()
                outcome = .success(try await follow(page, on: host))
            } catch {
                outcome = .failure(error)
            }
            _ = try await Task { try await host.run("systemctl stop nginx") }.value
            try outcome.get()
        }
    }

    private func follow(_ page: MarkdownPage, on host: MovingHost) async throws {
        var match = OutputMatch()
        var recordings: [Recording] = []
        var count = 0
        for block in page.blocks {
            if block.isComment, block.info == "stack setup" {
                let (status, printed) = try await host.run((["set -e"] + block.lines).joined(separator: "\n"))
                #expect(status == 0, "\(page.path):\(block.firstLine): the setup fails:\n\(printed)")
            }
            guard block.info == "console stack" else { continue }
            for shown in ShownCommand.all(in: block) {
                let (status, printed) = try await host.run(shown.command)
                #expect(status == 0, "\(page.path):\(shown.line): \(shown.command)\n\(printed)")
                var isShown = match.accepts(printed, as: shown.output)
                if !isShown || Recording.isTooWide(shown.output), let recording = Recording(of: shown, printed: printed)
                {
                    recordings.append(recording)
                    isShown = match.accepts(printed, as: recording.lines)
                }
                #expect(isShown, "\(page.path):\(shown.line): \(shown.command) prints:\n\(printed)")
                count += 1
            }
        }
        #expect(count > 20)
        try Recording.write(recordings, into: page)
    }
}

/// A host with an nginx of its own on the ports that the stack's container takes over.
private struct MovingHost {
    private let stack: DockerStack
    private let root: String
    /// What the page writes and what it means here, the longer texts first.
    private let meanings: [(shown: String, real: String)]

    init(_ stack: DockerStack) async throws {
        self.stack = stack
        root = "\(stack.directory)/host"
        meanings = [
            ("https://acme-v02.api.letsencrypt.org/directory", stack.pebble.directoryURL),
            ("/etc/letsencrypt", stack.tree), ("/var/www/certbot", stack.webroot),
            ("127.0.0.1:443", "127.0.0.1:\(stack.tlsPort)"), ("www.example.com:443", "127.0.0.1:\(stack.tlsPort)"),
        ]
        for directory in ["bin", "home", "nginx"] {
            try FileManager.default.createDirectory(atPath: "\(root)/\(directory)", withIntermediateDirectories: true)
        }
        try FileManager.default.createSymbolicLink(
            atPath: "\(root)/hooks", withDestinationPath: "\(MarkdownPage.repository)/hooks")
        try await stack.pebble.rootPEM().write(toFile: "\(root)/root.pem", atomically: false, encoding: .utf8)
        // This machine's settings of certctl and of its hook have no place here.
        try "verify = 127.0.0.1:\(stack.tlsPort)\n".write(
            toFile: "\(root)/certctl.conf", atomically: false, encoding: .utf8)
        try "".write(toFile: "\(root)/reload-nginx.conf", atomically: false, encoding: .utf8)
        try await addPrograms()
    }

    /// Puts the host's nginx where the container was.
    func start() async throws {
        let down = try await stack.compose(["down", "--timeout", "2"])
        guard down.status == 0 else { throw RigError("docker compose down: \(down.stderr)") }
        // Before there is a certificate: http only, as on the day on which certbot was installed.
        try site("").write(toFile: "\(root)/nginx/nginx.conf", atomically: false, encoding: .utf8)
        let (status, printed) = try await run("systemctl start nginx")
        guard status == 0 else { throw RigError("the host's nginx does not start: \(printed)") }
        let live = "\(stack.tree)/live/example.com"
        try site(
            """
            server {
                listen 127.0.0.1:\(stack.tlsPort) ssl;
                ssl_certificate \(live)/fullchain.pem;
                ssl_certificate_key \(live)/privkey.pem;
                location / { return 200 "the host's\\n"; }
            }
            """
        ).write(toFile: "\(root)/nginx/nginx.conf", atomically: false, encoding: .utf8)
    }

    /// Runs a command of the page; what it prints to either stream is in the page's terms again.
    func run(_ command: String) async throws -> (status: Int32, printed: String) {
        let script = meanings.reduce("unset INVOCATION_ID; exec 2>&1\n" + command) {
            $0.replacing($1.shown, with: $1.real)
        }
        let environment = stack.environment.merging([
            "PATH": "\(root)/bin:\(environmentVariable("PATH") ?? "/usr/bin:/bin"):/usr/sbin:/sbin",
            "HOME": "\(root)/home", "TZ": "UTC", "LC_ALL": "C.UTF-8", "NO_COLOR": "1", "COLUMNS": "80",
            "CERTCTL_RELOAD_NGINX_CONF": "\(root)/reload-nginx.conf",
        ]) { $1 }
        let output = try await sh(
            "sh", ["-c", script], environment: environment, directory: root, timeout: .seconds(300))
        return (output.status, meanings.reduce(output.stdout) { $0.replacing($1.real, with: $1.shown) })
    }

    private func site(_ https: String) -> String {
        """
        pid nginx.pid;
        error_log error.log;
        events {}
        http {
            access_log off;
            server {
                listen 127.0.0.1:\(stack.httpPort);
                location /.well-known/acme-challenge/ { root \(stack.webroot); }
                location / { return 301 https://www.example.com$request_uri; }
            }
            \(https)
        }

        """
    }

    private func addPrograms() async throws {
        let bundle = shellQuoted(stack.pebble.caBundle)
        try await add(
            "certctl",
            """
            command=$1
            shift
            # The engine is found by the environment here.
            if [ "$command" = hooks ]; then command="hooks $1"; shift; set -- --keep-environment "$@"; fi
            [ "$command" != renew ] || set -- --ca-bundle \(bundle) "$@"
            # shellcheck disable=SC2086 # hooks has two words
            exec \(shellQuoted(Sandbox.certctl)) $command --config-dir \(shellQuoted(stack.tree)) \\
                --state-dir \(shellQuoted("\(root)/state")) --config \(shellQuoted("\(root)/certctl.conf")) "$@"
            """)
        try await add(
            "certbot",
            """
            PATH=${PATH#*:}
            export REQUESTS_CA_BUNDLE=\(bundle) XDG_CONFIG_HOME=\(shellQuoted("\(root)/home/.config"))
            case $1 in
            certonly) set -- "$@" --server \(shellQuoted(stack.pebble.directoryURL)) ;;
            # Its dry run would go to Let's Encrypt otherwise, whatever the conf says.
            renew) set -- "$@" --no-random-sleep-on-renew --server \(shellQuoted(stack.pebble.directoryURL)) ;;
            esac
            exec certbot "$@" --non-interactive --config-dir \(shellQuoted(stack.tree)) \\
                --work-dir \(shellQuoted("\(root)/work")) --logs-dir \(shellQuoted("\(root)/logs"))
            """)
        try await add(
            "docker",
            """
            PATH=${PATH#*:}
            case $* in
            "compose -f docker-compose.prod.yml "*)
                shift 3
                exec docker compose -f \(shellQuoted(stack.composeFile)) -f \(shellQuoted("\(stack.directory)/override.yml")) \\
                    -p \(stack.project) --progress quiet "$@"
                ;;
            *) exec docker "$@" ;;
            esac
            """)
        let ports = ["example.com", "www.example.com"].flatMap { name in
            [(80, stack.httpPort), (443, stack.tlsPort)].map { "--connect-to \(name):\($0):127.0.0.1:\($1)" }
        }
        try await add(
            "curl",
            """
            PATH=${PATH#*:}
            exec curl --cacert \(shellQuoted("\(root)/root.pem")) \(ports.joined(separator: " ")) "$@"
            """)
        try await add(
            "nginx",
            """
            PATH=${PATH#*:}
            exec nginx -p \(shellQuoted("\(root)/nginx")) -c nginx.conf -e error.log "$@"
            """)
        try await add(
            "systemctl",
            """
            # As much of systemd as the page asks of it, for the one unit.
            pid=\(shellQuoted("\(root)/nginx/nginx.pid")) off=\(shellQuoted("\(root)/nginx/disabled"))
            case $* in
            "start nginx") exec nginx </dev/null >/dev/null 2>&1 ;;
            "reload nginx") exec nginx -s reload ;;
            "stop nginx")
                [ -e "$pid" ] || exit 0
                nginx -s stop
                tries=0
                while [ -e "$pid" ] && [ "$tries" -lt 300 ]; do
                    sleep 0.1
                    tries=$((tries + 1))
                done
                [ ! -e "$pid" ]
                ;;
            "disable nginx") : >"$off" ;;
            "enable nginx") rm "$off" ;;
            "is-enabled nginx") if [ -e "$off" ]; then echo disabled; exit 1; else echo enabled; fi ;;
            "is-active nginx") if [ -e "$pid" ]; then echo active; else echo inactive; exit 3; fi ;;
            *) exit 64 ;;
            esac
            """)
    }

    /// By a process that is gone then: a child that another test starts has what this one writes open, too, for a moment, and
    /// nobody can run it.
    private func add(_ name: String, _ script: String) async throws {
        try await check(
            "sh", ["-c", "cat >\"$1\" && chmod 755 \"$1\"", "sh", "\(root)/bin/\(name)"],
            input: "#!/bin/sh\n\(script)\n")
    }
}

import FoundationEssentials
import Rig
import Testing

/// reload-nginx with a `docker` that does what a real one does only on a bad day.
struct ReloadFaultTests {
    /// One container that mounts the tree and runs nginx; `$FAULT` decides what goes wrong.
    private static let docker = """
        #!/bin/sh
        echo "$*" >>"$(dirname "$0")/calls"
        case "$1 $*" in
        'ps '*)
            [ "$FAULT" != engine ] || { echo 'Cannot connect to the Docker daemon' >&2; exit 1; }
            echo c0ffee ;;
        'inspect '*Mounts*)
            [ "$FAULT" != vanished ] || { echo 'Error: No such container: c0ffee' >&2; exit 1; }
            [ "$FAULT" != unreadable ] || { echo 'template parsing error' >&2; exit 64; }
            echo "c0ffee bind - $TREE" ;;
        'inspect '*State.Status*c0ffee) case $* in *slice*) echo web ;; *) echo running ;; esac ;;
        'inspect '*Labels*) echo 'nginx project' ;;
        'top '*)
            [ "$FAULT" != no-ps ] || { echo 'ps: not found' >&2; exit 1; }
            echo '1 nginx: master process nginx' ;;
        'exec '*'nginx -v') ;;
        'exec '*'nginx -t')
            [ "${FAULT%% *}" != refused ] || { printf '%s\\n' "$REFUSAL" >&2; exit 1; }
            [ "$FAULT" != gone ] || { echo 'container c0ffee is not running' >&2; exit 1; } ;;
        'exec '*'nginx -s reload')
            [ "$FAULT" != killed ] || { echo 'OCI runtime exec failed' >&2; exit 137; } ;;
        *) echo "not expected: $*" >&2; exit 99 ;;
        esac

        """

    /// What nginx -t prints of a configuration that it does not take.
    private static func refusal(_ head: String) -> String {
        """
        2026/11/25 18:35:26 [warn] 1#1: conflicting server name, ignored
        \(head)unknown directive "a|b&c" in /etc/nginx/nginx.conf:3
        nginx: configuration file /etc/nginx/nginx.conf test failed
        """
    }

    @Test(
        arguments: [
            ("engine", "the Docker Engine does not answer", "    Cannot connect to the Docker daemon\n"),
            ("unreadable", "the mounts of the containers cannot be looked at:", "    template parsing error\n"),
            ("vanished", "no nginx found to reload", " runs nginx\n"),
            ("gone", "container web: nginx -t fails", "    container c0ffee is not running\n"),
            ("killed", "container web: nginx -s reload fails:", "    OCI runtime exec failed\n"),
        ])
    func `what goes wrong with Docker is said, and is a failure`(
        fault: String, sentence: String, quoted: String
    ) async throws {
        let (output, _) = try await reload(fault: fault, settings: "host = no\n")
        #expect(output.status == 1, "\(output)")
        #expect(output.stderr.contains(sentence) && output.stderr.hasSuffix(quoted), "\(output)")
        #expect(output.stdout == "")
    }

    @Test(arguments: ["nginx: [emerg] ", "2026/11/25 18:35:26 [emerg] 19#19: "])
    func `why nginx refuses its configuration is the last line, which is what is kept of a failed hook`(
        head: String
    ) async throws {
        let (output, _) = try await reload(fault: "refused \(head)")
        #expect(output.status == 1)
        #expect(
            output.stderr.contains("    nginx: configuration file /etc/nginx/nginx.conf test failed\n"), "\(output)")
        let last = "reload-nginx: container web: [emerg] unknown directive \"a|b&c\" in /etc/nginx/nginx.conf:3\n"
        #expect(output.stderr.hasSuffix(last), "\(output)")
    }

    @Test(arguments: ["none", "no-ps"])
    func `no terminal is asked for, and the configuration is tested before the reload`(fault: String) async throws {
        let (output, calls) = try await reload(fault: fault)
        #expect(output.status == 0, "\(output)")
        #expect(output.stdout == "reload-nginx: container web: nginx reloaded\n")
        let inside = calls.filter { $0.hasPrefix("exec ") && !$0.hasSuffix("-v") }
        #expect(inside == ["exec c0ffee nginx -t", "exec c0ffee nginx -s reload"])
    }

    @Test(arguments: ["check/certctl/hooks", "check/renewal-hooks/post", "renewal-hooks/check/renewal-hooks/deploy"])
    func `a directory named check further up does not keep it from reloading`(place: String) async throws {
        try await TemporaryDirectory.with { elsewhere in
            let hook = try ShippedHook("reload-nginx", installedIn: "\(elsewhere)/\(place)")
            let (output, _) = try await reload(hook)
            #expect(output.stdout == "reload-nginx: container web: nginx reloaded\n", "\(output)")
        }
    }

    @Test(
        arguments: [
            ("host = maybe\n", "line 1: host is neither yes nor no"),
            ("# comment\n\ncontainers = web\n", "line 3: there is no setting containers"),
            ("container web\n", "line 1 is not \"key = value\""),
            ("compose_file = docker-compose.prod.yml\n", "line 1: compose_file is not an absolute path"),
        ])
    func `settings that cannot be meant are errors that name the line`(
        settings: String, sentence: String
    ) async throws {
        let (output, calls) = try await reload(settings: settings)
        #expect(output.status == 1)
        #expect(output.stderr.contains("settings.conf: \(sentence)"), "\(output)")
        #expect(calls == [])
    }

    @Test func `a settings file that is named has to exist`() async throws {
        let output = try await ShippedHook("reload-nginx").run(["CERTCTL_RELOAD_NGINX_CONF": "/no/such/file"])
        #expect(output.status == 1)
        #expect(output.stderr == "reload-nginx: /no/such/file (CERTCTL_RELOAD_NGINX_CONF): no such file\n")
    }

    @Test func `settings are data and are never run`() async throws {
        let (output, calls) = try await reload(settings: "container = $(touch$IFS$TREE/run) `touch` * ;x\n")
        #expect(output.status == 1)
        let asked = calls.map { $0.split(separator: " ").last ?? "" }
        #expect(asked == ["$(touch$IFS$TREE/run)", "`touch`", "*", ";x"])
    }

    @Test(.parts("shellcheck")) func `the hooks are clean under shellcheck`() async throws {
        let hooks = try FileManager.default.contentsOfDirectory(atPath: ShippedHook.directory).sorted()
            .filter { $0 != "dns" }
        #expect(hooks.contains("reload-nginx"))
        let output = try await sh("shellcheck", hooks.map { "\(ShippedHook.directory)/\($0)" })
        #expect(output.status == 0, "\(output.stdout)")
    }

    /// Runs the hook with the faulty docker; gives what it said and how docker was called.
    private func reload(
        _ hook: ShippedHook = ShippedHook("reload-nginx"), fault: String = "none", settings: String = ""
    ) async throws -> (Output, [String]) {
        try await TemporaryDirectory.with { directory in
            try write(Self.docker, to: "\(directory)/docker", mode: 0o755)
            try write(settings, to: "\(directory)/settings.conf")
            let output = try await hook.run([
                "PATH": "\(directory):/usr/bin:/bin", "CERTCTL_CONFIG_DIR": directory, "TREE": directory,
                "FAULT": fault, "REFUSAL": Self.refusal(String(fault.drop { $0 != " " }.dropFirst())),
                "DOCKER_HOST": "unix:///no/such/socket",
                "CERTCTL_RELOAD_NGINX_CONF": "\(directory)/settings.conf",
            ])
            let calls = (contents(ofFile: "\(directory)/calls") ?? "").split(separator: "\n").map(String.init)
            return (output, calls)
        }
    }
}

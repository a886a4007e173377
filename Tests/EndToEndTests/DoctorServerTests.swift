import FoundationEssentials
import Glibc
import Rig
import Testing

/// Faults between a name and nginx, made for real with nginx and a DNS of the rig's.
@Suite(.stack)
struct DoctorServerTests {
    @Test func `what is in the way of a challenge is named`() async throws {
        try await DoctorHost.with { host in
            try await host.diagnosed().expectWell()
            #expect(
                try await check("find", [host.stack.webroot]) == "\(host.stack.webroot)\n",
                "the file and its directories are gone")
            let location = "location /.well-known/acme-challenge/"

            try await host.nginx { $0.replacing(location, with: "location /elsewhere/") }
            try await host.diagnosed().expectCause(
                "challenge-location-missing",
                remedy: "location ^~ /.well-known/acme-challenge/ { root \(host.stack.webroot); }",
                action: "operator", evidence: "answers 404")
            try await host.follow("no location for challenges") { try await host.nginx { $0 } }

            try await host.nginx {
                $0.replacing(location, with: "location /elsewhere/")
                    .replacing(
                        "location / { return 404; }", with: "location / { return 301 http://other.example/$uri; }")
            }
            try await host.diagnosed().expectCause(
                "challenge-redirected", remedy: "location ^~", action: "operator",
                evidence: "redirects the challenge path to http://other.example")
            try await host.follow("the challenge path is redirected elsewhere") { try await host.nginx { $0 } }
            // A redirect that keeps the path and leads to the file is none of anybody's business.
            try await host.nginx {
                $0.replacing(
                    location,
                    with:
                        "location /.well-known/acme-challenge/ { if ($host = example.org) { return 302 http://www.example.org$request_uri; } root \"\(host.stack.webroot)\"; } location /elsewhere/"
                )
            }
            try await host.diagnosed().expectWell()
            try await host.nginx { $0 }

            chmod(host.stack.webroot, 0o700)
            let unreadable = try await host.diagnosed()
            if geteuid() == 0 {
                unreadable.expectCause(
                    "webroot-unreadable", remedy: "chmod o+x \(host.stack.webroot)", evidence: "has mode 700")
                try await host.follow("webroot with mode 700")
            }
            chmod(host.stack.webroot, 0o755)
            let moved = "\(host.stack.webroot)-away"
            try FileManager.default.moveItem(atPath: host.stack.webroot, toPath: moved)
            try await host.diagnosed().expectCause("webroot-missing", remedy: "mkdir -p", action: "operator")
            try await host.follow("webroot removed")
            try FileManager.default.removeItem(atPath: host.stack.webroot)
            try FileManager.default.moveItem(atPath: moved, toPath: host.stack.webroot)

            try await check("kill", ["\(host.stack.nginx.daemon.pid)"])
            try await eventually("nginx is gone") { !Daemon.isRunning(host.stack.nginx.daemon.pid) }
            let down = try await host.diagnosed()
            down.expectCause(
                "http-not-listening", remedy: "systemctl start nginx",
                evidence: "nothing listens on port \(host.stack.nginx.httpPort)")
            #expect(
                down.checks("served-unreachable").first { $0.verdict == "failure" }?.causedBy == "http-not-listening")
            try await host.follow("nginx of the host is stopped", programs: ["systemctl": host.startingNginx])
            try await check("sh", ["-c", "kill $(cat \(host.stack.nginx.directory)/nginx.pid)"])
        }
    }

    @Test(.enabled(if: geteuid() == 0, "root's doctor is meant: run as root"))
    func `nginx is tested with its own configuration, and a program that takes its name is not started`() async throws {
        try await DoctorHost.with { host in
            let conf = "\(host.stack.nginx.directory)/nginx.conf"
            let text = string(conf)
            try (text + "\nno_such_directive on;\n").write(toFile: conf, atomically: true, encoding: .utf8)
            try await host.diagnosed().expectCause(
                "nginx-config-invalid", remedy: "nginx -t", action: "operator", evidence: "no_such_directive")
            try await host.follow("nginx of the host refuses its configuration") {
                try text.write(toFile: conf, atomically: true, encoding: .utf8)
            }

            let directory = "\(host.stack.directory)/somebody"
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
            let (port, mark) = (Ports.free(), "\(directory)/ran-as-root")
            let program = """
                import os, socket, time
                if os.getuid() == 0: open('\(mark)', 'w')
                else:
                    s = socket.socket(); s.bind(('127.0.0.1', \(port))); s.listen(); time.sleep(600)

                """
            try program.write(toFile: "\(directory)/evil.py", atomically: false, encoding: .utf8)
            guard symlink("/usr/bin/python3", "\(directory)/nginx") == 0 else { throw RigError("symlink") }
            try doctorSettings(http: port, tls: nil)
                .write(toFile: "\(host.stack.directory)/certctl.conf", atomically: false, encoding: .utf8)
            let disguise = "exec -a 'nginx: master process x' \(directory)/nginx \(directory)/evil.py"
            try await Daemon.with(
                "setpriv",
                ["--reuid=65534", "--regid=65534", "--clear-groups", "bash", "-c", disguise],
                log: "\(directory)/evil.log", ready: .ports([port])
            ) { _ in
                let seen = try await host.diagnosed()
                #expect(!FileManager.default.fileExists(atPath: mark), "doctor ran it")
                let check = seen.checks("nginx-config-invalid").first { $0.lookedAt == "nginx of the host" }
                #expect(
                    check?.verdict == "skipped" && check?.evidence.contains("was not started by root") == true,
                    "\(seen.text)")
            }
        }
    }

    @Test func `names that lead nowhere, elsewhere, or two ways are named, and so are CAA records`() async throws {
        try await DoctorHost.with { host in
            let (pebble, port) = (host.stack.pebble, host.stack.nginx.httpPort)
            try await pebble.dns("set-servfail", #"{"host": "www.example.org."}"#)
            let failing = try await host.diagnosed()
            failing.expectCause(
                "name-unresolved", remedy: "record for www.example.org", action: "operator", evidence: "SERVFAIL")
            #expect(
                failing.checks("caa-forbids").contains {
                    $0.verdict == "skipped" && $0.evidence.contains("www.example.org")
                })
            try await host.follow("a name does not resolve") {
                try await pebble.dns("clear-servfail", #"{"host": "www.example.org."}"#)
            }
            // A server that does not answer at all is no word about any name.
            try await host.certctl.diagnosed(["--resolver", "127.0.0.1:1"]).expectCause(
                "resolver-silent", remedy: "--resolver", action: "operator", evidence: "Connection refused")
            try await RobotOperator(certctl: host.certctl, arguments: ["--resolver", "127.0.0.1:1"])
                .follow("the DNS server does not answer", person: true)

            // Another server on another address of this host.
            let other =
                "import http.server,socket,sys\nclass S(http.server.ThreadingHTTPServer): address_family = socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET\nS((sys.argv[1], \(port)), http.server.SimpleHTTPRequestHandler).serve_forever()"
            let empty = "\(host.stack.directory)/empty"
            try FileManager.default.createDirectory(atPath: empty, withIntermediateDirectories: true)
            func serving(_ address: String, _ body: () async throws -> Void) async throws {
                try await Daemon.with(
                    "python3", ["-c", other, address], directory: empty, log: "\(host.stack.directory)/other.log",
                    ready: .predicate {
                        try await sh(
                            "curl",
                            [
                                "-sS", "-o", "/dev/null",
                                "http://\(address.contains(":") ? "[\(address)]" : address):\(port)/",
                            ]
                        ).status == 0
                    }
                ) { _ in try await body() }
            }
            try await pebble.dns("add-a", #"{"host": "www.example.org.", "addresses": ["127.0.0.2"]}"#)
            try await serving("127.0.0.2") {
                try await host.diagnosed().expectCause(
                    "wrong-server", remedy: "point the A record of www.example.org", action: "operator",
                    evidence: "SimpleHTTP")
                try await host.follow("a name leads to another server") {
                    try await pebble.dns("clear-a", #"{"host": "www.example.org."}"#)
                }
            }

            try await pebble.dns("add-a", #"{"host": "example.org.", "addresses": ["127.0.0.1"]}"#)
            try await pebble.dns("add-aaaa", #"{"host": "example.org.", "addresses": ["::1"]}"#)
            if contents(ofFile: "/proc/net/if_inet6")?.contains("00000000000000000000000000000001") == true {
                try await host.diagnosed().expectCause("addresses-differ", remedy: "listen [::]:80", action: "operator")
                try await host.follow("nginx does not listen on IPv6") {
                    try await host.nginx {
                        $0.replacing(
                            "listen 127.0.0.1:\(port) default_server;",
                            with: "listen 127.0.0.1:\(port) default_server; listen [::1]:\(port);")
                    }
                }
                try await host.nginx { $0 }
                try await serving("::1") {
                    try await host.diagnosed().expectCause(
                        "addresses-differ", remedy: "point the AAAA record of example.org",
                        evidence: "another server answers 404")
                    try await host.follow("the AAAA record leads elsewhere") {
                        try await pebble.dns("clear-aaaa", #"{"host": "example.org."}"#)
                    }
                }
            }
            // An address that is nobody's: from here it cannot be told whether a CA reaches it, so that is no failure.
            try await pebble.dns("clear-aaaa", #"{"host": "example.org."}"#)
            try await pebble.dns("add-a", #"{"host": "example.org.", "addresses": ["127.0.0.1", "192.0.2.1"]}"#)
            let unreachable = try await host.diagnosed()
            unreachable.expectWell()
            #expect(unreachable.found("warning") == ["challenge-unreachable"], "\(unreachable.text)")
            try await pebble.dns("clear-a", #"{"host": "example.org."}"#)

            // By which name CAA records mean a CA, is known of the large ones.
            let conf = "\(host.stack.tree)/renewal/example.org.conf"
            let text = string(conf)
            try text.replacing(pebble.directoryURL, with: "https://acme-v02.api.letsencrypt.org/directory")
                .write(toFile: conf, atomically: false, encoding: .utf8)
            let accounts = "\(host.stack.tree)/accounts"
            try FileManager.default.createDirectory(
                atPath: "\(accounts)/acme-v02.api.letsencrypt.org", withIntermediateDirectories: true)
            let own = try #require(
                try FileManager.default.contentsOfDirectory(atPath: accounts).first { $0.hasPrefix("127.") })
            try FileManager.default.copyItem(
                atPath: "\(accounts)/\(own)/dir", toPath: "\(accounts)/acme-v02.api.letsencrypt.org/directory")
            try await host.diagnosed().expectWell()
            try await pebble.dns(
                "add-caa", #"{"host": "example.org.", "policies": [{"tag": "issue", "value": "other-ca.example"}]}"#)
            try await host.diagnosed().expectCause(
                "caa-forbids", remedy: "example.org. CAA 0 issue \"letsencrypt.org\"", action: "operator",
                evidence: "other-ca.example")
            try await host.follow("CAA records forbid the CA") {
                try await pebble.dns("clear-caa", #"{"host": "example.org."}"#)
            }
            try await pebble.dns(
                "add-caa",
                #"{"host": "example.org.", "policies": [{"tag": "issue", "value": "letsencrypt.org; validationmethods=dns-01"}]}"#
            )
            try await host.diagnosed().expectCause("caa-forbids", evidence: "does not allow http-01")
            try await host.follow("CAA records forbid http-01") {
                try await pebble.dns("clear-caa", #"{"host": "example.org."}"#)
            }
            try await pebble.dns(
                "add-caa", #"{"host": "example.org.", "policies": [{"tag": "issue", "value": "x.example"}]}"#)
            try text.write(toFile: conf, atomically: false, encoding: .utf8)
            #expect(try await host.diagnosed().checks("caa-forbids").contains { $0.evidence.contains("--ca") })
        }
    }

    @Test func `what is served beside what is installed is named, with the command that mends it`() async throws {
        try await DoctorHost.with { host in
            let site = host.stack.site(["example.org", "www.example.org"])
            // The hook that should have had nginx take it up fails.
            try addHook("deploy", "reload", host.stack, "echo no such container >&2; exit 3")
            #expect(try await host.certctl.renew("--force").status == 1)
            // A file that is no hook, and a hook that is switched off, are behind nothing.
            let hooks = "\(host.stack.tree)/renewal-hooks/deploy"
            for (name, text) in [("README", "the hooks\n"), ("off", "#!/bin/sh\n")] {
                try text.write(toFile: "\(hooks)/\(name)", atomically: false, encoding: .utf8)
            }
            let failed = try await host.diagnosed()
            #expect(failed.found("warning").contains("hook-not-executable"), "\(failed.text)")
            failed.expectCause(
                "hook-failed", remedy: "certctl deploy example.org", action: "deploy", evidence: "no such container")
            #expect(failed.checks("served-stale").first { $0.verdict == "failure" }?.causedBy == "hook-failed")

            // Without a reason why: a reload that was forgotten.
            try addHook("deploy", "reload", host.stack, "true")
            _ = try await host.certctl.deploy()
            let stale = try await host.diagnosed()
            // A deployment has been tried, and its hooks ended well: it is not said again.
            stale.expectCause(
                "served-stale", remedy: "certctl setup --yes && certctl deploy example.org", action: "operator",
                evidence: "it did not help")
            try await host.follow("a hook ends well and reloads nothing", simulated: ["certctl setup"]) {
                try addHook("deploy", "reload", host.stack, host.stack.nginx.reloadCommand)
                #expect(try await host.certctl.deploy("example.org").status == 0)
            }
            try addHook("deploy", "reload", host.stack, "true")
            #expect(try await host.certctl.renew("--force", "--yes").status == 1)
            try FileManager.default.removeItem(atPath: "\(hooks)/reload")
            // A script that may not run is the cause where no other one reloads nginx.
            let unhooked = try await host.diagnosed()
            unhooked.expectCause("hook-not-executable", remedy: "chmod +x \(hooks)/off", action: "operator")
            #expect(
                unhooked.checks("served-stale").first { $0.verdict == "failure" }?.causedBy == "hook-not-executable")
            for name in ["README", "off"] { try FileManager.default.removeItem(atPath: "\(hooks)/\(name)") }
            let missing = try await host.follow("no hook reloads nginx", simulated: ["certctl setup"]) {
                try addHook("deploy", "reload", host.stack, host.stack.nginx.reloadCommand)
                #expect(try await host.certctl.deploy("example.org").status == 0)
            }
            missing.expectCause(
                "hook-missing", remedy: "certctl setup --yes && certctl deploy", evidence: "no deploy or post hook")

            // The hook is there, and may not run.
            chmod("\(hooks)/reload", 0o644)
            #expect(try await host.certctl.renew("--force").status == 1)
            try await host.follow("the hook that reloads nginx is not executable")
                .expectCause("hook-not-executable", remedy: "chmod +x \(hooks)/reload")

            let other = try await ServerIdentity.make(
                in: host.stack.directory, prefix: "other", names: ["other.example"])
            try await host.stack.nginx.serve([(names: site.names, certificate: other.certificate, key: other.key)])
            try await host.diagnosed().expectCause(
                "certificate-file-wrong", remedy: "ssl_certificate \(host.stack.tree)/live/example.org/fullchain.pem",
                action: "operator", evidence: "a file that no renewal changes: ssl_certificate \(other.certificate)")
            try await host.follow("nginx serves a file of another certificate") {
                try await host.stack.nginx.serve([site])
            }

            try await host.stack.nginx.serve([
                (names: ["another.example"], certificate: other.certificate, key: other.key)
            ])
            try await host.diagnosed().expectCause(
                "server-name-missing", remedy: "add example.org to server_name", action: "operator",
                evidence: "fails the handshake")
            try await host.follow("no server has the name, and the default refuses") {
                try await host.stack.nginx.serve([site])
            }

            try doctorSettings(http: host.stack.nginx.httpPort, tls: Ports.free())
                .write(toFile: "\(host.stack.directory)/certctl.conf", atomically: false, encoding: .utf8)
            try await host.diagnosed().expectCause("served-unreachable", evidence: "cannot be reached")
            try await host.follow("nobody serves TLS where it is looked for", simulated: ["systemctl"]) {
                try doctorSettings(http: host.stack.nginx.httpPort, tls: host.stack.nginx.tlsPort)
                    .write(toFile: "\(host.stack.directory)/certctl.conf", atomically: false, encoding: .utf8)
            }
        }
    }

    @Test func `an expired certificate, a missing account and a failed renewal are named in that light`() async throws {
        var options = Pebble.Options()
        options.validity = .seconds(20)
        try await DoctorHost.with(options) { host in
            try await eventually("it has expired") { try await host.certctl.lineage("example.org").state == "expired" }
            try await host.diagnosed().expectCause("expired", remedy: "certctl renew example.org", action: "renew")

            // The renewal that would mend it fails for a reason that is past.
            let hidden = "\(host.stack.webroot)-away"
            try FileManager.default.moveItem(atPath: host.stack.webroot, toPath: hidden)
            #expect(try await host.certctl.renew().status == 1)
            let missing = try await host.diagnosed()
            missing.expectCause("webroot-missing", action: "operator")
            for id in ["expired", "renewal-failed"] {
                #expect(missing.checks(id).first { $0.verdict == "failure" }?.causedBy == "webroot-missing", "\(id)")
            }
            try FileManager.default.moveItem(atPath: hidden, toPath: host.stack.webroot)
            let past = try await host.diagnosed()
            past.expectCause(
                "renewal-failed", remedy: "certctl renew example.org", action: "renew", evidence: "does not exist")
            try await host.follow("a renewal failed for a webroot that is there again")

            let accounts = "\(host.stack.tree)/accounts"
            let key = try await check("find", [accounts, "-name", "private_key.json"]).split(separator: "\n")[0]
            let text = string(String(key))
            chmod(String(key), 0o600)
            try "{}".write(toFile: String(key), atomically: false, encoding: .utf8)
            try await host.diagnosed().expectCause("account-unusable", action: "operator", evidence: "private_key.json")
            try await host.follow("the account's key is damaged") {
                try text.write(toFile: String(key), atomically: false, encoding: .utf8)
            }
            try FileManager.default.moveItem(atPath: accounts, toPath: "\(accounts)-away")
            try await host.diagnosed().expectCause(
                "account-missing", remedy: "certctl account register --server", action: "operator")
            try await host.follow("the account is lost", simulated: ["certctl account"]) {
                try FileManager.default.moveItem(atPath: "\(accounts)-away", toPath: accounts)
            }
        }
    }

    @Test func `an interrupted doctor leaves nothing in the webroot, and one whose probes hang comes to an end`()
        async throws
    {
        try await DoctorHost.with { host in
            // Takes connections and never answers: http, TLS, and a DNS that is as silent.
            let port = Ports.free()
            let hang =
                "import socket,time; s=socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(('127.0.0.1', \(port))); s.listen(64); u=socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('127.0.0.1', \(port))); time.sleep(600)"
            try await Daemon.with(
                "python3", ["-c", hang], log: "\(host.stack.directory)/hang.log", ready: .ports([port])
            ) { _ in
                try doctorSettings(http: port, tls: port)
                    .write(toFile: "\(host.stack.directory)/certctl.conf", atomically: false, encoding: .utf8)
                let start = ContinuousClock.now
                let hung = try await host.certctl.doctor(["--resolver", "127.0.0.1:\(port)"])
                #expect(start.duration(to: .now) < .seconds(40), "\(hung.stdout)")
                #expect(
                    hung.stdout.split(whereSeparator: \.isWhitespace).joined(separator: " ").contains("did not answer"),
                    "\(hung.stdout)")
                #expect(try await check("find", [host.stack.webroot]) == "\(host.stack.webroot)\n")

                for signal in ["INT", "TERM"] {
                    let words = host.certctl.commandLine("doctor", ["--resolver", host.stack.pebble.resolver])
                    try await Daemon.with(
                        words[0], Array(words.dropFirst()), environment: host.certctl.variables,
                        log: "\(host.stack.directory)/doctor.log",
                        ready: .predicate {
                            try await check("find", [host.stack.webroot, "-name", "certctl-doctor-*"]).isEmpty == false
                        }
                    ) { daemon in
                        _ = try await check("kill", ["-\(signal)", "\(daemon.pid)"])
                        try await eventually("the file is gone") {
                            try await check("find", [host.stack.webroot]) == "\(host.stack.webroot)\n"
                        }
                        try await eventually("it ends") { !daemon.isRunning }
                        #expect(daemon.output().contains("interrupted"), "\(daemon.output())")
                    }
                }
            }
        }
    }
}

/// A host whose nginx serves a lineage that certctl has made, by the rig's own ports and DNS.
struct DoctorHost {
    let stack: Stack
    let certctl: Certctl

    static func with(_ options: Pebble.Options = Pebble.Options(), _ body: (DoctorHost) async throws -> Void)
        async throws
    {
        try await Rig.withStack(options) { stack in
            let settings = "\(stack.directory)/certctl.conf"
            try doctorSettings(http: stack.nginx.httpPort, tls: stack.nginx.tlsPort)
                .write(toFile: settings, atomically: false, encoding: .utf8)
            var certctl = Certctl(stack, settings: settings)
            // An engine of the machine's has no say here.
            certctl.environment["DOCKER_HOST"] = "ssh://nowhere.invalid"
            try addHook("deploy", "reload", stack, stack.nginx.reloadCommand)
            _ = try await certctl.issue(
                "--server", stack.pebble.directoryURL, "--webroot", stack.webroot, "--agree-tos", "-d", "example.org",
                "-d",
                "www.example.org")
            try await stack.nginx.serve([stack.site(["example.org", "www.example.org"])])
            _ = try await certctl.renew()
            try await body(DoctorHost(stack: stack, certctl: certctl))
        }
    }

    func diagnosed(_ arguments: String...) async throws -> Diagnosed {
        try await certctl.diagnosed(["--resolver", stack.pebble.resolver] + arguments)
    }

    /// Has the robot follow doctor.
    @discardableResult
    func follow(
        _ fault: String, _ more: [String] = [], simulated: [String] = [], person: Bool = false,
        programs: [String: String] = [:], sourceLocation: SourceLocation = #_sourceLocation,
        fix: (() async throws -> Void)? = nil
    ) async throws -> Diagnosed {
        let robot = RobotOperator(
            certctl: certctl, arguments: ["--resolver", stack.pebble.resolver], programs: programs)
        return try await robot.follow(
            fault, more, simulated: simulated, person: person, sourceLocation: sourceLocation, fix: fix)
    }

    /// A `systemctl` that starts the rig's nginx, whatever it is told.
    var startingNginx: String {
        let nginx = stack.nginx
        return """
            rm -f \(nginx.directory)/nginx.pid
            setsid nginx -p \(nginx.directory) -c \(nginx.directory)/nginx.conf -e \(nginx.directory)/error.log >/dev/null 2>&1 </dev/null &
            while [ ! -s \(nginx.directory)/nginx.pid ]; do sleep 0.1; done
            sleep 0.3
            """
    }

    /// Changes nginx's configuration as the rig has it, and reloads.
    func nginx(_ change: (String) -> String) async throws {
        try await stack.nginx.serve([stack.site(["example.org", "www.example.org"])])
        let path = "\(stack.nginx.directory)/nginx.conf"
        let (old, new) = (string(path), change(string(path)))
        guard new != old else { return }
        try new.write(toFile: path, atomically: true, encoding: .utf8)
        try await stack.nginx.reload()
    }
}

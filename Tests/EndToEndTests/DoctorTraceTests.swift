import FoundationEssentials
import Glibc
import Rig
import Testing

/// What nginx's own configuration says of a fault, and the way from there to green, with a real nginx.
@Suite(.stack, .enabled(if: geteuid() == 0, "nginx is asked for its configuration as root alone"))
struct DoctorTraceTests {
    @Test func `a certificate file that no renewal changes is named with the line that says so`() async throws {
        try await DoctorHost.with { host in
            let stack = host.stack
            let site = stack.site(["example.org", "www.example.org"])
            func served(by certificate: String, _ key: String) async throws {
                try await stack.nginx.serve([(names: site.names, certificate: certificate, key: key)])
            }
            func restored() async throws { try await stack.nginx.serve([site]) }

            let archive = "\(stack.tree)/archive/example.org"
            try await served(by: "\(archive)/fullchain1.pem", "\(archive)/privkey1.pem")
            #expect(try await host.certctl.renew("--force").status == 1, "the old one is served")
            try await host.diagnosed().expectCause(
                "certificate-file-wrong", remedy: "ssl_certificate \(stack.tree)/live/example.org/fullchain.pem",
                action: "operator", evidence: "version 1 of example.org, pinned by its number")
            try await host.follow("a version of archive/ is pinned") { try await restored() }

            for kind in ["fullchain", "privkey"] {
                try await check(
                    "cp", ["-L", "\(stack.tree)/live/example.org/\(kind).pem", "\(stack.directory)/copy-\(kind).pem"])
            }
            try await served(by: "\(stack.directory)/copy-fullchain.pem", "\(stack.directory)/copy-privkey.pem")
            // Without --yes it would deploy, as the last run has left it to be done.
            #expect(try await host.certctl.renew("--force", "--yes").status == 1)
            try await host.diagnosed().expectCause(
                "certificate-file-wrong", evidence: "a copy of version 2 of example.org")
            try await host.follow("a copy elsewhere is served") { try await restored() }

            _ = try await host.certctl.issue(
                "--server", stack.pebble.directoryURL, "--webroot", stack.webroot, "--agree-tos", "-d", "other.example")
            let live = "\(stack.tree)/live/other.example"
            try await served(by: "\(live)/fullchain.pem", "\(live)/privkey.pem")
            try await host.certctl.diagnosed(["--resolver", stack.pebble.resolver, "example.org"]).expectCause(
                "certificate-file-wrong", evidence: "the certificate of other.example")
            try await host.follow("another certificate of this host is served", ["example.org"]) {
                try await restored()
            }

            // The server with the right certificate is there, and lacks one of the names.
            try await stack.nginx.serve([(names: ["example.org"], certificate: site.certificate, key: site.key)])
            try await host.certctl.diagnosed(["--resolver", stack.pebble.resolver, "example.org"]).expectCause(
                "server-name-missing",
                remedy: "add www.example.org to server_name of the server at \(stack.nginx.directory)/nginx.conf:")
            try await host.follow("a name is missing in server_name", ["example.org"]) { try await restored() }
        }
    }

    @Test func `what nginx does with the challenge path is named by its own line`() async throws {
        try await DoctorHost.with { host in
            let location = "location / { return 404; }"
            let root = "root \"\(host.stack.webroot)\";"
            try await host.nginx {
                $0.replacing(location, with: "location ~ /\\. { deny all; } \(location)")
            }
            try await host.diagnosed().expectCause(
                "challenge-denied", remedy: "location ^~ /.well-known/acme-challenge/", action: "operator",
                evidence: "location ~ /\\. at \(host.stack.nginx.directory)/nginx.conf")
            try await host.follow("a deny rule for dot files eats the path") { try await host.nginx { $0 } }

            try await host.nginx {
                $0.replacing(
                    "server_names_hash_bucket_size 256;",
                    with: "server_names_hash_bucket_size 256; limit_req_zone $server_port zone=rig:1m rate=1r/m;"
                )
                .replacing(root, with: "limit_req zone=rig; \(root)")
            }
            try await host.diagnosed().expectCause(
                "challenge-denied", remedy: "take \"limit_req zone=rig\"", action: "operator", evidence: "answers 503")
            try await host.follow("nginx limits the requests of challenges") { try await host.nginx { $0 } }

            try await host.nginx { $0.replacing(root, with: "root \"/nonexistent\";") }
            try await host.diagnosed().expectCause(
                "challenge-location-missing",
                remedy: "in place of \"root /nonexistent;\" write \"root \(host.stack.webroot);\"")
            try await host.follow("the location for challenges has another root") { try await host.nginx { $0 } }
        }
    }

    @Test func `redirects to https are followed as a CA does, whatever the certificate is worth`() async throws {
        try await DoctorHost.with { host in
            let stack = host.stack
            let challenge =
                "location /.well-known/acme-challenge/ { root \"\(stack.webroot)\"; default_type text/plain; }"
            // Pebble's certificates are trusted by nobody.
            try await host.nginx {
                $0.replacing(challenge, with: "location /.well-known/ { return 301 https://$host$request_uri; }")
                    .replacing(
                        "location / { return 200 \"served\\n\"; }",
                        with: "location /.well-known/acme-challenge/ { root \"\(stack.webroot)\"; }")
            }
            try await host.diagnosed().expectWell()
            try await host.nginx {
                $0.replacing(challenge, with: "location /.well-known/ { return 301 https://$host$request_uri; }")
            }
            try await host.diagnosed().expectCause(
                "challenge-redirected", remedy: "location ^~", action: "operator", evidence: "which answers 200")
            try await host.follow("the redirect to https does not end at the file") { try await host.nginx { $0 } }
        }
    }

    @Test(.enabled(if: access("/proc/net/if_inet6", F_OK) == 0, "there is no IPv6 here"))
    func `an address family that takes connections and never answers is a failure, whatever the other does`()
        async throws
    {
        try await DoctorHost.with { host in
            let port = host.stack.nginx.httpPort
            try await host.stack.pebble.dns("add-aaaa", #"{"host": "example.org.", "addresses": ["::1"]}"#)
            try await host.stack.pebble.dns("add-aaaa", #"{"host": "www.example.org.", "addresses": ["::1"]}"#)
            try await host.nginx {
                $0.replacing("listen 127.0.0.1:\(port) default_server", with: "listen [::1]:\(port) default_server")
            }
            let hang =
                "import socket,time; s=socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(('127.0.0.1', \(port))); s.listen(64); time.sleep(600)"
            try await Daemon.with(
                "python3", ["-c", hang], log: "\(host.stack.directory)/hang.log", ready: .ports([port])
            ) { silent in
                try await host.diagnosed().expectCause(
                    "challenge-unreachable", remedy: "restart what listens on port \(port)", action: "operator",
                    evidence: "takes connections and does not answer")
                try await host.follow("IPv4 is silent while IPv6 works") {
                    try await check("kill", ["\(silent.pid)"])
                    try await eventually("it is gone") { !silent.isRunning }
                    try await host.nginx {
                        $0.replacing(
                            "listen 127.0.0.1:\(port) default_server",
                            with: "listen 127.0.0.1:\(port) default_server; listen [::1]:\(port) default_server")
                    }
                }
            }
        }
    }

    @Test func `what was recorded of a renewal comes first, and is past where nothing is due`() async throws {
        try await DoctorHost.with { host in
            try addHook("pre", "broken", host.stack, "echo no such service >&2; exit 5")
            #expect(try await host.certctl.renew("--force", "--yes").status == 1)
            let past = try await host.diagnosed()
            past.expectWell()
            #expect(!past.text.contains("renewal-failed"), "a forced attempt is history: \(past.text)")

            try await host.makeDue()
            #expect(try await host.certctl.renew().status == 1)
            let due = try await host.diagnosed()
            due.expectCause("renewal-failed", evidence: "no such service")
            #expect(due.lines[0].contains("the pre hook failed before the renewal"), "\(due.lines[0])")
            try await host.follow("a pre hook keeps a renewal from its work") {
                try FileManager.default.removeItem(atPath: "\(host.stack.tree)/renewal-hooks/pre/broken")
                #expect(try await host.certctl.renew().status == 0)
            }
        }
    }

    @Test func `nothing is ordered by force that nginx would not take up`() async throws {
        try await DoctorHost.with { host in
            let conf = "\(host.stack.nginx.directory)/nginx.conf"
            let text = string(conf)
            try (text + "\nno_such_directive on;\n").write(toFile: conf, atomically: true, encoding: .utf8)
            let requests = host.stack.pebble.requests().count
            let refused = try await host.certctl.renew("--force", "example.org")
            #expect(refused.status == 1, "\(refused.stderr)")
            #expect(
                refused.stderr.contains("a new certificate could not be served: nginx -t fails"), "\(refused.stderr)")
            #expect(refused.stderr.contains("next: correct nginx's configuration until nginx -t passes"))
            #expect(host.stack.pebble.requests().count == requests)
            #expect(
                try await host.certctl.renew("--force", "--yes", "example.org").stderr.contains("cannot be served yet"))
            #expect(host.stack.pebble.requests().count > requests)
            try text.write(toFile: conf, atomically: true, encoding: .utf8)
        }
    }

    @Test func `hooks run has the environment of the service, and not the shell's`() async throws {
        try await DoctorHost.with { host in
            try addHook("deploy", "needs", host.stack, "[ -n \"${RIG_ONLY:-}\" ] || { echo no RIG_ONLY >&2; exit 4; }")
            var certctl = host.certctl
            certctl.environment["RIG_ONLY"] = "1"
            #expect(try await certctl.hooksRun("example.org").status == 0)
            let words = certctl.commandLine("hooks", ["example.org"], subcommand: ["run"])
            let clean = try await sh(words[0], Array(words.dropFirst()), environment: certctl.variables)
            #expect(clean.status == 1 && clean.stderr.contains("no RIG_ONLY"), "\(clean.stderr)")
        }
    }
}

extension DoctorHost {
    /// Has the certificate be due, by a setting that is just below its lifetime.
    func makeDue() async throws {
        let entry = try await certctl.lineage("example.org")
        let dates = try [entry.notBefore, entry.notAfter].map { try Date($0 ?? "", strategy: .iso8601) }
        let conf = "\(stack.tree)/renewal/example.org.conf"
        let seconds = Int(dates[1].timeIntervalSince(dates[0])) - 1
        try "renew_before_expiry = \(seconds) seconds\n\(string(conf))"
            .write(toFile: conf, atomically: false, encoding: .utf8)
    }
}

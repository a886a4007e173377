import FoundationEssentials
import Rig
import Testing

/// `certctl issue` for names that are proven in another way than by a webroot: certbot renews what it makes, and certctl goes on.
@Suite(.stack, .parts("certbot", "knotd", "kdig", "knsupdate"), .timeLimit(.minutes(60)))
struct IssueProofTests {
    @Test func `each way of proof makes a lineage as certbot makes it, which certbot and certctl renew`() async throws {
        try await ProofStack.with { proof in
            let hooks = try proof.knot.writeHooks(log: proof.hookLog)
            let byDNS = try proof.dnsOptions()
            let alone = [
                "--standalone", "--http-01-address", "127.0.0.2", "--http-01-port", "\(proof.stack.pebble.httpPort)",
            ]
            let byHand = [
                "--preferred-challenges", "dns", "--manual-auth-hook", hooks.auth, "--manual-cleanup-hook",
                hooks.cleanup,
            ]
            try await proof.issue(ProofStack.wildcard, byDNS)
            try await proof.issue(ProofStack.manual, byHand)
            try await proof.issue(ProofStack.standalone, alone)
            try await proof.answerStatelessly()
            try await proof.issue(ProofStack.webroot, ["--stateless", "--webroot", proof.stack.webroot])
            #expect(try await proof.versions() == [1, 1, 1, 1])
            #expect(try await proof.certctl.lineage("wild.example").domains.contains("*.wild.example"))
            #expect(try await proof.knot.texts("_acme-challenge.wild.example").isEmpty)

            // What certbot writes for the same options.
            try await proof.certonlyByDNS(["*.dns.example"])
            try await proof.certonlyByHand(["hand.example"])
            try await proof.certonlyAlone(["two.alone.example"])
            for (ours, certbots) in [
                ("wild.example", "dns.example"), ("by-hand.example", "hand.example"),
                ("one.alone.example", "two.alone.example"),
            ] {
                #expect(proof.proofLines(ours) == proof.proofLines(certbots))
                #expect(!proof.proofLines(ours).isEmpty)
            }

            let confs = ProofStack.all.map { string("\(proof.stack.tree)/renewal/\($0).conf") }
            let renewal = try await proof.certctl.renew(["--force"] + ProofStack.all)
            #expect(renewal.status == 0, "\(renewal.stdout)\(renewal.stderr)")
            #expect(ProofStack.all.map { string("\(proof.stack.tree)/renewal/\($0).conf") } == confs)
            let certbot = try await proof.stack.certbot.renew(force: true)
            #expect(certbot.status == 0, "\(certbot.stdout)\(certbot.stderr)")
            let again = try await proof.certctl.renew(["--force"] + ProofStack.all)
            #expect(again.status == 0, "\(again.stdout)\(again.stderr)")
            #expect(try await proof.versions() == [4, 4, 4, 4])
        }
    }

    /// As far as that goes without an account at Cloudflare: another plugin, its credentials, and names of the test's zone.
    @Test func `the three commands of the page on DNS make a wildcard`() async throws {
        let page = string("\(#filePath.replacing("Tests/EndToEndTests/IssueProofTests.swift", with: ""))docs/dns.md")
        let block = try #require(page.split(separator: "```sh\n").dropFirst().first?.split(separator: "```").first)
        let commands = block.split(separator: "\n").map(String.init)
        try #require(commands.count == 3)
        #expect(commands[0] == "apt install python3-certbot-dns-cloudflare")
        try await ProofStack.with { proof in
            let credentials = "\(proof.stack.directory)/provider.ini"
            let content = string(try proof.knot.writeCredentials()) + "dns_rfc2136_sign_query = false"
            let certctl = proof.certctl.commandLine(
                "issue", ["--server", proof.stack.pebble.directoryURL, "--ca-bundle", proof.stack.pebble.caBundle])
            let script = [
                commands[1].replacing("dns_cloudflare_api_token = YOUR-TOKEN", with: content),
                commands[2].replacing("certctl issue", with: certctl.map(shellQuoted).joined(separator: " "))
                    .replacing("--dns cloudflare", with: "--dns rfc2136 --dns-propagation-seconds 1")
                    .replacing("example.org", with: "wild.example"),
            ].joined(separator: "\n").replacing("/root/cloudflare.ini", with: credentials)
            let output = try await sh("bash", ["-ec", script], environment: proof.certctl.variables)
            #expect(output.status == 0, "\(output.stdout)\(output.stderr)")
            #expect(
                try await proof.certctl.lineage("wild.example").domains.sorted() == ["*.wild.example", "wild.example"])
        }
    }

    @Test(.certbotVenv) func `a current certbot renews what certctl issued by its plugin`() async throws {
        try await ProofStack.with(settings: ["certbot_venv = \(CertbotVenv.path)"]) { proof in
            try await proof.issue(["*.wild.example"], proof.dnsOptions())
            var certbot = proof.stack.certbot
            certbot.program = "\(CertbotVenv.path)/bin/certbot"
            let renewal = try await certbot.renew(force: true)
            #expect(renewal.status == 0, "\(renewal.stdout)\(renewal.stderr)")
            let again = try await proof.certctl.renew("--force")
            #expect(again.status == 0, "\(again.stdout)\(again.stderr)")
            #expect(try await proof.certctl.lineage("wild.example").version == 3)
        }
    }

    @Test func `certbot's own spelling is taken, a lineage keeps its way of proof, and another one replaces it`()
        async throws
    {
        try await ProofStack.with { proof in
            let credentials = try proof.knot.writeCredentials()
            try await proof.issue(["a.example"], ["--webroot", proof.stack.webroot])
            try await proof.issue(
                ["a.example", "*.a.example"],
                [
                    "--name", "a.example", "--dns-rfc2136", "--dns-rfc2136-credentials=\(credentials)",
                    "--dns-rfc2136-propagation-seconds", "1",
                ])
            let text = string("\(proof.stack.tree)/renewal/a.example.conf")
            #expect(text.contains("authenticator = dns-rfc2136") && !text.contains("webroot"), "\(text)")
            let more = try await proof.certctl.names("a.example", "--add", "*.b.a.example")
            #expect(more.status == 0, "\(more.stdout)\(more.stderr)")
            #expect(try await proof.certctl.lineage("a.example").domains.count == 3)
            #expect(string("\(proof.stack.tree)/renewal/a.example.conf") == text)
            let same = try await proof.certctl.issue(
                "-d", "a.example", "-d", "*.a.example", "-d", "*.b.a.example", "--server",
                proof.stack.pebble.directoryURL)
            #expect(same.stdout.contains("has a certificate for these names"), "\(same.stdout)\(same.stderr)")
        }
    }

    @Test func `cli ini says how names are proven where the command does not`() async throws {
        try await ProofStack.with { proof in
            let ini = """
                authenticator = dns-rfc2136
                dns-rfc2136-credentials = \(try proof.knot.writeCredentials())
                dns-rfc2136-propagation-seconds = 1

                """
            try ini.write(toFile: "\(proof.stack.tree)/cli.ini", atomically: true, encoding: .utf8)
            try await proof.issue(["*.wild.example"], [])
            #expect(proof.proofLines("wild.example").contains("authenticator = dns-rfc2136"))
            let other = try await proof.certctl.issue("-d", "b.example", "--webroot", proof.stack.webroot)
            #expect(other.status == 78)
            #expect(other.stderr.contains("cli.ini sets authenticator = dns-rfc2136"), "\(other.stderr)")
        }
    }

    @Test(arguments: [
        ["--webroot", "/tmp"], ["--standalone"], ["--stateless"], [],
        ["--manual-auth-hook", "/bin/true", "--preferred-challenges", "http"],
    ])
    func `a wildcard that cannot be proven names the option that can`(options: [String]) async throws {
        try await refused(["-d", "*.a.example"] + options, status: 64) { error in
            #expect(error.contains("*.a.example needs dns-01"), "\(error)")
            #expect(error.contains("add --dns PLUGIN --dns-credentials FILE"), "\(error)")
        }
    }

    @Test(arguments: [
        (["--standalone", "--webroot", "/tmp"], "give one of"), (["--dns-credentials", "/x"], "with --dns"),
        (["--dns", "a/b"], "not the name of a DNS plugin"), (["--manual"], "--manual-auth-hook"),
        (["--http-01-port", "81"], "are for --standalone"), (["--standalone", "--http-01-port", "0"], "a port from 1"),
        (["--dns-one", "--dns-two-credentials", "/x"], "--dns-two-credentials"),
        (["--standalone", "--preferred-challenges", "dns"], "give --dns or --manual-auth-hook"),
        (["--preferred-challenges", "tls-alpn"], "neither dns nor http"),
    ])
    func `options that do not go together are a usage error`(options: [String], message: String) async throws {
        try await refused(["-d", "a.example"] + options, status: 64) { #expect($0.contains(message), "\($0)") }
    }

    @Test func `what a DNS plugin lacks is named before anything is ordered`() async throws {
        try await TemporaryDirectory.with { directory in
            let credentials = "\(directory)/provider.ini"
            let options = ["-d", "*.a.example", "--dns", "rfc2136", "--dns-credentials", credentials]
            try await refused(options, status: 1) {
                #expect($0.contains("the credentials file \(credentials) of dns-rfc2136 does not exist"), "\($0)")
            }
            try "dns_rfc2136_server = 127.0.0.1\n".write(toFile: credentials, atomically: true, encoding: .utf8)
            try await check("chmod", ["644", credentials])
            try await refused(options, status: 1) {
                #expect($0.contains("is world-readable (mode 644)") && $0.contains("chmod 600 \(credentials)"), "\($0)")
            }
            try await check("chmod", ["600", credentials])
            // The plugin's own words on what the file does not have.
            try await refused(options, status: 1) { #expect($0.contains("dns_rfc2136_name"), "\($0)") }
            try await refused(["-d", "*.a.example", "--dns", "desec"], status: 1) {
                #expect($0.contains("apt install python3-certbot-dns-desec"), "\($0)")
            }
            try await refused(["-d", "a.example", "--manual-auth-hook", "\(directory)/no-hook x"], status: 1) {
                #expect($0.contains("\(directory)/no-hook cannot be run"), "\($0)")
            }
        }
    }

    @Test func `a port that is taken is named with its holder, if no hook stops that`() async throws {
        try await TemporaryDirectory.with { directory in
            let port = Ports.free()
            try await Daemon.with(
                "python3", ["-m", "http.server", "\(port)", "--bind", "127.0.0.1"], log: "\(directory)/log",
                ready: .ports([port])
            ) { daemon in
                let options = ["-d", "a.example", "--standalone", "--http-01-port", "\(port)"]
                try await refused(options, status: 1) {
                    #expect(
                        $0.contains("port \(port) is taken: python3 (process \(daemon.pid)) listens there"), "\($0)")
                    #expect($0.contains("--pre-hook"), "\($0)")
                }
                // Nothing but the CA is missing now.
                try await refused(options + ["--pre-hook", "true"], status: 75) {
                    #expect($0.contains("127.0.0.1:9"), "\($0)")
                }
            }
        }
    }

    /// Runs `certctl issue` with a CA that does not exist: what is refused is refused before, and leaves nothing.
    private func refused(_ arguments: [String], status: Int32, _ body: (String) -> Void) async throws {
        try await TemporaryDirectory.with { directory in
            let certctl = Certctl(tree: "\(directory)/tree", state: "\(directory)/state")
            let output = try await certctl.issue(arguments + ["--server", "https://127.0.0.1:9/dir"])
            #expect(output.status == status, "\(output.stdout)\(output.stderr)")
            body(output.stderr)
            if status != 75 { #expect(try await check("ls", [directory]).isEmpty) }
        }
    }
}

extension ProofStack {
    /// What `certctl issue` is given for certbot's plugin rfc2136.
    func dnsOptions() throws -> [String] {
        ["--dns", "rfc2136", "--dns-credentials", try knot.writeCredentials(), "--dns-propagation-seconds", "1"]
    }

    func issue(_ names: [String], _ options: [String]) async throws {
        let output = try await certctl.issue(
            ["--server", stack.pebble.directoryURL, "--agree-tos"] + options + names.flatMap { ["-d", $0] })
        guard output.status == 0 else { throw RigError("certctl issue: \(output.stdout)\(output.stderr)") }
    }

    /// The lines of a renewal config that say how names are proven, sorted.
    func proofLines(_ name: String) -> [String] {
        let keys = ["authenticator", "pref_challs", "manual_", "http01_", "dns_", "webroot"]
        return string("\(stack.tree)/renewal/\(name).conf").split(separator: "\n").map(String.init)
            .filter { line in keys.contains { line.hasPrefix($0) } }.sorted()
    }
}

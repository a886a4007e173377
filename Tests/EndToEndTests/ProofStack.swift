import FoundationEssentials
import Rig

/// A CA that asks a real authoritative DNS server, and a tree whose lineages certbot proved each in another way.
struct ProofStack {
    let stack: Stack
    let knot: Knot
    let certctl: Certctl
    /// What the manual hooks saw.
    let hookLog: String

    static let wildcard = ["*.wild.example", "wild.example"]
    static let manual = ["by-hand.example", "www.by-hand.example"]
    static let standalone = ["one.alone.example"]
    static let webroot = ["site.example"]
    static let all = ["wild.example", "by-hand.example", "one.alone.example", "site.example"]
    /// Where nginx is: its hooks take the port from nginx. The last one in the order of certbot, whose post hooks come at the end.
    static let hooked = "zulu.example"

    static func with<R: Sendable>(
        records: [String] = [], zones: [String: [String]] = [:], settings: [String] = [],
        _ body: (ProofStack) async throws -> R
    ) async throws -> R {
        try await TemporaryDirectory.with { directory in
            try await Knot.with(directory, records: records, zones: zones) { knot in
                var options = Pebble.Options()
                options.dnsPort = knot.port
                return try await Rig.withStack(options) { stack in
                    let file = "\(stack.directory)/certctl.conf"
                    let proof = ProofStack(
                        stack: stack, knot: knot, certctl: Certctl(stack, settings: file),
                        hookLog: "\(stack.directory)/manual.log")
                    try proof.set(settings)
                    return try await body(proof)
                }
            }
        }
    }

    /// Writes the host's settings.
    ///
    /// - Parameter lines: besides those that every test needs.
    func set(_ lines: [String], propagationTimeout: Int = 20) throws {
        let usual = [
            "dns_resolver = 127.0.0.1:\(knot.port)", "dns_port = \(knot.port)", "verify = none",
            "propagation_timeout = \(propagationTimeout)",
        ]
        try (usual + lines + [""]).joined(separator: "\n").write(
            toFile: certctl.settings ?? "", atomically: true, encoding: .utf8)
    }

    /// Has certbot prove names in some way, as an operator would have.
    func certonly(_ names: [String], _ options: [String]) async throws {
        let output = try await stack.certbot.run(
            ["certonly", "--server", stack.pebble.directoryURL, "--agree-tos", "--register-unsafely-without-email"]
                + options + names.flatMap { ["-d", $0] })
        guard output.status == 0 else { throw RigError("certbot: \(output.stdout)\(output.stderr)") }
    }

    func certonlyByDNS(_ names: [String]) async throws {
        try await certonly(
            names,
            [
                "--dns-rfc2136", "--dns-rfc2136-credentials", try knot.writeCredentials(),
                "--dns-rfc2136-propagation-seconds", "1",
            ])
    }

    func certonlyByHand(_ names: [String], challenge: String = "dns") async throws {
        let hooks = try knot.writeHooks(log: hookLog)
        try await certonly(
            names,
            [
                "--manual", "--preferred-challenges", challenge, "--manual-auth-hook", hooks.auth,
                "--manual-cleanup-hook", hooks.cleanup,
            ])
    }

    func certonlyAlone(_ names: [String], _ options: [String] = []) async throws {
        try await certonly(
            names,
            [
                "--standalone", "--http-01-address", "127.0.0.2", "--http-01-port", "\(stack.pebble.httpPort)",
            ] + options)
    }

    /// A standalone lineage on nginx's own port, with hooks that take it from nginx and give it back. They note which certificate of
    /// the webroot's lineage is installed at that time, and what its site answers over TLS.
    func certonlyOnPortOfNginx(log: String) async throws {
        let (port, directory) = (stack.pebble.httpPort, stack.nginx.directory)
        let url = "http://127.0.0.1:\(port)/"
        let site = ProofStack.webroot[0]
        let start = """
            #!/bin/sh
            set -e
            cd \(shellQuoted(directory))
            note() {
                echo "$1 $(basename "$(readlink \(shellQuoted(stack.tree))/live/\(site)/cert.pem)")" \
                    "$(curl -sk --resolve \(site):\(stack.nginx.tlsPort):127.0.0.1 https://\(site):\(stack.nginx.tlsPort)/)" \
                    >>\(shellQuoted(log))
            }

            """
        let pre = """
            cp nginx.conf with-port.conf
            sed 's/127.0.0.1:\(port) default_server/127.0.0.1:\(Ports.free()) default_server/' with-port.conf >nginx.conf
            \(stack.nginx.reloadCommand)
            while curl -so /dev/null \(url); do sleep 0.05; done
            note pre

            """
        let post = """
            note post
            mv with-port.conf nginx.conf
            \(stack.nginx.reloadCommand)
            until curl -so /dev/null \(url); do sleep 0.05; done

            """
        var options = ["--standalone", "--http-01-address", "127.0.0.1", "--http-01-port", "\(port)"]
        for (name, script) in [("pre", pre), ("post", post)] {
            let path = "\(stack.directory)/\(name)-port.sh"
            try (start + script).write(toFile: path, atomically: true, encoding: .utf8)
            try await check("chmod", ["755", path])
            options += ["--\(name)-hook", path]
        }
        try await certonly([ProofStack.hooked], options)
    }

    /// The whole tree, one lineage for each way.
    func makeTree() async throws {
        try await certonlyByDNS(Self.wildcard)
        try await certonlyByHand(Self.manual)
        try await certonlyAlone(Self.standalone)
        try await stack.certbot.certonly(names: Self.webroot, webroot: stack.webroot)
    }

    /// Puts the rule that answers for the tree's account in the place of nginx's webroot.
    func answerStatelessly() async throws {
        let words = certctl.commandLine(
            "account", ["--nginx", "--server", stack.pebble.directoryURL], subcommand: ["thumbprint"])
        let location = try await check(words[0], Array(words.dropFirst()), environment: certctl.variables)
        let path = "\(stack.nginx.directory)/nginx.conf"
        var text = string(path)
        let start = text.firstRange(of: "location /.well-known/")!.lowerBound
        let end = text[start...].firstRange(of: "text/plain; }")!.upperBound
        text.replaceSubrange(start..<end, with: location)
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        try await stack.nginx.reload()
    }

    /// What doctor says of each fault: the verdicts, each once, without those of what was not looked at.
    func doctor() async throws -> [String: Set<String>] {
        struct Document: Decodable {
            struct Check: Decodable {
                let id: String
                let verdict: String
            }
            let checks: [Check]
        }
        let output = try await certctl.doctor(["--format", "json"])
        let document = try JSONDecoder().decode(Document.self, from: Data(output.stdout.utf8))
        var verdicts: [String: Set<String>] = [:]
        for check in document.checks where check.verdict != "skipped" {
            verdicts[check.id, default: []].insert(check.verdict)
        }
        return verdicts
    }

    func versions(_ names: [String] = Self.all) async throws -> [Int?] {
        var versions: [Int?] = []
        for name in names { versions.append(try await certctl.lineage(name).version) }
        return versions
    }
}

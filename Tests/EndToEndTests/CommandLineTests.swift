import FoundationEssentials
import Rig
import Testing

/// What is typed out of habit: it works, or the answer is a line to paste.
@Suite(.parts("openssl"))
struct CommandLineTests {
    private static func certctl(
        _ words: [String], environment: [String: String] = [:]
    ) async throws -> Output {
        let variables = ["HOME": "/nonexistent", "TZ": "UTC", "LC_ALL": "C.UTF-8"].merging(environment) { $1 }
        return try await sh(Certctl.path, words, environment: variables)
    }

    private static func words(_ line: String) -> [String] { line.split(separator: " ").map(String.init) }

    @Test(arguments: [
        ("statsu", "unknown command: statsu (nearest: status)", "certctl status"),
        ("renwe --force a.example", "unknown command: renwe (nearest: renew)", "certctl renew --force a.example"),
        ("hooks lst a.example", "unknown command: lst (nearest: list)", "certctl hooks list a.example"),
        ("frobnicate", "unknown command: frobnicate", "certctl help"),
        ("account frobnicate", "unknown command: frobnicate", "certctl help account"),
        ("help nonsense", "unknown command: nonsense", "certctl help"),
        ("help hooks nonsense", "unknown command: nonsense", "certctl help hooks"),
        ("--config-dir /tmp", "no command after --config-dir /tmp", "certctl help"),
        ("renew --bogus", "renew: unknown option '--bogus'", "certctl help renew"),
        ("hooks run", "hooks run: missing expected argument '<name>'", "certctl help hooks run"),
        ("renew --yes", "renew: --yes goes with --force", "certctl help renew"),
        ("names a.example", "names: give --add or --remove", "certctl help names"),
        ("issue", "no name to issue a certificate for", "certctl issue NAME..."),
    ])
    func `a usage error is one line and what to type next`(line: String, message: String, next: String) async throws {
        let output = try await Self.certctl(Self.words(line))
        #expect(output.status == 64, "\(output)")
        #expect(output.stdout.isEmpty)
        let lines = output.stderr.split(separator: "\n").map(String.init)
        #expect(lines.count == 2 && lines.first?.hasPrefix("certctl: \(message)") == true, "\(output.stderr)")
        #expect(lines.last == "  next: \(next)", "\(output.stderr)")
    }

    private static let staging = "https://acme-staging-v02.api.letsencrypt.org/directory"

    @Test(arguments: [
        ("certificates", "certctl status"), ("certificates --cert-name a", "certctl status a"),
        ("certonly -d a", "certctl issue -d a"),
        (
            "certonly -n --agree-tos -m me@a.example --webroot -w /srv/web -d a.example,b.example",
            "certctl issue --agree-tos --email me@a.example --webroot /srv/web -d a.example,b.example"
        ),
        ("certonly --staging --cert-name a -d a", "certctl issue --name a -d a --server \(staging)"),
        ("-n certonly -d a", "certctl issue -d a"), ("--nginx -d a.example", "certctl issue -d a.example"),
        ("run -d a --key-type rsa", "certctl issue -d a --key-type rsa"),
        ("show_account", "certctl account show"), ("unregister", "certctl account deactivate"),
        ("update_symlinks", "certctl repair"), ("plugins", "certctl help issue"),
        ("renew -n", "certctl renew"), ("renew --staging -q", "certctl renew -q --dry-run"),
        ("renew --cert-name a --force-renewal --no-random-sleep-on-renew", "certctl renew a --force"),
        ("issue --nginx -d a", "certctl issue -d a"), ("delete --cert-name a -n", "certctl delete a"),
    ])
    func `what only certbot has is answered with certctl's line`(line: String, answer: String) async throws {
        let output = try await Self.certctl(Self.words(line))
        #expect(output.status == 64, "\(output)")
        #expect(output.stderr.hasSuffix("\n  next: \(answer)\n"), "\(output.stderr)")
        // What is to be pasted is a line that certctl reads.
        let pasted = try await Self.certctl(Self.words(answer).dropFirst() + ["--help"])
        #expect(pasted.status == 0, "\(pasted.stderr)")
    }

    /// A config directory with two certificates, one of them due, and its options.
    private static func withTree(_ body: (String, [String]) async throws -> Void) async throws {
        try await TemporaryDirectory.with { directory in
            let ca = try await DatedCA(in: directory)
            let tree = "\(directory)/letsencrypt"
            try await ca.addLineage("a.example", tree: tree)
            try await ca.addLineage("b.example", from: "-65 days", to: "25 days", tree: tree)
            try await body(tree, ["--config-dir", tree, "--state-dir", "\(directory)/state", "--config", "/dev/null"])
        }
    }

    @Test func `options of every command stand before or after it`() async throws {
        try await Self.withTree { tree, place in
            let after = try await Self.certctl(["status"] + place)
            #expect(after.status == 0 && after.stdout.contains("a.example"), "\(after)")
            #expect(try await Self.certctl(place + ["status"]).stdout == after.stdout)
            let hooks = try await Self.certctl(place + ["hooks", "list", "a.example"])
            #expect(hooks.status == 0, "\(hooks.stderr)")
            #expect(try await Self.certctl(["hooks"] + place + ["list", "a.example"]).stdout == hooks.stdout)
            let equal = ["--config-dir=\(tree)"] + place.dropFirst(2) + ["status"]
            #expect(try await Self.certctl(equal).stdout == after.stdout)
        }
    }

    @Test func `the forms of an output option mean the same`() async throws {
        try await Self.withTree { _, place in
            func shown(_ command: String, _ options: String...) async throws -> String {
                let output = try await Self.certctl([command] + place + options)
                #expect(output.status == 0, "\(output.stderr)")
                return output.stdout.split(separator: "\n").filter {
                    !$0.contains("generatedAt") && !$0.contains("daysLeft") && !$0.contains("\"at\" :")
                }.joined()
            }
            for command in ["status", "history"] {
                let json = try await shown(command, "--format", "json")
                #expect(json.hasPrefix("{"))
                for options in [["-o", "json"], ["--output", "json"], ["--json"], ["--output=json"]] {
                    let output = try await Self.certctl([command] + place + options)
                    #expect(
                        output.stdout.split(separator: "\n").filter {
                            !$0.contains("generatedAt") && !$0.contains("daysLeft") && !$0.contains("\"at\" :")
                        }.joined() == json)
                }
            }
            #expect(try await shown("status", "-o", "prometheus").contains("certctl_build_info"))
            let both = try await Self.certctl(["status"] + place + ["--json", "-o", "prometheus"])
            #expect(both.status == 64 && both.stderr.contains("exclude each other"))
        }
    }

    @Test func `certbot's names of what certctl has are accepted`() async throws {
        try await Self.withTree { _, place in
            let status = try await Self.certctl(["status"] + place + ["--cert-name", "b.example"])
            #expect(status.status == 0 && status.stdout.contains("b.example"), "\(status)")
            #expect(!status.stdout.contains("a.example"))
            // The name is looked for, and not the option.
            let renew = try await Self.certctl(["renew"] + place + ["--cert-name", "c.example", "--force-renewal"])
            #expect(renew.status == 64 && renew.stderr.contains("c.example"), "\(renew.stderr)")
            let issue = try await Self.certctl(
                ["issue"] + place + ["-w", "/nonexistent/webroot", "-m", "me@a.example", "n.example", "m.example"])
            #expect(issue.status == 1 && issue.stderr.contains("/nonexistent/webroot"), "\(issue)")
        }
    }

    @Test func `a check has short limits, and an error of its command line is UNKNOWN`() async throws {
        try await Self.withTree { _, place in
            let check = try await Self.certctl(["status"] + place + ["--check", "-w", "100", "-c", "3", "a.example"])
            #expect(check.status == 1 && check.stdout.contains(";100.0:;3.0:"), "\(check)")
            for words in [["-w", "soon"], ["--bogus"], ["--watch"], ["--json"]] {
                let wrong = try await Self.certctl(["status"] + place + ["--check"] + words)
                #expect(wrong.status == 3, "\(words): \(wrong)")
                #expect(wrong.stdout.hasPrefix("CERTCTL UNKNOWN - ") && wrong.stderr.isEmpty, "\(wrong)")
                #expect(wrong.stdout.split(separator: "\n").count == 1)
            }
        }
    }

    @Test func `the version and the completion scripts have commands`() async throws {
        let version = try await Self.certctl(["--version"]).stdout
        #expect(version.hasPrefix("certctl ") && version.contains("OpenSSL"))
        #expect(try await Self.certctl(["-V"]).stdout == version)
        #expect(try await Self.certctl(["version"]).stdout == version)
        for shell in ["bash", "zsh", "fish"] {
            let script = try await Self.certctl(["completion", shell])
            #expect(script.status == 0)
            #expect(try await Self.certctl(["--generate-completion-script", shell]).stdout == script.stdout)
        }
        #expect(try await Self.certctl(["completion", "tcsh"]).status == 64)
    }

    @Test func `an empty config directory is no error`() async throws {
        try await TemporaryDirectory.with { directory in
            let place = [
                "--config-dir", directory + "/tree", "--state-dir", "\(directory)/state", "--config", "/dev/null",
            ]
            try FileManager.default.createDirectory(atPath: directory + "/tree", withIntermediateDirectories: true)
            for command in ["status", "renew", "deploy"] {
                let output = try await Self.certctl([command] + place)
                #expect(output.status == 0, "\(output)")
                #expect(
                    output.stdout
                        == "no certificates in \(directory)/tree: certctl issue NAME orders the first one\n",
                    "\(output)")
            }
        }
    }

    @Test func `a long command to type next can be pasted from a terminal of 80 columns`() async throws {
        let words =
            "-d a.example,b.example --deploy-hook 'systemctl reload nginx && echo ok' -m admin@a.example --agree-tos"
        let output = try await sh(
            "script",
            [
                "-qec", "stty cols 80; exec \(Certctl.path) certonly --webroot -w /var/www/certbot \(words)",
                "/dev/null",
            ],
            environment: ["TERM": "xterm", "NO_COLOR": "1", "HOME": "/nonexistent"])
        let lines = output.stdout.split(whereSeparator: \.isNewline).map(String.init)
        #expect(lines.allSatisfy { $0.count <= 80 }, "\(lines)")
        let next = lines.drop { !$0.hasPrefix("  next: ") }
        #expect(next.count > 1 && next.dropLast().allSatisfy { $0.hasSuffix(" \\") }, "\(lines)")
        let pasted = "printf '%s\\n' " + next.joined(separator: "\n").dropFirst("  next: ".count)
        let arguments = try await check("sh", ["-ec", pasted])
            .split(whereSeparator: \.isNewline).map(String.init)
        #expect(
            arguments == [
                "certctl", "issue", "--webroot", "/var/www/certbot", "-d", "a.example,b.example", "--deploy-hook",
                "systemctl reload nginx && echo ok", "--email", "admin@a.example", "--agree-tos",
            ])
    }

    @Test func `on a terminal of 80 columns nothing is cut within a word`() async throws {
        try await TemporaryDirectory.with { directory in
            let ca = try await DatedCA(in: directory)
            let tree = "\(directory)/letsencrypt"
            let name = "a-name-of-some-length.example.org"
            try await ca.addLineage(name, tree: tree, params: "authenticator = webroot\nwebroot_path = /nonexistent/w,")
            let state = "\(directory)/state"
            try FileManager.default.createDirectory(atPath: state, withIntermediateDirectories: true)
            let error = "127.0.0.1:443 still serves the old certificate " + String(repeating: "漢字 word ", count: 20)
            let event =
                #"{"at":"2026-11-01T00:00:00Z","by":"timer","error":"\#(error)","event":"failed","lineage":"\#(name)","to":"0a0b"}"#
            try (event + "\n").write(toFile: "\(state)/history.jsonl", atomically: true, encoding: .utf8)
            let place = ["--config-dir", tree, "--state-dir", state, "--config", "/dev/null"]
            for words in [
                ["status"], ["status", "--explain", name], ["history"], ["renew", "--force", "--yes"],
                ["doctor", "--resolver", "127.0.0.1:1"], ["deploy"], ["hooks", "list", name],
                ["certonly", "-d", name + "," + name],
                ["rollback", name], ["account", "list"],
            ] {
                let line = ([Certctl.path] + place + words).map(shellQuoted).joined(separator: " ")
                let output = try await sh(
                    "script", ["-qec", "stty cols 80; exec \(line)", "/dev/null"],
                    environment: ["TERM": "xterm", "LC_ALL": "C.UTF-8", "NO_COLOR": "1", "HOME": "/nonexistent"])
                let lines = output.stdout.split(whereSeparator: \.isNewline)
                #expect(!lines.isEmpty, "\(words)")
                for line in lines where !line.contains("\u{1B}") {
                    let wide = line.filter { $0 == "漢" || $0 == "字" }.count
                    // A path is a word that may be longer than the screen.
                    #expect(line.count + wide <= 80, "\(words): \(line)")
                }
            }
        }
    }
}

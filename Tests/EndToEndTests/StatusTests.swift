import FoundationEssentials
import Glibc
import Rig
import Testing

/// What `certctl status` shows of trees that need no CA.
@Suite(.parts("openssl"))
struct StatusTests {
    /// Lineages in every state that a tree alone can show.
    private static func withTree(_ body: (Certctl, DatedCA) async throws -> Void) async throws {
        try await TemporaryDirectory.with { directory in
            let ca = try await DatedCA(in: directory)
            var certctl = Certctl(tree: "\(directory)/letsencrypt", state: "\(directory)/state")
            certctl.environment = ["LC_ALL": "C.UTF-8"]
            let tree = certctl.tree
            try await ca.addLineage("fresh.example", names: ["fresh.example", "www.fresh.example"], tree: tree)
            try await ca.addLineage("due.example", from: "-65 days", to: "25 days", tree: tree)
            try await ca.addLineage("late.example", from: "-85 days", to: "5 days", tree: tree)
            try await ca.addLineage("gone.example", from: "-91 days", to: "-1 days", tree: tree)
            try await ca.addLineage("short.example", from: "-2 days", to: "4 days", tree: tree)
            try await ca.addLineage("other.example", tree: tree, params: "authenticator = nginx")
            try await ca.addLineage(
                "never.example", tree: tree, params: "authenticator = webroot\nwebroot_path = /w,\nautorenew = False")
            try "".write(toFile: "\(tree)/renewal/broken.example.conf", atomically: true, encoding: .utf8)
            try await body(certctl, ca)
        }
    }

    private func lines(_ output: Output) -> [String] {
        output.stdout.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    @Test func `the table shows the worst first, and what happens next`() async throws {
        try await Self.withTree { certctl, _ in
            let output = try await certctl.status()
            #expect(output.status == 0)
            let rows = lines(output).dropFirst().prefix { !$0.isEmpty }
            #expect(
                rows.map { String($0.split(separator: " ")[2]) } == [
                    "gone.example", "broken.example", "late.example", "due.example", "short.example", "fresh.example",
                    "never.example", "other.example",
                ])
            func row(_ name: String) -> String { rows.first { $0.contains(" \(name) ") } ?? "" }
            #expect(row("gone.example").hasPrefix("✗ expired"))
            #expect(row("gone.example").contains("renews with the next run (expired)"))
            #expect(
                row("broken.example").hasPrefix("✗ broken") && row("broken.example").contains("not renewed: see below"))
            #expect(row("late.example").hasPrefix("! expiring"))
            #expect(row("due.example").hasPrefix("→ due") && row("due.example").contains("(2/3 of its lifetime)"))
            #expect(row("short.example").hasPrefix("✓ ok") && row("short.example").contains("(1/2 of its lifetime)"))
            #expect(row("fresh.example").contains("fresh.example www.fresh.example"))
            #expect(row("fresh.example").contains("Test CA") && row("fresh.example").contains("ECDSA P-256"))
            #expect(row("never.example").contains("never: autorenew = False"))
            #expect(row("other.example").hasPrefix("· unmanaged"))
            #expect(row("other.example").contains("not by certctl: authenticator nginx"))
            #expect(output.stdout.contains("\nbroken.example: \(certctl.tree)/renewal/broken.example.conf is empty\n"))
        }
    }

    @Test(arguments: [72, 80, 100, 132])
    func `the table keeps to the screen, and no name is lost`(width: Int) async throws {
        try await Self.withTree { certctl, ca in
            let long = String(repeating: "long-label.", count: 6) + "example"
            try await ca.addLineage(long, tree: certctl.tree)
            var certctl = certctl
            certctl.environment["COLUMNS"] = "\(width)"
            let output = try await certctl.status()
            let table = lines(output).prefix { !$0.isEmpty }
            for line in lines(output) { #expect(line.count <= width, "\(line)") }
            for name in ["gone", "broken", "late", "due", "short", "fresh", "never", "other"] {
                #expect(table.contains { $0.contains(" \(name).example ") }, "\(name): \(output.stdout)")
            }
            #expect(table.contains { $0.contains(" long-l") })
        }
    }

    @Test func `without UTF-8 the marks are ASCII`() async throws {
        try await Self.withTree { certctl, _ in
            var certctl = certctl
            certctl.environment["LC_ALL"] = "C"
            let output = try await certctl.status()
            #expect(output.stdout.utf8.allSatisfy { $0 < 0x80 })
            #expect(output.stdout.contains("\nx expired") && output.stdout.contains("\n+ ok"))
        }
    }

    @Test func `colours are for terminals, and not where NO_COLOR is set`() async throws {
        try await Self.withTree { certctl, _ in
            func shown(_ variables: [String: String]) async throws -> String {
                let words = certctl.commandLine("status", ["fresh.example"]).map(shellQuoted).joined(separator: " ")
                return try await check(
                    "script", ["-qec", words, "/dev/null"],
                    environment: ["TERM": "xterm", "LC_ALL": "C.UTF-8", "NO_COLOR": ""].merging(variables) { $1 })
            }
            #expect(try await shown([:]).contains("\u{1B}[32m✓ ok\u{1B}[0m"))
            let plain = try await shown(["NO_COLOR": "1"])
            #expect(!plain.contains("\u{1B}["))
            let piped = try await certctl.status().stdout
            #expect(!piped.contains("\u{1B}"))
        }
    }

    @Test func `the metrics pass promtool, with a line for each lineage`() async throws {
        try await Self.withTree { certctl, _ in
            let metrics = try await certctl.status("--format", "prometheus").stdout
            let lint = try await sh("promtool", ["check", "metrics"], input: metrics)
            #expect(lint.status == 0 && lint.stderr.isEmpty, "\(lint.stdout)\(lint.stderr)")
            #expect(metrics.contains(#"certctl_lineage_state{lineage="gone.example",state="expired"} 1"#))
            #expect(metrics.contains(#"certctl_lineage_state{lineage="gone.example",state="ok"} 0"#))
            #expect(metrics.contains(#"certctl_certificate_info{lineage="fresh.example",serial=""#))
            #expect(metrics.contains(/\ncertctl_build_info{version="\d+\.\d+\.\d+",commit="[^"]+"} 1\n/))
            #expect(!metrics.contains("certctl_last_run"), "nothing has run yet")
        }
    }

    @Test func `the alert rules fire when they should`() async throws {
        let monitoring = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/docs/monitoring"
        let tested = try await sh("promtool", ["test", "rules", "alerts_test.yml"], directory: monitoring)
        #expect(tested.status == 0, "\(tested.stdout)\(tested.stderr)")
        // Each metric that the rules and the dashboard name is one that certctl writes.
        let names = Set(
            try await check(
                "sh", ["-c", "grep -oh 'certctl_[a-z_]*' alerts.yml dashboard.json | sort -u"], directory: monitoring
            ).split(separator: "\n").map(String.init))
        let known = [
            "certctl_certificate_not_after_timestamp_seconds", "certctl_certificate_not_before_timestamp_seconds",
            "certctl_certificate_renewal_at_timestamp_seconds", "certctl_certificate_info", "certctl_lineage_state",
            "certctl_lineage_stage", "certctl_consecutive_failures", "certctl_served_match",
            "certctl_last_run_timestamp_seconds", "certctl_last_run_success", "certctl_build_info",
        ]
        #expect(names.isSubset(of: known), "\(names.subtracting(known))")
        // Each alert has a section of its own that says what to do.
        let alerts = try await check(
            "sh", ["-c", "sed -n 's/.*- alert: //p' alerts.yml; sed -n 's/.*#\\([a-z]*\\)\"$/\\1/p' alerts.yml"],
            directory: monitoring
        ).split(separator: "\n").map(String.init)
        let headings = string("\(monitoring).md").split(separator: "\n").filter { $0.hasPrefix("### ") }.map {
            String($0.dropFirst(4))
        }
        #expect(alerts == headings + headings.map { $0.lowercased() }, "\(alerts)")
        let json = try Data(contentsOf: URL(filePath: "\(monitoring)/dashboard.json"))
        struct Dashboard: Decodable { let title: String }
        #expect(try JSONDecoder().decode(Dashboard.self, from: json).title == "certctl")
    }

    @Test(arguments: [
        ("fresh.example", 0, "CERTCTL OK - 1 certificate, the first to expire is fresh.example in 8"),
        ("due.example", 0, "CERTCTL OK"), ("late.example", 2, "CERTCTL CRITICAL - late.example expires in 4 days"),
        ("gone.example", 2, "CERTCTL CRITICAL - gone.example expired 24 hours ago"),
        ("short.example", 0, "CERTCTL OK"), ("other.example", 0, "CERTCTL OK"), ("never.example", 0, "CERTCTL OK"),
        ("broken.example", 2, "CERTCTL CRITICAL - broken.example: "), ("nobody.example", 3, "CERTCTL UNKNOWN - "),
    ])
    func `a check says in a line and an exit code how it stands`(name: String, code: Int32, start: String) async throws
    {
        try await Self.withTree { certctl, _ in
            let output = try await certctl.status("--check", name)
            #expect(output.status == code, "\(output.stdout)\(output.stderr)")
            #expect(output.stdout.hasPrefix(start), "\(output.stdout)")
            #expect(output.stdout.split(separator: "\n").count == 1)
            #expect(output.stderr.isEmpty)
        }
    }

    @Test func `an overdue renewal is a warning, by a tenth of the lifetime and not by days`() async throws {
        try await Self.withTree { certctl, ca in
            try await ca.addLineage("over.example", from: "-75 days", to: "15 days", tree: certctl.tree)
            let warning = try await certctl.status("--check", "over.example")
            #expect(warning.status == 1)
            #expect(warning.stdout.hasPrefix("CERTCTL WARNING - over.example should have been renewed 1"))
            #expect(warning.stdout.contains("| 'over.example'=1"))
            let days = try await certctl.status("--check", "--warning", "100", "--critical", "3", "fresh.example")
            #expect(
                days.status == 1 && days.stdout.contains("'fresh.example'=") && days.stdout.contains(";100.0:;3.0:"))
            let all = try await certctl.status("--check")
            #expect(all.status == 2 && all.stdout.contains(", and 2 more | "), "\(all.stdout)")
        }
    }

    @Test func `a tree that is not there is unknown to a check, and its line says why`() async throws {
        let output = try await Certctl(tree: "/nonexistent/tree", state: "/nonexistent/state").status("--check")
        #expect(output.status == 3)
        #expect(output.stdout == "CERTCTL UNKNOWN - cannot read /nonexistent/tree: there is no such directory\n")
    }

    @Test func `an explanation names each rule with what it saw`() async throws {
        try await Self.withTree { certctl, _ in
            let text = try await certctl.status("--explain", "fresh.example").stdout
            for line in [
                "✓ fresh.example: ok", "forced by an operator: no: goes on", "autorenew = True: goes on",
                "suggested by the CA: nothing: goes on", "renew_before_expiry: not set: goes on", "hooks",
                "none: nothing reloads the server",
                "127.0.0.1:443 for fresh.example (a note only)",
            ] { #expect(text.contains(line), "\(line) is not in:\n\(text)") }
            #expect(text.contains(/2\/3 of its lifetime, which is \d{4}-\d\d-\d\d \d\d:\d\d: wait, in 5\d days/))
            let broken = try await certctl.status("--explain", "broken.example")
            #expect(broken.status == 0 && broken.stdout.contains("it is broken: "))
            let unknown = try await certctl.status("--explain", "nobody.example")
            #expect(unknown.status == 64 && unknown.stderr.contains("there is no certificate nobody.example"))
        }
    }

    @Test func `a watch draws the table again, and is for a terminal`() async throws {
        try await Self.withTree { certctl, _ in
            let refused = try await certctl.status("--watch")
            #expect(refused.status == 64 && refused.stderr.contains("--watch is for a terminal"))
            let words = certctl.commandLine("status", ["--watch"]).map(shellQuoted).joined(separator: " ")
            let shown = try await sh(
                "script", ["-qec", "timeout -s INT 8 \(words)", "/dev/null"],
                environment: ["TERM": "xterm", "LC_ALL": "C.UTF-8"])
            #expect(shown.stdout.components(separatedBy: "\u{1B}[H").count > 2, "at least twice")
            #expect(shown.stdout.contains("gone.example"))
        }
    }

    @Test func `who may not read the tree is shown what the last run has left, with its age`() async throws {
        try #require(getuid() == 0, "needs root, to become somebody else")
        try await Self.withTree { certctl, _ in
            // The way down is open; the tree and the books are root's.
            let directory = certctl.tree.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
            try await check("chmod", ["755", directory])
            let run = try await certctl.deploy("never.example")
            #expect(run.status == 0, "\(run.stderr)")
            try await check("chmod", ["700", "\(certctl.tree)/live", "\(certctl.tree)/archive"])
            var agent = certctl
            let copy = "\(directory)/certctl-copy"
            try await check("install", ["-m", "755", Certctl.path, copy])
            agent.environment["LD_LIBRARY_PATH"] = ""
            agent.prefix = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]
            agent.environment["CERTCTL_TEST"] = "1"
            let words = agent.prefix + [copy] + certctl.commandLine("status", []).dropFirst()
            let output = try await sh(words[0], Array(words.dropFirst()), environment: agent.variables)
            #expect(output.status == 0, "\(output.stderr)")
            #expect(output.stderr.contains("as the last run left it in \(certctl.state)/status.json, 0 minutes ago"))
            #expect(output.stdout.contains("gone.example") && output.stdout.contains("✓ ok"))
            let check = try await sh(
                words[0], Array(words.dropFirst()) + ["--check", "gone.example"], environment: agent.variables)
            #expect(check.status == 2 && check.stdout.contains("(as the last run left it in "), "\(check.stdout)")
        }
    }

    @Test func `who may not read the tree, and is left no report, is told that nothing is known`() async throws {
        try #require(getuid() == 0, "needs root, to become somebody else")
        try await Self.withTree { certctl, _ in
            let directory = certctl.tree.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
            try await check("chmod", ["755", directory])
            try await check("chmod", ["700", "\(certctl.tree)/live", "\(certctl.tree)/archive"])
            let copy = "\(directory)/certctl-copy"
            try await check("install", ["-m", "755", Certctl.path, copy])
            let words =
                ["--reuid", "65534", "--regid", "65534", "--clear-groups", "--", copy]
                + certctl.commandLine("status", []).dropFirst()
            let check = try await sh(
                "setpriv", words + ["--check", "fresh.example"], environment: certctl.variables)
            #expect(check.status == 3, "\(check.stdout)")
            #expect(check.stdout.hasPrefix("CERTCTL UNKNOWN - fresh.example: cannot look at "), "\(check.stdout)")
            let metrics = try await sh("setpriv", words + ["--format", "prometheus"], environment: certctl.variables)
            #expect(metrics.status == 78 && metrics.stdout.isEmpty, "\(metrics.stdout)")
            #expect(metrics.stderr.contains("permission denied, and no run has left a report"), "\(metrics.stderr)")
            // What is no matter of rights is not unknown.
            let broken = try await sh(
                "setpriv", words + ["--check", "broken.example"], environment: certctl.variables)
            #expect(broken.status == 2, "\(broken.stdout)")
        }
    }

    @Test(arguments: [
        ["--format", "json"], ["--format", "prometheus"], ["--format", "table"], ["--explain", "fresh.example"],
        ["--check", "fresh.example"],
    ])
    func `what cannot be written is no success`(arguments: [String]) async throws {
        try await Self.withTree { certctl, _ in
            let words = certctl.commandLine("status", arguments)
            let output = try await sh(
                "sh", ["-c", "exec \"$@\" >/dev/full", "sh"] + words, environment: certctl.variables)
            #expect(output.status == (arguments[0] == "--check" ? 3 : 1))
            #expect(output.stderr.contains("the output cannot be written"), "\(output.stderr)")
        }
    }

    @Test func `a run leaves when and how it ended`() async throws {
        try await Self.withTree { certctl, _ in
            #expect(try await certctl.deploy("never.example").status == 0)
            let document = try await certctl.status("--format", "json").stdout
            #expect(document.contains(#""command" : "deploy""#) && document.contains(#""exitCode" : 0"#))
            let metrics = try await certctl.status("--format", "prometheus").stdout
            #expect(metrics.contains("\ncertctl_last_run_success 1"))
            let left = try await check("stat", ["-c", "%a", "\(certctl.state)/status.json"])
            #expect(left == "644\n")
        }
    }
}

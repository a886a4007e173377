import FoundationEssentials
import Rig
import Testing

/// What doctor says of units as systemd itself has them.
@Suite(.systemdHost)
struct DoctorUnitTests {
    private struct Document: Decodable {
        struct Check: Decodable {
            let id: String
            let verdict: String
            let evidence: String?
            let command: String?
        }
        let checks: [Check]
    }

    private func check(_ id: String, _ names: String..., on host: UnitHost) async throws -> Document.Check {
        let output = try await host.host.exec("certctl", ["doctor", "--format", "json"] + names)
        let document = try JSONDecoder().decode(Document.self, from: Data(output.stdout.utf8))
        guard let check = document.checks.first(where: { $0.id == id }) else {
            throw RigError("no check \(id): \(output.stdout)\(output.stderr)")
        }
        return check
    }

    @Test func `the port that one certificate needs in the sandbox is right also where doctor is asked about another`()
        async throws
    {
        try await UnitHost.with { host in
            try await host.lineage("www.example.test", webroot: "/srv/www")
            try await host.lineage("alone.example.test", webroot: "/srv/www")
            try await host.host.shell(
                "sed -i 's/^authenticator = .*/authenticator = standalone/' /etc/letsencrypt/renewal/alone.example.test.conf"
            )
            #expect(try await check("sandbox-outdated", "www.example.test", on: host).verdict == "failure")
            try await host.host.shell("certctl setup --yes")
            for name in ["www.example.test", "alone.example.test"] {
                #expect(try await check("sandbox-outdated", name, on: host).verdict == "ok", "\(name)")
            }
        }
    }

    @Test
    func `a timer that is off, gone or failing is named, and certbot's beside it, and a webroot the sandbox lacks`()
        async throws
    {
        try await UnitHost.with { host in
            try await host.lineage("www.example.test", webroot: "/srv/web root")
            try await host.host.shell("systemctl disable --now certbot.timer")

            let disabled = try await check("timer-disabled", on: host)
            #expect(disabled.verdict == "failure" && disabled.evidence?.contains("not enabled") == true)
            try await host.host.shell(disabled.command ?? "false")
            #expect(try await check("timer-disabled", on: host).verdict == "ok")
            #expect(try await check("timer-missing", on: host).verdict == "ok")

            let unknown = try await check("sandbox-outdated", on: host)
            #expect(unknown.verdict == "failure" && unknown.evidence?.contains("/srv/web root") == true)
            try await host.host.shell("certctl setup --yes")
            #expect(try await check("sandbox-outdated", on: host).verdict == "ok")

            // So it is with the metrics, of which the run says that they cannot be left.
            let metrics = "/var/lib/prometheus/node-exporter"
            try await host.host.shell(
                "mkdir -p \(metrics); echo 'metrics_file = \(metrics)/certctl.prom' >>/etc/certctl/certctl.conf")
            try await host.succeeds()
            let said = try await host.journal()
            #expect(said.contains { $0.priority == "3" && $0.message.contains("\(metrics)/certctl.prom") }, "\(said)")
            #expect(try await check("sandbox-outdated", on: host).evidence?.contains(metrics) == true)
            try await host.host.shell("certctl setup --yes")
            #expect(try await check("sandbox-outdated", on: host).verdict == "ok")
            try await host.succeeds()
            #expect(
                try await host.host.shell("stat -c %a \(metrics)/*; grep '^certctl_last_run_success' \(metrics)/*")
                    == "644\ncertctl_last_run_success 1\n")

            #expect(try await check("certbot-timer-active", on: host).verdict == "ok")
            try await host.host.shell("systemctl start certbot.timer")
            let both = try await check("certbot-timer-active", on: host)
            #expect(both.verdict == "warning")
            try await host.host.shell(both.command ?? "false")
            #expect(try await check("certbot-timer-active", on: host).verdict == "ok")

            // Nothing happens before the timer starts it, and status says when that is.
            try await host.makeDue("www.example.test")
            let table = try await host.host.shell("certctl status")
            #expect(table.contains(/renews in \d+ (hours|minutes) \(renew_before_expiry/), "\(table)")
            #expect(try await check("timer-failing", on: host).verdict == "ok")
            // What kept a run from its end is mended, and done by hand: the timer's next one need not be waited for.
            try await host.hook("post", "reload", "exit 1")
            #expect(try await host.run() != 0)
            try await host.makeNotDue("www.example.test")
            #expect(try await check("timer-failing", on: host).verdict == "failure")
            try await host.hook("post", "reload", "systemctl reload nginx")
            try await host.host.shell("certctl deploy")
            let past = try await check("timer-failing", on: host)
            #expect(past.verdict == "warning" && past.evidence?.contains("certctl deploy has ended well") == true)
            try await host.host.shell(past.command ?? "false")
            #expect(try await check("timer-failing", on: host).verdict == "ok")

            try await host.host.write("hook_timeout = soon\n", to: "/etc/certctl/broken.conf")
            try await host.dropIn(
                "certctl.service", "broken",
                "[Service]\nExecStart=\nExecStart=/usr/bin/certctl renew --quiet --config /etc/certctl/broken.conf\n")
            #expect(try await host.run() != 0)
            let failing = try await check("timer-failing", on: host)
            #expect(failing.verdict == "failure" && failing.evidence?.contains("exit code 78") == true)

            try await host.host.shell(
                "systemctl disable --now certctl.timer; rm -f /usr/lib/systemd/system/certctl.timer; systemctl daemon-reload"
            )
            let missing = try await check("timer-missing", on: host)
            #expect(missing.verdict == "failure" && missing.evidence?.contains("nothing renews by itself") == true)
        }
    }
}

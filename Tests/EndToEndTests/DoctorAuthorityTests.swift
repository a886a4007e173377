import FoundationEssentials
import Rig
import Testing

/// What a CA has to say, asked with --ca; and what it said before, without.
@Suite(.stack, .parts("certbot", "python3"))
struct DoctorAuthorityTests {
    @Test func `the CA is asked with --ca only, and its state and the account's are named`() async throws {
        try await DoctorHost.with { host in
            let requests = host.stack.pebble.requests().count
            let unasked = try await host.diagnosed()
            unasked.expectWell()
            #expect(unasked.checks("account-deactivated").first?.verdict == "skipped")
            #expect(host.stack.pebble.requests().count == requests, "no traffic without --ca")
            let asked = try await host.diagnosed("--ca")
            asked.expectWell()
            #expect(asked.checks("account-deactivated").first?.verdict == "ok", "\(asked.text)")
            #expect(asked.checks("clock-wrong").first?.verdict == "ok")

            var distrustful = host.certctl
            distrustful = Certctl(tree: host.certctl.tree, state: host.certctl.state)
            (distrustful.settings, distrustful.environment) = (host.certctl.settings, host.certctl.environment)
            let asking = ["--resolver", host.stack.pebble.resolver, "--ca"]
            try await distrustful.diagnosed(asking)
                .expectCause("ca-not-trusted", remedy: "--ca-bundle", action: "operator")
            let settings = try #require(host.certctl.settings)
            let plain = string(settings)
            try await RobotOperator(certctl: distrustful, arguments: asking).follow(
                "the CA's certificate is not trusted"
            ) {
                try (plain + "ca_bundle = \(host.certctl.caBundle)\n")
                    .write(toFile: settings, atomically: false, encoding: .utf8)
            }
            try plain.write(toFile: settings, atomically: false, encoding: .utf8)

            // certbot deactivates the account, and the tree has it from a backup.
            let (accounts, backup) = ("\(host.stack.tree)/accounts", "\(host.stack.directory)/accounts")
            try FileManager.default.copyItem(atPath: accounts, toPath: backup)
            let gone = try await host.stack.certbot.run(["unregister", "--server", host.stack.pebble.directoryURL])
            #expect(gone.status == 0, "\(gone.stderr)")
            try? FileManager.default.removeItem(atPath: accounts)
            try FileManager.default.copyItem(atPath: backup, toPath: accounts)
            try await host.diagnosed("--ca").expectCause(
                "account-deactivated", remedy: "certctl account register --server", action: "operator")
            try await host.follow("the account was deactivated", ["--ca"])

            try await check("kill", ["\(host.stack.pebble.server.pid)"])
            try await eventually("Pebble is gone") { !Daemon.isRunning(host.stack.pebble.server.pid) }
            try await host.diagnosed("--ca").expectCause(
                "ca-unreachable", remedy: "see that this host reaches", action: "operator")
            try await host.follow("the CA does not answer", ["--ca"], person: true)
        }
    }

    @Test func `a rate limit, a paused name and a wrong clock are named`() async throws {
        try await DoctorHost.with { host in
            try await host.withScriptedAuthority { ca, certctl in
                // The account moves there, too.
                let accounts = "\(host.stack.tree)/accounts"
                let own = try #require(try FileManager.default.contentsOfDirectory(atPath: accounts).first)
                let place = String(ca.url.dropFirst("https://".count).prefix { $0 != "/" })
                try FileManager.default.moveItem(atPath: "\(accounts)/\(own)", toPath: "\(accounts)/\(place)")
                let id = try #require(
                    try FileManager.default.contentsOfDirectory(atPath: "\(accounts)/\(place)/dir").first)
                let account = "\(accounts)/\(place)/dir/\(id)/regr.json"
                try "{\"body\": {}, \"uri\": \"\(ca.url.replacing("/dir", with: "/account/1"))\"}"
                    .write(toFile: account, atomically: false, encoding: .utf8)

                let resolver = ["--resolver", host.stack.pebble.resolver]
                let fine = try await certctl.diagnosed(resolver + ["--ca"])
                fine.expectWell()

                try ca.say(clock: 40 * 86_400)
                try await certctl.diagnosed(resolver + ["--ca"])
                    .expectCause(
                        "clock-wrong", remedy: "date -u -s", action: "operator",
                        evidence: "40 days behind that of \(ca.url)")
                #expect(
                    try await certctl.diagnosed(resolver).document.causes.isEmpty, "this host's own files fit its clock"
                )
                let robot = RobotOperator(certctl: certctl, arguments: resolver)
                try await robot.follow("the clock is 40 days behind", ["--ca"], simulated: ["date -u -s"]) {
                    try ca.say()
                }

                try ca.say(account: (429, "rateLimited", "too many requests of this account"))
                try await certctl.diagnosed(resolver + ["--ca"])
                    .expectCause(
                        "rate-limited", remedy: "wait", action: "none", evidence: "too many requests of this account")
                try await robot.follow("the CA limits the account's requests", ["--ca"]) { try ca.say() }

                // What a renewal was told is kept: the CA need not be asked.
                try await host.makeDue()
                try ca.say(
                    order: (
                        429, "rateLimited", "too many certificates (5) already issued for this exact set of identifiers"
                    ))
                _ = try await certctl.renew("--force")
                try await certctl.diagnosed(resolver)
                    .expectCause("rate-limited", remedy: "wait", action: "none", evidence: "too many certificates (5)")
                let url = "https://portal.example/sfe/v1/unpause?jwt=abc"
                try ca.say(
                    order: (
                        429, "rateLimited",
                        "Your account is temporarily prevented from requesting certificates for example.org. Please visit: \(url)"
                    ))
                _ = try await certctl.renew("--force", "example.org")
                try await robot.follow("the CA has paused the name", person: true)
                try await certctl.diagnosed(resolver)
                    .expectCause(
                        "account-paused", remedy: "unpause it at \(url), then: certctl renew example.org",
                        action: "operator")

                // The CA's own word for itself in CAA records.
                try ca.say(caa: "ca.example")
                try await host.stack.pebble.dns(
                    "add-caa", #"{"host": "example.org.", "policies": [{"tag": "issue", "value": "letsencrypt.org"}]}"#)
                let forbidden = try await certctl.diagnosed(resolver + ["--ca"])
                #expect(
                    forbidden.checks("caa-forbids").contains {
                        $0.verdict == "failure" && $0.evidence.contains("ca.example")
                    })
            }
        }
    }
}

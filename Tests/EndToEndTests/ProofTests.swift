import FoundationEssentials
import Rig
import Testing

/// Lineages that certbot proved by DNS, by hooks, by a listener of its own and by a webroot are taken over as they are.
@Suite(.stack, .parts("certbot", "knotd", "kdig", "knsupdate"), .timeLimit(.minutes(60)))
struct ProofTests {
    @Test func `a tree with every way of proof is renewed by certctl, by certbot, and by certctl again`() async throws {
        try await ProofStack.with { proof in
            try await proof.makeTree()
            try await proof.stack.nginx.serve([proof.stack.site(ProofStack.webroot, lineage: "site.example")])
            let portLog = "\(proof.stack.directory)/port.log"
            try await proof.certonlyOnPortOfNginx(log: portLog)
            _ = try takeHookLog(portLog)
            let all = ProofStack.all + [ProofStack.hooked]
            let confs = try await snapshot(of: "\(proof.stack.tree)/renewal")
            #expect(try await proof.versions(all) == [1, 1, 1, 1, 1])
            for name in all { #expect(try await proof.certctl.lineage(name).state == "ok") }
            try? FileManager.default.removeItem(atPath: proof.hookLog)

            let renewal = try await proof.certctl.renew("--force")
            #expect(renewal.status == 0, "\(renewal.stdout)\(renewal.stderr)")
            #expect(try await proof.versions(all) == [2, 2, 2, 2, 2])
            // The site of the webroot was renewed by then, and is up for as long as the other lineage has port 80.
            #expect(try takeHookLog(portLog) == ["pre cert2.pem served", "post cert2.pem served"])
            #expect(try await proof.certctl.lineage("wild.example").domains.contains("*.wild.example"))
            #expect(try await snapshot(of: "\(proof.stack.tree)/renewal") == confs, "the confs stay byte for byte")
            for name in ["wild.example", "by-hand.example", "www.by-hand.example"] {
                #expect(try await proof.knot.texts("_acme-challenge.\(name)").isEmpty, "nothing is left in the zone")
            }
            let seen = (contents(ofFile: proof.hookLog) ?? "").split(separator: "\n").map(String.init).sorted()
            let named = seen.first { $0.hasPrefix("auth") }?.split(separator: " ").last.map(String.init) ?? ""
            #expect(Set(named.split(separator: ",")) == ["by-hand.example", "www.by-hand.example"])
            #expect(seen.filter { $0.hasPrefix("auth") }.map { $0.split(separator: " ")[2] }.sorted() == ["0", "1"])
            #expect(
                seen.contains {
                    $0.hasPrefix("cleanup www.by-hand.example") && $0.contains("[record of www.by-hand.example]")
                })

            let certbot = try await proof.stack.certbot.renew(force: true)
            #expect(certbot.status == 0, "\(certbot.stdout)\(certbot.stderr)")
            #expect(try await proof.versions(all) == [3, 3, 3, 3, 3])
            let certbots = try await snapshot(of: "\(proof.stack.tree)/renewal")
            _ = try takeHookLog(portLog)
            let again = try await proof.certctl.renew("--force")
            #expect(again.status == 0, "\(again.stdout)\(again.stderr)")
            #expect(try await proof.versions(all) == [4, 4, 4, 4, 4])
            #expect(try await snapshot(of: "\(proof.stack.tree)/renewal") == certbots)
            #expect(try takeHookLog(portLog) == ["pre cert4.pem served", "post cert4.pem served"])
        }
    }

    @Test(.certbotVenv) func `the plugins of a current certbot in a virtual environment are used`() async throws {
        try await ProofStack.with(settings: ["certbot_venv = \(CertbotVenv.path)"]) { proof in
            // One value a record: lego's provider replaces what is there.
            try await proof.certonlyByDNS(["*.wild.example"])
            let renewal = try await proof.certctl.renew("--force", "wild.example")
            #expect(renewal.status == 0, "\(renewal.stdout)\(renewal.stderr)")
            // lego's providers, by dns-multi.
            let conf = "\(proof.stack.tree)/renewal/wild.example.conf"
            let text = string(conf).split(separator: "\n").filter { !$0.hasPrefix("dns_rfc2136") }.joined(
                separator: "\n"
            )
            .replacing("authenticator = dns-rfc2136", with: "authenticator = dns-multi")
            .replacing(
                "[renewalparams]",
                with:
                    "[renewalparams]\ndns_multi_credentials = \(try proof.knot.writeMultiCredentials())\ndns_multi_propagation_seconds = 0"
            )
            try (text + "\n").write(toFile: conf, atomically: true, encoding: .utf8)
            let byLego = try await proof.certctl.renew("--force", "wild.example")
            #expect(byLego.status == 0, "\(byLego.stdout)\(byLego.stderr)")
            #expect(try await proof.certctl.lineage("wild.example").version == 3)
            #expect(try await proof.knot.texts("_acme-challenge.wild.example").isEmpty)
        }
    }

    @Test func `CNAMEs of a challenge's record are followed, and a circle of them is named`() async throws {
        let records = [
            "alias A 127.0.0.1", "ring A 127.0.0.1", "_acme-challenge.alias CNAME alias.acme.example.",
            "_acme-challenge.ring CNAME _acme-challenge.ring2.example.",
            "_acme-challenge.ring2 CNAME _acme-challenge.ring.example.",
        ]
        try await ProofStack.with(records: records) { proof in
            // certbot's plugin follows none, so that the tree has to be another name's at first.
            try await proof.certonly(
                ["alias.example"], ["--webroot", "--webroot-path", proof.stack.webroot])
            try await proof.certonly(["ring.example"], ["--webroot", "--webroot-path", proof.stack.webroot])
            for name in ["alias.example", "ring.example"] {
                let conf = "\(proof.stack.tree)/renewal/\(name).conf"
                let text = string(conf).replacing(
                    "authenticator = webroot",
                    with:
                        "authenticator = dns-rfc2136\ndns_rfc2136_credentials = \(try proof.knot.writeCredentials())\ndns_rfc2136_propagation_seconds = 0"
                )
                try text.write(toFile: conf, atomically: true, encoding: .utf8)
            }
            let renewal = try await proof.certctl.renew("--force", "alias.example")
            #expect(renewal.status == 0, "\(renewal.stdout)\(renewal.stderr)")
            #expect(try await proof.knot.texts("alias.acme.example").isEmpty)
            let circle = try await proof.certctl.renew("--force", "ring.example")
            #expect(circle.status == 1)
            #expect(circle.stderr.contains("lead in a circle"), "\(circle.stderr)")
            #expect(try await proof.doctor()["challenge-record-loop"]?.contains("failure") == true)
        }
    }

    @Test func `records are taken away by the plugin itself when certctl is killed, and the next run goes on`()
        async throws
    {
        try await ProofStack.with { proof in
            try await proof.certonlyByDNS(ProofStack.wildcard)
            let conf = "\(proof.stack.tree)/renewal/wild.example.conf"
            try string(conf).replacing("propagation_seconds = 1", with: "propagation_seconds = 3")
                .write(toFile: conf, atomically: true, encoding: .utf8)
            let words = proof.certctl.commandLine("renew", ["--force", "--ca-bundle", proof.stack.pebble.caBundle])
            let pid = "\(proof.stack.directory)/pid"
            let line = "\(words.map(shellQuoted).joined(separator: " ")) & echo $! >\(shellQuoted(pid)); wait"
            async let run = sh("sh", ["-c", line], environment: proof.certctl.variables)
            try await eventually("the records are there") {
                try await proof.knot.texts("_acme-challenge.wild.example").count == 2
            }
            try await check("kill", ["-9", string(pid).filter(\.isNumber)])
            _ = try await run
            try await eventually("the records are gone") {
                try await proof.knot.texts("_acme-challenge.wild.example").isEmpty
            }
            let next = try await proof.certctl.renew("--force")
            #expect(next.status == 0, "\(next.stdout)\(next.stderr)")
            #expect(try await proof.certctl.lineage("wild.example").version == 2)
        }
    }

    @Test func `a port that is taken is refused, and its holder named`() async throws {
        try await ProofStack.with { proof in
            try await proof.certonlyAlone(ProofStack.standalone)
            let conf = "\(proof.stack.tree)/renewal/one.alone.example.conf"
            // nginx has the port on 127.0.0.1 only.
            let text = string(conf).replacing("http01_address = 127.0.0.2", with: "http01_address = 127.0.0.1")
            try text.write(toFile: conf, atomically: true, encoding: .utf8)
            var renewal = try await proof.certctl.renew("--force")
            // One time in a hundred Pebble takes the name as valid: see Pebble.Options.authzReuse.
            for _ in 0..<3 where renewal.status == 0 { renewal = try await proof.certctl.renew("--force", "--yes") }
            #expect(renewal.status == 1)
            #expect(
                renewal.stderr.contains("127.0.0.1:\(proof.stack.pebble.httpPort) is taken: nginx (process"),
                "\(renewal.stderr)")
        }
    }

    @Test func `a plugin that is not installed is named with its package, and nothing stays in the zone`() async throws
    {
        try await ProofStack.with { proof in
            try await proof.certonlyByDNS(ProofStack.wildcard)
            let conf = "\(proof.stack.tree)/renewal/wild.example.conf"
            try string(conf).replacing("dns-rfc2136", with: "dns-desec").write(
                toFile: conf, atomically: true, encoding: .utf8)
            let renewal = try await proof.certctl.renew("--force")
            #expect(renewal.status == 1)
            #expect(renewal.stderr.contains("apt install python3-certbot-dns-desec"), "\(renewal.stderr)")
            #expect(try await proof.knot.texts("_acme-challenge.wild.example").isEmpty)
        }
    }

    @Test func `doctor names what keeps a DNS plugin from its work, and records that were left`() async throws {
        try await ProofStack.with { proof in
            try await proof.certonlyByDNS(ProofStack.wildcard)
            try await proof.certonlyAlone(ProofStack.standalone)
            let credentials = try proof.knot.writeCredentials()
            var checks = try await proof.doctor()
            for id in [
                "plugin-unusable", "credentials-missing", "credentials-readable", "zone-not-delegated",
                "challenge-record-stale", "standalone-port-taken",
            ] {
                #expect(checks[id] == ["ok"], "\(id)")
            }
            try await proof.knot.update(["add _acme-challenge.wild.example. 1 TXT old"])
            try await check("chmod", ["644", credentials])
            checks = try await proof.doctor()
            #expect(checks["challenge-record-stale"] == ["warning"])
            #expect(checks["credentials-readable"] == ["warning"])
            try FileManager.default.removeItem(atPath: credentials)
            let conf = "\(proof.stack.tree)/renewal/one.alone.example.conf"
            try string(conf).replacing("http01_address = 127.0.0.2", with: "http01_address = 127.0.0.1")
                .write(toFile: conf, atomically: true, encoding: .utf8)
            checks = try await proof.doctor()
            #expect(checks["credentials-missing"] == ["failure"])
            #expect(checks["standalone-port-taken"] == ["failure"])
            let wild = "\(proof.stack.tree)/renewal/wild.example.conf"
            let text = string(wild).replacing("dns-rfc2136", with: "dns-desec")
                .replacing("dns_rfc2136_credentials", with: "dns_desec_unused")
            try text.write(toFile: wild, atomically: true, encoding: .utf8)
            #expect(try await proof.doctor()["plugin-unusable"] == ["failure"])
        }
    }

    @Test func `records that servers have late are a warning of the run, and doctor names the setting to raise`()
        async throws
    {
        let records = ["@ NS ns2.example.", "ns2 A 127.0.0.2"]
        try await ProofStack.with(records: records) { proof in
            try await proof.certonlyByDNS(ProofStack.wildcard)
            try proof.set([], propagationTimeout: 2)
            #expect(try await proof.doctor()["propagation-slow"] == ["ok"])
            // A secondary server that never hears of an update.
            try await TemporaryDirectory.with { directory in
                try await Knot.with(directory, address: "127.0.0.2", port: proof.knot.port, records: records) { _ in
                    let renewal = try await proof.certctl.renew("--force")
                    #expect(renewal.status == 0, "\(renewal.stdout)\(renewal.stderr)")
                    #expect(
                        renewal.stderr.contains(
                            "after 2 s 1 of 2 servers of the zone example did not have _acme-challenge.wild.example: ns2.example (127.0.0.2)"
                        ), "\(renewal.stderr)")
                    #expect(try await proof.doctor()["propagation-slow"] == ["warning"])
                    let text = try await proof.certctl.doctor().stdout
                    let words = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
                    #expect(
                        words.contains("raise propagation_timeout in /etc/certctl/certctl.conf above 2"), "\(text)")
                    try await proof.knot.update(["add _acme-challenge.wild.example. 1 TXT old"])
                    #expect(try await proof.doctor()["challenge-record-differs"] == ["warning"])
                    try await proof.knot.update(["delete _acme-challenge.wild.example. TXT"])
                    try proof.set([], propagationTimeout: 20)
                    #expect(try await proof.doctor()["propagation-slow"] == ["ok"], "a longer wait was not tried yet")
                }
            }
            try proof.set([], propagationTimeout: 2)
            #expect(try await proof.doctor()["propagation-slow"] == ["warning"])
            let renewal = try await proof.certctl.renew("--force", "--yes")
            #expect(renewal.status == 0, "\(renewal.stdout)\(renewal.stderr)")
            #expect(try await proof.doctor()["propagation-slow"] == ["ok"])
        }
    }

    @Test func `doctor names a zone whose servers have no addresses`() async throws {
        let zones = ["gone": ["@ NS ns.elsewhere.test.", "@ A 127.0.0.1"]]
        try await ProofStack.with(zones: zones) { proof in
            try await proof.certonly(["gone.example"], ["--webroot", "--webroot-path", proof.stack.webroot])
            #expect(try await proof.doctor()["zone-not-delegated"] == nil, "a webroot needs no zone")
            let conf = "\(proof.stack.tree)/renewal/gone.example.conf"
            let dns = "authenticator = dns-rfc2136\ndns_rfc2136_credentials = \(try proof.knot.writeCredentials())"
            try string(conf).replacing("authenticator = webroot", with: dns)
                .write(toFile: conf, atomically: true, encoding: .utf8)
            #expect(try await proof.doctor()["zone-not-delegated"] == ["failure"])
            let text = try await proof.certctl.doctor().stdout
            let words = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
            #expect(words.contains("servers of the zone gone.example have no addresses: ns.elsewhere.test"), "\(text)")
        }
    }

    @Test func `certbot's manual hooks prove names by http-01 as well`() async throws {
        try await ProofStack.with { proof in
            let root = "\(proof.stack.webroot)/.well-known/acme-challenge"
            try await proof.certonly(
                ["page.example"],
                [
                    "--manual", "--preferred-challenges", "http", "--manual-auth-hook",
                    "mkdir -p \(root); printf %s \"$CERTBOT_VALIDATION\" >\(root)/$CERTBOT_TOKEN",
                    "--manual-cleanup-hook", "rm \(root)/$CERTBOT_TOKEN",
                ])
            let renewal = try await proof.certctl.renew("--force")
            #expect(renewal.status == 0, "\(renewal.stdout)\(renewal.stderr)")
            #expect(try await check("ls", [root]).isEmpty)
        }
    }

    @Test func `a rule of nginx proves names without any file`() async throws {
        try await ProofStack.with { proof in
            try await proof.stack.certbot.certonly(names: ProofStack.webroot, webroot: proof.stack.webroot)
            let conf = "\(proof.stack.tree)/renewal/site.example.conf"
            try (string(conf).replacing(proof.stack.webroot, with: "/nonexistent") + "[certctl]\nsolver = stateless\n")
                .write(toFile: conf, atomically: true, encoding: .utf8)
            try proof.set(["http_port = \(proof.stack.pebble.httpPort)"])
            #expect(try await proof.doctor()["stateless-wrong"] == ["failure"], "nginx looks for files still")
            try await proof.answerStatelessly()
            #expect(try await proof.doctor()["stateless-wrong"] == ["ok"])
            let renewal = try await proof.certctl.renew("--force")
            #expect(renewal.status == 0, "\(renewal.stdout)\(renewal.stderr)")
        }
    }
}

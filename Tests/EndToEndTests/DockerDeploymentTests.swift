import FoundationEssentials
import Rig
import Testing

/// The job certctl is made for: nginx in a container serves what was renewed on the host, or somebody is told and the next
/// run goes on.
@Suite(.docker)
struct DockerDeploymentTests {
    @Test func `a first certificate, with none in place, is done once the container serves it`() async throws {
        try await DockerHost.with { host in
            try host.verify(patience: 1)
            let issued = try await host.issue("example.com", "www.example.com")
            #expect(issued.stdout.contains("example.com: version 1 is installed"))
            #expect(issued.status == 1, "nobody serves it yet where the settings say it is served: \(issued.stderr)")
            #expect(issued.stderr.contains("127.0.0.1:\(host.stack.tlsPort) cannot be reached"), "\(issued.stderr)")
            #expect(try await host.entry().state == "pending")
            let requests = host.requests
            try await host.stack.serveHTTPS()
            try host.verify(patience: 120)
            let next = try await host.certctl.renew()
            #expect(next.status == 0, "\(next.stderr)")
            #expect(host.requests == requests)
            try await expectVerified(host)
        }
    }

    @Test func `a first certificate with none in place is done where no listener is set`() async throws {
        try await DockerHost.with { host in
            try host.verify(nil)
            let issued = try await host.issue("example.com", "www.example.com")
            #expect(issued.status == 0, "\(issued.stderr)")
            #expect(try await host.entry().state == "ok")
            try await host.stack.serveHTTPS()
            #expect(try await host.servedSerial() == host.installedSerial())
        }
    }

    @Test func `a first certificate takes the place of a dummy that the container serves`() async throws {
        try await DockerHost.with { host in
            // What the scripts do with which such stacks begin: files, no links.
            let live = "\(host.stack.tree)/live/example.com"
            try FileManager.default.createDirectory(atPath: live, withIntermediateDirectories: true)
            try await check(
                "openssl",
                [
                    "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-keyout", "\(live)/privkey.pem",
                    "-out", "\(live)/fullchain.pem", "-subj", "/CN=localhost",
                ])
            try await host.stack.serveHTTPS()
            let dummy = try await host.servedSerial()
            let issued = try await host.issue("example.com", "www.example.com")
            #expect(issued.status == 0, "\(issued.stderr)")
            #expect(try await host.servedSerial() != dummy)
            try await expectVerified(host)
        }
    }

    @Test(arguments: ["post", "deploy"])
    func `a renewal ends with the container serving the new leaf`(kind: String) async throws {
        try await DockerHost.serving { host in
            try host.installReload(in: kind)
            let (first, reloads) = (try await host.servedSerial(), try await host.reloads())
            let renewal = try await host.certctl.renew("--force")
            #expect(renewal.status == 0, "\(renewal.stderr)")
            #expect(renewal.stdout.contains("127.0.0.1:\(host.stack.tlsPort) serves "), "\(renewal.stdout)")
            try await expectVerified(host)
            #expect(try await host.servedSerial() != first)
            #expect(try await host.reloads() == reloads + 1)

            // With nothing to do, nothing is done.
            let requests = host.requests
            #expect(try await host.certctl.renew().status == 0)
            #expect(host.requests == requests)
            #expect(try await host.reloads() == reloads + 1)
            let books = try await check("find", [host.certctl.state, "-type", "f", "-printf", "%m %f\\n"])
            let modes = Set(books.split(separator: "\n").map(String.init))
            #expect(
                modes == [
                    "600 authorities.json", "600 example.com.json", "600 history.jsonl", "600 last-run.json",
                    "600 tree",
                    // What each run leaves for all to read.
                    "644 status.json",
                ])
        }
    }

    @Test func `a container that is down during the renewal is deployed to when it is up, without the CA`() async throws
    {
        try await DockerHost.serving { served in
            // In a pid name space of its own, so that no other test's nginx is the host's.
            var host = served
            host.certctl.prefix = ["unshare", "--pid", "--fork", "--mount-proc"]
            let first = try await host.installedSerial()
            let container = try #require(try await host.stack.container())
            try host.addHook("deploy", "10-stops", "docker stop --time 1 \(container)")
            try host.verify(patience: 1)
            let renewal = try await host.certctl.renew("--force")
            #expect(renewal.status == 1)
            #expect(renewal.stderr.contains("\(host.stack.project)-nginx-1 (exited)"), "\(renewal.stderr)")
            #expect(renewal.stderr.contains("example.com: pending: "), "\(renewal.stderr)")
            let pending = try await host.entry()
            #expect((pending.state, pending.stage, pending.version) == ("pending", "installed", 2))

            let requests = host.requests
            #expect(try await host.certctl.renew().status == 1, "it is still down")
            try await host.stack.start()
            try host.verify(patience: 120)
            let next = try await host.certctl.renew()
            #expect(next.status == 0, "\(next.stderr)")
            #expect(host.requests == requests)
            #expect(try await host.installedSerial() != first)
            try await expectVerified(host)
        }
    }

    @Test func `a configuration that nginx refuses is shown, and the certificate deployed once it is mended`()
        async throws
    {
        try await DockerHost.serving { host in
            let first = try await host.servedSerial()
            let conf = string(host.stack.productionConf)
            try (conf + "\nno_such_directive on;\n")
                .write(toFile: host.stack.productionConf, atomically: false, encoding: .utf8)
            try host.verify(patience: 1)
            let renewal = try await host.certctl.renew("--force", "--yes")
            #expect(renewal.status == 1)
            #expect(renewal.stderr.contains("unknown directive \"no_such_directive\""), "\(renewal.stderr)")
            #expect(try await host.servedSerial() == first)
            let pending = try await host.entry()
            #expect((pending.state, pending.stage, pending.version) == ("pending", "installed", 2))
            #expect(pending.problems.map(\.code).sorted() == ["hook-failed", "served-wrongly"])

            let requests = host.requests
            try conf.write(toFile: host.stack.productionConf, atomically: false, encoding: .utf8)
            try host.verify(patience: 120)
            let next = try await host.certctl.renew()
            #expect(next.status == 0, "\(next.stderr)")
            #expect(host.requests == requests)
            try await expectVerified(host)
        }
    }

    @Test func `a hook that exits with 0 and reloads nothing leaves the lineage pending`() async throws {
        try await DockerHost.serving { host in
            try FileManager.default.removeItem(atPath: "\(host.stack.tree)/renewal-hooks/post/reload-nginx")
            try host.addHook("post", "10-lies")
            try host.verify(patience: 1)
            let first = try await host.servedSerial()
            let renewal = try await host.certctl.renew("--force")
            #expect(renewal.status == 1)
            let stale =
                "127.0.0.1:\(host.stack.tlsPort) still serves the old certificate (serial \(first.lowercased()))"
            #expect(renewal.stderr.contains(stale), "\(renewal.stderr)")
            let pending = try await host.entry()
            #expect((pending.state, pending.stage) == ("pending", "deployed"))
            #expect(pending.problems.map(\.code) == ["served-wrongly"])

            try host.installReload(in: "post")
            try host.verify(patience: 120)
            let requests = host.requests
            let next = try await host.certctl.renew()
            #expect(next.status == 0, "\(next.stderr)")
            #expect(host.requests == requests)
            try await expectVerified(host)
        }
    }

    @Test func `twenty lineages cost one reload`() async throws {
        try await DockerHost.with { host in
            let names = (1...20).map { "n\($0).example.com" }
            try host.verify("none")
            for name in names { try await host.demand(host.issue(name)) }
            // The example's own names, which its configuration has to find.
            try await host.demand(host.issue("example.com", "www.example.com"))
            let sites = names.map { name in
                """
                server {
                    listen 127.0.0.1:\(host.stack.tlsPort) ssl;
                    server_name \(name);
                    ssl_certificate /etc/letsencrypt/live/\(name)/fullchain.pem;
                    ssl_certificate_key /etc/letsencrypt/live/\(name)/privkey.pem;
                }

                """
            }
            try sites.joined()
                .write(toFile: "\(host.stack.example)/nginx/many.conf", atomically: false, encoding: .utf8)
            try await host.stack.serveHTTPS()
            try host.verify(patience: 120)
            let before = try await host.reloads()
            let renewal = try await host.certctl.renew("--force")
            #expect(renewal.status == 0, "\(renewal.stderr)")
            #expect(try await host.reloads() == before + 1)
            for name in names {
                let entry = try await host.certctl.lineage(name)
                #expect((entry.state, entry.stage, entry.version) == ("ok", "verified", 2))
            }
            #expect(try await host.servedSerial("n20.example.com") == host.installedSerial("n20.example.com"))
        }
    }

    @Test(arguments: [nil, "none"])
    func `a mail lineage that nobody serves here is done when its hook has run, once`(verify: String?) async throws {
        try await DockerHost.serving { host in
            if verify == nil { try host.verify(nil) }
            try await host.demand(issueMail(host))
            let conf = "\(host.stack.tree)/renewal/mail.example.com.conf"
            let log = "\(host.stack.directory)/mail.log"
            var lines = string(conf).replacing(
                "[renewalparams]\n", with: "[renewalparams]\nrenew_hook = echo postfix >> \(log)\n")
            if let verify { lines += "[certctl]\nverify = \(verify)\n" }
            try lines.write(toFile: conf, atomically: true, encoding: .utf8)
            for _ in 1...2 {
                #expect(try await host.certctl.renew().status == 0)
                #expect(string(log).isEmpty, "nothing was renewed")
            }
            let renewal = try await host.certctl.renew("--force", "mail.example.com")
            #expect(renewal.status == 0, "\(renewal.stderr)")
            #expect(string(log) == "postfix\n")
            let entry = try await host.certctl.lineage("mail.example.com")
            #expect((entry.state, entry.stage, entry.version) == ("ok", "deployed", 2))
            #expect(try await host.certctl.renew().status == 0)
            #expect(string(log) == "postfix\n")
        }
    }

    /// With the settings of a host whose container is asked for every lineage, a mail name is named as nobody's first.
    private func issueMail(_ host: DockerHost) async throws -> Output {
        let settings = string(host.certctl.settings ?? "")
        try host.verify("none")
        let issued = try await host.issue("mail.example.com")
        try settings.write(toFile: host.certctl.settings ?? "", atomically: true, encoding: .utf8)
        return issued
    }

    private func expectVerified(_ host: DockerHost) async throws {
        let entry = try await host.entry()
        #expect((entry.state, entry.stage) == ("ok", "verified"))
        #expect(entry.problems.map(\.code) == [])
        #expect(try await host.servedSerial() == host.installedSerial())
        #expect(try await host.servedSerial("www.example.com") == host.installedSerial())
    }
}

import Rig
import Testing

@Suite(.stack)
struct StackTests {
    @Test(.parts("certbot"))
    func `certbot gets a certificate that nginx then serves, and nothing is left afterwards`() async throws {
        let (pids, directory) = try await Rig.withStack { stack in
            let names = ["one.example", "www.one.example"]
            try await stack.certbot.certonly(names: names, webroot: stack.webroot)
            #expect(try await stack.certbot.certificates().stdout.contains("Domains: one.example www.one.example"))

            try await stack.nginx.serve([stack.site(names)])
            let live = "\(stack.tree)/live/one.example/cert.pem"
            let first = try await serial(ofPEM: #require(contents(ofFile: live)))
            #expect(try await stack.nginx.servedSerial(name: "www.one.example") == first)

            let renewal = try await stack.certbot.renew(force: true)
            #expect(renewal.status == 0, "\(renewal)")
            let second = try await serial(ofPEM: #require(contents(ofFile: live)))
            #expect(second != first)
            #expect(try await stack.nginx.servedSerial(name: "one.example") == first, "nobody has reloaded nginx yet")
            try await stack.nginx.reload()
            #expect(try await stack.nginx.servedSerial(name: "one.example") == second)

            #expect(stack.pebble.requestCount("/order-plz") == 2)
            let challenges = stack.nginx.requests().filter { $0.hasPrefix("GET /.well-known/acme-challenge/") }
            #expect(!challenges.isEmpty && challenges.allSatisfy { $0.hasSuffix(" 200") }, "\(challenges)")

            let pids = [stack.pebble.server.pid, stack.pebble.dns.pid, stack.nginx.daemon.pid] + stack.nginx.workers()
            #expect(pids.count >= 4 && pids.allSatisfy(Daemon.isRunning))
            return (pids, stack.directory)
        }
        #expect(!pids.contains(where: Daemon.isRunning))
        #expect(try await sh("test", ["-e", directory]).status == 1)
    }

    @Test func `the hook line reloads this nginx`() async throws {
        try await Rig.withStack { stack in
            let own = try await ServerIdentity.make(in: stack.directory, names: ["hook.example"])
            try await stack.nginx.serve([(names: ["hook.example"], certificate: own.certificate, key: own.key)])
            let before = try await stack.nginx.servedSerial(name: "hook.example")
            _ = try await ServerIdentity.make(in: stack.directory, names: ["hook.example"])
            _ = try await check("sh", ["-c", stack.nginx.reloadCommand])
            var served = before
            while served == before {
                try await Task.sleep(for: .milliseconds(20))
                served = try await stack.nginx.servedSerial(name: "hook.example")
            }
            let expected = try await serial(ofPEM: #require(contents(ofFile: own.certificate)))
            #expect(served == expected)
        }
    }

    @Test func `nginx refuses a site without a certificate and goes on`() async throws {
        try await Rig.withStack { stack in
            let own = try await ServerIdentity.make(in: stack.directory, names: ["good.example"])
            let good = (names: ["good.example"], certificate: own.certificate, key: own.key)
            try await stack.nginx.serve([good])
            let before = try await stack.nginx.servedSerial(name: "good.example")
            await #expect(throws: RigError.self) {
                try await stack.nginx.serve([good, stack.site(["missing.example"])])
            }
            #expect(try await stack.nginx.servedSerial(name: "good.example") == before)
            await #expect(throws: RigError.self) { try await stack.nginx.servedLeaf(name: "other.example") }
        }
    }
}

@Suite(.parts("pebble", "pebble-challtestsrv", "curl", "openssl"))
struct PebbleTests {
    @Test func `its directory is answered, verified by the CA bundle, and counted`() async throws {
        try await TemporaryDirectory.with { directory in
            try await Pebble.with(directory) { pebble in
                let answer = try await check(
                    "curl", ["-sS", "--fail", "--cacert", pebble.caBundle, pebble.directoryURL])
                #expect(answer.contains("order-plz"))
                #expect(pebble.allRequests() == ["GET /dir"])
                #expect(try await sh("curl", ["-sS", pebble.directoryURL]).status == 60, "no other root verifies it")
                #expect(try await pebble.rootPEM().hasPrefix("-----BEGIN CERTIFICATE-----"))
            }
        }
    }

    @Test func `alternate roots differ from the default one`() async throws {
        var options = Pebble.Options()
        options.alternateRoots = 1
        try await TemporaryDirectory.with { [options] directory in
            try await Pebble.with(directory, options: options) { pebble in
                let (first, second) = (try await pebble.rootPEM(0), try await pebble.rootPEM(1))
                #expect(first != second)
                await #expect(throws: RigError.self) { try await pebble.rootPEM(2) }
            }
        }
    }

    @Test(.parts("certbot"))
    func `a lifetime, a chain length, a blocked name and an external account are as asked`() async throws {
        var options = Pebble.Options()
        options.validity = .seconds(6 * 86_400)
        options.chainLength = 2
        options.alwaysValid = true
        options.blockedDomains = ["blocked.example"]
        let macKey = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
        options.externalAccountKeys = ["kid-1": macKey]
        try await Rig.withStack(options) { stack in
            let account = ["--eab-kid", "kid-1", "--eab-hmac-key", macKey]
            try await stack.certbot.certonly(names: ["six.example"], webroot: stack.webroot, extra: account)
            let live = "\(stack.tree)/live/six.example"
            let week = try await sh("openssl", ["x509", "-noout", "-checkend", "604800", "-in", "\(live)/cert.pem"])
            #expect(week.status == 1, "it has expired in a week")
            let soon = try await sh("openssl", ["x509", "-noout", "-checkend", "432000", "-in", "\(live)/cert.pem"])
            #expect(soon.status == 0, "it has not in five days")
            let chain = try #require(contents(ofFile: "\(live)/chain.pem"))
            #expect(chain.split(separator: "-----BEGIN CERTIFICATE-----").count == 2)
            await #expect(throws: RigError.self) {
                try await stack.certbot.certonly(names: ["blocked.example"], webroot: stack.webroot)
            }
            // certbot 2.1 on Python 3.11 prints an AttributeError in place of the CA's problem; its log has it.
            let log = try #require(contents(ofFile: "\(stack.certbot.logsDir)/letsencrypt.log"))
            #expect(log.contains("urn:ietf:params:acme:error:rejectedIdentifier"))
        }
    }
}

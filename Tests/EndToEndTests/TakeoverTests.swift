import Rig
import Testing

/// The main job: a tree that certbot made is shown, renewed, deployed, and given back.
@Suite(.stack, .parts("certbot"))
struct TakeoverTests {
    private static let lineages = [
        ["one.example"], ["three.example", "www.three.example", "api.three.example"], ["rsa.example"],
    ]

    @Test(arguments: [0, 30])
    func `certctl takes over what certbot made, and certbot takes over again`(nonceReject: Int) async throws {
        var options = Pebble.Options()
        options.nonceReject = nonceReject
        try await Rig.withStack(options) { stack in
            try await makeTree(stack)
            let certctl = Certctl(stack)
            try await shows(stack, certctl)
            try await findsNothingDue(stack, certctl)
            try await renewsAll(stack, certctl)
            try await isTakenOverByCertbot(stack)
            // And back once more.
            let again = try await certctl.renew("--force")
            #expect(again.status == 0, "\(again.stderr)")
            for names in Self.lineages { #expect(try await certctl.lineage(names[0]).version == 4) }
        }
    }

    private func makeTree(_ stack: Stack) async throws {
        for names in Self.lineages {
            let key = names[0] == "rsa.example" ? ["--key-type", "rsa"] : ["--key-type", "ecdsa"]
            try await persistently {
                try await stack.certbot.certonly(names: names, webroot: stack.webroot, extra: key)
            }
        }
        try await stack.nginx.serve(Self.lineages.map { stack.site($0) })
        try addHook("pre", "10-pre", stack)
        try addHook("deploy", "10-deploy", stack)
        try addHook("post", "10-reload", stack, stack.nginx.reloadCommand)
    }

    /// certbot signs a request anew once only, so that it often fails where a third of the nonces are refused.
    private func persistently(_ body: () async throws -> Void) async throws {
        for _ in 0..<40 {
            if (try? await body()) != nil { return }
        }
        try await body()
    }

    private func shows(_ stack: Stack, _ certctl: Certctl) async throws {
        let table = try await certctl.status()
        #expect(table.status == 0)
        #expect(table.stderr.isEmpty)
        for names in Self.lineages { #expect(table.stdout.contains(names.joined(separator: " "))) }

        let entry = try await certctl.lineage("three.example")
        #expect(entry.state == "ok")
        #expect(entry.domains.sorted() == ["api.three.example", "three.example", "www.three.example"])
        #expect(entry.version == 1)
        #expect(entry.keyType == "ECDSA P-256")
        #expect(entry.problems.isEmpty)
        let leaf = "\(stack.tree)/live/three.example/cert.pem"
        let serial = try await serial(ofPEM: string(leaf))
        #expect(entry.serial?.uppercased() == serial)
        let fingerprint = try await check("openssl", ["x509", "-in", leaf, "-noout", "-fingerprint", "-sha256"])
        let digits = fingerprint.split(separator: "=")[1].filter(\.isHexDigit).lowercased()
        #expect(entry.sha256 == digits)
        #expect(try await certctl.lineage("rsa.example").keyType == "RSA 2048")
    }

    private func findsNothingDue(_ stack: Stack, _ certctl: Certctl) async throws {
        let before = try await snapshot(of: stack.tree)
        let requests = stack.pebble.requests().count
        let renewal = try await certctl.renew()
        #expect(renewal.status == 0)
        #expect(renewal.stdout.hasPrefix("nothing is due: 3 certificates"))
        #expect(renewal.stderr.isEmpty)
        let quiet = try await certctl.renew("--quiet")
        #expect((quiet.status, quiet.stdout, quiet.stderr) == (0, "", ""))
        #expect(try takeHookLog(stack).isEmpty)
        #expect(try await snapshot(of: stack.tree) == before)
        #expect(stack.pebble.requests().count == requests)
    }

    private func renewsAll(_ stack: Stack, _ certctl: Certctl) async throws {
        let accounts = try await snapshot(of: "\(stack.tree)/accounts")
        let confs = try await snapshot(of: "\(stack.tree)/renewal")
        let registrations = stack.pebble.requestCount("/sign-me-up")
        let renewal = try await certctl.renew("--force")
        #expect(renewal.status == 0, "\(renewal.stderr)")
        for names in Self.lineages {
            #expect(renewal.stdout.contains("\(names[0]): version 2 is installed"))
            let entry = try await certctl.lineage(names[0])
            #expect(entry.version == 2)
            #expect(entry.domains.sorted() == names.sorted())
            #expect(entry.problems.isEmpty)
            try await eventually("nginx serves the new certificate of \(names[0])") {
                try await stack.nginx.servedSerial(name: names[0]) == entry.serial?.uppercased()
            }
        }
        #expect(try await certctl.lineage("rsa.example").keyType == "RSA 2048")
        #expect(try await snapshot(of: "\(stack.tree)/accounts") == accounts, "certbot's account is used, and no other")
        #expect(try await snapshot(of: "\(stack.tree)/renewal") == confs, "the confs stay byte for byte")
        #expect(stack.pebble.requestCount("/sign-me-up") == registrations)

        let log = try takeHookLog(stack)
        #expect(log.count == 5, "\(log)")
        #expect(log.first == "pre/10-pre [] [] []")
        let live = "\(stack.tree)/live"
        #expect(log.contains { $0.hasPrefix("deploy/10-deploy [\(live)/one.example] [one.example]") })
        #expect(log.filter { $0.hasPrefix("deploy/") }.count == 3)
        let post = try #require(log.last)
        #expect(post.hasPrefix("post/10-reload []"))
        #expect(post.contains("rsa.example") && post.contains("one.example") && post.hasSuffix("[]"))
    }

    private func isTakenOverByCertbot(_ stack: Stack) async throws {
        let certificates = try await stack.certbot.certificates()
        #expect(certificates.status == 0, "\(certificates.stderr)")
        for names in Self.lineages { #expect(certificates.stdout.contains("Certificate Name: \(names[0])")) }
        #expect(!certificates.stdout.contains("INVALID"))
        for names in Self.lineages {
            try await persistently {
                let renewal = try await stack.certbot.renew(force: true, extra: ["--cert-name", names[0]])
                guard renewal.status == 0 else { throw RigError("\(renewal.stdout)\(renewal.stderr)") }
            }
            #expect(try await Certctl(stack).lineage(names[0]).version == 3)
            #expect(try await Certctl(stack).lineage(names[0]).problems.isEmpty)
        }
    }
}

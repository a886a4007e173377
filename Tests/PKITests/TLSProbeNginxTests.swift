import FoundationEssentials
import PKI
import Rig
import Testing

@Suite(.parts("nginx", "openssl", "setpriv"), .timeLimit(.minutes(20)))
struct TLSProbeNginxTests {
    private let probe = TLSProbe(timeout: .seconds(120))

    @Test func `nginx serves each name its certificate, and the new one after a reload`() async throws {
        try await withNginx(names: ["a.example.org", "b.example.org"]) { nginx, sites, endpoint in
            for site in sites {
                let served = await probe.leaf(at: endpoint, serverName: site.name)
                #expect(served == .leaf(site.identity.certificate, failure: nil))
            }
            let refused = await probe.leaf(at: endpoint, serverName: "c.example.org")
            #expect(refused == .broken("tlsv1 unrecognized name"))

            let new = try await SelfSigned.make("new", in: nginx.directory, key: ["rsa:2048"])
            try await nginx.serve([
                (["a.example.org"], new.certificateFile, new.keyFile),
                (["b.example.org"], sites[1].identity.certificateFile, sites[1].identity.keyFile),
            ])
            #expect(
                await probe.leaf(at: endpoint, serverName: "a.example.org") == .leaf(new.certificate, failure: nil))
            #expect(
                await probe.leaf(at: endpoint, serverName: "b.example.org")
                    == .leaf(sites[1].identity.certificate, failure: nil))
        }
    }

    @Test func `of two certificates for a name the one with the key that is asked for is shown`() async throws {
        try await withNginx(names: ["a.example.org"]) { nginx, sites, endpoint in
            let rsa = try await SelfSigned.make("rsa", in: nginx.directory, key: ["rsa:2048"])
            let ec = sites[0].identity
            // One server block with both, as nginx takes them.
            try await nginx.serve([(["a.example.org"], ec.certificateFile, ec.keyFile)])
            let path = "\(nginx.directory)/nginx.conf"
            let conf = try String(contentsOfFile: path, encoding: .utf8)
            let second = "ssl_certificate \(rsa.certificateFile); ssl_certificate_key \(rsa.keyFile); ssl_certificate "
            try conf.replacing("ssl_certificate ", with: second, maxReplacements: 1)
                .write(toFile: path, atomically: true, encoding: .utf8)
            try await check("sh", ["-c", nginx.reloadCommand])
            for (identity, type) in [(rsa, KeyType.rsa(bits: 2048)), (ec, ec.certificate.keyType)] {
                var served: ServedLeaf?
                // A reload takes its moment.
                for _ in 0..<300 where served != .leaf(identity.certificate, failure: nil) {
                    served = await probe.leaf(at: endpoint, serverName: "a.example.org", keyType: type)
                    try await Task.sleep(for: .milliseconds(100))
                }
                #expect(served == .leaf(identity.certificate, failure: nil), "\(type)")
            }
            let none = await probe.leaf(at: endpoint, serverName: "a.example.org", keyType: .other("ED25519"))
            #expect(none == .leaf(ec.certificate, failure: nil) || none == .leaf(rsa.certificate, failure: nil))
        }
    }

    @Test func `nginx without TLS on a port is broken`() async throws {
        try await withNginx(names: ["a.example.org"]) { nginx, _, _ in
            let endpoint = try #require(TLSEndpoint("127.0.0.1:\(nginx.httpPort)"))
            #expect(await probe.leaf(at: endpoint, serverName: "a.example.org") == .broken("wrong version number"))
        }
    }

    @Test func `fifty probes at once each get their own answer`() async throws {
        let names = ["a.example.org", "b.example.org", "c.example.org"]
        let probe = probe
        try await withNginx(names: names) { _, sites, endpoint in
            try await RawListener.withUnusedPort { unused in
                await withTaskGroup(of: (Int, ServedLeaf).self) { group in
                    for number in 0..<50 {
                        group.addTask {
                            let port = number % 5 == 4 ? unused : endpoint
                            let name = number % 5 < 3 ? names[number % 5] : "other.example.org"
                            return (number, await probe.leaf(at: port, serverName: name))
                        }
                    }
                    for await (number, served) in group {
                        switch number % 5 {
                        case 4: #expect(served == .unreachable("Connection refused"))
                        case 3: #expect(served == .broken("tlsv1 unrecognized name"))
                        case let site: #expect(served == .leaf(sites[site].identity.certificate, failure: nil))
                        }
                    }
                }
            }
        }
    }

    @Test func `fifty probes that wait hold no other up`() async throws {
        let silent = try RawListener.silent()
        let probe = probe
        try await withNginx(names: ["a.example.org"]) { _, sites, endpoint in
            await withTaskGroup(of: ServedLeaf.self) { group in
                for _ in 0..<50 {
                    group.addTask {
                        await TLSProbe(timeout: .seconds(3600)).leaf(at: silent.endpoint, serverName: nil)
                    }
                }
                var connections = silent.connections.makeAsyncIterator()
                for _ in 0..<50 { await connections.next() }
                group.addTask { await probe.leaf(at: endpoint, serverName: "a.example.org") }
                #expect(await group.next() == .leaf(sites[0].identity.certificate, failure: nil))
                group.cancelAll()
                for await served in group { #expect(served == .unreachable("the probe was cancelled")) }
            }
        }
    }

    private func withNginx(
        names: [String],
        _ body: (Nginx, [(name: String, identity: SelfSigned)], TLSEndpoint) async throws -> Void
    ) async throws {
        try await TemporaryDirectory.with { directory in
            var sites: [(name: String, identity: SelfSigned)] = []
            for name in names { sites.append((name, try await SelfSigned.make(name, in: directory))) }
            try await Nginx.with(
                directory, httpPort: Ports.free(), webroot: directory,
                tlsSites: sites.map { ([$0.name], $0.identity.certificateFile, $0.identity.keyFile) }
            ) { nginx in
                try await body(nginx, sites, try #require(TLSEndpoint("127.0.0.1:\(nginx.tlsPort)")))
            }
        }
    }
}

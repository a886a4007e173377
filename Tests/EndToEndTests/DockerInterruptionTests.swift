import FoundationEssentials
import Glibc
import Rig
import Testing

/// A run that is cut short costs no second certificate, and no outage.
@Suite(.docker)
struct DockerInterruptionTests {
    @Test func `killed between install and hook, the next run deploys without the CA`() async throws {
        try await DockerHost.serving { host in
            try host.addHook("deploy", "10-dies", "kill -9 $(ps -o ppid= -p $$)")
            let first = try await host.servedSerial()
            #expect(try await host.certctl.renew("--force").status == 137)
            #expect(try await host.servedSerial() == first)
            #expect(try await host.installedSerial() != first)
            try host.addHook("deploy", "10-dies")
            let requests = host.requests
            try await expectFinished(host)
            #expect(host.requests == requests)
        }
    }

    // The key, and the last of the four files.
    @Test(.parts("strace"), arguments: [1, 4])
    func `killed with the chain staged, the next run installs it without the CA`(number: Int) async throws {
        try await DockerHost.serving { host in
            var killed = host
            killed.certctl.prefix = [
                "strace", "-f", "-qq", "-o", "/dev/null", "-P",
                "\(host.stack.tree)/archive/example.com", "-e", "inject=renameat2:signal=SIGKILL:when=\(number)",
            ]
            let first = try await host.installedSerial()
            #expect(try await killed.certctl.renew("--force").status == 137)
            let entry = try await host.entry()
            #expect((entry.state, entry.stage, entry.version) == ("pending", "issued", 1))
            let requests = host.requests
            try await expectFinished(host)
            #expect(host.requests == requests)
            // A number of which only a part got into the archive is not used again.
            #expect(try await host.entry().version == (number > 1 ? 3 : 2))
            #expect(try await host.installedSerial() != first)
        }
    }

    @Test func `killed while the CA validates, the next run takes up the same order`() async throws {
        try await DockerHost.serving { host in
            let orders = host.stack.pebble.requestCount("/order-plz")
            let url = try await whileValidating(host) { certctl in
                let url = try #require(host.orderURL)
                kill(certctl.pid, SIGKILL)
                return url
            }
            #expect(!host.challengeFiles.isEmpty, "killed before it could take them away")
            #expect(host.stack.pebble.requestCount("/order-plz") == orders + 1)
            #expect(try await host.entry().stage == "ordered")
            #expect(url.contains("/my-order/"))
            try await expectFinished(host)
            #expect(host.stack.pebble.requestCount("/order-plz") == orders + 1)
            #expect(try await host.entry().version == 2)
        }
    }

    @Test func `SIGTERM while the CA validates ends the run in good order, and the next one finishes`() async throws {
        try await DockerHost.serving { host in
            try host.addHook("pre", "10-pre")
            try host.addHook("post", "20-post")
            try host.addHook("failure", "10-failure")
            let said = try await whileValidating(host) { certctl in
                kill(certctl.pid, SIGTERM)
                try await eventually("certctl ends") { !certctl.isRunning }
                return certctl.output()
            }
            #expect(said.contains("interrupted: the next run continues what is not done"), "\(said)")
            #expect(host.challengeFiles == [])
            #expect(try host.takeHookLog().map { $0.prefix(8) } == ["pre/10-p", "post/20-"])
            // A run that was asked to stop is no failed attempt, which the next one would wait after.
            try await expectFinished(host)
            #expect(try await host.entry().version == 2)
        }
    }

    /// Begins a forced renewal whose names the CA cannot look up, and runs `body` while the CA tries; it can again afterwards.
    private func whileValidating<R: Sendable>(
        _ host: DockerHost, _ body: (Daemon) async throws -> R
    ) async throws -> R {
        let words = host.certctl.commandLine("renew", ["--ca-bundle", host.stack.pebble.caBundle, "--force"])
        let dns = host.stack.pebble.dns.pid
        let told = host.stack.pebble.requestCount("/chalZ/")
        kill(dns, SIGSTOP)
        defer { kill(dns, SIGCONT) }
        return try await Daemon.with(
            words[0], Array(words.dropFirst()), environment: host.certctl.variables,
            log: "\(host.stack.directory)/interrupted.log",
            // One name in a hundred is taken as valid by Pebble, whatever its settings say: see Pebble.Options.authzReuse.
            ready: .predicate {
                host.stack.pebble.requestCount("/chalZ/") > told && !host.challengeFiles.isEmpty
            }, body)
    }

    private func expectFinished(_ host: DockerHost) async throws {
        let next = try await host.certctl.renew()
        #expect(next.status == 0, "\(next.stdout)\(next.stderr)")
        let entry = try await host.entry()
        #expect((entry.state, entry.stage) == ("ok", "verified"))
        #expect(try await host.servedSerial() == host.installedSerial())
        #expect(try await host.certctl.renew().status == 0)
        let left = try await check("find", ["\(host.certctl.state)/staged", "-type", "f"])
        #expect(left == "")
        #expect(host.challengeFiles == [])
    }
}

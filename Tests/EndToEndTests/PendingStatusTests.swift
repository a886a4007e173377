import FoundationEssentials
import Rig
import Testing

/// What status and the metrics say of a certificate that its endpoints do not serve yet.
@Suite(.stack)
struct PendingStatusTests {
    @Test func `a probe that finds an old certificate says so, and not when the next one is ordered`() async throws {
        try await DeploymentStageTests.withServedLineage { stack, certctl in
            #expect(try await certctl.deploy().status == 0)
            // Renewed behind certctl's back, and nothing has reloaded nginx.
            #expect(try await stack.certbot.renew(force: true).status == 0)
            let output = try await certctl.status("--probe", "--json", "one.example")
            let document = try JSONDecoder().decode(StatusDocument.self, from: Data(output.stdout.utf8))
            let entry = try #require(document.lineages.first)
            #expect(entry.state == "pending")
            #expect(entry.renewal.reason.contains("still serves the old certificate"), "\(output.stdout)")
            #expect(entry.renewal.at == nil, "the next run is the next attempt")
            let table = try await certctl.status("--probe", "one.example")
            #expect(table.stdout.contains("pending: ") && !table.stdout.contains("of its lifetime"), "\(table.stdout)")
        }
    }

    @Test func `the renewal time of a pending certificate is its next attempt, at each scrape`() async throws {
        try await DeploymentStageTests.withServedLineage(verify: "none") { stack, certctl in
            let old = try #require(try await certctl.lineage("one.example").serial)
            // The new version is quarantined, and tried again later.
            try addHook("check", "10-test", stack, accepts(old))
            #expect(try await certctl.renew("--force").status == 1)
            func time() async throws -> Double? {
                let metrics = try await certctl.status("--format", "prometheus").stdout
                #expect(metrics.contains(#"certctl_consecutive_failures{lineage="one.example"} 1"#), "\(metrics)")
                let line = metrics.split(separator: "\n").first {
                    $0.hasPrefix("certctl_certificate_renewal_at_timestamp_seconds{")
                }
                return line.flatMap { $0.split(separator: " ").last }.flatMap { Double($0) }
            }
            let first = try #require(try await time())
            try await Task.sleep(for: .milliseconds(1100))
            #expect(try await time() == first)
            let next = try #require(try await certctl.lineage("one.example").renewal.at)
            #expect(try Date(next, strategy: .iso8601).timeIntervalSince1970 == first.rounded(.down))
        }
    }
}

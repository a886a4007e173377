import FoundationEssentials
import Rig
import Testing

/// `hooks/write-metrics`, with a certctl that only says what it was asked.
struct WriteMetricsTests {
    private static let hook = "\(ShippedHook.directory)/write-metrics"

    @Test func `what certctl says is in the file, whole, and for the tree that certctl named`() async throws {
        try await withStub("echo \"$*\"; echo certctl_renewal_failures 0") { directory in
            let output = try await sh(
                Self.hook, [],
                environment: [
                    "CERTCTL": "\(directory)/certctl", "CERTCTL_CONFIG_DIR": "/tree", "CERTCTL_STATE_DIR": "/state",
                    "CERTCTL_WRITE_METRICS_CONF": "\(directory)/conf",
                ])
            #expect(output.status == 0, "\(output.stderr)")
            #expect(
                contents(ofFile: "\(directory)/out/certctl.prom")
                    == "status --format prometheus --probe --config-dir /tree --state-dir /state\ncertctl_renewal_failures 0\n"
            )
            #expect(try await check("ls", ["\(directory)/out"]) == "certctl.prom\n")
        }
    }

    @Test func `when certctl fails the old file stays, and the hook fails`() async throws {
        try await withStub("echo half; exit 78") { directory in
            let file = "\(directory)/out/certctl.prom"
            try "old\n".write(toFile: file, atomically: true, encoding: .utf8)
            let environment = [
                "CERTCTL": "\(directory)/certctl", "CERTCTL_WRITE_METRICS_CONF": "\(directory)/conf",
            ]
            #expect(try await sh(Self.hook, [], environment: environment).status == 78)
            #expect(contents(ofFile: file) == "old\n")
            #expect(try await check("ls", ["\(directory)/out"]) == "certctl.prom\n")
        }
    }

    @Test func `when certctl says nothing the old file stays, and the hook fails`() async throws {
        try await withStub("exit 0") { directory in
            let file = "\(directory)/out/certctl.prom"
            try "old\n".write(toFile: file, atomically: true, encoding: .utf8)
            let environment = [
                "CERTCTL": "\(directory)/certctl", "CERTCTL_WRITE_METRICS_CONF": "\(directory)/conf",
            ]
            #expect(try await sh(Self.hook, [], environment: environment).status == 1)
            #expect(contents(ofFile: file) == "old\n")
        }
    }

    @Test func `with the PATH of cron a certctl in /usr/local/bin is found`() async throws {
        try await withStub("echo \"$PATH\"") { directory in
            let environment = [
                "PATH": "\(directory):/usr/bin:/bin", "CERTCTL_WRITE_METRICS_CONF": "\(directory)/conf",
            ]
            let output = try await sh(Self.hook, [], environment: environment)
            #expect(output.status == 0, "\(output.stderr)")
            #expect(contents(ofFile: "\(directory)/out/certctl.prom")?.contains(":/usr/local/bin:") == true)
        }
    }

    @Test func `settings that are named and not there are an error`() async throws {
        try await withStub("exit 0") { directory in
            let output = try await sh(
                Self.hook, [],
                environment: [
                    "CERTCTL": "\(directory)/certctl", "CERTCTL_WRITE_METRICS_CONF": "\(directory)/nothing",
                ])
            #expect(output.status == 1)
            #expect(output.stderr.contains("\(directory)/nothing"), "\(output.stderr)")
        }
    }

    @Test func `a collector that is not there is named`() async throws {
        try await withStub("exit 0") { directory in
            try "file = \(directory)/nowhere/certctl.prom\n"
                .write(toFile: "\(directory)/conf", atomically: true, encoding: .utf8)
            let output = try await sh(
                Self.hook, [], environment: ["CERTCTL_WRITE_METRICS_CONF": "\(directory)/conf"])
            #expect(output.status == 1)
            #expect(output.stderr.contains("\(directory)/nowhere does not exist"))
        }
    }

    private func withStub(_ body: String, _ test: (String) async throws -> Void) async throws {
        try await TemporaryDirectory.with { directory in
            try "#!/bin/sh\n\(body)\n".write(toFile: "\(directory)/certctl", atomically: true, encoding: .utf8)
            try await check("chmod", ["755", "\(directory)/certctl"])
            try await check("mkdir", ["\(directory)/out"])
            try "file = \(directory)/out/certctl.prom\n"
                .write(toFile: "\(directory)/conf", atomically: true, encoding: .utf8)
            try await test(directory)
        }
    }
}

import FoundationEssentials
import Glibc
import Rig
import Testing

/// `hooks/write-metrics`, with a certctl that only says what it was asked.
struct WriteMetricsTests {
    private static let hook = "\(ShippedHook.directory)/write-metrics"

    @Test func `what certctl says is in the file, whole, and for the tree that certctl named`() async throws {
        try await withStub("echo \"$*\"; echo certctl_consecutive_failures 0") { directory in
            let output = try await sh(
                Self.hook, [],
                environment: [
                    "CERTCTL": "\(directory)/certctl", "CERTCTL_CONFIG_DIR": "/tree", "CERTCTL_STATE_DIR": "/state",
                    "CERTCTL_WRITE_METRICS_CONF": "\(directory)/conf",
                ])
            #expect(output.status == 0, "\(output.stderr)")
            #expect(
                contents(ofFile: "\(directory)/out/certctl.prom")
                    == "status --format prometheus --probe --config-dir /tree --state-dir /state\ncertctl_consecutive_failures 0\n"
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

    /// A directory of another user's in which root's file is to be written, with links planted where a name can be guessed.
    @Test(
        .enabled(if: geteuid() == 0, "needs root"),
        arguments: [
            "chown nobody out",  // Debian's /var/lib/prometheus
            "chmod 777 out", "chmod 1777 out", "chgrp nogroup out; chmod 775 out",
        ])
    func `a directory that others can write to is refused, and no planted link is followed`(setup: String) async throws
    {
        try await withStub("echo certctl_consecutive_failures 0") { directory in
            try await check(
                "sh",
                [
                    "-ec",
                    """
                    echo 'the operator' >victim; chmod 600 victim; \(setup)
                    i=1; while [ $i -lt 2000 ]; do ln -s ../victim out/certctl.prom.$(($$ + i)); i=$((i + 1)); done
                    ln -s ../victim out/certctl.prom
                    """,
                ], directory: directory)
            let output = try await run(in: directory)
            #expect(output.status == 1)
            #expect(output.stderr.contains("\(directory)/out belongs to "), "\(output.stderr)")
            #expect(output.stderr.contains("that only root can write to"), "\(output.stderr)")
            #expect(contents(ofFile: "\(directory)/victim") == "the operator\n")
            #expect(try await check("sh", ["-c", "find out -type f | wc -l"], directory: directory) == "0\n")
        }
    }

    @Test(.enabled(if: geteuid() == 0, "needs root"))
    func `a directory that is reached over a symlink is refused, with the path to set`() async throws {
        try await withStub("echo certctl_consecutive_failures 0") { directory in
            try await check("sh", ["-ec", "mv out real; ln -s real out; chown -h nobody out"], directory: directory)
            let output = try await run(in: directory)
            #expect(output.status == 1)
            #expect(output.stderr.contains("set file = \(directory)/real/certctl.prom"), "\(output.stderr)")
            #expect(try await check("ls", ["-A", "\(directory)/real"]) == "")
        }
    }

    @Test(.enabled(if: geteuid() == 0, "needs root"))
    func `root's own directory in one of another user's will do, and a link in the file's place is replaced`()
        async throws
    {
        try await withStub("echo certctl_consecutive_failures 0") { directory in
            try await check(
                "sh",
                [
                    "-ec",
                    """
                    echo 'the operator' >victim; mkdir lib; mv out lib; chown nobody lib; ln -s ../../victim lib/out/certctl.prom
                    echo "file = $PWD/lib/out/certctl.prom" >conf
                    """,
                ], directory: directory)
            let output = try await run(in: directory)
            #expect(output.status == 0, "\(output.stderr)")
            #expect(contents(ofFile: "\(directory)/lib/out/certctl.prom") == "certctl_consecutive_failures 0\n")
            #expect(
                try await check("stat", ["-c", "%F %a", "\(directory)/lib/out/certctl.prom"]) == "regular file 644\n")
            #expect(contents(ofFile: "\(directory)/victim") == "the operator\n")
        }
    }

    private func run(in directory: String) async throws -> Output {
        try await sh(
            Self.hook, [],
            environment: ["CERTCTL": "\(directory)/certctl", "CERTCTL_WRITE_METRICS_CONF": "\(directory)/conf"])
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

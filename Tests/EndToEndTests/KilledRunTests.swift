import FoundationEssentials
import Glibc
import Rig
import Testing

/// A run that is killed (kill -9, power loss) at a system call that changes files: the host is never worse than before.
@Suite(.stack, .parts("certbot", "strace"))
struct KilledRunTests {
    /// Calls of a thread and at which of them the run is killed: a sample over the whole run, dense at the switch. The first
    /// of renameat2 may be in the webroot.
    private static let moments: [(call: String, times: [Int])] = [
        ("mkdir", [4]), ("fsync", [2, 7]), ("write", [9]), ("renameat2", [1, 3, 4, 5, 7]), ("symlink", [2]),
        ("unlink", [3]), ("renameat", [2, 4]),
    ]

    @Test func `a renewal that is killed leaves what works, and the next one succeeds`() async throws {
        try await Rig.withStack { stack in
            try await stack.certbot.certonly(names: ["a.example"], webroot: stack.webroot)
            let killed = try await kill(stack, "renew", ["--force"], lineage: "a.example")
            #expect(killed > 6, "most of the moments are in every renewal")
        }
    }

    @Test func `a first issue that is killed leaves a tree that works, and the next one succeeds`() async throws {
        try await Rig.withStack { stack in
            try await stack.certbot.certonly(names: ["other.example"], webroot: stack.webroot)
            let arguments = ["-d", "a.example", "--server", stack.pebble.directoryURL, "--webroot", stack.webroot]
            let killed = try await kill(stack, "issue", arguments, lineage: "a.example")
            #expect(killed > 6, "most of the moments are in every issue")
        }
    }

    /// Runs a command once for each moment, on a fresh copy of the tree, and tells how often it was killed.
    private func kill(
        _ stack: Stack, _ command: String, _ arguments: [String], lineage: String
    ) async throws -> Int {
        let state = Certctl(stack).state
        let command =
            [Certctl.path, command] + arguments
            + ["--config-dir", stack.tree, "--state-dir", state, "--ca-bundle", stack.pebble.caBundle]
        let original = "\(stack.directory)/original"
        try await check("cp", ["-a", stack.tree, original])
        var killed = 0
        for (call, times) in Self.moments {
            for time in times {
                try await check(
                    "sh", ["-ec", #"rm -rf "$1" "$3"; cp -a "$2" "$1""#, "sh", stack.tree, original, state])
                let output = try await sh(
                    "strace",
                    [
                        "-f", "-qq", "-o", "/dev/null", "-e", "trace=\(call)", "-e",
                        "inject=\(call):signal=SIGKILL:when=\(time)",
                    ] + command)
                if output.status == 137 { killed += 1 }
                let moment = "killed at \(call) number \(time)"
                try await isConsistent(stack, moment)
                let next = try await sh(command[0], Array(command.dropFirst()))
                #expect(next.status == 0, "\(moment): \(next.stderr)")
                let entry = try await Certctl(stack).lineage(lineage)
                #expect(entry.state == "ok" && entry.problems.isEmpty, "\(moment): \(entry.problems)")
                let left = try await check(
                    "find", [stack.tree, state, "-name", "*certctl*", "-o", "-path", "*/switches/*"])
                #expect(left.isEmpty, "\(moment): \(left)")
            }
        }
        return killed
    }

    /// Whether every lineage that has a conf shows one version, whole, and both programs can read the tree.
    private func isConsistent(_ stack: Stack, _ moment: String) async throws {
        let status = try await Certctl(stack).status("--format", "json")
        #expect(status.status == 0, "\(moment): \(status.stderr)")
        let document = try JSONDecoder().decode(StatusDocument.self, from: Data(status.stdout.utf8))
        #expect(!document.lineages.isEmpty)
        for entry in document.lineages {
            #expect(["ok", "pending"].contains(entry.state), "\(moment): \(entry.problems)")
            #expect(entry.problems.allSatisfy { $0.code == "newer-version" }, "\(moment): \(entry.problems)")
        }
        let certificates = try await stack.certbot.certificates()
        #expect(certificates.status == 0, "\(moment): \(certificates.stderr)")
        #expect(!certificates.stdout.lowercased().contains("invalid"), "\(moment): \(certificates.stdout)")
    }
}

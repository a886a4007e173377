import FoundationEssentials
import Glibc
import Rig
import Testing

/// A run as a process among others: what it inherits, who finds it at work, and what it reads and syncs.
@Suite(.stack, .parts("certbot", "strace", "script"))
struct RunProcessTests {
    @Test func `exit codes of hooks are kept where whoever starts certctl ignores SIGCHLD`() async throws {
        try await DeploymentStageTests.withServedLineage(verify: "none") { stack, certctl in
            var certctl = certctl
            certctl.prefix = ["env", "--ignore-signal=CHLD"]
            try addHook("deploy", "10-bad", stack, "exit 3")
            let failed = try await certctl.hooksRun("one.example")
            #expect(failed.status == 1)
            #expect(failed.stderr.contains("deploy hook 10-bad exited with 3"), "\(failed.stderr)")
            try addHook("deploy", "10-bad", stack)
            let run = try await certctl.hooksRun("one.example")
            #expect(run.status == 0, "\(run.stderr)")
        }
    }

    @Test func `a run at work is named with its step, and a terminal can stop it in good order`() async throws {
        try await DeploymentStageTests.withServedLineage(verify: "none") { stack, certctl in
            let begun = "\(stack.directory)/begun"
            try addHook("pre", "10-stop", stack, "echo $$ > \(shellQuoted(begun)); exec sleep 600")
            try addHook("post", "10-start", stack)
            let words = certctl.commandLine("renew", ["--ca-bundle", stack.pebble.caBundle, "--force", "--yes"])
            try await Daemon.with(
                words[0], Array(words.dropFirst()), environment: certctl.variables, log: "\(stack.directory)/renew.log",
                ready: .predicate { string(begun).hasSuffix("\n") }
            ) { daemon in
                for output in [
                    try await certctl.deploy(), try await certctl.rollback("one.example"),
                    try await certctl.renew("--force"),
                ] {
                    #expect(output.status == 75)
                    #expect(output.stderr.contains("is locked by process \(daemon.pid) (certctl)"), "\(output.stderr)")
                    #expect(output.stderr.contains("(pre hook 10-stop)\n"), "\(output.stderr)")
                }
                let line = certctl.commandLine("deploy", []).map(shellQuoted).joined(separator: " ")
                func atTerminal(_ answer: String) async throws -> Output {
                    try await sh(
                        "script", ["-qec", line, "/dev/null"],
                        environment: certctl.variables.merging(["TERM": "xterm", "NO_COLOR": "1"]) { $1 },
                        input: "\(answer)\n")
                }
                let refused = try await atTerminal("n")
                #expect(refused.status == 75 && daemon.isRunning, "\(refused.stdout)")
                let deployed = try await atTerminal("y")
                #expect(deployed.status == 0, "\(deployed.stdout)")
                #expect(
                    deployed.stdout.replacing(/\s+/, with: " ").contains("Stop it in good order, and go on then? [y/N]")
                )
                try await eventually("the run has ended") { !daemon.isRunning }
                #expect(daemon.output().contains("interrupted: the next run continues"), "\(daemon.output())")
            }
            // Its own post hook has run, then that of the deployment.
            #expect(
                try takeHookLog(stack).map { $0.prefix(10) } == ["pre/10-sto", "post/10-st", "post/10-st"])
            #expect(!FileManager.default.fileExists(atPath: "\(certctl.state)/running.json"))
        }
    }

    @Test func `a run with nothing to do reads a certificate once, and syncs nothing but its report`() async throws {
        try await DeploymentStageTests.withServedLineage(verify: "none") { stack, certctl in
            #expect(try await certctl.renew().status == 0)
            let log = "\(stack.directory)/calls"
            var traced = certctl
            traced.prefix = ["strace", "-f", "-y", "-qq", "-o", log, "-e", "trace=openat,fsync,fdatasync"]
            let run = try await traced.renew()
            #expect(run.status == 0, "\(run.stderr)")
            let calls = string(log).split(separator: "\n")
            let reads = calls.filter { $0.contains("openat(") && $0.contains("renewal/one.example.conf\"") }
            #expect(reads.count == 1, "\(reads)")
            let syncs = calls.filter { $0.contains("fsync(") || $0.contains("fdatasync(") }
            for call in syncs {
                let isReport = ["last-run.json", "status.json", "\(certctl.state)>"].contains { call.contains($0) }
                #expect(isReport, "\(call)")
            }
            #expect(syncs.count <= 3, "\(syncs)")
        }
    }
}

import FoundationEssentials
import Glibc
import Rig
import Testing

/// A config directory that another process has locked: doctor names it, and what it says ends it.
@Suite(.stack, .parts("python3", "unshare"), .enabled(if: geteuid() == 0, "mounts: run as root"))
struct DoctorLockTests {
    @Test func `a run in progress is no finding, and the lock is not taken`() async throws {
        try await DoctorHost.with { host in
            try await locked(host) { holder in
                let held = try await host.diagnosed()
                #expect(held.status == 0 && held.lines[0].hasPrefix("all is well"), "\(held.text)")
                let check = held.checks("lock-held").first
                #expect(check?.verdict == "skipped", "\(held.text)")
                #expect(
                    check?.evidence.contains("process \(holder.pid) (python3), running for") == true, "\(held.text)")
            }
            #expect(try await host.diagnosed().checks("lock-held").first?.verdict == "ok")
        }
    }

    @Test(arguments: ["takes SIGTERM", "ignores SIGTERM", "is stopped and ignores SIGTERM"])
    func `a process that has run for hours is named and ended`(kind: String) async throws {
        try await DoctorHost.with { host in
            try await locked(host, isDeaf: kind.contains("ignores")) { holder in
                if kind.contains("stopped") { try await check("kill", ["-STOP", "\(holder.pid)"]) }
                let robot = try await hoursLater(host)
                let first = try await robot.follow("the lock is held for hours by a process that \(kind)")
                first.expectCause(
                    "lock-held", remedy: "kill -TERM \(holder.pid) &&", action: "operator",
                    evidence: "python3 -c import fcntl")
                #expect(first.lines[0].hasPrefix("FAILURE process \(holder.pid) (python3) "), "\(first.text)")
                #expect(!holder.isRunning)
            }
        }
    }

    @Test func `a run of certctl that is stopped goes on to its end in good order`() async throws {
        try await DoctorHost.with { host in
            let began = "\(host.stack.directory)/began"
            try addHook("deploy", "slow", host.stack, "touch \(began); sleep 5")
            let words = host.certctl.commandLine(
                "renew", ["--ca-bundle", host.stack.pebble.caBundle, "--force", "--yes"])
            try await Daemon.with(
                words[0], Array(words.dropFirst()), environment: host.certctl.variables,
                log: "\(host.stack.directory)/renew.log",
                ready: .predicate { FileManager.default.fileExists(atPath: began) }
            ) { run in
                try await check("kill", ["-STOP", "\(run.pid)"])
                let first = try await host.follow("a run of certctl is stopped")
                first.expectCause("lock-held", evidence: "(deploy hook slow)")
                #expect(first.lines[0].contains("process \(run.pid) (certctl) is stopped"), "\(first.text)")
                #expect(!run.isRunning)
            }
            let rest = try await host.certctl.renew()
            let entry = try await host.certctl.lineage("example.org")
            #expect(rest.status == 0 && entry.stage == "verified", "\(rest.stderr) \(entry)")
        }
    }

    /// Runs `body` while a process holds the lock.
    private func locked(
        _ host: DoctorHost, isDeaf: Bool = false, _ body: (Daemon) async throws -> Void
    ) async throws {
        let mark = "\(host.stack.directory)/held"
        let hold = """
            import fcntl,signal,sys,time; f=open(sys.argv[1],'w'); fcntl.lockf(f, fcntl.LOCK_EX); \
            \(isDeaf ? "signal.signal(signal.SIGTERM, signal.SIG_IGN); " : "")open(sys.argv[2],'w'); time.sleep(600)
            """
        try await Daemon.with(
            "python3", ["-c", hold, "\(host.stack.tree)/.certbot.lock", mark], log: "\(host.stack.directory)/lock.log",
            ready: .predicate { FileManager.default.fileExists(atPath: mark) }, body)
    }

    /// A robot to which every process has been running for two hours more: its /proc/stat has an earlier boot.
    private func hoursLater(_ host: DoctorHost) async throws -> RobotOperator {
        let stat = "\(host.stack.directory)/proc-stat"
        let now = try await check("cat", ["/proc/stat"])
        let lines = now.split(separator: "\n").map { line in
            line.hasPrefix("btime ") ? "btime \((Int(line.dropFirst(6)) ?? 0) - 7200)" : String(line)
        }
        try lines.joined(separator: "\n").write(toFile: stat, atomically: false, encoding: .utf8)
        var certctl = host.certctl
        certctl.prefix = [
            "unshare", "--mount", "sh", "-ec", "mount --bind \(shellQuoted(stat)) /proc/stat; exec \"$@\"", "sh",
        ]
        return RobotOperator(certctl: certctl, arguments: ["--resolver", host.stack.pebble.resolver])
    }
}

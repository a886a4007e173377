import Deployment
import FoundationEssentials
import Glibc
import HTTP
import Lineages
import Renewal
import Rig
import Setup
import Testing

@testable import Diagnosis

/// What systemd prints of units in each state, as `systemctl show --timestamp=unix` of Debian 12 does, and what doctor says of it.
struct TimerJudgementTests {
    private static let absent = "LoadState=not-found\nActiveState=inactive\nUnitFileState="
    private static let running =
        "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nResult=success\nNextElapseUSecRealtime=@1764100000"
    private static let quiet =
        "LoadState=loaded\nActiveState=inactive\nUnitFileState=static\nResult=success\nExecMainStatus=0\nExecMainExitTimestamp=@1764090000"

    @Test func `a timer that runs, with a service that succeeded, is well`() {
        let checks = judge(timer: Self.running, service: Self.quiet)
        #expect(checks.allSatisfy { $0.verdict == .ok } && Set(checks.map(\.id)) == Set(TimerJudgement.ids))
    }

    @Test func `no timer at all is a failure, unless certbot's renews`() {
        let nothing = judge(timer: Self.absent, service: Self.absent)
        #expect(nothing.first { $0.id == .timerMissing }?.verdict == .failure)
        let certbot = judge(timer: Self.absent, service: Self.absent, certbot: Self.running)
        #expect(certbot.first { $0.id == .timerMissing }?.verdict == .warning)
        #expect(certbot.first { $0.id == .certbotTimerActive }?.verdict == .ok)
    }

    @Test(arguments: [
        ("LoadState=loaded\nActiveState=inactive\nUnitFileState=disabled", Check.Verdict.failure),
        ("LoadState=loaded\nActiveState=inactive\nUnitFileState=enabled", .failure),
        ("LoadState=masked\nActiveState=inactive\nUnitFileState=masked", .failure),
        ("LoadState=loaded\nActiveState=active\nUnitFileState=disabled", .warning),
    ])
    func `a timer that will not start anything is named`(timer: String, verdict: Check.Verdict) {
        let check = judge(timer: timer, service: Self.quiet).first { $0.id == .timerDisabled }
        #expect(check?.verdict == verdict)
        #expect(check?.remedy?.command?.contains("systemctl enable --now certctl.timer") == true)
    }

    @Test func `a service that failed is named with its exit code`() {
        let failed =
            "LoadState=loaded\nActiveState=failed\nUnitFileState=static\nResult=exit-code\nExecMainStatus=75\nExecMainExitTimestamp=@1764090000"
        let check = judge(timer: Self.running, service: failed).first { $0.id == .timerFailing }
        #expect(check?.verdict == .failure && check?.evidence.contains("exit-code (exit code 75)") == true)
        let again = "systemctl reset-failed certctl.service && systemctl restart certctl.service"
        #expect(check?.remedy?.command == again)

        // The timer has not started it: somebody has, or its own Restart=, and it did not help.
        for more in ["ExecMainStartTimestamp=@1764089990", "NRestarts=2"] {
            let repeated = judge(timer: Self.running, service: "\(failed)\n\(more)").first { $0.id == .timerFailing }
            #expect(
                repeated?.remedy?.line == "do: correct what journalctl -u certctl.service says, then: \(again)",
                "\(more)")
        }
        let byTimer = judge(
            timer: "\(Self.running)\nLastTriggerUSec=@1764089989",
            service: "\(failed)\nExecMainStartTimestamp=@1764089990"
        ).first { $0.id == .timerFailing }
        #expect(byTimer?.remedy?.command == again)
    }

    @Test(arguments: [
        ("203", "systemd cannot start certctl.service (EXEC)"),
        ("226", "systemd cannot start certctl.service (NAMESPACE)"),
        ("64", "certctl.service has a wrong command line"), ("78", "certctl.service cannot work with its settings"),
    ])
    func `an exit code that says what is wrong is the head of the paragraph`(code: String, title: String) {
        let failed =
            "LoadState=loaded\nActiveState=failed\nUnitFileState=static\nResult=exit-code\nExecMainStatus=\(code)\nExecMainExitTimestamp=@1764090000"
        let check = judge(timer: Self.running, service: failed).first { $0.id == .timerFailing }
        #expect(check?.title == title && check?.remedy?.command == nil)
        // Another start with the old settings would fail again.
        let changed = judge(timer: Self.running, service: "\(failed)\nNeedDaemonReload=yes")
        #expect(changed.first { $0.id == .timerFailing }?.remedy?.command == "systemctl daemon-reload")
    }

    @Test func `what the sandbox closes is decided by the longest path`() {
        func barrier(_ properties: String, _ path: String) -> String? {
            UnitState(properties: "LoadState=loaded\n\(properties)").sandbox.barrier(before: path)?.key
        }
        let shipped =
            "ProtectSystem=strict\nReadWritePaths=-/etc/letsencrypt \"-/srv/web root\" -/srv/a\\x20b\nStateDirectory=certctl\nProtectHome=tmpfs\nPrivateTmp=yes\nBindPaths=-/home/web:/home/web:rbind"
        for path in [
            "/etc/letsencrypt", "/etc/letsencrypt/live/a", "/srv/web root/x", "/srv/a b", "/var/lib/certctl/x",
            "/home/web/html",
        ] {
            #expect(barrier(shipped, path) == nil, "\(path)")
        }
        #expect(barrier(shipped, "/etc/letsencrypt2") == "ProtectSystem")
        #expect(barrier(shipped, "/home/other") == "ProtectHome" && barrier(shipped, "/tmp/x") == "PrivateTmp")
        let closed = "\(shipped)\nReadOnlyPaths=/etc/letsencrypt/live"
        #expect(barrier(closed, "/etc/letsencrypt/live/a") == "ReadOnlyPaths")
        #expect(barrier("\(shipped)\nReadOnlyPaths=/etc/letsencrypt", "/etc/letsencrypt") == "ReadOnlyPaths")
        #expect(barrier("ProtectSystem=full", "/etc/letsencrypt") == "ProtectSystem")
        #expect(barrier("ProtectSystem=no", "/etc/letsencrypt") == nil && barrier("", "/etc") == nil)
    }

    @Test(arguments: [
        ("start-limit-hit", 1, Check.Verdict.warning), ("exit-code", 1, .warning), ("exit-code", 78, .failure),
        ("exit-code", 203, .failure), ("timeout", 0, .failure),
    ])
    func `a run that ended well since is believed where a lineage had failed, and not where the unit had`(
        result: String, code: Int, verdict: Check.Verdict
    ) {
        let failed =
            "LoadState=loaded\nActiveState=failed\nUnitFileState=static\nResult=\(result)\nExecMainStatus=\(code)\nExecMainExitTimestamp=@1764090000"
        let later = LastRun(at: .now - 180, by: .manual, command: "deploy", exitCode: 0)
        let check = judge(timer: Self.running, service: failed, laterRun: later).first { $0.id == .timerFailing }
        #expect(check?.verdict == verdict)
        let again = "systemctl reset-failed certctl.service && systemctl restart certctl.service"
        #expect(check?.remedy?.text.hasSuffix(again) == true)
        if verdict == .warning {
            #expect(check?.evidence.contains("certctl deploy has ended well since, 3 minutes ago") == true)
            #expect(check?.remedy?.command == again && check?.action == Remedy.Action.none)
        }
    }

    @Test func `a run counts as later if it ended well after the service's and nothing is left to do`() async throws {
        try await TemporaryDirectory.with { root in
            let tree = "\(root)/letsencrypt"
            for directory in ["\(tree)/renewal", "\(root)/state/lineages"] {
                try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            }
            try "[renewalparams]\nauthenticator = webroot\n"
                .write(toFile: "\(tree)/renewal/a.example.conf", atomically: false, encoding: .utf8)
            try "".write(toFile: "\(root)/certctl.conf", atomically: false, encoding: .utf8)
            let lineages = try Tree(tree).lineages()
            let ledger = StateStore(stateDirectory: "\(root)/state")
            let host = Diagnosis.Host(
                treePath: tree, tree: nil, treeFailure: nil, lineages: [],
                settings: try HostSettings(path: "\(root)/certctl.conf"),
                stateDirectory: "\(root)/state", environment: [:], home: nil, resolver: nil, asksCA: false,
                transport: NoTransport(), now: .now)
            let ended = Date(timeIntervalSince1970: 1_764_090_000)
            func isLater(_ ended: Date?) -> Bool { Diagnosis(host).laterRun(after: ended, lineages) != nil }
            #expect(!isLater(ended), "there is no record of a run")
            try ledger.note(LastRun(at: ended + 60, by: .manual, command: "deploy", exitCode: 1))
            #expect(!isLater(ended))
            try ledger.note(LastRun(at: ended + 60, by: .manual, command: "deploy", exitCode: 0))
            #expect(isLater(ended) && !isLater(ended + 120) && !isLater(nil))
            let failure = AcquisitionFailure(Cause(.unreachable, "the CA did not answer", isTemporary: true))
            let failed = LineageState(name: "a.example").applying(
                .acquisitionFailed(failure, need: .due(live: nil), retry: .nextRun), at: ended
            ).state
            try ledger.save(failed)
            #expect(!isLater(ended), "a renewal is still to be made")
            try ledger.save(failed.applying(.acquisitionEnded, at: ended).state)
            #expect(isLater(ended))
            try ledger.owe([Hook(.post, .directory(path: "/hooks/start"))])
            #expect(!isLater(ended), "a post hook is owed")
        }
    }

    @Test func `a sandbox that does not know a webroot is a warning, with or without a drop-in`() async throws {
        try await TemporaryDirectory.with { root in
            let tree = "\(root)/letsencrypt"
            let conf = Array("[renewalparams]\nauthenticator = webroot\nwebroot_path = /srv/web,\n".utf8)
            try FileManager.default.createDirectory(atPath: "\(tree)/renewal", withIntermediateDirectories: true)
            try Data(conf).write(to: URL(filePath: "\(tree)/renewal/a.example.conf"))
            let lineages = try Tree(tree).lineages()
            let wanted = WebrootDropIn(lineages, treePath: tree, statePath: "/var/lib/certctl")
            #expect(wanted.paths.contains("/srv/web"))
            let host = SetupHost(root: root)
            func check() -> Check? {
                var facts = TimerFacts(
                    timer: UnitState(properties: Self.running), service: UnitState(properties: Self.quiet), certbot: [])
                facts.outdatedDropIn = TimerFacts.OutdatedDropIn(wanted, on: host)
                return TimerJudgement.findings(.success(facts), unit: "certctl.timer", at: .now).checks
                    .first { $0.id == .sandboxOutdated }
            }
            #expect(check()?.verdict == .warning && check()?.evidence.contains("/srv/web") == true)
            #expect(check()?.remedy?.command == "certctl setup")
            let path = host.path(WebrootDropIn.path)
            try FileManager.default.createDirectory(
                atPath: path.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 },
                withIntermediateDirectories: true)
            try "# of another time\n".write(toFile: path, atomically: true, encoding: .utf8)
            #expect(check()?.evidence.contains("of another time") == true)
            try wanted.text.write(toFile: path, atomically: true, encoding: .utf8)
            #expect(check()?.verdict == .ok)
        }
    }

    @Test func `before the setup certbot renews, and nothing has to be enabled beside it`() {
        let off = "LoadState=loaded\nActiveState=inactive\nUnitFileState=disabled"
        let checks = judge(timer: off, service: Self.quiet, certbot: Self.running)
        #expect(checks.allSatisfy { $0.verdict != .failure })
        #expect(checks.first { $0.id == .timerDisabled }?.remedy?.command == "certctl setup")
    }

    @Test func `two timers at once are a warning`() {
        let check = judge(timer: Self.running, service: Self.quiet, certbot: Self.running)
            .first { $0.id == .certbotTimerActive }
        #expect(check?.verdict == .warning && check?.remedy?.command == "systemctl disable --now certbot.timer")
    }

    @Test func `without systemd it is said that nobody could be asked`() {
        let checks = TimerJudgement.findings(
            .failure(NotAsked(reason: "System has not been booted with systemd as init system")), unit: "certctl.timer",
            at: .now
        ).checks
        #expect(checks.allSatisfy { $0.verdict == .skipped && $0.evidence.contains("not been booted") })
        #expect(Set(checks.map(\.id)) == Set(TimerJudgement.ids))
    }

    @Test func `systemctl is asked for the timer, its service and certbot's timers`() async throws {
        try await TemporaryDirectory.with { directory in
            let systemctl = "\(directory)/systemctl"
            let script = """
                #!/bin/sh
                for unit in "$@"; do :; done
                echo "$unit" >> '\(directory)/asked'
                case $unit in
                certctl.timer) printf '%s\\n' 'LoadState=loaded' 'ActiveState=active' 'UnitFileState=enabled' ;;
                certctl.service) printf '%s\\n' 'LoadState=loaded' 'ActiveState=failed' 'Result=timeout' \\
                    'ExecMainExitTimestamp=@1764090000' ;;
                *) printf '%s\\n' 'LoadState=not-found' 'ActiveState=inactive' ;;
                esac

                """
            try script.write(toFile: systemctl, atomically: false, encoding: .utf8)
            chmod(systemctl, 0o755)
            let facts = await SystemdProbe(systemctl: systemctl).timers("certctl.timer")
            let checks = TimerJudgement.findings(facts, unit: "certctl.timer", at: .now).checks
            #expect(checks.filter { $0.verdict == .failure }.map(\.id) == [.timerFailing], "\(checks)")
            let asked = contents(ofFile: "\(directory)/asked")?.split(separator: "\n").map(String.init)
            #expect(asked == ["certctl.timer", "certctl.service", "certbot.timer", "snap.certbot.renew.timer"])
            #expect((try? facts.get())?.service.lastEnd == Date(timeIntervalSince1970: 1_764_090_000))

            let absent = await SystemdProbe(systemctl: "\(directory)/none").timers("certctl.timer")
            #expect(
                TimerJudgement.findings(absent, unit: "certctl.timer", at: .now).checks.allSatisfy {
                    $0.verdict == .skipped
                })
        }
    }

    private func judge(timer: String, service: String, certbot: String = absent, laterRun: LastRun? = nil) -> [Check] {
        var facts = TimerFacts(
            timer: UnitState(properties: timer), service: UnitState(properties: service),
            certbot: [("certbot.timer", UnitState(properties: certbot))])
        facts.laterRun = laterRun
        return TimerJudgement.findings(.success(facts), unit: "certctl.timer", at: .now).checks
    }
}

/// Nothing is asked over the network.
private struct NoTransport: HTTPTransport {
    func send(_ request: HTTPRequest) async throws(HTTPError) -> HTTPResponse {
        Issue.record("\(request.url) is asked for")
        throw HTTPError(kind: .cancelled, host: "", detail: "")
    }
}

struct LockAndClockJudgementTests {
    private let now = Date(timeIntervalSince1970: 1_764_100_000)

    @Test(arguments: [(60.0, Check.Verdict.skipped), (7200, .failure)])
    func `a lock is a failure only when it is held for long`(age: Double, verdict: Check.Verdict) {
        let facts = LockFacts.held(
            LockHolder(pid: 12, program: "certbot", since: now.addingTimeInterval(-age)))
        let check = LockJudgement.findings(facts, at: "/t/.certbot.lock", now: now).checks[0]
        #expect(check.verdict == verdict && check.evidence.contains("process 12 (certbot)"))
    }

    @Test func `a process that hangs is ended by its unit where that does nothing else, and once`() {
        func check(_ unit: String?, _ state: ProcessState = .running, step: String? = nil) -> Check {
            var holder = LockHolder(
                pid: 12, program: "certctl", unit: unit, since: now.addingTimeInterval(-7200), step: step)
            holder.state = state
            return LockJudgement.findings(
                .held(holder), at: "/t/.certbot.lock", service: "renew.service", hookTimeout: .seconds(600), now: now
            ).checks[0]
        }
        for unit in ["renew.service", "certbot.service", "snap.certbot.renew.service"] {
            #expect(check(unit).remedy?.command == "systemctl stop \(unit)")
        }
        #expect(
            check("cron.service").remedy?.command?.contains("kill -TERM 12 && kill -CONT 12 && timeout 30 ") == true)
        #expect(check(nil, step: "post hook").remedy?.command?.contains("timeout 630 ") == true)
        #expect(check("renew.service", .unending).remedy?.line.hasPrefix("do: see dmesg") == true)
        #expect(check(nil, .stopped).title == "process 12 (certctl) is stopped, and locks the config directory")

        #expect(ProcessState(status: "State:\tT (stopped)\nSigPnd:\t0000000000000000\n") == .stopped)
        let killed = "State:\tD (disk sleep)\nSigPnd:\t0000000000000000\nShdPnd:\t0000000000000100\n"
        #expect(ProcessState(status: killed) == .unending)
        #expect(ProcessState(status: killed.replacing("D (disk sleep)", with: "T (stopped)")) == .stopped)
        #expect(ProcessState(status: killed.replacing("100", with: "000")) == .running)
        #expect(ProcessState(status: "") == .running)
    }

    @Test func `the step of a run is believed of the process that holds the lock only`() async throws {
        try await TemporaryDirectory.with { directory in
            let store = StateStore(stateDirectory: directory)
            func step(_ pid: Int32, _ startedAt: Date) throws -> String? {
                try store.note(running: RunNote(pid: pid, startedAt: startedAt, step: "post hook reload"))
                return LockHolder(pid: getpid(), stateDirectory: directory).step
            }
            #expect(LockHolder(pid: getpid(), stateDirectory: directory).step == nil)
            #expect(try step(getpid(), Date.now) == "post hook reload")
            #expect(try step(getpid() + 1, Date.now) == nil)
            // Before the last boot another process had the number.
            #expect(try step(getpid(), Date.now.addingTimeInterval(-86_400)) == nil)
            try store.note(running: nil)
            #expect(LockHolder(pid: getpid(), stateDirectory: directory).step == nil)
        }
        let holder = LockHolder(
            pid: 12, program: "certctl", unit: "certctl.service", since: now.addingTimeInterval(-200),
            step: "post hook reload")
        #expect(
            holder.text(at: now)
                == "process 12 (certctl) of certctl.service, running for 3 minutes (post hook reload)")
    }

    @Test func `a clock is judged by the CA's, by systemd, and by what comes from the future`() {
        func verdict(_ facts: ClockFacts) -> Check.Verdict? {
            ClockJudgement.findings(facts, at: now).checks.first?.verdict
        }
        func ca(_ seconds: Double) -> ClockFacts.Other {
            .init(name: "ca", date: now.addingTimeInterval(seconds), here: now)
        }
        let newest = ClockFacts.Dated(what: "a certificate", date: now.addingTimeInterval(86_400))
        #expect(verdict(ClockFacts()) == .ok)
        #expect(verdict(ClockFacts(isSynchronized: false)) == .warning)
        #expect(verdict(ClockFacts(others: [ca(3600)])) == .failure)
        #expect(verdict(ClockFacts(others: [ca(20)])) == .ok)
        #expect(verdict(ClockFacts(newest: newest)) == .failure)
        // A CA that agrees with this host leaves the certificate in the wrong.
        #expect(
            verdict(ClockFacts(others: [ca(0)], newest: newest)) == .ok)
        let ahead = ClockJudgement.findings(ClockFacts(others: [ca(-40 * 86_400)], setter: .chrony), at: now).checks[0]
        #expect(ahead.evidence.contains("40 days ahead of that of ca") && ahead.remedy?.command == "chronyc makestep")
    }
}

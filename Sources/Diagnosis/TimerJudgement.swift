import FoundationEssentials
import Lineages
import Renewal
import Setup

/// What systemd says of the units that renew.
struct TimerFacts: Sendable {
    /// The timer that should run certctl, and its service.
    let timer: UnitState
    let service: UnitState
    /// Timers of certbot's: Debian's, and the snap's.
    let certbot: [(unit: String, state: UnitState)]
    /// A run after the service's last one which ended well and left nothing undone; nil where there is none.
    var laterRun: LastRun?
    /// The drop-in that opens the service's sandbox, where it is not what the tree needs; nil where it is.
    var outdatedDropIn: OutdatedDropIn?
    /// What renewals write to and the service cannot, and the setting that keeps it from that.
    var closed: [(path: String, barrier: UnitSandbox.Barrier)] = []
    /// The settings in the service's files.
    var lines = UnitLines([])
    /// What the service, or systemd of it, said last.
    var words: String?
    /// What systemd-analyze finds wrong with a unit that cannot be loaded, and where.
    var complaint: String?
    var complaintFile: UnitFile?

    /// The file that keeps a unit from being loaded, as far as is known: else the last one that systemd reads.
    func brokenFile(of unit: UnitState) -> UnitFile? {
        complaintFile ?? unit.files.last.map { UnitFile(place: $0, line: "") }
    }

    /// Whether setup's drop-in would open what is closed.
    var setupOpens: Bool {
        guard let outdatedDropIn else { return false }
        return closed.allSatisfy { closed in
            outdatedDropIn.paths.contains { FileSystem.resolved($0) == closed.path }
        }
    }

    /// Whether the failed run was not the timer's: somebody, or the service's own `Restart=`, has started it again in vain.
    var isStartedAgain: Bool {
        if service.restarts > 0 { return true }
        guard let start = service.mainStart else { return false }
        return timer.lastStart.map { abs(start.timeIntervalSince($0)) > 60 } ?? true
    }

    /// A drop-in that is missing, or of another time.
    struct OutdatedDropIn: Sendable {
        let isThere: Bool
        /// What it should open.
        let paths: [String]

        /// Nil where the drop-in says what it should, or none is needed.
        init?(_ wanted: WebrootDropIn, on host: SetupHost) {
            let isThere = (try? FileSystem.status(host.path(WebrootDropIn.path), followingLinks: true)) != nil
            guard !wanted.isCurrent(on: host), isThere || !wanted.paths.isEmpty else { return nil }
            (self.isThere, paths) = (isThere, wanted.paths)
        }
    }
}

enum TimerJudgement {
    static let ids: [CheckID] = [.timerMissing, .timerDisabled, .timerFailing, .certbotTimerActive, .sandboxOutdated]

    /// - Parameters:
    ///   - result: what systemd says, or why there is nothing to ask.
    ///   - unit: the timer's name.
    static func findings(_ result: Result<TimerFacts, NotAsked>, unit: String, at now: Date) -> Findings {
        var findings = Findings()
        let facts: TimerFacts
        switch result {
        case .success(let found): facts = found
        case .failure(let cause):
            findings.skip(ids, at: unit, because: "systemd cannot be asked: \(cause.reason)")
            return findings
        }
        let enable = Fault.timerDisabled(unit)
        let certbot = facts.certbot.first { $0.state.isActive }
        if !facts.timer.isThere {
            if let certbot {
                findings.warn(
                    .timerMissing, at: unit, "there is no \(unit); \(certbot.unit) renews with certbot", .certbotRenews,
                    title: "certbot renews, not certctl")
            } else {
                findings.fail(.timerMissing, at: unit, "there is no \(unit): nothing renews by itself", .timerMissing)
            }
        } else if !facts.timer.isActive, let certbot {
            // As it is before the setup: the package's timer beside certbot's would be two that renew.
            findings.warn(
                .timerDisabled, at: unit, "\(unit) is off; \(certbot.unit) renews with certbot", .certbotRenews,
                title: "certbot renews, not certctl")
        } else if facts.timer.load == "masked" {
            findings.fail(
                .timerDisabled, at: unit, "\(unit) is masked: nothing renews by itself", .timerMasked(unit))
        } else if facts.timer.isBroken {
            findings.fail(
                .timerDisabled, at: unit, "systemd cannot load \(unit): \(facts.complaint ?? facts.timer.loadError)",
                .unitBroken(facts.brokenFile(of: facts.timer), unit: unit, service: nil),
                title: "\(unit) cannot be loaded")
        } else if !facts.timer.isActive, facts.timer.needsReload {
            findings.fail(
                .timerDisabled, at: unit,
                "\(unit) is \(facts.timer.active), and its files have changed since systemd read them",
                .unitOutdated)
        } else if !facts.timer.isActive {
            findings.fail(
                .timerDisabled, at: unit,
                "\(unit) is \(facts.timer.isEnabled ? "enabled, but \(facts.timer.active)" : "not enabled"): nothing renews by itself",
                enable)
        } else if !facts.timer.isEnabled, facts.timer.file != "static" {
            findings.warn(
                .timerDisabled, at: unit, "\(unit) runs, but is not enabled: it ends with the next boot", enable)
        }
        let service = Systemd.service(of: unit)
        findings += ServiceJudgement.findings(facts, service, at: unit, now)
        if facts.timer.isActive, let certbot {
            findings.warn(
                .certbotTimerActive, at: unit,
                "\(certbot.unit) is active too: both renew, and certbot does not look whether its hooks worked",
                .certbotTimer(certbot.unit))
        }
        if facts.service.isThere, facts.closed.isEmpty, let dropIn = facts.outdatedDropIn {
            let list = dropIn.paths.isEmpty ? "nothing" : dropIn.paths.joined(separator: ", ")
            // Without a drop-in the unit may be the operator's own, and have no sandbox.
            let found = dropIn.isThere ? "its drop-in is of another time" : "it has no drop-in"
            findings.warn(
                .sandboxOutdated, at: WebrootDropIn.path,
                "the sandbox of \(service) has to open \(list), and \(found)", .sandboxOutdated)
        }
        findings.pass(ids, at: unit)
        return findings
    }
}

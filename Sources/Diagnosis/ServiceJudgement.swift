import FoundationEssentials
import Lineages
import Renewal
import Setup

/// How the last run of the service that renews has ended, and what its settings keep it from.
enum ServiceJudgement {
    static func findings(_ facts: TimerFacts, _ service: String, at place: String, _ now: Date) -> Findings {
        var findings = Findings()
        let state = facts.service
        guard state.isThere else { return findings }
        if state.load == "masked" {
            findings.fail(
                .timerFailing, at: place, "\(service) is masked: the timer cannot start it", .serviceMasked(service),
                title: "\(service) is masked")
        } else if state.isBroken {
            findings.fail(
                .timerFailing, at: place, "systemd cannot load \(service): \(facts.complaint ?? state.loadError)",
                .unitBroken(facts.brokenFile(of: state), unit: service, service: service),
                title: "\(service) cannot be loaded")
        } else {
            judgeSandbox(facts, service, &findings)
            judgeRun(facts, service, place, now, &findings)
        }
        return findings
    }

    private static func judgeRun(
        _ facts: TimerFacts, _ service: String, _ place: String, _ now: Date, _ findings: inout Findings
    ) {
        let state = facts.service
        guard state.hasFailed else { return }
        let code = state.exitCode.map { " (exit code \($0))" } ?? ""
        let words = facts.words.map { ": \($0)" } ?? ""
        let evidence = "the last run of \(service) ended with \(state.result)\(code)\(words)"
        // 1 is certctl's own word for what a lineage or a hook lacked. Of a unit that cannot be started, or not with these
        // settings, a run by hand says nothing.
        if let later = facts.laterRun, state.exitCode == 1 {
            findings.warn(
                .timerFailing, at: place,
                "\(evidence); certctl \(later.command) has ended well since, \(Span.ago(later.at, now))",
                .serviceFailedBefore(service))
            return
        }
        if state.needsReload {
            findings.fail(
                .timerFailing, at: place, "\(evidence); its files have changed since systemd read them", .unitOutdated)
            return
        }
        let (failure, title) = failure(facts, service)
        findings.fail(.timerFailing, at: place, evidence, .serviceFailed(service, failure), title: title)
    }

    private static func failure(_ facts: TimerFacts, _ service: String) -> (ServiceFailure, title: String?) {
        let state = facts.service
        if let (step, keys) = steps[state.exitCode ?? 0], state.result != "timeout" {
            let line = facts.lines.last(keys) { !isKnownToExist($0) } ?? facts.lines.last(keys)
            return (.notStarted(line), "systemd cannot start \(service) (\(step))")
        }
        if state.result == "resources" {
            let line = facts.lines.last(["EnvironmentFile"]) { !$0.hasPrefix("-") && !isKnownToExist($0) }
            return (.notStarted(line), "systemd cannot start \(service)")
        }
        switch state.exitCode {
        case 64: return (.settings, "\(service) has a wrong command line")
        case 78: return (.settings, "\(service) cannot work with its settings")
        default: break
        }
        return (facts.isStartedAgain ? .repeated : .run, nil)
    }

    /// Whether every path of a setting is there; the setting with one that is not is the likelier cause.
    private static func isKnownToExist(_ value: String) -> Bool {
        value.split(separator: " ").allSatisfy { word in
            let path = word.drop { "-+!@:|".contains($0) }
            return !path.hasPrefix("/") || ((try? FileSystem.status(String(path), followingLinks: true)) ?? nil) != nil
        }
    }

    /// Exit codes of systemd itself, for what it does before it runs a program (systemd.exec(5)), and the settings that it has
    /// these steps from.
    private static let steps: [Int32: (step: String, keys: Set<String>)] = [
        200: ("CHDIR", ["WorkingDirectory"]), 203: ("EXEC", ["ExecStart", "ExecStartPre"]),
        208: ("STDIN", ["StandardInput"]), 209: ("STDOUT", ["StandardOutput"]), 210: ("CHROOT", ["RootDirectory"]),
        216: ("GROUP", ["Group", "SupplementaryGroups"]), 217: ("USER", ["User"]),
        218: ("CAPABILITIES", ["CapabilityBoundingSet", "AmbientCapabilities"]),
        222: ("STDERR", ["StandardError"]),
        226: (
            "NAMESPACE",
            [
                "ReadWritePaths", "ReadOnlyPaths", "InaccessiblePaths", "BindPaths", "BindReadOnlyPaths",
                "TemporaryFileSystem",
            ]
        ),
        228: ("SECCOMP", ["SystemCallFilter"]), 233: ("RUNTIME_DIRECTORY", ["RuntimeDirectory"]),
        238: ("STATE_DIRECTORY", ["StateDirectory"]), 243: ("CREDENTIALS", ["LoadCredential", "SetCredential"]),
    ]

    // MARK: The sandbox

    private static func judgeSandbox(_ facts: TimerFacts, _ service: String, _ findings: inout Findings) {
        guard let closed = facts.closed.first else { return }
        let all = facts.closed.map(\.path).few()
        let evidence = "\(closed.barrier.key) of \(service) keeps a renewal from writing to \(all)"
        var line: UnitFile?
        if !facts.setupOpens {
            // An empty value takes back what the lines before it have opened.
            line =
                closed.barrier.key == "ProtectSystem"
                ? facts.lines.last(["ReadWritePaths", "StateDirectory"]) { $0.isEmpty }
                    ?? facts.lines.last(["ProtectSystem"])
                : facts.lines.last([closed.barrier.key])
        }
        findings.fail(
            .sandboxOutdated, at: WebrootDropIn.path, evidence,
            .sandboxClosed(service: service, setupHelps: facts.setupOpens, line),
            title: "the sandbox of \(service) does not let it write to \(closed.path)")
    }
}

package import Deployment
package import FoundationEssentials
import Glibc

/// What systemd knows of one of its units, as `systemctl show` tells it (systemd's D-Bus properties of that name).
package struct UnitState: Equatable, Sendable {
    /// `loaded`, `not-found`, `masked`, `error` or `bad-setting`.
    package let load: String
    /// `active`, `inactive`, `failed`, `activating` …
    package let active: String
    /// `enabled`, `disabled`, `static`, `masked` …; empty for a unit without a file.
    package let file: String
    /// How the last run of a service ended: `success`, `exit-code`, `timeout` …; empty where none has run.
    package let result: String
    /// The exit code of a service's last run; nil where none has ended.
    package let exitCode: Int32?
    /// When a service's last run ended; nil where none has.
    package let lastEnd: Date?
    /// When a timer starts its service next; nil for a timer that waits for nothing, and for other units.
    package let nextStart: Date?
    /// When a service that has failed is started again by its own `Restart=`; nil where it does not wait for that.
    package let restart: Date?
    /// When a timer last started its service; nil before the first time.
    package let lastStart: Date?
    /// Since when it has been in its state; nil for one that has been in no other since the boot.
    package let since: Date?
    /// When a service's last run began; nil where none has.
    package let mainStart: Date?
    /// The process of a service that runs; nil where none does.
    package let mainProcess: Int32?
    /// How often a service was started again by its own `Restart=` since something else has started it.
    package let restarts: Int
    /// Its own file and its drop-ins, in the order in which systemd reads them.
    package let files: [String]
    /// Why it could not be loaded; empty where it could.
    package let loadError: String
    /// Whether its files have changed since systemd read them.
    package let needsReload: Bool
    /// What a service may write to.
    package let sandbox: UnitSandbox

    package var isThere: Bool { load != "not-found" }
    /// Whether its files are such that systemd cannot work with them.
    package var isBroken: Bool { ["error", "bad-setting"].contains(load) }
    /// Whether its last run has failed.
    package var hasFailed: Bool { active == "failed" || !["", "success"].contains(result) }
    package var isEnabled: Bool { file.hasPrefix("enabled") }
    package var isActive: Bool { active == "active" }

    /// Reads what `systemctl show --timestamp=unix` prints, a property a line.
    ///
    /// - Parameters:
    ///   - boot: the moment from which systemd counts the times of `OnActiveSec=` and the like; nil where that is not known.
    package init(properties text: String, boot: Date? = nil) {
        var values: [Substring: String] = [:]
        for line in text.split(whereSeparator: \.isNewline) {
            guard let mark = line.firstIndex(of: "=") else { continue }
            values[line[..<mark]] = String(line[line.index(after: mark)...])
        }
        load = values["LoadState"] ?? "not-found"
        active = values["ActiveState"] ?? "inactive"
        file = values["UnitFileState"] ?? ""
        result = values["Result"] ?? ""
        exitCode = values["ExecMainExitTimestamp"].flatMap { $0.isEmpty ? nil : values["ExecMainStatus"] }.flatMap {
            Int32($0)
        }
        lastEnd = values["ExecMainExitTimestamp"].flatMap(UnitState.date)
        let monotonic = values["NextElapseUSecMonotonic"].flatMap(UnitState.span).flatMap { span in
            boot.map { $0.addingTimeInterval(span) }
        }
        // Of two ways in which a timer may elapse, the first one starts it.
        nextStart = [values["NextElapseUSecRealtime"].flatMap(UnitState.date), monotonic].compactMap(\.self).min()
        let since = values["StateChangeTimestamp"].flatMap(UnitState.date)
        self.since = since
        restart =
            values["SubState"] == "auto-restart"
            ? since.flatMap { failed in
                values["RestartUSec"].flatMap(UnitState.span).map { failed.addingTimeInterval($0) }
            } : nil
        lastStart = values["LastTriggerUSec"].flatMap(UnitState.date)
        mainStart = values["ExecMainStartTimestamp"].flatMap(UnitState.date)
        mainProcess = values["MainPID"].flatMap { Int32($0) }.flatMap { $0 > 0 ? $0 : nil }
        restarts = values["NRestarts"].flatMap { Int($0) } ?? 0
        let fragment = values["FragmentPath"].flatMap { $0.isEmpty ? nil : $0 }
        files = [fragment].compactMap(\.self) + UnitSandbox.words(values["DropInPaths"] ?? "")
        loadError = values["LoadError"] ?? ""
        needsReload = values["NeedDaemonReload"] == "yes"
        sandbox = UnitSandbox(values)
    }

    /// `@1764100000`, or `Wed 2026-11-25 21:14:54 UTC`, which systemd 252 writes for a timer's times whatever --timestamp says; a time
    /// that never comes is empty, `n/a`, `@0` or the largest number there is.
    private static func date(_ text: String) -> Date? {
        if text.hasPrefix("@") {
            guard let seconds = Double(text.dropFirst()), seconds > 0, seconds < 1e11 else { return nil }
            return Date(timeIntervalSince1970: seconds)
        }
        let words = text.split(separator: " ")
        guard words.count == 4, words[3] == "UTC" else { return nil }
        return try? Date("\(words[1])T\(words[2])Z", strategy: .iso8601)
    }

    /// Seconds of a span as systemd writes it, `1h 23min 4.5s` (systemd.time(7)); nil for `infinity` and anything else.
    private static func span(_ text: String) -> TimeInterval? {
        let units: [(name: String, seconds: TimeInterval)] = [
            ("month", 2_629_800), ("min", 60), ("ms", 0.001), ("us", 1e-6), ("y", 31_557_600), ("w", 604_800),
            ("d", 86_400), ("h", 3600), ("s", 1),
        ]
        var sum: TimeInterval = 0
        let words = text.split(separator: " ")
        for word in words {
            guard let unit = units.first(where: { word.hasSuffix($0.name) }),
                let count = Double(word.dropLast(unit.name.count))
            else { return nil }
            sum += count * unit.seconds
        }
        return words.isEmpty ? nil : sum
    }

    /// When this host was started by the clock of today, which is what a monotonic time counts from (clock_gettime(2),
    /// CLOCK_MONOTONIC).
    static var boot: Date? {
        var time = timespec()
        guard unsafe clock_gettime(CLOCK_MONOTONIC, &time) == 0 else { return nil }
        return Date.now.addingTimeInterval(-Double(time.tv_sec) - Double(time.tv_nsec) / 1e9)
    }
}

/// Asks systemd, where it runs.
package struct Systemd: Sendable {
    let runner: any CommandRunner
    let systemctl: String

    /// Why there is nothing to ask.
    package struct Absent: Error, Equatable, Sendable, CustomStringConvertible {
        package let description: String
    }

    /// How long systemctl may take: it answers in milliseconds, or the bus is stuck.
    static let timeout: Duration = .seconds(10)

    private static let properties =
        [
            "LoadState", "ActiveState", "UnitFileState", "Result", "ExecMainStatus", "ExecMainExitTimestamp",
            "NextElapseUSecRealtime", "NextElapseUSecMonotonic", "LastTriggerUSec", "SubState", "RestartUSec",
            "StateChangeTimestamp", "FragmentPath", "DropInPaths", "LoadError", "NeedDaemonReload",
            "ExecMainStartTimestamp", "NRestarts", "MainPID",
        ] + UnitSandbox.properties

    /// The service that a timer starts, where the timer's file does not say otherwise (systemd.timer(5)).
    package static func service(of timer: String) -> String { timer.replacing(".timer", with: ".service") }

    package init(runner: any CommandRunner = SubprocessRunner(), systemctl: String = "/usr/bin/systemctl") {
        (self.runner, self.systemctl) = (runner, systemctl)
    }

    /// The state of a unit such as `certctl.timer`; one that systemd does not know is `not-found`.
    package func state(of unit: String) async throws(Absent) -> UnitState {
        let command = Command(
            executable: systemctl,
            arguments: ["show", "--timestamp=unix", "--property=\(Systemd.properties.joined(separator: ","))", unit],
            environment: ["LC_ALL": "C.UTF-8", "TZ": "UTC"])
        let outcome = await runner.run(command, timeout: Systemd.timeout)
        guard outcome.succeeded else {
            throw Absent(description: outcome.lastLine ?? "systemctl \(outcome)")
        }
        return UnitState(properties: outcome.output, boot: UnitState.boot)
    }
}

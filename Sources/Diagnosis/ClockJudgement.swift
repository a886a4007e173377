import FoundationEssentials
import Lineages
import Renewal

/// What other clocks say.
struct ClockFacts: Equatable, Sendable {
    /// One other clock: whose, its time, and this host's when it was read.
    struct Other: Equatable, Sendable {
        let name: String
        let date: Date
        let here: Date
    }

    /// Something that this host has with a date: what, and when.
    struct Dated: Equatable, Sendable {
        let what: String
        let date: Date
    }

    /// Whether systemd says that the clock is synchronized; nil where systemd could not be asked.
    var isSynchronized: Bool?
    /// Answers of others that came with a date: a CA's (with `--ca`), and any web server's that is not this host's.
    var others: [Other] = []
    /// The newest that this host itself has: from the future, it says that the clock is behind.
    var newest: Dated?
    var setter = ClockSetter.none
}

extension ClockFacts {
    /// The hardware's clock, which runs on while the system's is set wrong; nil where there is none. One that is kept in local
    /// time differs by whole quarters of an hour, up to 14 hours, and is not taken at its word then.
    static func hardware(at now: Date) -> Other? {
        guard let bytes = try? FileSystem.readAll("/sys/class/rtc/rtc0/since_epoch"),
            let seconds = Double(String(decoding: bytes, as: UTF8.self).filter(\.isNumber)), seconds > 1e9
        else { return nil }
        let date = Date(timeIntervalSince1970: seconds)
        guard abs(date.timeIntervalSince(now)) > 15 * 3600 else { return nil }
        return Other(name: "the hardware clock", date: date, here: now)
    }

    /// What sets the clock here.
    static func setterOfHost() -> ClockSetter {
        func isThere(_ path: String) -> Bool { (try? FileSystem.status(path, followingLinks: true)) ?? nil != nil }
        let timesync = ["/lib/systemd/system", "/usr/lib/systemd/system", "/etc/systemd/system"].contains {
            isThere("\($0)/systemd-timesyncd.service")
        }
        if timesync, isThere("/usr/bin/timedatectl"), isThere("/run/systemd/system") { return .timedatectl }
        return isThere("/usr/bin/chronyc") ? .chrony : .none
    }
}

enum ClockJudgement {
    /// CAs backdate by an hour, so that less does no harm.
    static let tolerance: TimeInterval = 300

    /// What a clock that is behind makes of things, and one that is ahead.
    private static let behind: Set<CheckID> = [.notYetValid, .caNotTrusted, .renewalFailed]
    private static let ahead: Set<CheckID> = [.expired, .chainExpired, .caNotTrusted, .renewalFailed]

    static func findings(_ facts: ClockFacts, at now: Date) -> Findings {
        var findings = Findings()
        let place = "the clock"
        let wrong = facts.others.first { abs($0.date.timeIntervalSince($0.here)) > tolerance }
        if let wrong {
            let isBehind = wrong.date > wrong.here
            findings.fail(
                .clockWrong, at: place,
                "this host's clock (\(wrong.here.formatted(.iso8601))) is \(Span.text(wrong.date.timeIntervalSince(wrong.here))) \(isBehind ? "behind" : "ahead of") that of \(wrong.name)",
                .clock(facts.setter, right: wrong.date), explains: isBehind ? behind : ahead)
        } else if let newest = facts.newest, facts.others.isEmpty, newest.date > now.addingTimeInterval(tolerance) {
            findings.fail(
                .clockWrong, at: place,
                "this host's clock (\(now.formatted(.iso8601))) is behind \(newest.what), of \(newest.date.formatted(.iso8601))",
                .clock(facts.setter, right: nil), explains: behind)
        } else if facts.isSynchronized == false {
            findings.warn(
                .clockWrong, at: place, "systemd says that the clock is not synchronized",
                .clock(facts.setter, right: nil))
        }
        findings.pass([.clockWrong], at: place)
        return findings
    }
}

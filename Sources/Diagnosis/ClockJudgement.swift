import FoundationEssentials

/// What other clocks say.
struct ClockFacts: Equatable, Sendable {
    /// Whether systemd has it that the clock is synchronized; nil where nobody could be asked.
    var isSynchronized: Bool?
    /// The time of a CA's answer, and this host's when it came: only with `--ca`.
    var server: (name: String, date: Date, here: Date)?
    /// What this host itself has from the future: the name, and its date.
    var future: (what: String, date: Date)?

    static func == (one: ClockFacts, other: ClockFacts) -> Bool {
        one.isSynchronized == other.isSynchronized && one.server?.date == other.server?.date
            && one.server?.here == other.server?.here && one.future?.date == other.future?.date
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
        let remedy: Check.Remedy = "timedatectl set-ntp true; timedatectl"
        if let (name, date, here) = facts.server, abs(date.timeIntervalSince(here)) > tolerance {
            let isBehind = date > here
            let side = isBehind ? "behind" : "ahead of"
            findings.fail(
                .clockWrong, at: place,
                "this host's clock (\(here.formatted(.iso8601))) is \(Span.text(date.timeIntervalSince(here))) \(side) that of \(name)",
                remedy: remedy, explains: isBehind ? behind : ahead)
        } else if let (what, date) = facts.future, facts.server == nil, date > now.addingTimeInterval(tolerance) {
            findings.fail(
                .clockWrong, at: place,
                "this host's clock (\(now.formatted(.iso8601))) is behind \(what), of \(date.formatted(.iso8601))",
                remedy: remedy, explains: behind)
        } else if facts.isSynchronized == false {
            findings.warn(.clockWrong, at: place, "systemd says that the clock is not synchronized", remedy: remedy)
        }
        findings.pass([.clockWrong], at: place)
        return findings
    }
}

import FoundationEssentials
import Lineages
import PKI
import Testing

@testable import Renewal

/// Day 0 is when the certificates of these tests begin to be valid.
private func day(_ number: Double) -> Date { Date(timeIntervalSince1970: 1_800_000_000 + number * 86_400) }

private func leaf(_ sha256: String = "aa", days: Double = 90) -> Leaf {
    Leaf(sha256: sha256, serial: "01", names: [.dns("a.example")], notBefore: day(0), notAfter: day(days))
}

private func answer(_ start: Double, _ end: Double, nextLook: Double = 3600) -> RenewalAnswer {
    RenewalAnswer(window: (day(start), day(end)), explanationURL: nil, nextLook: nextLook)
}

private func keeping(
    _ known: SuggestedRenewal?, _ answer: RenewalAnswer, about leaf: Leaf = leaf(), fraction: Double
) -> SuggestedRenewal {
    SuggestedRenewal.keeping(known, answer, about: leaf, fraction: fraction, at: day(10))
}

/// What is kept of what a CA says about the time of a renewal (RFC 9773 §4.2), and when it is asked.
struct SuggestedRenewalTests {
    @Test func `the moment is chosen once, and stays for as long as the window does`() {
        let first = keeping(nil, answer(60, 64), fraction: 0.25)
        #expect(first.window?.moment == day(61))
        let again = keeping(first, answer(60, 64), fraction: 0.9)
        #expect(again.window?.moment == day(61))
        // Files have dates to the second.
        let rounded = keeping(first, answer(60 + 0.4 / 86_400, 64), fraction: 0.9)
        #expect(rounded.window?.moment == day(61))
        #expect(first.nextLook == day(10).addingTimeInterval(3600))
    }

    @Test func `another window has another moment, and so has another certificate`() {
        let first = keeping(nil, answer(60, 64), fraction: 0.25)
        #expect(keeping(first, answer(20, 24), fraction: 0.5).window?.moment == day(22))
        #expect(keeping(first, answer(60, 64), about: leaf("bb"), fraction: 0.5).window?.moment == day(62))
    }

    @Test(arguments: [(64, 60), (60, 60)])
    func `a window that ends before it begins is no answer, and takes an earlier one away`(start: Double, end: Double) {
        let first = keeping(nil, answer(60, 64), fraction: 0.25)
        let garbage = keeping(first, answer(start, end), fraction: 0.5)
        #expect(garbage.window == nil && garbage.explanationURL == nil)
        #expect(garbage.nextLook == day(10).addingTimeInterval(3600))
    }

    @Test func `a CA is asked when it wants to be, and never about what has expired`() {
        let known = keeping(nil, answer(60, 64), fraction: 0.25)
        func isAsked(_ known: SuggestedRenewal?, about leaf: Leaf = leaf(), at now: Date) -> Bool {
            SuggestedRenewal.isToBeAsked(known, about: leaf, at: now)
        }
        #expect(isAsked(nil, at: day(10)))
        #expect(!isAsked(known, at: day(10)))
        #expect(isAsked(known, at: day(10).addingTimeInterval(3600)))
        #expect(isAsked(known, about: leaf("bb"), at: day(10)))
        #expect(!isAsked(nil, at: day(90)))
        #expect(!isAsked(known, at: day(91)))
        // A next look that is more than a day away was written by a wrong clock.
        #expect(isAsked(known, at: day(8)))
    }
}

/// What the policy makes of it.
struct SuggestionPolicyTests {
    private static func decision(
        window: (Double, Double, moment: Double), at now: Double, _ params: String = "", top: String = "",
        days: Double = 90, nextRun: Double? = nil, isForced: Bool = false
    ) throws -> RenewalPolicy.Decision {
        let text = "\(top)\n[renewalparams]\nauthenticator = webroot\nkey_type = ecdsa\n\(params)\n"
        let options = try RenewalOptions(ConfFile(bytes: Array(text.utf8)), defaults: CLIDefaults([]))
        let suggested = SuggestedRenewal(
            sha256: "aa",
            window: .init(start: day(window.0), end: day(window.1), moment: day(window.moment)), explanationURL: nil,
            nextLook: day(now))
        return RenewalPolicy(isForced: isForced).decision(
            for: leaf(days: days).validity, options: options, suggested: suggested, nextRun: nextRun.map(day),
            at: day(now))
    }

    @Test func `a window in the past renews at once`() throws {
        #expect(try Self.decision(window: (-30, -29, moment: -29.5), at: 3) == .renew(because: .suggested))
    }

    @Test func `a moment to come is waited for, later than the share of the lifetime too`() throws {
        let late = try Self.decision(window: (70, 74, moment: 72), at: 65)
        #expect(late == .wait(until: day(72), because: .suggested))
        #expect(try Self.decision(window: (20, 24, moment: 22), at: 22) == .renew(because: .suggested))
    }

    @Test func `a moment before the next run is now`() throws {
        let window = (20.0, 24.0, moment: 22.0)
        #expect(try Self.decision(window: window, at: 21.5, nextRun: 22.1) == .renew(because: .suggested))
        #expect(
            try Self.decision(window: window, at: 21.5, nextRun: 21.9) == .wait(until: day(22), because: .suggested))
    }

    @Test func `the last twentieth of the lifetime overrides it`() throws {
        // A twentieth of 90 days is four and a half.
        let window = (88.0, 90.0, moment: 89.0)
        #expect(try Self.decision(window: window, at: 80) == .wait(until: day(85.5), because: .lastPart))
        #expect(try Self.decision(window: window, at: 85.6) == .renew(because: .lastPart))
    }

    @Test func `force, autorenew = False and expiry come before it, renew_before_expiry before a moment to come`()
        throws
    {
        let past = (1.0, 2.0, moment: 1.5)
        #expect(try Self.decision(window: past, at: 3, "autorenew = False") == .never(because: .autorenewOff))
        #expect(
            try Self.decision(window: past, at: 3, "autorenew = False", isForced: true) == .renew(because: .forced))
        #expect(try Self.decision(window: (88, 92, moment: 91), at: 90) == .renew(because: .expired))
        let early = try Self.decision(window: (70, 74, moment: 72), at: 51, top: "renew_before_expiry = 40 days")
        #expect(early == .renew(because: .beforeExpiry(40 * 86_400)))
        let suggested = try Self.decision(window: past, at: 3, top: "renew_before_expiry = 40 days")
        #expect(suggested == .renew(because: .suggested))
    }
}

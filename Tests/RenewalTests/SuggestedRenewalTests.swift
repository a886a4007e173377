import FoundationEssentials
import Glibc
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

extension LineageState {
    /// What is known after an order that only the suggestion asked for, of a certificate that was young.
    fileprivate static func early(_ suggested: SuggestedRenewal, at now: Date) -> SuggestedRenewal {
        let order = SavedOrder(
            url: "https://ca.example/order/1", server: "https://ca.example/dir", names: ["a.example"],
            need: .due(live: suggested.sha256), placedAt: now, expires: nil)
        let state = LineageState(name: "a.example").applying(.suggested(suggested), at: now).state
        return state.applying(.orderPlaced(order, isEarly: true), at: now).state.suggested ?? suggested
    }
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

    @Test func `until certbot would ask again, a CA is not asked about a certificate for the first time`() {
        func isAsked(_ known: SuggestedRenewal? = nil, at now: Double) -> Bool {
            SuggestedRenewal.isToBeAsked(known, about: leaf(), notBefore: day(10.5), at: day(now))
        }
        #expect(!isAsked(at: 10) && isAsked(at: 10.5) && isAsked(at: 9))
        #expect(isAsked(keeping(nil, answer(60, 64, nextLook: 60), fraction: 0), at: 10.25))
    }

    @Test(arguments: [
        ("2026-11-27T21:15:00", true), ("2026-11-27T21:15:00.123456", true), ("2026-11-27T21:15:00+01:00", false),
        ("2026-11-27", false), ("", false), ("soon", false),
    ])
    func `certbot's times are of the host's own zone`(text: String, isTime: Bool) {
        var time = tm()
        (time.tm_year, time.tm_mon, time.tm_mday, time.tm_hour, time.tm_min) = (126, 10, 27, 21, 15)
        time.tm_isdst = -1
        let expected = Date(timeIntervalSince1970: TimeInterval(mktime(&time)))
        #expect(CertbotTime.date(text) == (isTime ? expected : nil))
    }
}

/// What the policy makes of it.
struct SuggestionPolicyTests {
    private static func decision(
        window: (Double, Double, moment: Double), at now: Double, _ params: String = "", top: String = "",
        days: Double = 90, nextRun: Double? = nil, isForced: Bool = false, renewedEarly: Double? = nil
    ) throws -> RenewalPolicy.Decision {
        let text = "\(top)\n[renewalparams]\nauthenticator = webroot\nkey_type = ecdsa\n\(params)\n"
        let options = try RenewalOptions(ConfFile(bytes: Array(text.utf8)), defaults: CLIDefaults([]))
        let suggested = SuggestedRenewal(
            sha256: "aa",
            window: .init(start: day(window.0), end: day(window.1), moment: day(window.moment)), explanationURL: nil,
            nextLook: day(now), renewedEarly: renewedEarly.map(day))
        return RenewalPolicy(isForced: isForced).decision(
            for: leaf(days: days).validity, options: options, suggested: suggested, nextRun: nextRun.map(day),
            at: day(now))
    }

    @Test func `a window in the past renews at once`() throws {
        #expect(try Self.decision(window: (-30, -29, moment: -29.5), at: 3) == .renew(because: .suggested))
    }

    @Test(arguments: [(90.0, 9.0), (45.0, 4.5), (160.0 / 24, 2.0), (0.5, 0.25)])
    func `a young certificate is called back once in a lifetime, then at its floor`(days: Double, floor: Double) throws
    {
        func decision(at now: Double, renewedEarly: Double?) throws -> RenewalPolicy.Decision {
            try Self.decision(window: (-3, -2, moment: -2.5), at: now, days: days, renewedEarly: renewedEarly)
        }
        #expect(try decision(at: 0.1, renewedEarly: nil) == .renew(because: .suggested))
        #expect(try decision(at: 0.1, renewedEarly: -0.1) == .wait(until: day(floor), because: .suggested))
        #expect(try decision(at: floor, renewedEarly: -0.1) == .renew(because: .suggested))
    }

    @Test func `that a young certificate was called back is kept for a lifetime, across certificates and garbage`() {
        var known = keeping(nil, answer(-2, -1), fraction: 0.5)
        known = LineageState.early(known, at: day(1))
        #expect(known.renewedEarly == day(1))
        let other = keeping(known, answer(60, 64), about: leaf("bb"), fraction: 0.5)
        #expect(other.renewedEarly == day(1) && other.sha256 == "bb")
        #expect(keeping(other, answer(64, 60), about: leaf("bb"), fraction: 0.5).renewedEarly == day(1))
        #expect(keeping(other, answer(60, 64), about: leaf("cc", days: 9), fraction: 0.5).renewedEarly == nil)
        // A time to come was written by a wrong clock.
        let ahead = LineageState.early(known, at: day(11))
        #expect(keeping(ahead, answer(60, 64), fraction: 0.5).renewedEarly == nil)
    }

    @Test func `what only a CA suggests leaves room for orders whose time has come`() {
        let (watch, now) = (AuthorityWatch([:]), day(0))
        for _ in 0..<AuthorityState.mostSuggested {
            #expect(watch.obstacle(to: "https://ca.example/dir", .suggested, at: now) == nil)
        }
        #expect(watch.obstacle(to: "https://ca.example/dir", .suggested, at: now)?.code == .rateLimited)
        #expect(watch.obstacle(to: "https://other.example/dir", .suggested, at: now) == nil)
        for _ in AuthorityState.mostSuggested..<AuthorityState.mostOrders {
            #expect(watch.obstacle(to: "https://ca.example/dir", .due, at: now) == nil)
        }
        #expect(watch.obstacle(to: "https://ca.example/dir", .due, at: now)?.code == .rateLimited)
        #expect(watch.obstacle(to: "https://ca.example/dir", .asked, at: now) == nil)
        let later = now.addingTimeInterval(AuthorityState.window + 1)
        #expect(watch.obstacle(to: "https://ca.example/dir", .suggested, at: later) == nil)
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

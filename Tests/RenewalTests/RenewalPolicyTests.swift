import FoundationEssentials
import Lineages
import PKI
import Renewal
import Testing

/// Day 0 is when the certificates of these tests begin to be valid.
private func day(_ number: Double) -> Date { Date(timeIntervalSince1970: 1_800_000_000 + number * 86_400) }

private func options(_ params: String = "") throws -> RenewalOptions {
    let text = "[renewalparams]\nauthenticator = webroot\nkey_type = ecdsa\n" + params
    return try RenewalOptions(ConfFile(bytes: Array(text.utf8)), defaults: CLIDefaults([]))
}

private func decision(
    days: Double, at now: Double, _ params: String = "", forced: Bool = false
) throws -> RenewalPolicy.Decision {
    let conf =
        params.hasPrefix("renew_before_expiry")
        ? try RenewalOptions(
            ConfFile(bytes: Array("\(params)\n[renewalparams]\nkey_type = ecdsa\n".utf8)), defaults: CLIDefaults([]))
        : try options(params)
    return RenewalPolicy(isForced: forced).decision(
        for: Validity(notBefore: day(0), notAfter: day(days)), options: conf, at: day(now))
}

struct RenewalPolicyTests {
    @Test(arguments: [(90, 60), (45, 30), (10, 20 / 3), (200, 400 / 3)] as [(Double, Double)])
    func `a certificate is renewed after two thirds of its lifetime`(days: Double, due: Double) throws {
        #expect(try decision(days: days, at: due - 0.01) == .wait(until: day(due), because: .twoThirds))
        #expect(try decision(days: days, at: due + 0.01) == .renew(because: .twoThirds))
    }

    @Test(arguments: [6.0, 9.9])
    func `a lifetime under ten days is renewed at its half`(days: Double) throws {
        #expect(try decision(days: days, at: days / 2 - 0.01) == .wait(until: day(days / 2), because: .half))
        #expect(try decision(days: days, at: days / 2 + 0.01) == .renew(because: .half))
    }

    @Test func `renew_before_expiry comes before the share of the lifetime`() throws {
        let span = RenewalPolicy.Reason.beforeExpiry(20 * 86_400)
        #expect(try decision(days: 90, at: 65, "renew_before_expiry = 20 days") == .wait(until: day(70), because: span))
        #expect(try decision(days: 90, at: 71, "renew_before_expiry = 20 days") == .renew(because: span))
    }

    @Test func `a renew_before_expiry that would renew at every run is passed over`() throws {
        #expect(
            try decision(days: 45, at: 1, "renew_before_expiry = 60 days") == .wait(until: day(30), because: .twoThirds)
        )
    }

    @Test func `autorenew = False is for ever, but for an operator`() throws {
        #expect(try decision(days: 90, at: 95, "autorenew = False\n") == .never(because: .autorenewOff))
        #expect(try decision(days: 90, at: 1, "autorenew = False\n", forced: true) == .renew(because: .forced))
    }

    @Test func `what has expired is renewed whatever renew_before_expiry says`() throws {
        #expect(try decision(days: 90, at: 90, "renew_before_expiry = 1 days") == .renew(because: .expired))
    }

    @Test func `the rules are asked in order up to the one that decides`() throws {
        let validity = Validity(notBefore: day(0), notAfter: day(90))
        let rulings = RenewalPolicy().rulings(for: validity, options: try options(), at: day(10))
        #expect(
            rulings.map(\.rule) == [
                .force(false), .autorenew(true), .expiry(day(90)), .suggestion(nil, until: nil, page: nil),
                .beforeExpiry(nil, nil), .share(.twoThirds, day(60)),
            ])
        #expect(rulings.dropLast().allSatisfy { $0.decision == nil })
        let forced = RenewalPolicy(isForced: true).rulings(for: validity, options: try options(), at: day(10))
        #expect(forced.map(\.rule) == [.force(true)])
    }

    @Test(arguments: [(1, 60), (2, 600), (3, 6000), (4, 86_400), (40, 86_400)] as [(Int, Double)])
    func `failures are backed off, with a fifth of jitter to either side`(count: Int, seconds: Double) {
        #expect(Backoff.delay(afterFailures: count, jitter: 0.5) == seconds)
        #expect(Backoff.delay(afterFailures: count, jitter: 0) == seconds * 0.8)
        #expect(abs(Backoff.delay(afterFailures: count, jitter: 1) - seconds * 1.2) < 0.001)
    }
}

package import FoundationEssentials
package import Lineages
package import PKI

/// When a certificate is renewed. Pure: the clock is a parameter.
package struct RenewalPolicy: Sendable {
    /// Whether the operator wants it now, whatever the dates say.
    package let isForced: Bool

    package init(isForced: Bool = false) { self.isForced = isForced }

    /// What is to be done, and why.
    package enum Decision: Hashable, Sendable {
        case renew(because: Reason)
        case wait(until: Date, because: Reason)
        case never(because: Reason)
    }

    /// Why, as a value.
    package enum Reason: Hashable, Sendable, CustomStringConvertible {
        /// The operator said so.
        case forced
        /// The conf says `autorenew = False`.
        case autorenewOff
        /// The certificate has expired.
        case expired
        /// It is revoked, and why.
        case revoked(String)
        /// The conf's `renew_before_expiry`, in seconds.
        case beforeExpiry(TimeInterval)
        /// Two thirds of its lifetime.
        case twoThirds
        /// One half of a lifetime under ten days.
        case half
        /// The CA suggests it (RFC 9773).
        case suggested
        /// The last twentieth of its lifetime, whatever the CA suggests.
        case lastPart

        package var description: String {
            switch self {
            case .forced: "forced"
            case .autorenewOff: "autorenew = False"
            case .expired: "expired"
            case .revoked(let reason): "revoked (\(reason))"
            case .beforeExpiry(let span) where span.truncatingRemainder(dividingBy: 86_400) == 0:
                "renew_before_expiry = \(Int(span / 86_400)) days"
            case .beforeExpiry(let span): "renew_before_expiry = \(Int(span)) seconds"
            case .twoThirds: "2/3 of its lifetime"
            case .half: "1/2 of its lifetime"
            case .suggested: "suggested by the CA"
            case .lastPart: "1/20 of its lifetime remains"
            }
        }
    }

    /// How much earlier than its share of the lifetime a lineage may be renewed, as a part of the lifetime: lineages that were issued
    /// together are not due together for ever.
    static let widestSpread = 1.0 / 20

    /// Where a lineage lies within ``widestSpread``, from 0 to 1: always the same for a name, and even over many.
    package static func spread(_ name: String) -> Double {
        // FNV-1a, 64 bits: Swift's own hashes differ from run to run.
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        // Its high bits barely differ between short names.
        hash ^= hash >> 32
        return Double((hash &* 0x9E37_79B9_7F4A_7C15) >> 11) / Double(1 << 53)
    }

    /// With less than this part of the lifetime left, it is renewed whatever a CA suggests.
    static let lastPart = 1.0 / 20

    /// A lifetime below this is short: the certificate is renewed at its half.
    static let shortLifetime: TimeInterval = 10 * 86_400

    /// One rule of the policy, asked about a certificate: what it looked at, and what it decides, if anything.
    package struct Ruling: Hashable, Sendable {
        package let rule: Rule
        /// Nil where the rule leaves the decision to those after it.
        package let decision: Decision?
    }

    /// The rules, in the order in which they are asked, each with what it saw.
    package enum Rule: Hashable, Sendable {
        /// Whether the operator wants it now.
        case force(Bool)
        /// What the conf's `autorenew` says.
        case autorenew(Bool)
        /// When the certificate expires.
        case expiry(Date)
        /// Why it is revoked; asked only where it is.
        case revocation(String)
        /// The conf's `renew_before_expiry` in seconds, and the date it leads to; no date where it is not below the lifetime, which
        /// would renew at every run: it is ignored.
        case beforeExpiry(TimeInterval?, Date?)
        /// When the CA suggests it: the moment that was chosen of its window (or later, for a young certificate), the window's end,
        /// and a page that says why; nil where the CA suggests nothing.
        case suggestion(Date?, until: Date?, page: String?)
        /// The share of the lifetime, in words, and the date it leads to.
        case share(Reason, Date)

        /// The date that it looks at.
        package var date: Date? {
            switch self {
            case .force, .autorenew, .revocation: nil
            case .expiry(let date), .share(_, let date): date
            case .beforeExpiry(_, let date), .suggestion(let date, _, _): date
            }
        }
    }

    /// Asks the rules one after the other, up to the one that decides: it is the last.
    ///
    /// - Parameters:
    ///   - spread: from 0 to 1, how much of ``widestSpread`` the share of the lifetime is brought forward.
    ///   - suggested: what the CA said of this certificate.
    ///   - revoked: why it is revoked; nil where it is not, as far as is known.
    ///   - nextRun: when the next run is expected: what is suggested before it is done now.
    package func rulings(
        for certificate: Validity, options: RenewalOptions, spread: Double = 0, suggested: SuggestedRenewal? = nil,
        revoked: String? = nil, nextRun: Date? = nil, at now: Date
    ) -> [Ruling] {
        var rulings: [Ruling] = []
        /// Whether the rule has decided.
        func ask(_ rule: Rule, _ decision: Decision?) -> Bool {
            rulings.append(Ruling(rule: rule, decision: decision))
            return decision != nil
        }
        func from(_ date: Date, _ reason: Reason) -> Decision {
            now >= date ? .renew(because: reason) : .wait(until: date, because: reason)
        }
        if ask(.force(isForced), isForced ? .renew(because: .forced) : nil) { return rulings }
        if ask(.autorenew(options.autorenew), options.autorenew ? nil : .never(because: .autorenewOff)) {
            return rulings
        }
        let hasExpired = now >= certificate.notAfter
        if ask(.expiry(certificate.notAfter), hasExpired ? .renew(because: .expired) : nil) { return rulings }
        if let revoked, ask(.revocation(revoked), .renew(because: .revoked(revoked))) { return rulings }
        let moment = suggested?.moment(for: certificate)
        let isSuggested = moment.map { $0 <= max(nextRun ?? now, now) } ?? false
        if ask(
            .suggestion(moment, until: suggested?.window?.end, page: suggested?.explanationURL),
            isSuggested ? .renew(because: .suggested) : nil)
        {
            return rulings
        }
        // Old settings, of ninety days say, meet ever shorter certificates.
        let span = options.renewBeforeExpiry
        let date = span.flatMap { $0 < certificate.lifetime ? certificate.notAfter.addingTimeInterval(-$0) : nil }
        if ask(.beforeExpiry(span, date), date.map { from($0, .beforeExpiry(span ?? 0)) }) { return rulings }
        if let moment {
            let last = certificate.notAfter.addingTimeInterval(-certificate.lifetime * RenewalPolicy.lastPart)
            let isLast = last < moment
            _ = ask(
                .share(isLast ? .lastPart : .suggested, isLast ? last : moment),
                from(isLast ? last : moment, isLast ? .lastPart : .suggested))
            return rulings
        }
        let isShort = certificate.lifetime < RenewalPolicy.shortLifetime
        let part = (isShort ? 1.0 / 2 : 2.0 / 3) - spread * RenewalPolicy.widestSpread
        let share = certificate.notBefore.addingTimeInterval(certificate.lifetime * part)
        let reason: Reason = isShort ? .half : .twoThirds
        _ = ask(.share(reason, share), from(share, reason))
        return rulings
    }

    /// Decides for a certificate at a moment; the first rule that says anything wins.
    package func decision(
        for certificate: Validity, options: RenewalOptions, spread: Double = 0, suggested: SuggestedRenewal? = nil,
        revoked: String? = nil, nextRun: Date? = nil, at now: Date
    ) -> Decision {
        // The last rule always says something.
        rulings(
            for: certificate, options: options, spread: spread, suggested: suggested, revoked: revoked,
            nextRun: nextRun, at: now
        ).last?.decision ?? .never(because: .autorenewOff)
    }

    /// Decides for what is installed of a lineage.
    func decision(
        for leaf: Leaf, of name: String, options: RenewalOptions, _ state: LineageState, nextRun: Date?, at now: Date
    ) -> Decision {
        decision(
            for: leaf.validity, options: options, spread: RenewalPolicy.spread(name),
            suggested: state.suggestion(for: leaf.sha256), revoked: state.revocation(of: leaf.sha256),
            nextRun: nextRun, at: now)
    }

    /// What the rules say of a lineage, by what is known of it now.
    package func rulings(for lineage: Lineage, _ state: LineageState?, at now: Date) -> [Ruling] {
        guard let certificate = lineage.certificate, let options = lineage.options else { return [] }
        return rulings(
            for: certificate.validity, options: options, spread: RenewalPolicy.spread(lineage.name),
            suggested: state?.liveSuggestion, revoked: state?.liveRevocation, at: now)
    }
}

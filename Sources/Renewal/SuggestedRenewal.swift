package import FoundationEssentials
import PKI

/// What a CA has said about when a certificate is to be renewed (RFC 9773), and when it is to be asked again.
package struct SuggestedRenewal: Codable, Equatable, Sendable {
    /// The certificate that it is about.
    package let sha256: String
    /// The suggested window; nil where the CA gave no usable answer.
    package let window: Window?
    /// A page of the CA's that says why.
    package let explanationURL: String?
    /// Not before then is the CA asked again, and then it is.
    package let nextLook: Date
    /// When a certificate of this lineage that was still young was last ordered again because the CA suggested it; nil where that
    /// is longer ago than a lifetime. See ``moment(for:)``.
    package internal(set) var renewedEarly: Date?

    /// The window, and the moment of it that was chosen: once, and for as long as the CA names the same window.
    package struct Window: Codable, Equatable, Sendable {
        package let start: Date
        package let end: Date
        package let moment: Date

        package init(start: Date, end: Date, moment: Date) {
            (self.start, self.end, self.moment) = (start, end, moment)
        }
    }

    package init(
        sha256: String, window: Window?, explanationURL: String?, nextLook: Date, renewedEarly: Date? = nil
    ) {
        (self.sha256, self.window, self.explanationURL, self.nextLook) = (sha256, window, explanationURL, nextLook)
        self.renewedEarly = renewedEarly
    }

    /// Whether the CA is to be asked about a certificate: not about one that has expired, and not before it wants to be.
    ///
    /// A time further away than a day was written by a clock that was wrong.
    ///
    /// - Parameter notBefore: when certbot was to ask again, for a certificate that certctl has not asked about.
    static func isToBeAsked(
        _ known: SuggestedRenewal?, about leaf: Leaf, notBefore: Date? = nil, at now: Date
    ) -> Bool {
        guard leaf.notAfter > now else { return false }
        let isKnown = known?.sha256 == leaf.sha256
        guard let next = isKnown ? known?.nextLook : notBefore else { return true }
        return next <= now || next.timeIntervalSince(now) > Backoff.day
    }

    /// What is kept of an answer: the moment stays the same while the window does.
    ///
    /// - Parameters:
    ///   - known: what was kept before, of whichever certificate of the lineage.
    ///   - fraction: from 0 to 1, where in the window the moment lies.
    static func keeping(
        _ known: SuggestedRenewal?, _ answer: RenewalAnswer, about leaf: Leaf, fraction: Double, at now: Date
    ) -> SuggestedRenewal {
        let nextLook = now.addingTimeInterval(answer.nextLook)
        // A time to come was written by a clock that was wrong.
        let renewedEarly = known?.renewedEarly.flatMap { early in
            early <= now && now.timeIntervalSince(early) < leaf.validity.lifetime ? early : nil
        }
        guard let (start, end) = answer.window, start < end else {
            return SuggestedRenewal(
                sha256: leaf.sha256, window: nil, explanationURL: nil, nextLook: nextLook, renewedEarly: renewedEarly)
        }
        // Dates are written to the second.
        let kept = known.flatMap { $0.sha256 == leaf.sha256 ? $0.window : nil }
        let isSame = kept.map { abs($0.start.timeIntervalSince(start)) < 1 && abs($0.end.timeIntervalSince(end)) < 1 }
        let moment =
            isSame == true
            ? kept?.moment ?? start : start.addingTimeInterval(fraction * end.timeIntervalSince(start))
        return SuggestedRenewal(
            sha256: leaf.sha256, window: Window(start: start, end: end, moment: moment),
            explanationURL: answer.explanationURL, nextLook: nextLook, renewedEarly: renewedEarly)
    }
}

/// A CA whose window for every fresh certificate lies in the past would have each run buy one. It may call back a young certificate
/// once in a lifetime, as after an incident; after that, its suggestions count from a floor of the certificate's age.
extension SuggestedRenewal {
    /// The age below which a certificate is young, in seconds: two days or a tenth of its lifetime, but no more than half of it.
    /// Four certificates a week are below Let's Encrypt's limit of five for the same names.
    static func floor(of certificate: Validity) -> TimeInterval {
        min(max(2 * Backoff.day, certificate.lifetime / 10), certificate.lifetime / 2)
    }

    static func isYoung(_ certificate: Validity, at now: Date) -> Bool {
        now < certificate.notBefore.addingTimeInterval(floor(of: certificate))
    }

    /// When the certificate is renewed because the CA suggests it; nil where the CA suggests nothing.
    func moment(for certificate: Validity) -> Date? {
        guard let window else { return nil }
        guard renewedEarly != nil else { return window.moment }
        return max(window.moment, certificate.notBefore.addingTimeInterval(SuggestedRenewal.floor(of: certificate)))
    }
}

/// A CA's answer to the question when to renew.
package struct RenewalAnswer: Sendable {
    /// Nil where there is none.
    package let window: (start: Date, end: Date)?
    package let explanationURL: String?
    /// Seconds until it is to be asked again.
    package let nextLook: TimeInterval

    package init(window: (start: Date, end: Date)?, explanationURL: String?, nextLook: TimeInterval) {
        (self.window, self.explanationURL, self.nextLook) = (window, explanationURL, nextLook)
    }
}

package import FoundationEssentials

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

    /// The window, and the moment of it that was chosen: once, and for as long as the CA names the same window.
    package struct Window: Codable, Equatable, Sendable {
        package let start: Date
        package let end: Date
        package let moment: Date

        package init(start: Date, end: Date, moment: Date) {
            (self.start, self.end, self.moment) = (start, end, moment)
        }
    }

    package init(sha256: String, window: Window?, explanationURL: String?, nextLook: Date) {
        (self.sha256, self.window, self.explanationURL, self.nextLook) = (sha256, window, explanationURL, nextLook)
    }

    /// Whether the CA is to be asked about a certificate: not about one that has expired, and not before it wants to be.
    ///
    /// A time further away than a day was written by a clock that was wrong.
    static func isToBeAsked(_ known: SuggestedRenewal?, about leaf: Leaf, at now: Date) -> Bool {
        guard leaf.notAfter > now else { return false }
        guard let known, known.sha256 == leaf.sha256 else { return true }
        return known.nextLook <= now || known.nextLook.timeIntervalSince(now) > Backoff.day
    }

    /// What is kept of an answer: the moment stays the same while the window does.
    ///
    /// - Parameter fraction: from 0 to 1, where in the window the moment lies.
    static func keeping(
        _ known: SuggestedRenewal?, _ answer: RenewalAnswer, about leaf: Leaf, fraction: Double, at now: Date
    ) -> SuggestedRenewal {
        let nextLook = now.addingTimeInterval(answer.nextLook)
        guard let (start, end) = answer.window, start < end else {
            return SuggestedRenewal(sha256: leaf.sha256, window: nil, explanationURL: nil, nextLook: nextLook)
        }
        // Dates are written to the second.
        let kept = known.flatMap { $0.sha256 == leaf.sha256 ? $0.window : nil }
        let isSame = kept.map { abs($0.start.timeIntervalSince(start)) < 1 && abs($0.end.timeIntervalSince(end)) < 1 }
        let moment =
            isSame == true
            ? kept?.moment ?? start : start.addingTimeInterval(fraction * end.timeIntervalSince(start))
        return SuggestedRenewal(
            sha256: leaf.sha256, window: Window(start: start, end: end, moment: moment),
            explanationURL: answer.explanationURL, nextLook: nextLook)
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

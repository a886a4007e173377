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
        /// The conf's `renew_before_expiry`, in seconds.
        case beforeExpiry(TimeInterval)
        /// Two thirds of its lifetime.
        case twoThirds
        /// One half of a lifetime under ten days.
        case half

        package var description: String {
            switch self {
            case .forced: "forced"
            case .autorenewOff: "autorenew = False"
            case .expired: "expired"
            case .beforeExpiry(let span) where span.truncatingRemainder(dividingBy: 86_400) == 0:
                "renew_before_expiry = \(Int(span / 86_400)) days"
            case .beforeExpiry(let span): "renew_before_expiry = \(Int(span)) seconds"
            case .twoThirds: "2/3 of its lifetime"
            case .half: "1/2 of its lifetime"
            }
        }
    }

    /// A lifetime below this is short: the certificate is renewed at its half.
    static let shortLifetime: TimeInterval = 10 * 86_400

    /// Decides for a certificate at a moment; the first rule that says anything wins.
    package func decision(for certificate: Certificate, options: RenewalOptions, at now: Date) -> Decision {
        if isForced { return .renew(because: .forced) }
        if !options.autorenew { return .never(because: .autorenewOff) }
        if now >= certificate.notAfter { return .renew(because: .expired) }
        let (date, reason) = RenewalPolicy.renewalDate(for: certificate, renewBeforeExpiry: options.renewBeforeExpiry)
        return now >= date ? .renew(because: reason) : .wait(until: date, because: reason)
    }

    /// A `renew_before_expiry` that is not shorter than the lifetime would renew at every run, which is what old settings do
    /// to ever shorter certificates: it is passed over.
    private static func renewalDate(
        for certificate: Certificate, renewBeforeExpiry: TimeInterval?
    ) -> (Date, Reason) {
        if let span = renewBeforeExpiry, span < certificate.lifetime {
            return (certificate.notAfter.addingTimeInterval(-span), .beforeExpiry(span))
        }
        if certificate.lifetime < shortLifetime {
            return (certificate.notBefore.addingTimeInterval(certificate.lifetime / 2), .half)
        }
        return (certificate.notBefore.addingTimeInterval(certificate.lifetime * 2 / 3), .twoThirds)
    }
}

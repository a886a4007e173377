package import FoundationEssentials
import HTTP
package import PKI

/// By what a CA knows a certificate that it is asked about, or that an order replaces (RFC 9773 §4.1).
package struct CertificateID: Hashable, Sendable, CustomStringConvertible {
    /// Authority key identifier and serial number, each in base64url, with a dot between them.
    package let description: String

    /// Nil where the certificate has no authority key identifier, as some private CAs' have none.
    package init?(_ certificate: Certificate) {
        guard let authority = certificate.authorityKeyIdentifier, !authority.isEmpty else { return nil }
        description = "\(Base64URL.encode(authority)).\(Base64URL.encode(certificate.serialNumber))"
    }
}

/// When a CA wants a certificate to be renewed (RFC 9773 §4.2).
package struct RenewalWindow: Hashable, Sendable {
    package let start: Date
    /// After ``start``.
    package let end: Date

    /// Nil where it ends before it begins, which counts as no answer.
    package init?(start: Date, end: Date) {
        guard start < end else { return nil }
        (self.start, self.end) = (start, end)
    }

    /// A moment of it, each as likely as any other. It is to be kept until the window changes.
    package func moment(using generator: inout some RandomNumberGenerator) -> Date {
        start.addingTimeInterval(.random(in: 0..<end.timeIntervalSince(start), using: &generator))
    }
}

/// What came of asking a CA when a certificate should be renewed.
package struct RenewalInfo: Sendable {
    /// What the CA says, or why it says nothing.
    package enum Answer: Sendable {
        /// The page is an `https` URL where the CA explains it, such as an incident.
        case window(RenewalWindow, explanationURL: String?)
        case none(Reason)
    }

    /// Why there is no answer. Without one, the rule that needs no CA decides.
    package enum Reason: Sendable, CustomStringConvertible {
        /// The CA's directory has no `renewalInfo`.
        case notOffered
        /// The certificate has no authority key identifier.
        case noIdentifier
        /// The CA did not answer, or not with 200.
        case failed(ACMEError)
        /// The answer is not what RFC 9773 has, or its window ends before it begins.
        case malformed(String)

        package var description: String {
            switch self {
            case .notOffered: "the CA does not say when to renew"
            case .noIdentifier: "the certificate has no authority key identifier to ask by"
            case .failed(let error): "\(error)"
            case .malformed(let what): "the CA's renewal information cannot be used: \(what)"
            }
        }
    }

    package let answer: Answer
    /// How long from now on the CA is not to be asked again about this certificate, and after which it should be: a minute to a
    /// day. It holds across runs.
    package let nextLook: Duration

    /// Bounds of a Retry-After: no CA has to be asked more often than the first, and an incident shows within the second.
    static let nextLookBounds: ClosedRange<Duration> = .seconds(60) ... .seconds(86_400)
    /// Without a Retry-After, and after an error (RFC 9773 §4.3.3).
    static let usualNextLook: Duration = .seconds(6 * 3_600)
}

extension Session {
    /// Asks when a certificate should be renewed (RFC 9773 §4.2). It needs no account, and no answer is no error.
    ///
    /// It is not to be asked for a certificate that has expired or was replaced.
    ///
    /// - Throws: only ``ACMEError/cancelled``.
    package func renewalInfo(for certificate: Certificate) async throws(ACMEError) -> RenewalInfo {
        func none(_ reason: RenewalInfo.Reason, _ retryAfter: Duration? = nil) -> RenewalInfo {
            RenewalInfo(answer: .none(reason), nextLook: RenewalInfo.nextLook(retryAfter))
        }
        do throws(ACMEError) {
            guard let base = try await fetchDirectory().renewalInfo else { return none(.notOffered) }
            guard let id = CertificateID(certificate) else { return none(.noIdentifier) }
            let response = try await get(base + (base.hasSuffix("/") ? "" : "/") + id.description)
            let retryAfter = RetryAfter.delay(in: response.headers, now: Date.now)
            guard let object = try? JSONDecoder().decode(RenewalInfoObject.self, from: Data(response.body)),
                let start = Timestamp.date(object.suggestedWindow.start),
                let end = Timestamp.date(object.suggestedWindow.end)
            else { return none(.malformed("it is not the JSON expected there"), retryAfter) }
            guard let window = RenewalWindow(start: start, end: end) else {
                return none(.malformed("its window ends before it begins"), retryAfter)
            }
            let page = object.explanationURL.flatMap { ServerURL.isUsable($0) ? $0 : nil }
            return RenewalInfo(
                answer: .window(window, explanationURL: page), nextLook: RenewalInfo.nextLook(retryAfter))
        } catch {
            switch error {
            case .cancelled: throw error
            case .refused(_, let retryAfter): return none(.failed(error), retryAfter)
            default: return none(.failed(error))
            }
        }
    }
}

extension RenewalInfo {
    fileprivate static func nextLook(_ retryAfter: Duration?) -> Duration {
        min(max(retryAfter ?? usualNextLook, nextLookBounds.lowerBound), nextLookBounds.upperBound)
    }
}

private struct RenewalInfoObject: Decodable {
    struct Window: Decodable {
        let start: String
        let end: String
    }

    let suggestedWindow: Window
    let explanationURL: String?

    private enum CodingKeys: String, CodingKey { case suggestedWindow, explanationURL }

    init(from decoder: any Decoder) throws {
        let members = try decoder.container(keyedBy: CodingKeys.self)
        suggestedWindow = try members.decode(Window.self, forKey: .suggestedWindow)
        explanationURL = try? members.decode(String.self, forKey: .explanationURL)
    }
}

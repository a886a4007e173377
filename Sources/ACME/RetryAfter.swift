import FoundationEssentials
import HTTP

/// A server's Retry-After (RFC 9110 §10.2.3), which CAs send as seconds or as a date.
enum RetryAfter {
    /// Upper bound, so that a bad header cannot park a lineage for good.
    static let longest: Duration = .seconds(86_400 * 8)

    /// The delay from `now` on; nil without the header or with junk in it.
    static func delay(in headers: HTTPHeaders, now: Date) -> Duration? {
        guard let text = headers["Retry-After"] else { return nil }
        if let seconds = Int(text) { return seconds < 0 ? nil : min(.seconds(seconds), longest) }
        guard let date = HTTPDate.date(text) else { return nil }
        return min(.seconds(max(0, date.timeIntervalSince(now))), longest)
    }
}

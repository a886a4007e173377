/// What a numeric setting may be. Beyond these a number is a slip of the finger, and would make sums of times overflow.
package struct SettingBounds: Sendable, CustomStringConvertible {
    private let range: ClosedRange<Int>
    private let what: String

    /// Seconds that one hook may take: a day at most.
    package static let hookTimeout = SettingBounds(1...86_400, "a number of seconds")
    /// Seconds to wait for an endpoint to serve a new certificate: a day at most.
    package static let verifyTimeout = SettingBounds(0...86_400, "a number of seconds")
    /// Lineages that are renewed side by side: more open connections than this no CA likes.
    package static let jobs = SettingBounds(1...32, "a number")
    /// Certificates for one set of names in seven days: no CA makes more.
    package static let duplicateLimit = SettingBounds(1...1_000_000, "a number of certificates")
    /// A TCP port.
    package static let port = SettingBounds(1...65_535, "a port")
    /// Bits of an RSA key: what CAs accept.
    package static let rsaKeySize = SettingBounds(2048...4096, "a number of bits")
    /// The longest `renew_before_expiry`, in seconds: no certificate lasts longer.
    package static let longestSpan: Double = 100 * 31_536_000

    private init(_ range: ClosedRange<Int>, _ what: String) { (self.range, self.what) = (range, what) }

    /// A number in decimal digits; nil where it is none, or out of bounds.
    package func number(_ text: String) -> Int? { Int(text).flatMap { range.contains($0) ? $0 : nil } }

    /// What stands after "is not".
    package var description: String { "\(what) from \(range.lowerBound) to \(range.upperBound)" }
}

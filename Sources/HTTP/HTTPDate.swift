import CCurl
package import FoundationEssentials

/// A point in time as HTTP's headers have it (RFC 9110 §5.6.7).
package enum HTTPDate {
    /// Reads each of the three forms that servers send; nil for anything else.
    package static func date(_ text: String) -> Date? {
        let seconds = unsafe curl_getdate(text, nil)
        return seconds < 0 ? nil : Date(timeIntervalSince1970: TimeInterval(seconds))
    }
}

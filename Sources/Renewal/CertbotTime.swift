import FoundationEssentials
import Glibc

/// The times that certbot writes into a renewal config: `YYYY-MM-DDTHH:MM:SS` of the host's own time zone, without an offset.
enum CertbotTime {
    /// Nil for what is no such time. A fraction of a second is left out.
    static func date(_ text: String) -> Date? {
        let halves = text.split(separator: "T", omittingEmptySubsequences: false)
        guard halves.count == 2, let seconds = halves[1].split(separator: ".").first,
            let (year, month, day) = numbers(halves[0], "-"), let (hour, minute, second) = numbers(seconds, ":")
        else { return nil }
        var time = unsafe tm()
        unsafe (time.tm_year, time.tm_mon, time.tm_mday) = (year - 1900, month - 1, day)
        unsafe (time.tm_hour, time.tm_min, time.tm_sec) = (hour, minute, second)
        // The system finds out whether it is daylight saving time.
        unsafe time.tm_isdst = -1
        let moment = unsafe mktime(&time)
        return moment == -1 ? nil : Date(timeIntervalSince1970: TimeInterval(moment))
    }

    /// Three numbers with something between them.
    private static func numbers(_ text: Substring, _ separator: Character) -> (CInt, CInt, CInt)? {
        let parts = text.split(separator: separator, omittingEmptySubsequences: false)
        let numbers = parts.compactMap { $0.utf8.allSatisfy { (48...57).contains($0) } ? CInt($0) : nil }
        guard parts.count == 3, numbers.count == 3, numbers.allSatisfy({ $0 <= 9999 }) else { return nil }
        return (numbers[0], numbers[1], numbers[2])
    }
}

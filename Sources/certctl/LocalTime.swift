import FoundationEssentials
import Glibc

/// Times for people, in the zone of the host.
enum LocalTime {
    /// `2027-01-22 10:00`. From localtime_r: FoundationEssentials knows no zone but GMT.
    static func text(_ date: Date) -> String {
        var seconds = time_t(date.timeIntervalSince1970.rounded(.down))
        var parts = unsafe tm()
        guard unsafe localtime_r(&seconds, &parts) != nil else { return date.formatted(.iso8601) }
        return
            unsafe "\(padded(Int(parts.tm_year) + 1900, 4))-\(padded(Int(parts.tm_mon) + 1, 2))-\(padded(Int(parts.tm_mday), 2))"
            + " \(padded(Int(parts.tm_hour), 2)):\(padded(Int(parts.tm_min), 2))"
    }

    /// `in 89 days`, `in 5 hours`, `3 days ago`.
    static func distance(to date: Date, from now: Date) -> String {
        let seconds = date.timeIntervalSince(now)
        let (count, unit, _) = span(seconds)
        let unitOfOne = count == 1 ? String(unit.dropLast()) : unit
        return seconds >= 0 ? "in \(count) \(unitOfOne)" : "\(count) \(unitOfOne) ago"
    }

    /// `2027-01-22`.
    static func day(_ date: Date) -> String { String(text(date).prefix(10)) }

    /// `89 d`, `5 h`, `7 min`, `3 d ago`.
    static func briefDistance(to date: Date, from now: Date) -> String {
        let seconds = date.timeIntervalSince(now)
        let (count, _, unit) = span(seconds)
        return "\(count) \(unit)" + (seconds >= 0 ? "" : " ago")
    }

    /// A span in the largest unit of which it has two at least.
    private static func span(_ seconds: TimeInterval) -> (count: Int, unit: String, brief: String) {
        let size = abs(seconds)
        return switch size {
        case 172_800...: (Int(size / 86_400), "days", "d")
        case 7200...: (Int(size / 3600), "hours", "h")
        default: (Int(size / 60), "minutes", "min")
        }
    }

    private static func padded(_ number: Int, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}

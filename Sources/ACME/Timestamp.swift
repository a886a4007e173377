import FoundationEssentials

/// Dates as ACME has them (RFC 3339 §5.6).
enum Timestamp {
    /// Reads `2026-11-27T18:00:00Z`, with a fraction of a second or an offset in place of the Z too; nil for anything else.
    static func date(_ text: String) -> Date? {
        // 2026-11-27T18:00:00
        let fixed = 19
        guard text.utf8.count <= 40, text.utf8.allSatisfy({ $0 < 0x80 }), text.utf8.count > fixed else { return nil }
        let rest = text.dropFirst(fixed)
        let fraction = rest.first == "." ? rest.prefix { $0 == "." || $0.isNumber } : ""
        guard let offset = seconds(ofOffset: rest.dropFirst(fraction.count).uppercased()),
            let date = try? Date("\(text.prefix(fixed).uppercased())Z", strategy: .iso8601),
            fraction != ".", let part = fraction.isEmpty ? 0 : Double("0\(fraction)")
        else { return nil }
        return date.addingTimeInterval(part - offset)
    }

    /// `Z`, `+01:00`, `-05:30`.
    private static func seconds(ofOffset text: String) -> TimeInterval? {
        if text == "Z" { return 0 }
        let parts = text.dropFirst().split(separator: ":", omittingEmptySubsequences: false)
        guard let sign = text.first, sign == "+" || sign == "-", parts.count == 2,
            parts.allSatisfy({ $0.count == 2 && $0.allSatisfy(\.isNumber) }), let hours = Int(parts[0]),
            let minutes = Int(parts[1]), hours < 24, minutes < 60
        else { return nil }
        return TimeInterval((sign == "-" ? -1 : 1) * (hours * 60 + minutes) * 60)
    }
}

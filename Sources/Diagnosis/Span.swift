import FoundationEssentials

/// Spans of time for people.
enum Span {
    /// `3 days`, `5 hours`, `12 minutes`, `40 seconds`.
    static func text(_ seconds: TimeInterval) -> String {
        let size = abs(seconds)
        let (count, unit) =
            switch size {
            case 172_800...: (Int((size / 86_400).rounded()), "days")
            case 7200...: (Int((size / 3600).rounded()), "hours")
            case 120...: (Int(size / 60), "minutes")
            default: (Int(size), "seconds")
            }
        return count == 1 ? "1 \(unit.dropLast())" : "\(count) \(unit)"
    }

    /// `3 days ago`.
    static func ago(_ date: Date, _ now: Date) -> String { "\(text(now.timeIntervalSince(date))) ago" }
}

extension Sequence<String> {
    /// The first few, and how many more there are.
    func few(_ most: Int = 3) -> String {
        let all = Array(self)
        let head = all.prefix(most).joined(separator: ", ")
        return all.count > most ? "\(head) and \(all.count - most) more" : head
    }
}

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

extension String {
    /// The text as one word of a POSIX shell, quoted only where that is needed.
    var shellWord: String {
        let isPlain =
            !isEmpty
            && utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                    || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || "_-./:@%+,=".utf8.contains(byte)
            }
        return isPlain
            ? self : "'" + split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }
}

extension Sequence<String> {
    /// The first few, and how many more there are.
    func few(_ most: Int = 3) -> String {
        let all = Array(self)
        let head = all.prefix(most).joined(separator: ", ")
        return all.count > most ? "\(head) and \(all.count - most) more" : head
    }
}

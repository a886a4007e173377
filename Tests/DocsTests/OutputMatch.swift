/// Compares what a page shows with what a command printed, but for what differs in every run: dates, spans of time,
/// ports, temporary directories, the column where a table's cell begins.
///
/// Serial numbers, digests and account ids may differ too, but one in the page always stands for the same one in the
/// run: a page that shows two equal serials is wrong when they are not equal.
struct OutputMatch {
    private var runFor: [String: String] = [:]
    private var pageFor: [String: String] = [:]

    /// Takes the place of what may differ.
    private static let mark = "\u{FFFC}"

    /// Whether the output is what the page shows, in which a line of three dots stands for any lines.
    ///
    /// Remembers the identifiers if it is.
    mutating func accepts(_ printed: String, as shown: [String]) -> Bool {
        var printed = printed.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        while printed.last?.allSatisfy(\.isWhitespace) == true { printed.removeLast() }
        var shown = shown
        while shown.last?.allSatisfy(\.isWhitespace) == true { shown.removeLast() }
        // A CA may know a name as valid from the last time.
        shown.removeAll { $0.contains(": the CA validates ") }
        printed.removeAll { $0.contains(": the CA validates ") }
        guard let result = matching(shown[...], printed[...]) else { return false }
        self = result
        return true
    }

    private func matching(_ shown: ArraySlice<String>, _ printed: ArraySlice<String>) -> OutputMatch? {
        guard let line = shown.first else { return printed.isEmpty ? self : nil }
        if line.drop(while: \.isWhitespace) == "..." {
            for start in printed.startIndex...printed.endIndex {
                if let result = matching(shown.dropFirst(), printed[start...]) { return result }
            }
            return nil
        }
        guard let other = printed.first, let result = matching(line, other) else { return nil }
        return result.matching(shown.dropFirst(), printed.dropFirst())
    }

    private func matching(_ shown: String, _ printed: String) -> OutputMatch? {
        let (page, run) = (Self.reduced(shown), Self.reduced(printed))
        guard page.text == run.text, page.identifiers.count == run.identifiers.count else { return nil }
        var result = self
        for (page, run) in zip(page.identifiers, run.identifiers) {
            guard result.runFor[page, default: run] == run, result.pageFor[run, default: page] == page else {
                return nil
            }
            result.runFor[page] = run
            result.pageFor[run] = page
        }
        return result
    }

    /// A line without what may differ, and the identifiers that were in it.
    private static func reduced(_ line: String) -> (text: String, identifiers: [String]) {
        let text =
            line
            .replacing(/\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?(Z|\+00:00)?/, with: mark)
            .replacing(/\b\d+(\.\d+)? (days|hours|minutes|s|ms)\b|"daysLeft" : \d+(\.\d+)?/, with: mark)
            .replacing(/127\.0\.0\.1:\d+/, with: mark)
            .replacing(/\/\S*certctl-demo\.\w+/, with: mark)
            .replacing(/Pebble Intermediate CA [0-9a-f]{6}/, with: mark)
            .replacing(/process \d+/, with: mark)
            .replacing(/\b[0-9a-f]{4}…/, with: mark)
        let identifier = /\b[0-9A-Fa-f]{8,64}\b/
        // certbot writes a serial number as a number, without the zero that one in sixteen begins with.
        let identifiers = text.matches(of: identifier).map { String($0.0.lowercased().drop { $0 == "0" }) }
        let words = text.replacing(identifier, with: mark).split(separator: /\s+/)
        return (words.joined(separator: " "), identifiers)
    }
}

/// Compares what a page shows with what a command printed, but for what differs in every run: dates, spans of time, ports,
/// temporary directories, the column where a table's cell begins, and where a long line is wrapped.
///
/// Serial numbers, digests and account ids may differ too, but one in the page always stands for the same one in the
/// run: a page that shows two equal serials is wrong when they are not equal.
struct OutputMatch {
    private var runFor: [Substring: Substring] = [:]
    private var pageFor: [Substring: Substring] = [:]

    /// Takes the place of what may differ.
    private static let mark = "\u{FFFC}"
    /// Begins each line that does not continue the one before it.
    private static let lineStart = "\u{E000}"

    /// Whether the output is what the page shows, in which a line of three dots stands for any text.
    ///
    /// Remembers the identifiers if it is.
    mutating func accepts(_ printed: String, as shown: [String]) -> Bool {
        let printed = printed.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        let parts = shown.split(omittingEmptySubsequences: false) { $0.drop(while: \.isWhitespace) == "..." }
        let words = OutputMatch.words(printed[...])
        guard let result = matching(parts.map(OutputMatch.words)[...], words[...], isFirst: true) else { return false }
        self = result
        return true
    }

    /// - Parameter isFirst: whether the first part has to begin the words; later ones are preceded by three dots.
    private func matching(
        _ parts: ArraySlice<[Substring]>, _ words: ArraySlice<Substring>, isFirst: Bool
    ) -> OutputMatch? {
        guard let part = parts.first else { return words.isEmpty || !isFirst ? self : nil }
        let mustEnd = parts.count == 1
        for start in words.startIndex...words.endIndex {
            if isFirst, start > words.startIndex { return nil }
            let end = start + part.count
            guard end <= words.endIndex else { return nil }
            if mustEnd, end < words.endIndex { if isFirst { return nil } else { continue } }
            if let here = matching(part, Array(words[start..<end])) {
                if mustEnd { return here }
                if let result = here.matching(parts.dropFirst(), words[end...], isFirst: false) { return result }
            }
        }
        return nil
    }

    private func matching(_ shown: [Substring], _ printed: [Substring]) -> OutputMatch? {
        var result = self
        for (page, run) in zip(shown, printed) {
            let (page, run) = (OutputMatch.reduced(page), OutputMatch.reduced(run))
            guard page.text == run.text, page.identifiers.count == run.identifiers.count else { return nil }
            for (page, run) in zip(page.identifiers, run.identifiers) {
                guard result.runFor[page, default: run] == run, result.pageFor[run, default: page] == page else {
                    return nil
                }
                result.runFor[page] = run
                result.pageFor[run] = page
            }
        }
        return result
    }

    /// The words of lines, without what may differ. An indented line may continue the one before it.
    private static func words(_ lines: ArraySlice<String>) -> [Substring] {
        var text = ""
        var isSkipping = false
        for line in lines where !line.allSatisfy(\.isWhitespace) {
            let isContinuation = line.first == " "
            // A CA may know a name as valid from the last time.
            if !isContinuation { isSkipping = line.contains(": the CA validates ") }
            if !isSkipping { text += (isContinuation ? " " : " \(lineStart) ") + line }
        }
        let reduced =
            text.replacing(/\s+/, with: " ")
            .replacing(/\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d)?(Z|\+00:00)?)?/, with: mark)
            .replacing(/\b\d+(\.\d+)? (days|hours|minutes|s|ms|d|h)\b|"daysLeft" : \d+(\.\d+)?/, with: mark)
            .replacing(/127\.0\.0\.1:\d+/, with: mark)
            .replacing(/\/\S*certctl-demo\.\w+/, with: mark)
            .replacing(/Pebble Intermediate CA [0-9a-f]{6}/, with: mark)
            .replacing(/\b[0-9a-f]{4}…/, with: mark)
            .replacing(/process \d+/, with: mark)
        return reduced.split(separator: " ")
    }

    /// A word without the identifiers in it, and these.
    private static func reduced(_ word: Substring) -> (text: String, identifiers: [Substring]) {
        let identifier = /\b[0-9A-Fa-f]{8,64}\b/
        // certbot writes a serial number as a number, without the zero that one in sixteen begins with.
        let identifiers = word.matches(of: identifier).map { Substring($0.0.lowercased().drop { $0 == "0" }) }
        return (String(word).replacing(identifier, with: mark), identifiers)
    }
}

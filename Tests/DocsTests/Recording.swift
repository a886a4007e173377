import FoundationEssentials
import Rig

/// An output that takes the place of the one in a page.
struct Recording {
    /// The number of the first line that is replaced, and how many are.
    private let firstLine: Int
    private let count: Int
    /// As a terminal of 80 columns shows it.
    let lines: [String]

    private static let columns = 80

    static func isTooWide(_ lines: [String]) -> Bool { lines.contains { $0.count > columns } }

    /// Nil unless the environment asks for recordings, or if the lines that the page leaves out cannot be told from the others.
    init?(of shown: ShownCommand, printed: String) {
        guard environmentVariable("RECORD") == "1" else { return nil }
        var output = shown.output
        // Blank lines between an output and the next command are the page's.
        while output.last?.allSatisfy(\.isWhitespace) == true { output.removeLast() }
        guard let lines = Recording.lines(for: output, printed: printed) else { return nil }
        (firstLine, count, self.lines) = (shown.outputLine, output.count, lines)
    }

    /// An output as the page shows it: with the dots that the page has, and wrapped.
    static func lines(for shown: [String], printed: String) -> [String]? {
        var printed = printed.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        while printed.last?.allSatisfy(\.isWhitespace) == true { printed.removeLast() }
        let rows = printed.flatMap(Recording.wrapped)
        return shown.contains(dots) ? elided(rows, as: shown) : rows
    }

    private static let dots = "..."

    /// The rows that stand where the page has them, with three dots for the others.
    ///
    /// A row of the page is the one of the output, after the row before it, that has the most words in common with it, and at least
    /// half of them.
    private static func elided(_ rows: [String], as shown: [String]) -> [String]? {
        var kept: [String] = []
        var next = 0
        var isGap = false
        for line in shown {
            if line == dots {
                kept.append(line)
                isGap = true
                continue
            }
            let likeness = rows[next...].map { Recording.likeness($0, line) }
            guard let best = likeness.max(), best >= 0.5, let offset = likeness.firstIndex(of: best) else { return nil }
            kept += isGap ? [rows[next + offset]] : Array(rows[next...(next + offset)])
            next += offset + 1
            isGap = false
        }
        return isGap ? kept : kept + rows[next...]
    }

    /// The share of words that two lines have in common, from 0 to 1.
    private static func likeness(_ one: String, _ other: String) -> Double {
        let (one, other) = (Set(one.split(separator: " ")), Set(other.split(separator: " ")))
        guard !one.isEmpty || !other.isEmpty else { return 1 }
        return Double(one.intersection(other).count) / Double(max(one.count, other.count))
    }

    static func write(_ recordings: [Recording], into page: MarkdownPage) throws {
        guard !recordings.isEmpty else { return }
        let path = "\(MarkdownPage.repository)/\(page.path)"
        var text = (contents(ofFile: path) ?? "").split(separator: "\n", omittingEmptySubsequences: false).map(
            String.init)
        for recording in recordings.sorted(by: { $0.firstLine > $1.firstLine }) {
            let start = recording.firstLine - 1
            text.replaceSubrange(start..<(start + recording.count), with: recording.lines)
        }
        try text.joined(separator: "\n").write(toFile: path, atomically: true, encoding: .utf8)
    }

    /// A line broken at words; what continues it is indented.
    private static func wrapped(_ line: String) -> [String] {
        guard line.count > columns else { return [line] }
        let indentation = String(line.prefix { $0 == " " })
        var rows: [String] = []
        var row = indentation
        for word in line.drop(while: { $0 == " " }).split(separator: " ", omittingEmptySubsequences: false) {
            if !row.allSatisfy({ $0 == " " }), row.count + 1 + word.count > columns {
                rows.append(row)
                row = indentation + "  "
            }
            row += row.allSatisfy { $0 == " " } ? word : " " + word
        }
        return (rows + [row]).map { String($0.reversed().drop { $0 == " " }.reversed()) }
    }
}

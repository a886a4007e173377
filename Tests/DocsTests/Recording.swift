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

    /// Nil unless the environment asks for recordings, and where the page leaves lines out: which ones, its author has to say.
    init?(of shown: ShownCommand, printed: String) {
        guard environmentVariable("RECORD") == "1", !shown.output.contains("...") else { return nil }
        var output = shown.output
        // Blank lines between an output and the next command are the page's.
        while output.last?.allSatisfy(\.isWhitespace) == true { output.removeLast() }
        (firstLine, count) = (shown.outputLine, output.count)
        var printed = printed.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        while printed.last?.allSatisfy(\.isWhitespace) == true { printed.removeLast() }
        lines = printed.flatMap(Recording.wrapped)
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

/// A shell's text, a crontab's or a hook's, in as much detail as it takes to see which programs are named in it.
struct ShellText {
    /// The commands' lines in order, those that end in `\` joined, without comments and blank ones.
    let lines: [Line]

    struct Line {
        let text: String
        /// What stands between blanks, quotes and the shell's signs.
        let words: [String]

        /// The words without directories before them, and without a tag behind.
        var names: [String] {
            words.map { word in
                let name = word.split(separator: "/").last ?? ""
                return String(name.prefix { $0 != ":" })
            }
        }
    }

    init(_ text: String) {
        var lines: [Line] = []
        var open = ""
        for line in text.split(whereSeparator: \.isNewline) {
            let trimmed = line.drop { $0 == " " || $0 == "\t" }
            if open.isEmpty, trimmed.isEmpty || trimmed.hasPrefix("#") { continue }
            open += line
            if open.hasSuffix("\\") {
                open.removeLast()
                open += " "
            } else {
                lines.append(Line(open))
                open = ""
            }
        }
        if !open.isEmpty { lines.append(Line(open)) }
        self.lines = lines
    }
}

extension ShellText.Line {
    /// What a word ends at.
    private static let signs: Set<Character> = [" ", "\t", ";", "|", "&", "(", ")", "{", "}", "<", ">", "'", "\"", "`"]

    init(_ text: String) {
        self.text = text
        words = Array(
            text.split { Self.signs.contains($0) }.map(String.init).prefix { !$0.hasPrefix("#") })
    }
}

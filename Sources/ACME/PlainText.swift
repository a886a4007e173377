extension String {
    /// The text on one line that a terminal takes literally.
    ///
    /// Line breaks become spaces; control characters and invisible ones, which could hide or reverse what follows, become
    /// question marks.
    package var plain: String {
        if utf8.allSatisfy({ (0x20...0x7E).contains($0) }) { return self }
        var text = ""
        for scalar in unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control where scalar == "\n" || scalar == "\t", .lineSeparator, .paragraphSeparator: text += " "
            case .control where scalar == "\r": continue
            case .control, .format, .surrogate, .privateUse, .unassigned: text += "?"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }

    /// ``plain``, and no longer than `most` Unicode scalars: what is left out at the end is marked by `…`.
    package func line(atMost most: Int) -> String {
        if utf8.count <= most { return plain }
        let start = unicodeScalars.prefix(most)
        return start.endIndex == unicodeScalars.endIndex ? plain : String(start).plain + "…"
    }

    /// `plain`, and no longer than anybody reads: a problem's detail is a sentence or two, but a body may have a megabyte.
    var plainSentence: String { line(atMost: 2_000) }
}

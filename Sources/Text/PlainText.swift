/// Text that somebody else wrote (a CA, a listener, a hook, a file): bounded where it enters, literal where it leaves.
extension String {
    /// The text on one line that a terminal takes literally.
    ///
    /// Line breaks become spaces; control characters and invisible ones, which could hide or reverse what follows, become
    /// question marks.
    package var plain: String {
        if utf8.allSatisfy({ (0x20...0x7E).contains($0) }) { return self }
        var text = ""
        for scalar in unicodeScalars { PlainText.append(scalar, to: &text) }
        return text
    }

    /// ``plain``, and no longer than a reader reads: what is left out at the end is marked by `…`.
    ///
    /// - Parameter most: in Unicode scalars. The cost is bounded by it, whatever the length of the text.
    package func line(atMost most: Int = PlainText.longestLine) -> String {
        if utf8.count <= most { return plain }
        var text = ""
        var rest = unicodeScalars.makeIterator()
        for _ in 0..<most {
            guard let scalar = rest.next() else { return text }
            PlainText.append(scalar, to: &text)
        }
        return rest.next() == nil ? text : text + "…"
    }

    /// A problem's detail: a sentence or two, though a body may have a megabyte.
    package var plainSentence: String { line(atMost: PlainText.longestSentence) }
}

/// The limits of text from outside, in Unicode scalars.
package enum PlainText {
    /// One line of a log or a table's cell: what says more is not read.
    package static let longestLine = 500
    /// What a CA may say about a problem.
    package static let longestSentence = 2_000

    fileprivate static func append(_ scalar: Unicode.Scalar, to text: inout String) {
        switch scalar.properties.generalCategory {
        case .control where scalar == "\n" || scalar == "\t", .lineSeparator, .paragraphSeparator: text += " "
        case .control where scalar == "\r": return
        case .control, .format, .surrogate, .privateUse, .unassigned: text += "?"
        default: text.unicodeScalars.append(scalar)
        }
    }
}

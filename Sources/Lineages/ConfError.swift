/// What is wrong with a configuration file, and on which line.
package struct ConfError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The line's number, counted from 1.
    package let line: Int
    /// The fault in lower case, without the line.
    package let what: String

    package init(line: Int, what: String) {
        self.line = line
        self.what = what
    }

    package var description: String { "line \(line): \(what)" }
}

/// A name out of a file, fit for an error message: no control characters, and not a megabyte of junk.
func named(_ name: String) -> String {
    /// Names in real files are host names and options; more than this only hides the rest of the message.
    let longest = 80
    var text = String.UnicodeScalarView()
    for scalar in name.unicodeScalars.prefix(longest) {
        text.append(scalar.value < 0x20 || scalar.properties.generalCategory == .control ? "?" : scalar)
    }
    return String(text) + (name.unicodeScalars.count > longest ? "…" : "")
}

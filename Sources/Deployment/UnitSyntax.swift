/// The quoting of systemd.syntax(7), for values that operators choose.
package enum UnitSyntax {
    /// A word of a list of paths, or of a command line; nil for a text that no unit file can hold.
    ///
    /// Quoted always: a space or a quote ends a bare word. A percent sign begins a specifier, quoted or not.
    package static func word(_ text: String) -> String? {
        isPrintable(text) ? quoted(text, doubling: ["%"]) : nil
    }

    private static func isPrintable(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
    }

    /// A text in quotes.
    ///
    /// - Parameter doubled: what has a meaning where the text goes, and is written twice to have none: `%` begins a specifier in a
    ///   unit file, `$` a variable in a command line.
    static func quoted(_ text: String, doubling doubled: Set<Unicode.Scalar>) -> String {
        var quoted = "\""
        for character in text.unicodeScalars {
            if character == "\\" || character == "\"" { quoted.unicodeScalars.append("\\") }
            if doubled.contains(character) { quoted.unicodeScalars.append(character) }
            quoted.unicodeScalars.append(character)
        }
        return quoted + "\""
    }

    /// The setting that opens certctl.service's sandbox for a path, if it is there; homes look empty in it, so that what is in
    /// one has to be bound. The path has to be one that a unit can hold.
    package static func opening(_ path: String, writable: Bool) -> String {
        let isHome = ["/home", "/root", "/run/user"].contains { path == $0 || path.hasPrefix($0 + "/") }
        let key =
            isHome ? (writable ? "BindPaths" : "BindReadOnlyPaths") : (writable ? "ReadWritePaths" : "ReadOnlyPaths")
        // The minus sign is a part of the word.
        return "\(key)=\"-\((word(path) ?? "\"").dropFirst())"
    }

    /// A word of `ExecStart=`, where a dollar sign begins a variable, too.
    package static func argument(_ text: String) -> String? {
        isPrintable(text) ? quoted(text, doubling: ["%", "$"]) : nil
    }
}

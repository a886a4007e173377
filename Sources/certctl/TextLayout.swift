import Text

/// Text that has to fit a width, in columns of a terminal.
enum TextLayout {
    /// Lines of at most `width`, broken between words, that a terminal takes literally.
    ///
    /// - Parameters:
    ///   - indent: spaces before every line but the first.
    ///   - breaksWords: whether a word that is longer than a line is broken itself, as in a column of a table. Elsewhere it stays in one
    ///     piece, to be searched for and copied.
    static func wrapped(_ text: String, to width: Int?, indent: Int = 0, breaksWords: Bool = true) -> [String] {
        let text = text.plain
        guard let width, text.utf8.count > width, text.columns > width, width > indent + 1 else { return [text] }
        var lines: [String] = []
        var line = ""
        func room() -> Int { width - (lines.isEmpty ? 0 : indent) }
        func end() {
            lines.append((lines.isEmpty ? "" : String(repeating: " ", count: indent)) + line)
            line = ""
        }
        for word in text.split(separator: " ") {
            if !line.isEmpty, line.columns + 1 + String(word).columns > room() { end() }
            var rest = String(word)
            while breaksWords, rest.columns > room() {
                line = String(rest.prefix(columns: room()))
                rest = String(rest.dropFirst(line.count))
                end()
            }
            line += line.isEmpty ? rest : " " + rest
        }
        if !line.isEmpty { end() }
        return lines
    }

    /// The lines of one that may begin with spaces.
    ///
    /// - Parameter hanging: how much deeper than the first one the others are.
    static func lines(_ line: String, to width: Int?, hanging: Int = 2) -> [String] {
        let text = line.plain
        let lead = text.prefix { $0 == " " }
        guard let width, text.columns > width, width > lead.count + hanging + 1 else { return [text] }
        return wrapped(String(text.dropFirst(lead.count)), to: width - lead.count, indent: hanging, breaksWords: false)
            .map { lead + $0 }
    }

    /// A command for a shell: where it is longer than a line, each line but the last ends with a backslash, so that it can be pasted.
    /// No word in quotes is broken.
    ///
    /// - Parameters:
    ///   - head: what stands before it, such as `  run: `.
    static func command(_ command: String, after head: String, to width: Int?) -> [String] {
        let text = command.plain
        guard let width, head.columns + text.columns > width else { return [head + text] }
        var parts: [String] = [""]
        var quote: Character?
        for character in text {
            if let open = quote {
                if character == open { quote = nil }
            } else if character == "'" || character == "\"" {
                quote = character
            }
            if character == " ", quote == nil { parts.append("") } else { parts[parts.count - 1].append(character) }
        }
        // An option and its value stay together.
        var words: [String] = []
        for part in parts {
            if let last = words.last, last.hasPrefix("-"), !last.contains(" "), !part.hasPrefix("-") {
                words[words.count - 1] = "\(last) \(part)"
            } else {
                words.append(part)
            }
        }
        var lines: [String] = []
        var line = head + words[0]
        for word in words.dropFirst() {
            if line.columns + 1 + word.columns + 2 > width {
                lines.append(line + " \\")
                line = String(repeating: " ", count: head.columns + 2) + word
            } else {
                line += " " + word
            }
        }
        return lines + [line]
    }

    /// The text, or its beginning and its end with dots between them.
    static func folded(_ text: String, to width: Int) -> String {
        guard text.utf8.count > width, text.columns > width, width > 2 else { return text }
        let head = (width - 2) / 2
        return "\(text.prefix(columns: head))..\(text.suffix(columns: width - 2 - head))"
    }
}

extension ConfFile.Value {
    /// Whether ConfigObj would put other values into this one: it holds `%(`, a name and `)s`.
    ///
    /// There is no escape: `%%(name)s` is one too, while `%`, `%%` and `%(name)d` are plain text.
    var isInterpolated: Bool {
        switch self {
        case .string(let string): Self.isInterpolated(string)
        case .list(let items): items.contains(where: Self.isInterpolated)
        }
    }

    private static func isInterpolated(_ string: String) -> Bool {
        var previous: UInt8 = 0
        var isOpen = false
        var isClosed = false
        for byte in string.utf8 {
            if isClosed, byte == UInt8(ascii: "s") { return true }
            isClosed = isOpen && byte == UInt8(ascii: ")")
            if isClosed { isOpen = false }
            if previous == UInt8(ascii: "%"), byte == UInt8(ascii: "(") { isOpen = true }
            previous = byte
        }
        return false
    }
}

/// How names and values are written: first as ConfigObj writes them, then in the other ways to quote.
///
/// ConfigObj's own choice does not always read back (a value with a no-break space at its end, or with triple quotes
/// inside), so a spelling is a proposal: who writes it checks.
enum ConfSpelling {
    /// Spellings of a value, the best first.
    static func spellings(of value: ConfFile.Value) -> [String] {
        switch value {
        case .string(let string):
            let isTriple = string.utf8.contains(UInt8(ascii: "\n")) || (string.has("'") && string.has("\""))
            let threefold = ["'''\(string)'''", "\"\"\"\(string)\"\"\""]
            if isTriple { return string.hasThree("\"") ? threefold.reversed() : threefold }
            return spellings(ofName: string) + threefold
        case .list(let items):
            guard let first = items.first else { return [","] }
            if items.count == 1 { return [spelling(ofItem: first) + ","] }
            return [items.map(spelling(ofItem:)).joined(separator: ", ")]
        }
    }

    /// Spellings of a key, a section's name or a list's item, which fit on one line.
    static func spellings(ofName name: String) -> [String] {
        let double = "\"\(name)\""
        let single = "'\(name)'"
        let scalars = name.unicodeScalars
        guard let first = scalars.first, let last = scalars.last else { return [double] }
        let needsQuotes = isEdge(first) || isEdge(last) || name.has(",") || name.has("#")
        let quoted = name.has("\"") ? [single, double] : [double, single]
        return needsQuotes ? quoted : [name] + quoted
    }

    private static func spelling(ofItem item: String) -> String {
        let spellings = spellings(ofName: item)
        let faithful = spellings.first { spelling in
            ConfValue(Array((spelling + ",").unicodeScalars)[...])?.value == .list([item])
        }
        return faithful ?? spellings[0]
    }

    /// Whether ConfigObj quotes what starts or ends with this.
    private static func isEdge(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case " ", "\r", "\n", "\u{0B}", "\t", "'", "\"": true
        default: false
        }
    }
}

extension String {
    fileprivate func has(_ scalar: Unicode.Scalar) -> Bool { unicodeScalars.contains(scalar) }

    fileprivate func hasThree(_ quote: Unicode.Scalar) -> Bool {
        let text = Array(unicodeScalars)[...]
        return TripleQuoted.first(text, from: 0, quote: quote) != nil
    }
}

extension String {
    /// How many columns of a terminal the text takes: two for a wide character (East Asian Width W and F, UAX #11, and emoji), none
    /// for a combining one.
    package var columns: Int {
        // Nearly all text here is ASCII, and counting characters is slow.
        utf8.allSatisfy { $0 < 0x80 } ? utf8.count : reduce(0) { $0 + $1.columns }
    }

    /// The beginning of the text that fits a number of columns.
    package func prefix(columns most: Int) -> Substring {
        var (width, end) = (0, startIndex)
        while end < endIndex {
            width += self[end].columns
            guard width <= most else { break }
            end = index(after: end)
        }
        return self[..<end]
    }

    /// The end of the text that fits a number of columns.
    package func suffix(columns most: Int) -> Substring {
        var (width, start) = (0, endIndex)
        while start > startIndex {
            let before = index(before: start)
            width += self[before].columns
            guard width <= most else { break }
            start = before
        }
        return self[start...]
    }
}

extension Character {
    fileprivate var columns: Int { unicodeScalars.reduce(0) { max($0, $1.columns) } }
}

extension Unicode.Scalar {
    fileprivate var columns: Int {
        switch properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .format: 0
        default: isWide || properties.isEmojiPresentation ? 2 : 1
        }
    }

    /// The blocks of UAX #11 that are wide as a whole; Hangul jamo, CJK, kana, Hangul, compatibility and full-width forms.
    private var isWide: Bool {
        switch value {
        case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xA960...0xA97F, 0xAC00...0xD7A3, 0xF900...0xFAFF,
            0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1B000...0x1B2FF, 0x20000...0x3FFFD:
            true
        default: false
        }
    }
}

/// A column of a table that has to fit a screen.
struct Column {
    let title: String
    var cells: [String]
    let styles: [Style?]
    /// The cells in fewer words.
    let brief: [String]?
    /// Whether a cell may take several lines.
    let canWrap: Bool
    /// Whether a cell may lose its middle.
    let canFold: Bool
    /// The lowest is dropped first; nil stays.
    let dropOrder: Int?

    init(
        _ title: String, _ cells: [String], _ styles: [Style?] = [], brief: [String]? = nil, canWrap: Bool = false,
        canFold: Bool = false, dropOrder: Int? = nil
    ) {
        (self.title, self.cells, self.styles, self.brief) = (title, cells, styles, brief)
        (self.canWrap, self.canFold, self.dropOrder) = (canWrap, canFold, dropOrder)
    }

    var width: Int { cells.reduce(title.count) { max($0, $1.count) } }
}

/// Columns side by side. Where the screen is narrow, cells are put in fewer words, columns that matter less are left out, and what
/// is still too long goes over several lines: nothing that matters is cut off.
struct ColumnTable {
    private var columns: [Column]

    init(_ columns: [Column]) { self.columns = columns }

    private static let gap = 2
    /// Narrower than this a cell of words is not worth reading.
    private static let leastWrapped = 16
    private static let leastFolded = 16

    func lines(on screen: Screen) -> [String] {
        var fitted = self
        let widths = fitted.fit(screen.width)
        return fitted.render(widths, on: screen)
    }

    private var total: Int { columns.reduce(0) { $0 + $1.width } + ColumnTable.gap * (columns.count - 1) }

    /// Makes the columns fit, and gives their widths.
    private mutating func fit(_ width: Int?) -> [Int] {
        guard let width, total > width else { return columns.map(\.width) }
        useBrief { $0.dropOrder != nil }
        while total > width,
            let index = columns.indices.filter({ columns[$0].dropOrder != nil })
                .min(by: { columns[$0].dropOrder ?? 0 < columns[$1].dropOrder ?? 0 })
        {
            columns.remove(at: index)
        }
        if total > width { useBrief { _ in true } }
        var widths = columns.map(\.width)
        func excess() -> Int { widths.reduce(0, +) + ColumnTable.gap * (widths.count - 1) - width }
        // The widest of those that can give way gives way first.
        for (isElastic, least) in [
            ({ (column: Column) in column.canWrap }, ColumnTable.leastWrapped),
            ({ (column: Column) in column.canFold }, ColumnTable.leastFolded),
        ] {
            while excess() > 0,
                let index = columns.indices.filter({ isElastic(columns[$0]) && widths[$0] > least })
                    .max(by: { widths[$0] < widths[$1] })
            {
                widths[index] -= 1
            }
        }
        return widths
    }

    private mutating func useBrief(_ isMeant: (Column) -> Bool) {
        for index in columns.indices where isMeant(columns[index]) {
            if let brief = columns[index].brief { columns[index].cells = brief }
        }
    }

    private func render(_ widths: [Int], on screen: Screen) -> [String] {
        var lines = [line(columns.map(\.title), widths) { _, text in Style.heading.text(text, on: screen) }]
        for row in 0..<(columns.first?.cells.count ?? 0) {
            let cells = columns.enumerated().map { index, column in
                let cell = column.cells[row]
                return column.canFold
                    ? [TextLayout.folded(cell, to: widths[index])] : TextLayout.wrapped(cell, to: widths[index])
            }
            for number in 0..<(cells.map(\.count).max() ?? 0) {
                let texts = cells.map { number < $0.count ? $0[number] : "" }
                lines.append(
                    line(texts, widths) { index, text in
                        guard row < columns[index].styles.count, let style = columns[index].styles[row] else {
                            return text
                        }
                        return style.text(text, on: screen)
                    })
            }
        }
        return lines
    }

    /// Cells side by side, without spaces at the end.
    private func line(_ texts: [String], _ widths: [Int], _ styled: (Int, String) -> String) -> String {
        var line = ""
        var spaces = 0
        for (index, text) in texts.enumerated() {
            if !text.isEmpty {
                line += String(repeating: " ", count: spaces) + styled(index, text)
                spaces = 0
            }
            spaces += widths[index] - text.count + ColumnTable.gap
        }
        return line
    }
}

/// Text that has to fit a width, in characters.
enum TextLayout {
    /// Lines of at most `width`, broken between words where that is possible.
    ///
    /// - Parameter indent: spaces before every line but the first.
    static func wrapped(_ text: String, to width: Int?, indent: Int = 0) -> [String] {
        guard let width, text.count > width, width > indent + 1 else { return [text] }
        var lines: [String] = []
        var line = ""
        func room() -> Int { width - (lines.isEmpty ? 0 : indent) }
        func end() {
            lines.append((lines.isEmpty ? "" : String(repeating: " ", count: indent)) + line)
            line = ""
        }
        for word in text.split(separator: " ") {
            if !line.isEmpty, line.count + 1 + word.count > room() { end() }
            var rest = word[...]
            while rest.count > room() {
                line = String(rest.prefix(room()))
                rest = rest.dropFirst(line.count)
                end()
            }
            line += line.isEmpty ? String(rest) : " " + rest
        }
        if !line.isEmpty { end() }
        return lines
    }

    /// The text, or its beginning and its end with an ellipsis between them.
    static func folded(_ text: String, to width: Int) -> String {
        guard text.count > width, width > 2 else { return text }
        let head = (width - 2) / 2
        return "\(text.prefix(head))..\(text.suffix(width - 2 - head))"
    }
}

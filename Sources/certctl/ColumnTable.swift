import Text

/// A column of a table that has to fit a screen. Its cells are made when they are wanted: those of ten thousand rows are not kept.
struct Column {
    let title: String
    let cell: (Int) -> String
    let style: (Int) -> Style?
    /// The cells in fewer words.
    let brief: ((Int) -> String)?
    /// Whether a cell may take several lines.
    let canWrap: Bool
    /// Whether a cell may lose its middle.
    let canFold: Bool
    /// The lowest is dropped first; nil stays.
    let dropOrder: Int?

    init(
        _ title: String, style: @escaping (Int) -> Style? = { _ in nil }, canWrap: Bool = false, canFold: Bool = false,
        dropOrder: Int? = nil, brief: ((Int) -> String)? = nil, cell: @escaping (Int) -> String
    ) {
        (self.title, self.style, self.brief, self.cell) = (title, style, brief, cell)
        (self.canWrap, self.canFold, self.dropOrder) = (canWrap, canFold, dropOrder)
    }
}

/// Columns side by side. Where the screen is narrow, cells are put in fewer words, columns that matter less are left out, and what
/// is still too long goes over several lines: nothing that matters is cut off.
struct ColumnTable {
    /// A column as it is shown.
    private struct Shown {
        let column: Column
        var cell: (Int) -> String
        var width: Int
    }

    private let columns: [Column]
    private let count: Int
    private let note: (Int) -> String?

    /// - Parameters:
    ///   - count: of the rows.
    ///   - note: what stands below a row, over the whole width.
    init(_ columns: [Column], count: Int, note: @escaping (Int) -> String? = { _ in nil }) {
        (self.columns, self.count, self.note) = (columns, count, note)
    }

    private static let gap = 2
    /// Narrower than this a cell of words is not worth reading.
    private static let leastWrapped = 16
    private static let leastFolded = 16

    /// Every line, without line ends.
    func lines(on screen: Screen) -> [String] {
        var lines: [String] = []
        write(on: screen) { lines.append($0) }
        return lines
    }

    /// Writes one line after the other.
    func write(on screen: Screen, _ write: (String) -> Void) {
        let shown = fitted(screen.width)
        write(line(shown.map(\.column.title), shown) { _, text in Style.heading.text(text, on: screen) })
        for row in 0..<count {
            let cells = shown.map { shown -> [String] in
                let cell = shown.cell(row).plain
                return shown.column.canFold
                    ? [TextLayout.folded(cell, to: shown.width)] : TextLayout.wrapped(cell, to: shown.width)
            }
            for number in 0..<(cells.map(\.count).max() ?? 0) {
                let texts = cells.map { number < $0.count ? $0[number] : "" }
                write(line(texts, shown) { shown[$0].column.style(row)?.text($1, on: screen) ?? $1 })
            }
            for line in note(row).map({ TextLayout.lines("    \($0)", to: screen.width, hanging: 0) }) ?? [] {
                write(line)
            }
        }
    }

    private func width(of column: Column, _ cell: (Int) -> String) -> Int {
        (0..<count).reduce(column.title.columns) { max($0, cell($1).plain.columns) }
    }

    private func fitted(_ width: Int?) -> [Shown] {
        var shown = columns.map { Shown(column: $0, cell: $0.cell, width: self.width(of: $0, $0.cell)) }
        guard let width else { return shown }
        func excess() -> Int { shown.reduce(0) { $0 + $1.width } + ColumnTable.gap * (shown.count - 1) - width }
        func useBrief(_ isMeant: (Column) -> Bool) {
            for index in shown.indices where isMeant(shown[index].column) {
                guard let brief = shown[index].column.brief else { continue }
                shown[index].cell = brief
                shown[index].width = self.width(of: shown[index].column, brief)
            }
        }
        if excess() > 0 { useBrief { $0.dropOrder != nil } }
        while excess() > 0,
            let index = shown.indices.filter({ shown[$0].column.dropOrder != nil })
                .min(by: { shown[$0].column.dropOrder ?? 0 < shown[$1].column.dropOrder ?? 0 })
        {
            shown.remove(at: index)
        }
        if excess() > 0 { useBrief { _ in true } }
        // The widest of those that can give way gives way first.
        for (isElastic, least) in [
            ({ (column: Column) in column.canWrap }, ColumnTable.leastWrapped),
            ({ (column: Column) in column.canFold }, ColumnTable.leastFolded),
        ] {
            while excess() > 0,
                let index = shown.indices.filter({ isElastic(shown[$0].column) && shown[$0].width > least })
                    .max(by: { shown[$0].width < shown[$1].width })
            {
                shown[index].width -= 1
            }
        }
        return shown
    }

    /// Cells side by side, without spaces at the end.
    private func line(_ texts: [String], _ shown: [Shown], _ styled: (Int, String) -> String) -> String {
        var line = ""
        var spaces = 0
        for (index, text) in texts.enumerated() {
            if !text.isEmpty {
                line += String(repeating: " ", count: spaces) + styled(index, text)
                spaces = 0
            }
            spaces += shown[index].width - text.columns + ColumnTable.gap
        }
        return line
    }
}

import ACME
import FoundationEssentials
import Renewal

/// The table that `certctl status` prints: the worst first, as wide as the screen, or as it needs where there is none.
struct StatusTable {
    private let rows: [LineageStatus]
    private let now: Date
    private let screen: Screen
    private let next: NextText

    /// - Parameter nextStart: when the timer starts the next run, where that is known.
    init(_ lineages: [LineageStatus], at now: Date, nextStart: Date?, screen: Screen) {
        // Rows are large: their places are sorted.
        let keys = lineages.map { ($0.state.rank, $0.notAfter ?? .distantPast) }
        let order = lineages.indices.sorted { a, b in
            keys[a].0 != keys[b].0 ? keys[a].0 < keys[b].0 : keys[a].1 != keys[b].1 ? keys[a].1 < keys[b].1 : a < b
        }
        rows = order.map { lineages[$0] }
        (self.now, self.screen) = (now, screen)
        next = NextText(at: now, nextStart: nextStart)
    }

    /// The whole text, without a newline at its end.
    var text: String {
        let notes = rows.flatMap { row in
            row.problems.map { problem in
                let style: Style = row.state.style == .good ? .attention : row.state.style
                let lines = TextLayout.wrapped("\(row.name): \(problem.message)".plain, to: screen.width, indent: 2)
                return lines.map { style.text($0, on: screen) }.joined(separator: "\n")
            }
        }
        return (table.lines(on: screen) + (notes.isEmpty ? [] : [""] + notes)).joined(separator: "\n")
    }

    private var table: ColumnTable {
        var columns = [
            Column("STATE", rows.map { "\($0.state.mark(on: screen)) \($0.state.rawValue)" }, rows.map(\.state.style)),
            Column("NAME", rows.map(\.name.plain), canFold: true),
            Column("EXPIRES", rows.map { expiry($0, brief: false) }, brief: rows.map { expiry($0, brief: true) }),
            Column(
                "NEXT", rows.map { next.text(for: $0, brief: false).plain },
                brief: rows.map { next.text(for: $0, brief: true).plain }, canWrap: true),
        ]
        if rows.contains(where: { $0.served != nil }) {
            columns.append(Column("SERVED", rows.map { served($0).plain }, canWrap: true))
        }
        columns.append(Column("ISSUER", rows.map { ($0.issuerCommonName ?? $0.issuer ?? "-").plain }, dropOrder: 1))
        columns.append(Column("KEY", rows.map { ($0.keyType ?? "-").plain }, dropOrder: 2))
        let names = rows.map { $0.domains.isEmpty ? "-" : $0.domains.joined(separator: " ").plain }
        let folded = rows.map { row in
            row.domains.count < 2 ? row.domains.first ?? "-" : "\(row.domains[0]) +\(row.domains.count - 1)".plain
        }
        columns.append(Column("NAMES", names, brief: folded, dropOrder: 3))
        return ColumnTable(columns)
    }

    private func expiry(_ row: LineageStatus, brief: Bool) -> String {
        guard let date = row.notAfter else { return "-" }
        return brief
            ? "\(LocalTime.day(date)) (\(LocalTime.briefDistance(to: date, from: now)))"
            : "\(LocalTime.text(date)) (\(LocalTime.distance(to: date, from: now)))"
    }

    /// The worst that any listener serves; a match is worth its place.
    private func served(_ row: LineageStatus) -> String {
        guard let served = row.served, let first = served.first else { return "-" }
        if row.isServedWrongly,
            let wrong = served.first(where: { $0.verdict == "stale" || ($0.counts && $0.verdict != "match") })
        {
            return "\(wrong.verdict) at \(wrong.endpoint)"
        }
        return served.first { $0.verdict == "match" }.map { "match at \($0.endpoint)" } ?? first.verdict
    }
}

extension LineageStatus.State {
    /// The worst is 0.
    var rank: Int {
        switch self {
        case .expired: 0
        case .broken: 1
        case .pending: 2
        case .expiring: 3
        case .due: 4
        case .ok: 5
        case .unmanaged: 6
        }
    }

    var style: Style {
        switch self {
        case .expired, .broken: .bad
        case .pending, .expiring: .attention
        case .due, .ok: .good
        case .unmanaged: .faint
        }
    }

    /// A sign that tells states apart without colour.
    func mark(on screen: Screen) -> String {
        switch self {
        case .expired, .broken: screen.hasUnicode ? "✗" : "x"
        case .pending, .expiring: "!"
        case .due: screen.hasUnicode ? "→" : ">"
        case .ok: screen.hasUnicode ? "✓" : "+"
        case .unmanaged: screen.hasUnicode ? "·" : "-"
        }
    }
}

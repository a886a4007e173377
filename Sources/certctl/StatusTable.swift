import FoundationEssentials
import Renewal
import Text

/// The table that `certctl status` prints: the worst first, as wide as the screen, or as it needs where there is none.
struct StatusTable {
    private let lineages: [LineageStatus]
    /// The places of the rows in `lineages`: they are large, and stay where they are.
    private let order: [Int]
    private let now: Date
    private let screen: Screen
    private let next: NextText

    /// What is said of a config directory without certificates.
    static func nothing(in tree: String) -> String {
        "no certificates in \(tree): certctl issue NAME orders the first one"
    }

    /// - Parameter nextStart: when the timer starts the next run, where that is known.
    init(_ lineages: [LineageStatus], at now: Date, nextStart: Date?, screen: Screen) {
        let keys = lineages.map { ($0.state.rank, $0.notAfter ?? .distantPast) }
        order = lineages.indices.sorted { a, b in
            keys[a].0 != keys[b].0 ? keys[a].0 < keys[b].0 : keys[a].1 != keys[b].1 ? keys[a].1 < keys[b].1 : a < b
        }
        (self.lineages, self.now, self.screen) = (lineages, now, screen)
        next = NextText(at: now, nextStart: nextStart)
    }

    /// Writes one line after the other, without line ends.
    func write(_ write: (String) -> Void) {
        table.write(on: screen, write)
        var isFirst = true
        for row in order.lazy.map({ lineages[$0] }) {
            let style: Style = row.state.style == .good ? .attention : row.state.style
            for problem in row.problems {
                if isFirst { write("") }
                isFirst = false
                for line in TextLayout.wrapped("\(row.name): \(problem.message)".plain, to: screen.width, indent: 2) {
                    write(style.text(line, on: screen))
                }
            }
        }
    }

    private var table: ColumnTable {
        func row(_ index: Int) -> LineageStatus { lineages[order[index]] }
        var columns = [
            Column("STATE", style: { row($0).state.style }) {
                "\(row($0).state.mark(on: screen)) \(row($0).state.rawValue)"
            },
            Column("NAME", canFold: true) { row($0).name.plain },
            Column("EXPIRES", brief: { expiry(row($0), brief: true) }) { expiry(row($0), brief: false) },
            Column("NEXT", canWrap: true, brief: { next.text(for: row($0), brief: true).plain }) {
                next.text(for: row($0), brief: false).plain
            },
        ]
        if lineages.contains(where: { $0.served != nil }) {
            columns.append(Column("SERVED", canWrap: true) { served(row($0)).plain })
        }
        columns += [
            Column("ISSUER", dropOrder: 1) { (row($0).issuerCommonName ?? row($0).issuer ?? "-").plain },
            Column("KEY", dropOrder: 2) { (row($0).keyType ?? "-").plain },
            Column("NAMES", dropOrder: 3, brief: { StatusTable.folded(row($0).domains) }) {
                row($0).domains.isEmpty ? "-" : row($0).domains.joined(separator: " ").plain
            },
        ]
        return ColumnTable(columns, count: order.count)
    }

    private static func folded(_ domains: [String]) -> String {
        guard let first = domains.first else { return "-" }
        return domains.count == 1 ? first.plain : "\(first) +\(domains.count - 1)".plain
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
            let wrong = served.first(where: { $0.verdict == "stale" || ($0.required && $0.verdict != "match") })
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

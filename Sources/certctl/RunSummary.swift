import FoundationEssentials
import PKI
import Renewal
import Text

/// What a run did with each lineage, for the table at its end.
struct RunSummary {
    private struct Row {
        var result = ""
        var style: Style?
        var expires = "-"
        var served = "-"
        let started = ContinuousClock.now
        var took: Duration?
        var isOver = false
    }

    private var order: [String] = []
    private var rows: [String: Row] = [:]

    mutating func note(_ event: RenewalEvent) {
        switch event {
        case .started(let name, _, _): change(name) { _ in }
        case .tried(let name, _, let certificate):
            change(name) { row in
                row.expires = LocalTime.day(certificate.notAfter)
                (row.result, row.style) = ("dry run went through", .good)
            }
        case .installed(let name, let version, let certificate):
            change(name) { row in
                (row.result, row.style) = ("version \(version) is installed", .good)
                row.expires = LocalTime.day(certificate.notAfter)
            }
        case .verified(let name, let places):
            change(name) { row in
                if row.result.isEmpty { (row.result, row.style) = ("deployed", .good) }
                row.served = places.first.map { "\($0.endpoint)" } ?? "-"
            }
            rows[name]?.isOver = true
        case .notVerified(let name, _):
            change(name) { row in
                if row.result.isEmpty { (row.result, row.style) = ("deployed", .good) }
                row.served = "not verified"
            }
        case .pending(let name, let what, _, _):
            change(name) { ($0.result, $0.style) = ("pending: \(what)", .attention) }
        case .failed(let name, let failure): change(name) { ($0.result, $0.style) = ("failed: \(failure)", .bad) }
        default: return
        }
    }

    private mutating func change(_ name: String, _ body: (inout Row) -> Void) {
        if rows[name] == nil { order.append(name) }
        var row = rows[name] ?? Row()
        body(&row)
        // What has failed or is seen served has taken no longer than until then.
        if !row.isOver { row.took = row.started.duration(to: .now) }
        rows[name] = row
    }

    /// The table; nothing where one lineage or none was at work, whose lines have said it all.
    func lines(_ report: RunReport, on screen: Screen) -> [String] {
        var summary = self
        for (name, outcome) in report.outcomes {
            switch outcome {
            // What is not looked for is done when its hooks are.
            case .deployed where rows[name] == nil: summary.change(name) { ($0.result, $0.style) = ("deployed", .good) }
            case .renewed: summary.change(name) { _ in }
            default: continue
            }
        }
        return summary.table(on: screen)
    }

    private func table(on screen: Screen) -> [String] {
        guard order.count > 1 else { return [] }
        let shown = order.compactMap { name in rows[name].map { (name, $0) } }
        let table = ColumnTable(
            [
                Column("NAME", canFold: true) { shown[$0].0.plain },
                Column("RESULT", style: { shown[$0].1.style }, canWrap: true) { shown[$0].1.result.plain },
                Column("EXPIRES") { shown[$0].1.expires },
                Column("SERVED", dropOrder: 1) { shown[$0].1.served.plain },
                Column("TOOK", dropOrder: 2) { index in
                    shown[index].1.took.map { "\(($0 / .milliseconds(100)).rounded() / 10) s" } ?? "-"
                },
            ], count: shown.count)
        return [""] + table.lines(on: screen)
    }
}

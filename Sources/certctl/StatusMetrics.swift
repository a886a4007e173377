import FoundationEssentials
import Renewal

/// `certctl status --format prometheus`: Prometheus' text format, for a textfile collector.
///
/// The names are stable: alerts rest on them.
struct StatusMetrics {
    private typealias Sample = (labels: [(String, String)], value: Double)
    private var lines: [String] = []

    init(_ report: StatusReport) {
        let rows = report.lineages
        addDates("certctl_certificate_not_after_timestamp_seconds", "When the live certificate expires.", rows) {
            $0.notAfter
        }
        addDates(
            "certctl_certificate_not_before_timestamp_seconds", "When the live certificate begins to be valid.", rows
        ) { $0.notBefore }
        addDates(
            "certctl_certificate_renewal_at_timestamp_seconds", "When the certificate is to be renewed.", rows
        ) { $0.renewal.dueSince ?? $0.renewal.at }
        add(
            "certctl_certificate_info", "What the live certificate is; always 1.",
            rows.compactMap { row in
                row.serial.map { serial in
                    let labels = [
                        ("lineage", row.name), ("serial", serial), ("issuer", row.issuerCommonName ?? row.issuer ?? ""),
                        ("key_type", row.keyType ?? ""),
                    ]
                    return (labels, 1)
                }
            })
        addChoice("certctl_lineage_state", "1 for the state that the lineage is in, 0 for the others.", "state", rows) {
            ($0.state.rawValue, LineageStatus.State.allCases.map(\.rawValue))
        }
        addChoice(
            "certctl_lineage_stage", "1 for the stage that the newest certificate has reached, 0 for the others.",
            "stage",
            rows.filter { $0.stage != nil }
        ) { ($0.stage?.rawValue ?? "", LedgerEntry.Stage.allCases.map(\.rawValue)) }
        add(
            "certctl_renewal_failures", "How often the work at hand has failed in a row.",
            rows.compactMap { row in row.attempts.map { ([("lineage", row.name)], Double($0)) } })
        add(
            "certctl_served_match",
            "1 where a listener serves the live certificate, 0 where it serves or does another thing.",
            rows.flatMap { row in
                (row.served ?? []).map { served in
                    (
                        [("lineage", row.name), ("endpoint", served.endpoint), ("name", served.name)],
                        served.verdict == "match" ? 1 : 0
                    )
                }
            })
        if let run = report.lastRun {
            add("certctl_last_run_timestamp_seconds", "When the last run ended.", [([], run.at.timeIntervalSince1970)])
            add(
                "certctl_last_run_success", "1 where the last run exited with 0, else 0.",
                [([], run.exitCode == 0 ? 1 : 0)])
        }
    }

    var text: String { lines.joined(separator: "\n") }

    private mutating func add(_ name: String, _ help: String, _ samples: [Sample]) {
        guard !samples.isEmpty else { return }
        lines.append("# HELP \(name) \(help)")
        lines.append("# TYPE \(name) gauge")
        for sample in samples {
            let labels = sample.labels.map { "\($0.0)=\"\(StatusMetrics.escaped($0.1))\"" }.joined(separator: ",")
            lines.append("\(name)\(labels.isEmpty ? "" : "{\(labels)}") \(StatusMetrics.text(sample.value))")
        }
    }

    private mutating func addDates(
        _ name: String, _ help: String, _ rows: [LineageStatus], _ date: (LineageStatus) -> Date?
    ) {
        add(
            name, help, rows.compactMap { row in date(row).map { ([("lineage", row.name)], $0.timeIntervalSince1970) } }
        )
    }

    private mutating func addChoice(
        _ name: String, _ help: String, _ label: String, _ rows: [LineageStatus],
        _ choice: (LineageStatus) -> (String, [String])
    ) {
        add(
            name, help,
            rows.flatMap { row in
                let (chosen, all) = choice(row)
                return all.map { name -> Sample in ([("lineage", row.name), (label, name)], name == chosen ? 1 : 0) }
            })
    }

    private static func text(_ value: Double) -> String {
        value == value.rounded() ? String(Int(value)) : String(value)
    }

    /// A label's value: backslash, quote and newline are escaped.
    private static func escaped(_ text: String) -> String {
        text.replacing("\\", with: #"\\"#).replacing("\"", with: #"\""#).replacing("\n", with: #"\n"#)
    }
}

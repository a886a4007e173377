import FoundationEssentials
import Lineages
import Renewal
import Text

/// `certctl status --format prometheus`, and what each run leaves: Prometheus' text format, for a textfile collector.
///
/// The names are stable: alerts rest on them.
struct StatusMetrics {
    private typealias Sample = (labels: [(String, String)], value: Double)
    private let report: StatusReport

    init(_ report: StatusReport) { self.report = report }

    /// Writes one line after the other, without line ends.
    func write(_ write: (String) -> Void) {
        let rows = report.lineages
        func add(_ name: String, _ help: String, _ samples: some Sequence<Sample>) {
            var isFirst = true
            for sample in samples {
                if isFirst { write("# HELP \(name) \(help)\n# TYPE \(name) gauge") }
                isFirst = false
                let labels = sample.labels.map { "\($0.0)=\"\(StatusMetrics.escaped($0.1))\"" }.joined(separator: ",")
                write("\(name)\(labels.isEmpty ? "" : "{\(labels)}") \(StatusMetrics.text(sample.value))")
            }
        }
        func addDates(_ name: String, _ help: String, _ date: @escaping (LineageStatus) -> Date?) {
            add(
                name, help,
                rows.lazy.compactMap { row in
                    date(row).map { ([("lineage", row.name)], $0.timeIntervalSince1970) }
                })
        }
        func addChoice(
            _ name: String, _ help: String, _ label: String, _ choice: @escaping (LineageStatus) -> (String, [String])?
        ) {
            add(
                name, help,
                rows.lazy.flatMap { row -> [Sample] in
                    guard let (chosen, all) = choice(row) else { return [] }
                    return all.map { name -> Sample in
                        ([("lineage", row.name), (label, name)], name == chosen ? 1 : 0)
                    }
                })
        }
        addDates("certctl_certificate_not_after_timestamp_seconds", "When the installed certificate expires.") {
            $0.notAfter
        }
        addDates(
            "certctl_certificate_not_before_timestamp_seconds",
            "When the installed certificate begins to be valid."
        ) { $0.notBefore }
        addDates(
            "certctl_certificate_renewal_at_timestamp_seconds",
            "When the certificate is to be renewed; for a pending one its next attempt."
        ) { $0.renewal.dueSince ?? $0.renewal.at }
        add(
            "certctl_certificate_info", "What the installed certificate is; always 1.",
            rows.lazy.compactMap { row -> Sample? in
                row.serial.map { serial in
                    let labels = [
                        ("lineage", row.name), ("serial", serial), ("issuer", row.issuerCommonName ?? row.issuer ?? ""),
                        ("key_type", row.keyType ?? ""),
                    ]
                    return (labels, 1)
                }
            })
        addChoice("certctl_lineage_state", "1 for the state that the lineage is in, 0 for the others.", "state") {
            ($0.state.rawValue, LineageStatus.State.allCases.map(\.rawValue))
        }
        addChoice(
            "certctl_lineage_stage", "1 for the stage that the newest certificate has reached, 0 for the others.",
            "stage"
        ) { row in row.stage.map { ($0.rawValue, LineageState.Stage.allCases.map(\.rawValue)) } }
        add(
            "certctl_consecutive_failures", "How often the current work has failed in a row.",
            rows.lazy.compactMap { row -> Sample? in
                row.consecutiveFailures.map { ([("lineage", row.name)], Double($0)) }
            })
        add(
            "certctl_served_match",
            "1 if an endpoint serves the installed certificate, 0 if it should and does not.",
            rows.lazy.flatMap { row -> [Sample] in
                // An endpoint that is not required wakes no operator.
                (row.served ?? []).filter { $0.verdict == "match" || $0.isWrong }.map { served in
                    (
                        [("lineage", row.name), ("endpoint", served.endpoint), ("name", served.name)],
                        served.isWrong ? 0 : 1
                    )
                }
            })
        add(
            "certctl_build_info", "The version of certctl that wrote this, and its commit; always 1.",
            [([("version", Version.number), ("commit", Version.commit ?? "unknown")], 1)])
        if let run = report.lastRun {
            let (at, success): (Sample, Sample) = (([], run.at.timeIntervalSince1970), ([], run.exitCode == 0 ? 1 : 0))
            add("certctl_last_run_timestamp_seconds", "When the last run ended.", [at])
            add("certctl_last_run_success", "1 where the last run exited with 0, else 0.", [success])
        }
    }

    /// Writes them to a file that a collector may read at any time.
    func write(to path: String) throws(FileError) {
        var text = ""
        write { text += $0 + "\n" }
        try ReportFile.write(Array(text.utf8), to: path)
    }

    private static func text(_ value: Double) -> String {
        Int(exactly: value).map { String($0) } ?? String(value)
    }

    /// A label's value: backslash, quote and newline are escaped as the format has it, and whatever else steers a terminal or
    /// ends a scraper's line is spelled out, as `\u{1b}`. Two names that differ stay two.
    ///
    /// By scalars: to a Character CR LF is one, and so is a quote with a combining mark after it.
    static func escaped(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += #"\\"#
            case "\"": escaped += #"\""#
            case "\n": escaped += #"\n"#
            default:
                if String(scalar).plain == String(scalar) {
                    escaped.unicodeScalars.append(scalar)
                } else {
                    escaped += #"\\u{\#(String(scalar.value, radix: 16))}"#
                }
            }
        }
        return escaped
    }
}

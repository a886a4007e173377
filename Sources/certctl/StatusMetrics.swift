import FoundationEssentials
import Lineages
import PKI
import Renewal

/// `certctl status --format prometheus`: the text format of Prometheus, for a textfile collector.
struct StatusMetrics {
    private var lines: [String] = []

    init(_ assessments: [Assessment]) {
        func gauge(_ name: String, _ help: String, _ samples: [(labels: [(String, String)], value: Double)]) {
            guard !samples.isEmpty else { return }
            lines.append("# HELP \(name) \(help)")
            lines.append("# TYPE \(name) gauge")
            for sample in samples {
                let labels = sample.labels.map { "\($0.0)=\"\(StatusMetrics.escaped($0.1))\"" }.joined(separator: ",")
                lines.append("\(name){\(labels)} \(StatusMetrics.text(sample.value))")
            }
        }
        func dates(_ date: (Assessment) -> Date?) -> [(labels: [(String, String)], value: Double)] {
            assessments.compactMap { assessment in
                date(assessment).map { ([("lineage", assessment.lineage.name)], $0.timeIntervalSince1970) }
            }
        }
        gauge(
            "certctl_certificate_not_after_timestamp_seconds", "When the live certificate expires.",
            dates { $0.lineage.certificate?.notAfter })
        gauge(
            "certctl_certificate_not_before_timestamp_seconds", "When the live certificate begins to be valid.",
            dates { $0.lineage.certificate?.notBefore })
        gauge(
            "certctl_certificate_renewal_at_timestamp_seconds", "When the certificate is to be renewed.",
            dates { $0.renewalAt })
        gauge(
            "certctl_certificate_info", "What the live certificate is; always 1.",
            assessments.compactMap { assessment in
                assessment.lineage.certificate.map { certificate in
                    (
                        [
                            ("lineage", assessment.lineage.name), ("serial", certificate.serial),
                            ("issuer", certificate.issuerCommonName ?? certificate.issuer),
                            ("key_type", certificate.keyType.description),
                        ], 1
                    )
                }
            })
        gauge(
            "certctl_lineage_state", "1 for the state that the lineage is in, 0 for the others.",
            assessments.flatMap { assessment in
                Assessment.State.allCases.map { state in
                    (
                        [("lineage", assessment.lineage.name), ("state", state.rawValue)],
                        assessment.state == state ? 1 : 0
                    )
                }
            })
        gauge(
            "certctl_lineage_stage", "1 for the stage that the newest certificate has reached, 0 for the others.",
            assessments.filter { $0.entry?.stage != nil }.flatMap { assessment in
                LedgerEntry.Stage.allCases.map { stage in
                    (
                        [("lineage", assessment.lineage.name), ("stage", stage.rawValue)],
                        assessment.entry?.stage == stage ? 1 : 0
                    )
                }
            })
        gauge(
            "certctl_renewal_failures", "How often the work at hand has failed in a row.",
            assessments.compactMap { assessment in
                assessment.entry.map { ([("lineage", assessment.lineage.name)], Double($0.attempts)) }
            })
        gauge(
            "certctl_served_match",
            "1 where a listener serves the live certificate, 0 where it serves or does another thing.",
            assessments.flatMap { assessment in
                (assessment.served?.sightings ?? []).map { sighting in
                    (
                        [
                            ("lineage", assessment.lineage.name), ("endpoint", "\(sighting.place.endpoint)"),
                            ("name", sighting.place.name),
                        ], sighting.verdict == .match ? 1 : 0
                    )
                }
            })
    }

    var text: String { lines.joined(separator: "\n") }

    private static func text(_ value: Double) -> String {
        value == value.rounded() ? String(Int(value)) : String(value)
    }

    /// A label's value: backslash, quote and newline are escaped.
    private static func escaped(_ text: String) -> String {
        var result = ""
        for character in text {
            switch character {
            case "\\": result += #"\\"#
            case "\"": result += #"\""#
            case "\n": result += #"\n"#
            default: result.append(character)
            }
        }
        return result
    }
}

import Diagnosis
import FoundationEssentials
import Lineages
import PKI
import Renewal

/// A certificate in a line for a ticket: what is installed, where it was just seen, and when it is renewed.
enum CertificateLine {
    /// `example.org: serial 04ab…, valid until 2027-02-25 (in 89 days), served at 127.0.0.1:443, renews 2027-01-26, in 60 days (…)`.
    static func text(_ lineage: Lineage, _ report: DiagnosisReport, _ state: LineageState?, at now: Date) -> String {
        let row = LineageStatus(lineage, state: state, at: now)
        var parts: [String] = []
        if let certificate = lineage.certificate {
            let date = certificate.notAfter
            parts.append("serial \(certificate.serial)")
            parts.append("valid until \(LocalTime.day(date)) (\(LocalTime.distance(to: date, from: now)))")
        }
        let endpoints = report.checks.filter {
            $0.id == .servedStale && $0.verdict == .ok && $0.lineage == lineage.name
        }.map(\.lookedAt)
        if !endpoints.isEmpty { parts.append("served at \(RunPrinter.list(endpoints))") }
        parts.append(NextText(at: now, nextStart: nil).text(for: row, brief: false))
        return "\(lineage.name): \(parts.joined(separator: ", "))"
    }
}

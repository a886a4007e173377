import ACME
import FoundationEssentials
import Lineages
import PKI
import Renewal

/// The table that `certctl status` prints.
struct StatusTable {
    private let assessments: [Assessment]
    private let now: Date
    private let tree: String

    init(_ assessments: [Assessment], at now: Date, tree: String) {
        (self.assessments, self.now, self.tree) = (assessments, now, tree)
    }

    /// What is said of a tree without lineages.
    static func nothing(in tree: String) -> String {
        "there is no lineage in \(tree): certctl issue -d NAME makes the first certificate"
    }

    /// The whole text, without a newline at its end.
    var text: String {
        guard !assessments.isEmpty else {
            return StatusTable.nothing(in: tree)
        }
        let hasProbed = assessments.contains { $0.served != nil }
        var table = TextTable(
            header: ["NAME", "STATE", "EXPIRES", "RENEWAL"] + (hasProbed ? ["SERVED"] : []) + [
                "ISSUER", "KEY", "NAMES",
            ])
        for assessment in assessments { table.add(row(assessment, withServed: hasProbed).map(\.plain)) }
        let notes = assessments.flatMap { assessment in
            assessment.problems.map { "\(assessment.lineage.name): \($0.message)".plain }
        }
        return (table.lines + (notes.isEmpty ? [] : [""] + notes)).joined(separator: "\n")
    }

    private func row(_ assessment: Assessment, withServed: Bool) -> [String] {
        var cells = [assessment.lineage.name, assessment.state.rawValue, expiry(assessment), renewal(assessment)]
        if withServed { cells.append(served(assessment)) }
        guard let certificate = assessment.lineage.certificate else { return cells + ["-", "-", "-"] }
        cells.append(certificate.issuerCommonName ?? certificate.issuer)
        cells.append(certificate.keyType.description)
        cells.append(certificate.names.map(\.description).joined(separator: " "))
        return cells
    }

    private func expiry(_ assessment: Assessment) -> String {
        guard let date = assessment.lineage.certificate?.notAfter else { return "-" }
        return "\(LocalTime.text(date)) (\(LocalTime.distance(to: date, from: now)))"
    }

    /// The worst that any listener serves; a match is worth the number of places.
    private func served(_ assessment: Assessment) -> String {
        guard let served = assessment.served, !served.sightings.isEmpty else { return "-" }
        if let wrong = served.wrong { return "\(wrong.verdict.code) at \(wrong.place.endpoint)" }
        if let match = served.matches.first { return "match at \(match.endpoint)" }
        return served.sightings[0].verdict.code
    }

    private func renewal(_ assessment: Assessment) -> String {
        switch assessment.state {
        // The reason stands below the table.
        case .broken: "-"
        case .pending:
            "pending: \(assessment.renewalBecause)"
                + (assessment.renewalAt.map {
                    $0 > now ? ", next try \(LocalTime.text($0))" : ", next try with the next run"
                } ?? "")
        case .unmanaged: "not by certctl: \(assessment.renewalBecause)"
        default:
            switch assessment.renewalAt {
            case nil: "never: \(assessment.renewalBecause)"
            case let date? where date <= now: "with the next run: \(assessment.renewalBecause)"
            case let date?: "\(LocalTime.text(date)) (\(assessment.renewalBecause))"
            }
        }
    }
}

import Diagnosis
import Renewal
import Text

/// What `certctl doctor` prints: for each cause its name, the remedy, what was seen, and what follows from it.
struct DoctorText {
    /// How words are set off.
    struct Style {
        var isColoured: Bool
        /// The columns of the terminal; nil if the output is none: then commands, titles and remedies stay on one line.
        var width: Int?

        static var forTerminal: Style { Style(isColoured: Screen.output.hasColour, width: Screen.output.width) }

        func failure(_ text: String) -> String { isColoured ? "\u{1B}[1;31m\(text)\u{1B}[0m" : text }
        func warning(_ text: String) -> String { isColoured ? "\u{1B}[1;33m\(text)\u{1B}[0m" : text }
        func command(_ text: String) -> String { isColoured ? "\u{1B}[1m\(text)\u{1B}[0m" : text }
        func good(_ text: String) -> String { isColoured ? "\u{1B}[1;32m\(text)\u{1B}[0m" : text }
    }

    private let report: DiagnosisReport
    private let style: Style
    private let certificates: [String]
    /// What a terminal has at the least.
    private static let width = 80
    /// More than anybody reads of one kind.
    private static let most = 3

    /// - Parameter certificates: a line for each, printed if there is nothing to report.
    init(_ report: DiagnosisReport, certificates: [String] = [], style: Style) {
        (self.report, self.certificates, self.style) = (report, certificates, style)
    }

    /// The whole text, without a newline at its end.
    var text: String {
        var lines: [String] = []
        if report.isHealthy {
            lines += wrapped(summary, indent: "  ", bullet: "all is well: ")
            lines[0] = style.good("all is well") + lines[0].dropFirst("all is well".count)
            if report.warnings.isEmpty {
                for certificate in certificates { lines += TextLayout.lines(certificate, to: style.width) }
            }
        }
        for cause in report.causes {
            lines += paragraph(cause, mark: "FAILURE") { style.failure("FAILURE") + $0 } + [""]
        }
        if report.isHealthy, !report.warnings.isEmpty { lines.append("") }
        for cause in report.warnings {
            lines += paragraph(cause, mark: "WARNING") { style.warning("WARNING") + $0 } + [""]
        }
        let skipped = skippedLines
        if !skipped.isEmpty, report.isHealthy, report.warnings.isEmpty { lines.append("") }
        lines += skipped
        if !report.isHealthy {
            if !skipped.isEmpty { lines.append("") }
            lines += wrapped(summary, indent: "")
            if let first = report.causes.first { lines.append("more: certctl explain \(first.check.id.rawValue)") }
        }
        while lines.last?.isEmpty == true { lines.removeLast() }
        return lines.joined(separator: "\n")
    }

    /// The command, or what to do, set off from its head.
    private func remedy(_ head: String, _ lines: [String]) -> [String] {
        lines.enumerated().map { index, line in
            index == 0 ? head + style.command(String(line.dropFirst(head.count))) : style.command(line)
        }
    }

    /// - Parameters:
    ///   - mark: the word that the paragraph begins with.
    ///   - set: gives the first line, from what follows the mark.
    private func paragraph(
        _ cause: DiagnosisReport.Cause, mark: String, _ set: (Substring) -> String
    ) -> [String] {
        let check = cause.check
        let others = Set(cause.alike.compactMap(\.lineage)).subtracting([check.lineage ?? ""]).count
        let more = others == 0 ? "" : " and \(others) more"
        var lines = TextLayout.lines(
            "\(mark) \(check.title): \(subject(check))\(more) [\(check.id.rawValue)]", to: style.width)
        lines[0] = set(lines[0].dropFirst(mark.count))
        switch cause.remedy?.step {
        case .run(let text)?: lines += remedy("  run: ", TextLayout.command(text, after: "  run: ", to: style.width))
        case .do(let text)?: lines += remedy("  do: ", TextLayout.lines("  do: \(text)", to: style.width, hanging: 4))
        case nil: break
        }
        lines += wrapped(check.evidence, indent: "  ")
        let alike = cause.alike.filter { $0.evidence != check.evidence }.map { other in
            let seen = other.lookedAt == check.lookedAt ? other.evidence : other.lookedAt
            return other.lineage == check.lineage || other.lineage == nil ? seen : "\(other.lineage ?? ""): \(seen)"
        }.filter { $0 != check.evidence }
        for other in alike.prefix(DoctorText.most) {
            lines += wrapped(other, indent: "  ", bullet: "  also: ")
        }
        if alike.count > DoctorText.most { lines.append("  and \(alike.count - DoctorText.most) more alike") }
        var titles: [String] = []
        var subjects: [String: [String]] = [:]
        for check in cause.consequences {
            if subjects[check.title] == nil { titles.append(check.title) }
            let subject = subject(check)
            if subjects[check.title]?.contains(subject) != true { subjects[check.title, default: []].append(subject) }
        }
        let following = titles.map { title in
            let all = subjects[title, default: []]
            return "\(title): \(all[0])" + (all.count > 1 ? " and \(all.count - 1) more" : "")
        }
        if !following.isEmpty {
            lines.append("  also caused by this:")
            for line in following.prefix(DoctorText.most * 2) {
                lines += wrapped(line, indent: "    ", bullet: "  - ")
            }
            if following.count > DoctorText.most * 2 {
                lines.append("  - and \(following.count - DoctorText.most * 2) more")
            }
        }
        return lines
    }

    private func subject(_ check: Check) -> String { (check.lineage ?? check.lookedAt).plain }

    /// What could not be looked at, by the reason.
    private var skippedLines: [String] {
        var reasons: [(text: String, ids: [String])] = []
        for check in report.skipped {
            let text = check.evidence
            if let index = reasons.firstIndex(where: { $0.text == text }) {
                if !reasons[index].ids.contains(check.id.rawValue) { reasons[index].ids.append(check.id.rawValue) }
            } else {
                reasons.append((text, [check.id.rawValue]))
            }
        }
        guard !reasons.isEmpty else { return [] }
        var lines = ["skipped:"]
        // Of many certificates, each with a reason of its own, three stand for all.
        var counts: [[String]: Int] = [:]
        for (text, ids) in reasons {
            let count = counts[ids, default: 0]
            counts[ids] = count + 1
            guard count < DoctorText.most else { continue }
            let head = ids.prefix(DoctorText.most).joined(separator: ", ")
            let more = ids.count > DoctorText.most ? " and \(ids.count - DoctorText.most) more" : ""
            lines += wrapped("\(head)\(more): \(text)", indent: "    ", bullet: "  - ")
        }
        for (ids, count) in counts.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) })
        where count > DoctorText.most {
            lines += wrapped(
                "\(ids.prefix(DoctorText.most).joined(separator: ", ")): \(count - DoctorText.most) more reasons",
                indent: "    ", bullet: "  - ")
        }
        return lines
    }

    /// What was looked at, and how it turned out.
    private var summary: String {
        let looked = report.checks.filter { $0.verdict != .skipped }
        let ids = Set(looked.map(\.id))
        let unseen = Set(report.skipped.map(\.id)).subtracting(ids).count
        func places(_ id: CheckID) -> Int { Set(looked.filter { $0.id == id }.map(\.lookedAt)).count }
        func count(_ number: Int, _ one: String, _ many: String) -> String? {
            number == 0 ? nil : "\(number) \(number == 1 ? one : many)"
        }
        let seen = [
            count(Set(looked.compactMap(\.lineage)).count, "certificate", "certificates"),
            count(places(.nameUnresolved), "name", "names"), count(places(.webrootMissing), "webroot", "webroots"),
            count(places(.containerStopped), "container", "containers"),
            count(places(.servedStale), "endpoint", "endpoints"),
        ].compactMap(\.self).joined(separator: ", ")
        let result = [
            count(report.causes.count, "cause", "causes"), count(report.warnings.count, "warning", "warnings"),
            "\(ids.count) checks run", count(unseen, "skipped", "skipped"),
        ].compactMap(\.self).joined(separator: ", ")
        return seen.isEmpty ? result : "\(seen): \(result)"
    }

    /// Words on lines of at most 80 columns; the first one begins with the bullet.
    private func wrapped(_ text: String, indent: String, bullet: String? = nil) -> [String] {
        DoctorText.wrapped(text, indent: indent, bullet: bullet, to: style.width)
    }

    /// Words on lines of at most 80 columns, or of as many as the screen has if these are fewer; the first one begins with the bullet.
    static func wrapped(_ text: String, indent: String, bullet: String? = nil, to width: Int?) -> [String] {
        let head = bullet ?? indent
        let lead = head.prefix { $0 == " " }.count
        let limit = min(width ?? DoctorText.width, DoctorText.width)
        return TextLayout.lines(head + text, to: limit, hanging: indent.count - lead)
    }
}

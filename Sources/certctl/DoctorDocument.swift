import Diagnosis
import FoundationEssentials
import Renewal
import Text

/// `certctl doctor --format json`; docs/reference/json.md explains each member. Members are only ever added.
struct DoctorDocument: Encodable {
    struct Entry: Encodable {
        let id: String
        let verdict: String
        let lineage: String?
        let lookedAt: String
        let evidence: String
        let remedy: String?
        let command: String?
        let action: String
        let causedBy: String?
        let title: String
        let by: String?
        let cost: String?

        private enum CodingKeys: String, CodingKey {
            case id, verdict, lineage, lookedAt, evidence, remedy, command, action, causedBy, title, by, cost
        }

        init(_ check: Check) {
            (id, verdict, lineage) = (check.id.rawValue, check.verdict.rawValue, check.lineage)
            (lookedAt, evidence, remedy) = (check.lookedAt.plain, check.evidence.plain, check.remedy?.text.plain)
            command = check.remedy?.command?.plain
            (action, causedBy) = (check.action.rawValue, check.because?.rawValue)
            (title, by) = (check.title.plain, check.remedy?.actor.rawValue)
            cost = check.remedy.map { "\($0.cost)" }
        }

        /// Every member is there, null where it says nothing.
        func encode(to encoder: any Encoder) throws {
            var members = encoder.container(keyedBy: CodingKeys.self)
            try members.encode(id, forKey: .id)
            try members.encode(verdict, forKey: .verdict)
            try members.encode(lineage, forKey: .lineage)
            try members.encode(lookedAt, forKey: .lookedAt)
            try members.encode(evidence, forKey: .evidence)
            try members.encode(remedy, forKey: .remedy)
            try members.encode(command, forKey: .command)
            try members.encode(action, forKey: .action)
            try members.encode(causedBy, forKey: .causedBy)
            try members.encode(title, forKey: .title)
            try members.encode(by, forKey: .by)
            try members.encode(cost, forKey: .cost)
        }
    }

    let schema = 2
    let generatedAt: Date
    let verdict: String
    let causes: [String]
    let action: String
    let checks: [Entry]

    init(_ report: DiagnosisReport, at now: Date) {
        generatedAt = now
        verdict = (report.isHealthy ? report.warnings.isEmpty ? Check.Verdict.ok : .warning : .failure).rawValue
        causes = report.causes.map(\.check.id.rawValue)
        action = report.action.rawValue
        checks = report.checks.map(Entry.init)
    }

    func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
}

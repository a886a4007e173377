import FoundationEssentials
import Lineages
import PKI
import Renewal

/// The document that `certctl status --format json` prints. Fields are only ever added to schema 1.
struct StatusDocument: Encodable {
    private let schema = 1
    private let lineages: [Entry]

    init(_ assessments: [Assessment], at now: Date) throws { lineages = try assessments.map(Entry.init) }

    func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    private struct Entry: Encodable {
        let name: String
        let domains: [String]
        let state: String
        let version: Int?
        let serial: String?
        let sha256: String?
        let issuer: String?
        let keyType: String?
        let notBefore: Date?
        let notAfter: Date?
        let daysLeft: Double?
        let stage: String?
        let attempts: Int?
        let nextAttempt: Date?
        let served: [Served]?
        let renewal: Renewal
        let problems: [Problem]

        struct Renewal: Encodable {
            let at: Date?
            let because: String
        }

        struct Served: Encodable {
            let endpoint: String
            let name: String
            let verdict: String
            let detail: String
        }

        struct Problem: Encodable {
            let code: String
            let message: String
        }

        init(_ assessment: Assessment) throws {
            let lineage = assessment.lineage
            let certificate = lineage.certificate
            name = lineage.name
            domains = certificate?.names.map(\.description) ?? []
            state = assessment.state.rawValue
            version = lineage.version
            serial = certificate?.serial
            sha256 = try certificate?.sha256()
            issuer = certificate?.issuer
            keyType = certificate?.keyType.description
            notBefore = certificate?.notBefore
            notAfter = certificate?.notAfter
            // Hundredths: finer than anybody decides by, and short to read.
            daysLeft = assessment.daysLeft.map { ($0 * 100).rounded() / 100 }
            stage = assessment.entry?.stage?.rawValue
            attempts = assessment.entry?.attempts
            nextAttempt = assessment.entry?.nextAttempt
            served = assessment.served?.sightings.map {
                Served(
                    endpoint: $0.place.endpoint.description, name: $0.place.name, verdict: $0.verdict.code,
                    detail: $0.verdict.description)
            }
            renewal = Renewal(at: assessment.renewalAt, because: assessment.renewalBecause)
            problems = assessment.problems.map { Problem(code: $0.code.rawValue, message: $0.message) }
        }
    }
}

import Lineages
import Renewal
import Testing

@testable import Diagnosis

struct ReportTests {
    private func failure(_ id: CheckID, _ lineage: String? = nil) -> Check {
        Check(id, .failure, lineage: lineage, lookedAt: id.rawValue, evidence: "\(id)")
    }

    @Test func `what follows from a fault is folded under it, through others`() {
        let report = DiagnosisReport([
            failure(.servedStale, "a"), failure(.hookFailed, "a"), failure(.nginxConfigInvalid),
            failure(.keyMismatch, "a"),
        ])
        #expect(report.causes.map(\.check.id) == [.keyMismatch])
        #expect(Set(report.causes[0].consequences.map(\.id)) == [.servedStale, .hookFailed, .nginxConfigInvalid])
        #expect(
            report.checks.map(\.id) == [.keyMismatch, .nginxConfigInvalid, .hookFailed, .servedStale],
            "in the order of travel")
    }

    @Test func `one lineage's fault explains no other's`() {
        let report = DiagnosisReport([failure(.hookFailed, "a"), failure(.servedStale, "b")])
        #expect(report.causes.count == 2)
        let host = DiagnosisReport([
            failure(.containerStopped), failure(.servedUnreachable, "a"), failure(.servedUnreachable, "b"),
        ])
        #expect(host.causes.count == 1 && host.causes[0].consequences.count == 2)
    }

    @Test func `what clients see now comes first`() {
        let report = DiagnosisReport([failure(.webrootMissing, "a"), failure(.servedStale, "b")])
        #expect(report.causes.map(\.check.id) == [.servedStale, .webrootMissing])
        let seen = DiagnosisReport([failure(.hookMissing, "a"), failure(.webrootMissing, "b"), failure(.expired, "b")])
        #expect(seen.causes.map(\.check.id) == [.webrootMissing, .hookMissing])
    }

    @Test func `the same fault of several lineages at one place is one cause`() {
        let checks = ["a", "b"].map { Check(.webrootMissing, .failure, lineage: $0, lookedAt: "/w", evidence: "x") }
        #expect(DiagnosisReport(checks).causes.map(\.alike.count) == [1])
    }

    @Test func `the same fault of a thousand lineages is one cause, with one command for all`() {
        let checks = (1...1000).map { number in
            Check(
                .servedStale, .failure, lineage: "l\(number)", lookedAt: "127.0.0.1:443 as l\(number)",
                evidence: "\(number)",
                fault: .served(name: "l\(number)", tried: false, restart: nil))
        }
        let report = DiagnosisReport(checks)
        #expect(report.causes.count == 1 && report.causes[0].alike.count == 999)
        #expect(report.causes[0].remedy?.command == "certctl deploy")
        #expect(DiagnosisReport(Array(checks.prefix(2))).causes[0].remedy?.command == "certctl deploy l1 l2")
    }

    @Test func `what was recorded of a renewal is explained by what fits it, and by nothing else`() {
        let failed = Check(
            .renewalFailed, .failure, lineage: "a", lookedAt: "x",
            explainedBy: RenewalJudgement.causes(of: .file(path: "/w", code: 28)))
        #expect(DiagnosisReport([failure(.nameUnresolved, "a"), failed]).causes.count == 2)
        #expect(DiagnosisReport([failure(.diskFull), failed]).causes.map(\.check.id) == [.diskFull])
    }

    @Test func `a warning explains no failure, and a failure a warning`() {
        let warning = Check(.challengeUnreachable, .warning, lineage: "a", lookedAt: "x")
        let report = DiagnosisReport([warning, failure(.httpNotListening, "a")])
        #expect(report.warnings.isEmpty && report.causes[0].consequences == [report.checks[1]])
        #expect(
            DiagnosisReport([Check(.hookMissing, .warning, lineage: "a", lookedAt: "x"), failure(.servedStale, "a")])
                .causes.count == 1)
    }

    @Test func `every fault explains what it explains, and never itself alone`() {
        for id in CheckID.allCases {
            #expect(!Causes.all(of: id).contains(id))
            #expect(DiagnosisReport([failure(id, "a")]).causes.map(\.check.id) == [id])
            for other in Causes.all(of: id) {
                // Whatever explains what: one of two is left, and nobody is lost.
                let report = DiagnosisReport([failure(id, "a"), failure(other, "a")])
                #expect(report.causes.count == 1 && report.causes[0].consequences.count == 1, "\(id) and \(other)")
            }
        }
    }

    @Test func `every problem of the tree has its check, by the same name`() {
        for code in LineageProblem.Code.allCases where ![.hookFailed, .renewalFailed, .servedWrongly].contains(code) {
            #expect(CheckID(code)?.rawValue == code.rawValue, "\(code)")
        }
    }

    @Test func `titles fit beside a name`() {
        for id in CheckID.allCases { #expect(id.title.count <= 52 && !id.title.hasSuffix("."), "\(id.title)") }
    }
}

struct WordsTests {
    @Test(arguments: [
        ("https://b.example/x", "https://b.example/x", "b.example", 443), ("/y", "http://a.example/y", "a.example", 80),
        ("//c.example/z", "http://c.example/z", "c.example", 80),
        ("http://a.example:8080/", "http://a.example:8080/", "a.example", 8080),
    ])
    func `redirects are followed as a CA does`(location: String, url: String, host: String, port: Int) throws {
        let target = try #require(RedirectTarget(location, from: "http://a.example/.well-known/x"))
        #expect(target.url == url && target.host == host && target.port == port)
    }

    @Test(arguments: ["ftp://a.example/", "mailto:a@b", "http://user@a.example/", ""])
    func `and no others`(location: String) { #expect(RedirectTarget(location, from: "http://a.example/x") == nil) }

    @Test func `words for a shell are quoted where they have to be`() {
        #expect(
            "example.org".shellWord == "example.org" && "a b".shellWord == "'a b'" && "a'b".shellWord == "'a'\\''b'")
        #expect("".shellWord == "''")
    }
}

import FoundationEssentials
import Renewal
import Testing

struct LineageStatusTests {
    private let now = Date(timeIntervalSince1970: 1_800_000_000)

    private func report(_ state: String, _ more: String = "", renewal: String = #""because":"x""#) throws
        -> StatusReport
    {
        let json = """
            {"schema":1,"generatedAt":"2027-01-15T08:00:00Z","lineages":[{"name":"a.example","domains":["a.example"],
            "state":"\(state)","notBefore":"2026-12-16T08:00:00Z","notAfter":"2027-03-16T08:00:00Z","problems":[],
            "renewal":{\(renewal)}\(more)}]}
            """
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        return try decoder.decode(StatusReport.self, from: Data(json.utf8))
    }

    @Test(
        arguments: [
            (0, "ok"), (60, "due"), (82, "expiring"), (91, "expired"),
        ] as [(Double, String)])
    func `a report that was left behind ages with the clock`(days: Double, state: String) throws {
        var report = try report("ok", renewal: #""at":"2027-02-14T08:00:00Z","because":"2/3 of its lifetime""#)
        let then = try Date("2026-12-16T08:00:00Z", strategy: .iso8601).addingTimeInterval(days * 86_400)
        report.refresh(at: then)
        #expect(report.lineages[0].state.rawValue == state)
        #expect(report.lineages[0].daysLeft == 90 - days)
    }

    @Test(arguments: ["pending", "broken", "unmanaged", "due"])
    func `what does not pass by itself stays in it`(state: String) throws {
        var report = try report(state)
        report.refresh(at: now)
        #expect(report.lineages[0].state.rawValue == state)
    }

    @Test func `fields that a later certctl adds are passed over`() throws {
        #expect(try report("ok", #","somethingNew":[1,2]"#).lineages.count == 1)
    }

    @Test func `a report keeps the page where the CA says why it suggests a time`() throws {
        let report = try report(
            "ok", renewal: #""reason":"suggested by the CA","explanationURL":"https://ca.example/why""#)
        #expect(report.lineages[0].renewal.explanationURL == "https://ca.example/why")
    }
}

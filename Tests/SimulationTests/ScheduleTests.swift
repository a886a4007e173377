import FoundationEssentials
import Testing

@testable import Renewal

/// Ten thousand lineages with lifetimes of 6, 45 and 90 days, under timers of four hours, over 120 days.
struct ScheduleTests {
    @Test(arguments: [1, 10])
    func `runs are alike in size, on one host and on ten`(hosts: Int) throws {
        var schedule = try Schedule(lineages: 10_000, hosts: hosts)
        schedule.run(days: 0...120)
        check(schedule)
    }

    @Test func `2,000 lineages that are due at once and a CA that is away for a day let nothing expire`() throws {
        var schedule = try Schedule(lineages: 10_000, hosts: 1)
        schedule.run(days: 0...30)
        schedule.migrate(2000, onDay: 30)
        schedule.run(days: 30...120, outage: 70...71)
        check(schedule)
    }

    @Test func `certificates that were issued together are not due together`() throws {
        let width = RenewalPolicy.widestSpread * 90 * 86_400 / Schedule.timer
        var runs: [Int: Int] = [:]
        for index in 0..<2000 { runs[Int(RenewalPolicy.spread("site\(index).example") * width), default: 0] += 1 }
        #expect(Double(runs.values.max() ?? 0) <= 3 * 2000 / width)
        #expect(runs.count == Int(width.rounded(.up)))
    }

    private func check(_ schedule: Schedule) {
        #expect(schedule.expired == [])
        let mean = Double(schedule.runs.reduce(0, +)) / Double(schedule.runs.count)
        #expect(mean > 0)
        #expect(Double(schedule.runs.max() ?? 0) <= 3 * mean)
        // Let's Encrypt: 300 new orders an account every 3 hours.
        for orders in schedule.orders {
            var first = 0
            for (last, date) in orders.enumerated() {
                while date.timeIntervalSince(orders[first]) >= AuthorityState.window { first += 1 }
                if last - first + 1 > 300 {
                    Issue.record("\(last - first + 1) orders in three hours before \(date)")
                    return
                }
            }
        }
    }
}

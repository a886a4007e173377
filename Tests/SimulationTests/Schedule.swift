import FoundationEssentials
import Lineages
import PKI

@testable import Renewal

/// When many lineages are renewed, by their due dates alone: the real policy and the real count of orders, and nothing else of a
/// run. Lineages are on hosts with a timer of four hours each, and every host has an account of its own.
struct Schedule {
    private struct Entry {
        let name: String
        /// In seconds.
        let lifetime: TimeInterval
        var validity: Validity
    }
    private struct Host {
        /// Lineages by the moment at which they are due, and those that are, by their expiry.
        var coming = Heap()
        var waiting = Heap()
        var authority = AuthorityState()
    }

    private let options: RenewalOptions
    private var entries: [Entry] = []
    private var hosts: [Host]
    private var dice = Dice(1)

    /// How many orders each run placed.
    private(set) var runs: [Int] = []
    /// When orders were placed, of each host.
    private(set) var orders: [[Date]]
    /// The lineages that had expired before they were renewed.
    private(set) var expired: [String] = []

    static let start = Date(timeIntervalSince1970: 1_800_000_000)
    static let timer: TimeInterval = 4 * 3600
    static let lifetimes: [TimeInterval] = [6, 45, 90]

    /// Lineages that were renewed at any time before.
    init(lineages: Int, hosts count: Int) throws {
        options = try SimulatedHost.options()
        hosts = Array(repeating: Host(), count: count)
        orders = Array(repeating: [], count: count)
        for index in 0..<lineages {
            let lifetime = Schedule.lifetimes[index % Schedule.lifetimes.count] * 86_400
            let age = dice.fraction() * lifetime * (lifetime < RenewalPolicy.shortLifetime ? 0.45 : 0.6)
            entries.append(
                Entry(
                    name: "site\(index).example", lifetime: lifetime,
                    validity: Schedule.validity(lifetime, from: Schedule.start.addingTimeInterval(-age))))
            enter(index)
        }
    }

    private static func validity(_ lifetime: TimeInterval, from date: Date) -> Validity {
        Validity(notBefore: date, notAfter: date.addingTimeInterval(lifetime))
    }

    private func host(of index: Int) -> Int { index / Schedule.lifetimes.count % hosts.count }

    /// When a lineage is due, as the policy has it.
    private func due(_ entry: Entry) -> Date {
        let decision = RenewalPolicy().decision(
            for: entry.validity, options: options, spread: RenewalPolicy.spread(entry.name),
            at: entry.validity.notBefore)
        if case .wait(let date, _) = decision { return date }
        return entry.validity.notBefore
    }

    private mutating func enter(_ index: Int) {
        hosts[host(of: index)].coming.insert(index, at: due(entries[index]).timeIntervalSince1970)
    }

    /// Lets days go by.
    ///
    /// - Parameter outage: in which days the CA does not answer.
    mutating func run(days: ClosedRange<Double>, outage: ClosedRange<Double>? = nil) {
        var day = days.lowerBound
        while day < days.upperBound {
            let isAway = outage?.contains(day) ?? false
            for host in hosts.indices {
                // The timer's own delay.
                let now = Schedule.start.addingTimeInterval(day * 86_400 + dice.fraction() * 3600)
                if !isAway { runOnce(host, at: now) }
            }
            day += Schedule.timer / 86_400
        }
    }

    private mutating func runOnce(_ host: Int, at now: Date) {
        while let index = hosts[host].coming.next(before: now.timeIntervalSince1970) {
            hosts[host].waiting.insert(index, at: entries[index].validity.notAfter.timeIntervalSince1970)
        }
        var count = 0
        for _ in 0..<hosts[host].authority.room(at: now) {
            guard let index = hosts[host].waiting.next() else { break }
            if entries[index].validity.notAfter <= now { expired.append(entries[index].name) }
            hosts[host].authority.noteOrder(at: now)
            orders[host].append(now)
            count += 1
            // CAs date certificates back by an hour.
            entries[index].validity = Schedule.validity(entries[index].lifetime, from: now.addingTimeInterval(-3600))
            enter(index)
        }
        runs.append(count)
    }

    /// Certificates of other hosts arrive, all of an age at which they are due.
    mutating func migrate(_ count: Int, onDay day: Double) {
        let now = Schedule.start.addingTimeInterval(day * 86_400)
        let moved = Set(0..<count)
        for host in hosts.indices {
            hosts[host].coming.remove(moved)
            hosts[host].waiting.remove(moved)
        }
        for index in 0..<count {
            let lifetime = entries[index].lifetime
            let share = lifetime < RenewalPolicy.shortLifetime ? 1.0 / 2 : 2.0 / 3
            entries[index].validity = Schedule.validity(lifetime, from: now.addingTimeInterval(-lifetime * share))
            enter(index)
        }
    }
}

/// Numbers by a key, the smallest key first.
struct Heap {
    private var items: [(key: Double, value: Int)] = []

    mutating func insert(_ value: Int, at key: Double) {
        items.append((key, value))
        var child = items.count - 1
        while child > 0, items[child].key < items[(child - 1) / 2].key {
            items.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    /// Takes out the first, if its key is not beyond a limit.
    mutating func next(before limit: Double = .infinity) -> Int? {
        guard let first = items.first, first.key <= limit else { return nil }
        items.swapAt(0, items.count - 1)
        items.removeLast()
        var parent = 0
        while 2 * parent + 1 < items.count {
            var child = 2 * parent + 1
            if child + 1 < items.count, items[child + 1].key < items[child].key { child += 1 }
            guard items[child].key < items[parent].key else { break }
            items.swapAt(parent, child)
            parent = child
        }
        return first.value
    }

    mutating func remove(_ values: Set<Int>) {
        let kept = items.filter { !values.contains($0.value) }
        items = []
        for item in kept { insert(item.value, at: item.key) }
    }
}

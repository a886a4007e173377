import Deployment
import FoundationEssentials
import Lineages
import Synchronization

@testable import Renewal

/// A host with some lineages, and what a test has it go through: runs, faults, and days that go by.
///
/// Its lineages were issued at the beginning, and certctl knows them. All are due after ``daysUntilDue``.
final class Scenario {
    let host = SimulatedHost(seed: 1)
    let names: [String]
    /// The hooks of each lineage's renewal config.
    var commands: [String: HookCommands] = [:]
    private let options: RenewalOptions
    private let lifetime: Double
    private let told = EventList()

    /// - Parameters:
    ///   - lifetime: of every certificate, in days.
    ///   - isKnown: whether a run has adopted the lineages; else they are as certbot has left them.
    ///   - domains: the names of each certificate, where they are others than its lineage's.
    init(
        _ names: [String] = ["a.example"], lifetime: Double = 90, isKnown: Bool = true,
        domains: [String: [String]] = [:]
    ) throws {
        (self.names, self.lifetime) = (names, lifetime)
        options = try SimulatedHost.options()
        host.look { ($0.lifetime, $0.domains) = (lifetime * 86_400, domains) }
        for name in names { host.begin(name) }
        host.reload()
        if isKnown { run() }
        host.look { $0.log = [] }
    }

    // MARK: What happens

    /// Lets days go by until every lineage is due, and none has expired.
    func becomeDue() { wait(days: lifetime * (lifetime < 10 ? 0.52 : 0.68)) }

    func wait(days: Double = 0, hours: Double = 0, minutes: Double = 0) {
        host.time.advance(by: .seconds(days * 86_400 + hours * 3600 + minutes * 60))
    }

    func set(_ change: (inout Faults) -> Void) { host.look { change(&$0.faults) } }

    /// Another fault than before, or none.
    func only(_ change: (inout Faults) -> Void = { _ in }) {
        host.look { world in
            world.faults = Faults()
            change(&world.faults)
        }
    }

    @discardableResult func run(
        _ request: RunRequest = .renew(isForced: false), isExplicit: Bool = false, jobs: Int = 1,
        cancelledAfter limit: Duration? = nil
    ) -> RunReport {
        let subjects = names.compactMap { host.subject($0, options, commands[$0] ?? HookCommands()) }
        told.empty()
        return host.run(request, subjects, isExplicit: isExplicit, jobs: jobs, cancelledAfter: limit) { [told] event in
            told.append(event)
        }
    }

    /// `certctl renew --force`.
    @discardableResult func force() -> RunReport { run(.renew(isForced: true), isExplicit: true) }

    // MARK: What is seen

    /// What the last run has reported.
    var events: [RenewalEvent] { told.events }
    var violations: [String] { host.look { $0.violations } }
    var log: [String] { host.look { $0.log ?? [] } }
    var notifications: [String] { host.look { $0.notifications.map { "\($0.kind.rawValue) \($0.lineage)" } } }
    var now: Date { host.realNow }

    /// How often a line is in the log, of whatever lineage where it does not say.
    func count(_ line: String) -> Int { log.count { $0 == line || $0.hasPrefix(line + " ") } }

    func state(_ name: String = "a.example") -> LineageState {
        host.look { $0.disk.states[name] } ?? LineageState(name: name)
    }

    /// The number that live/ shows.
    func live(_ name: String = "a.example") -> Int { host.look { $0.disk.live[name] } ?? 0 }

    func leaf(_ name: String = "a.example") -> Leaf? {
        host.look { $0.disk.archive[name]?[$0.disk.live[name] ?? 0]?.leaf }
    }

    /// Whether the endpoint serves what is installed.
    func isServed(_ name: String = "a.example") -> Bool {
        leaf(name).map { host.verdict(name, expecting: $0) == .match } ?? false
    }

    /// Seconds until a failed acquisition is tried again.
    func delay(_ name: String = "a.example") -> TimeInterval {
        state(name).acquisition.retry?.nextAttempt?.timeIntervalSince(now) ?? 0
    }
}

/// What a run has reported.
private final class EventList: Sendable {
    private let list = Mutex<[RenewalEvent]>([])

    var events: [RenewalEvent] { list.withLock(\.self) }
    func append(_ event: RenewalEvent) { list.withLock { $0.append(event) } }
    func empty() { list.withLock { $0 = [] } }
}

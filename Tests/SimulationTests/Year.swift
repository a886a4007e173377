import Deployment
import FoundationEssentials
import Glibc
import Lineages
import PKI
import Synchronization

@testable import Renewal

/// A year of one host, by a seed: the real engine, the timer's runs, and whatever goes wrong.
final class Year {
    private let host: SimulatedHost
    private let names: [String]
    private let options: RenewalOptions
    private var dice: Dice
    private var kills = false
    /// Runs in a row that might have renewed each lineage, and did not.
    private var chances: [String: Int] = [:]
    /// When each fault of the seed begins and ends, in days.
    private var plan: [(from: Double, to: Double, fault: (inout Faults) -> Void)] = []
    /// Until when a run would find nothing to do, by the wall clock, unless something happens before; nil where that is not known.
    private var restsUntil: Date?
    /// Which faults of the plan there are.
    private var present: [Int] = []

    static let days = 365.0
    /// So long before the end the last fault is over, and operators are at rest.
    static let quietDays = 2.0
    /// Whether everything that happens is printed, to follow one seed.
    static let traces = unsafe getenv("TRACE") != nil

    init(seed: UInt64) throws {
        dice = Dice(seed &+ 77)
        host = SimulatedHost(seed: seed)
        names = (0..<dice.number(1...3)).map { "site\($0).example" }
        options = try SimulatedHost.options()
        let lifetime = [6.0, 45, 90][dice.number(0...2)]
        let hasCheck = dice.once(in: 2)
        let suggests = dice.once(in: 2)
        let domains = Dictionary(uniqueKeysWithValues: names.map { ($0, [$0, "www.\($0)"]) })
        host.look { world in
            world.domains = domains
            world.suggests = suggests ? .usual : nil
            world.lifetime = lifetime * 86_400
            world.hasCheckHook = hasCheck
        }
        for name in names { host.begin(name) }
        host.reload()
        kills = dice.once(in: 2)
        planFaults()
    }

    /// Up to a dozen faults, none in the first days, and none in the last ones.
    private func planFaults() {
        let kinds: [(Dice) -> (inout Faults) -> Void] = [
            { _ in { $0.caIsDown = true } }, { _ in { $0.limit = 691_200 } }, { _ in { $0.lostAnswers = 3 } },
            { _ in { ($0.limit, $0.limitsAccount) = (10_800, true) } }, { _ in { $0.breaksAtReload = true } },
            { _ in { $0.diesAtReload = true } }, { _ in { $0.unavailable = 691_200 } },
            { _ in { $0.validatesForEver = true } },
            { _ in { $0.validatesNothing = true } }, { _ in { $0.forgetsOrders = true } },
            { _ in { $0.refusesOrders = true } }, { _ in { $0.signsSlowly = true } }, { _ in { $0.hookFails = true } },
            { _ in { $0.hookLies = true } }, { _ in { $0.serverIsDown = true } }, { _ in { $0.configIsBroken = true } },
            { _ in { $0.rejectsNew = true } }, { _ in { $0.restartSeconds = 45 } }, { _ in { $0.diskIsFull = true } },
            { _ in { $0.suggests = .now } }, { _ in { $0.suggests = .backwards } }, { _ in { $0.suggests = .late } },
            { _ in { $0.suggests = .restless } }, { _ in { $0.clockError = 40 * 86_400 } },
            { _ in { $0.clockError = -3 * 86_400 } }, { _ in { $0.refusedNames = ["www.site0.example"] } },
            { _ in { $0.refusedNames = ["www.site0.example", "site1.example", "site2.example"] } },
        ]
        for _ in 0..<dice.number(0...12) {
            let from = 2 + dice.fraction() * (Year.days - 2 - Year.quietDays)
            let length = [0.2, 1, 3, 10][dice.number(0...3)] * dice.fraction()
            plan.append(
                (from, min(from + length, Year.days - Year.quietDays), kinds[dice.number(0...kinds.count - 1)](dice)))
        }
    }

    private var day: Double { host.time.uptime / .seconds(86_400) }

    /// Runs the year; returns what was seen that must never be.
    func run() -> [String] {
        while day < Year.days {
            setFaults()
            step()
            if host.look({ !$0.violations.isEmpty }) { break }
            host.time.advance(by: .seconds(3600 * [4.0, 6, 12][dice.number(0...2)]))
        }
        if host.look({ $0.violations.isEmpty }) { checkEnd() }
        return host.look { $0.violations }
    }

    private func setFaults() {
        let day = day
        let current = plan.indices.filter { plan[$0].from <= day && day < plan[$0].to }
        if current == present { return }
        (present, restsUntil) = (current, nil)
        var faults = Faults()
        for index in current { plan[index].fault(&faults) }
        let wasBroken = host.look { $0.faults.rejectsNew }
        host.look { $0.faults = faults }
        // What was wrong with the certificates is set right with the fault: the server takes them.
        if wasBroken, !faults.rejectsNew { host.accept() }
    }

    /// One run of the timer, or of an operator; sometimes certbot's.
    private func step() {
        let isQuiet = day > Year.days - Year.quietDays
        if !isQuiet, dice.once(in: 200) {
            certbot()
            restsUntil = nil
        }
        if !isQuiet, dice.once(in: 300) {
            loseState()
            restsUntil = nil
        }
        let isKilled = kills && !isQuiet && dice.once(in: 12)
        let killAt = isKilled ? dice.number(1...25) : nil
        if !isQuiet, dice.once(in: 300), let (name, number) = earlierVersion() {
            restsUntil = nil
            return go(.rollBack(to: number, isForced: false), [name], isExplicit: true, killAt: killAt)
        }
        var request = RunRequest.renew(isForced: false)
        var isExplicit = false
        if !isQuiet, dice.once(in: 150) {
            (request, isExplicit) = (
                [.renew(isForced: true), .deploy, .renew(isForced: false)][dice.number(0...2)], true
            )
            restsUntil = nil
        }
        // What would find nothing to do, the last run has shown.
        if let restsUntil, SimulatedWorld(host: host).now < restsUntil { return }
        go(request, names, isExplicit: isExplicit, killAt: killAt)
    }

    /// A version that an operator may go back to; nil where there is none.
    private func earlierVersion() -> (String, Int)? {
        let (name, now) = (names[dice.number(0...names.count - 1)], host.realNow)
        return host.look { world in
            guard let live = world.disk.live[name], let archive = world.disk.archive[name],
                let (number, version) = archive.filter({ $0.key < live && $0.value.leaf.notAfter > now }).max(
                    by: { $0.key < $1.key }), !version.isBad
            else { return nil }
            return (name, number)
        }
    }

    private func go(_ request: RunRequest, _ names: [String], isExplicit: Bool, killAt: Int?) {
        let wanted = candidates()
        let started = host.time.uptime
        let host = host
        let report = host.run(request, names.compactMap { subject($0) }, isExplicit: isExplicit, killAt: killAt) {
            event in
            if Year.traces { print(host.realNow.formatted(.iso8601), event) }
        }
        let wasKilled = host.look { $0.isDead }
        if Year.traces, wasKilled || isExplicit {
            let what = wasKilled ? "killed" : "by an operator"
            print(host.realNow.formatted(.iso8601), what, request, host.look { $0.faults })
        }
        host.look { world in
            (world.killAt, world.isDead) = (nil, false)
            // What was probed good before an operator chose does not count any more.
            if case .rollBack = request { for name in names { world.provenAt[name] = nil } }
        }
        if host.time.uptime - started > .seconds(3600 + 600) {
            host.violate("a run took \(host.time.uptime - started)")
        }
        guard !wasKilled else { return restsUntil = nil }
        host.look { $0.stateWasLost = false }
        check(report, wanted)
        restsUntil = restingTime()
    }

    /// Until when runs find nothing to do: where the last one has changed nothing, nothing is under way, and nothing is due before.
    private func restingTime() -> Date? {
        guard host.look({ $0.effects == 0 && $0.disk.owed.isEmpty }) else { return nil }
        let now = SimulatedWorld(host: host).now
        var earliest = Date.distantFuture
        for name in names {
            guard let subject = subject(name), let state = host.look({ $0.disk.states[name] }),
                state.acquisition == .idle, !state.isPending, state.host.notified == .clear(unheard: []),
                state.host.live.rollout?.failedHooks.isEmpty == true
            else { return nil }
            let plan = Planner(.renew(isForced: false), isExplicit: false).plan(
                subject, state, staged: (false, false, nil), at: now)
            guard plan.rollOut == .nothing, plan.acquire == .nothing, case .notDue(let date, _) = plan.outcome else {
                return nil
            }
            // What a CA suggests for the day until the next run is done now.
            let suggested = state.suggested
            earliest = min(earliest, suggested?.window == nil ? date : date.addingTimeInterval(-86_400))
            if let suggested { earliest = min(earliest, suggested.nextLook) }
        }
        return earliest
    }

    private func subject(_ name: String) -> Subject? {
        guard let subject = host.subject(name, options) else {
            host.violate("\(name): live/ shows nothing")
            return nil
        }
        return subject
    }

    /// Somebody renews with certbot in between, and reloads or does not.
    private func certbot() {
        let name = names[dice.number(0...names.count - 1)]
        let version = host.issue(name, key: 0)
        host.look { world in
            let number = (world.disk.archive[name]?.keys.max() ?? 0) + 1
            world.disk.archive[name]?[number] = version
            world.disk.live[name] = number
            world.provenAt[name] = nil
        }
        if dice.once(in: 2), host.look({ !$0.faults.configIsBroken }) { host.reload() }
    }

    private func loseState() {
        let name = names[dice.number(0...names.count - 1)]
        host.look { world in
            world.disk.states[name] = nil
            world.stateWasLost = true
            world.orders = world.orders.filter { $0.value.lineage != name }
            world.notifications.removeAll { $0.lineage == name }
        }
    }

    // MARK: Invariants

    /// The lineages that this run may renew, as far as the CA, the disk and the clock are concerned.
    private func candidates() -> [String] {
        let faults = host.look { $0.faults }
        guard faults.caIsWell, !faults.diskIsFull, faults.clockError == 0 else { return [] }
        let now = host.realNow
        // A CA that has asked for patience is given it.
        guard !host.look({ $0.disk.authorities.values.contains { $0.retry?.wait(at: now) != nil } }) else { return [] }
        return names.filter { name in
            guard let subject = subject(name), let leaf = subject.leaf else { return false }
            let state = host.look { $0.disk.states[name] } ?? LineageState(name: name)
            let plan = Planner(.renew(isForced: false), isExplicit: false).plan(
                subject, state.applying(.found(leaf, number: subject.number, staged: nil), at: now).state,
                staged: SimulatedWorld(host: host).staged(name), at: now)
            if case .order = plan.acquire { return true }
            return false
        }
    }

    private func check(_ report: RunReport, _ wanted: [String]) {
        let now = host.realNow
        for name in names {
            guard let leaf = subject(name)?.leaf else { continue }
            let isRenewed = leaf.notBefore > now.addingTimeInterval(-2 * 86_400)
            chances[name] = isRenewed ? 0 : (chances[name] ?? 0) + (wanted.contains(name) ? 1 : 0)
            if (chances[name] ?? 0) >= 3, leaf.notAfter <= now {
                host.violate("\(name) has expired after three chances")
            }
            let proven = host.look { $0.provenAt[name] }
            if let proven, leaf.notBefore < proven.addingTimeInterval(-1) {
                host.violate("\(name): what is installed is older than what was probed good")
            }
        }
        if !kills { checkNotifications() }
    }

    /// Each change between trouble and none once, and nothing twice.
    private func checkNotifications() {
        let notifications = host.look { $0.notifications }
        for name in names {
            let own = notifications.filter { $0.lineage == name }.map(\.kind)
            for (first, second) in zip(own, own.dropFirst()) where first == second {
                host.violate("\(name): \(second.rawValue) is notified twice")
            }
            let isTold = host.look { $0.disk.states[name]?.host.notified.isFailure } ?? false
            if host.look({ !$0.faults.diskIsFull }), own.last != nil, (own.last == .failure) != isTold,
                host.look({ $0.disk.states[name] != nil })
            {
                host.violate(
                    "\(name): the last notification is \(own.last?.rawValue ?? "none"), the state says \(isTold)")
            }
        }
    }

    /// Two days after the last fault all is well.
    private func checkEnd() {
        for name in names {
            guard let leaf = subject(name)?.leaf else { continue }
            let state = host.look { $0.disk.states[name] } ?? LineageState(name: name)
            let now = host.realNow
            if state.isPending || state.acquisition != .idle { host.violate("\(name) ends as \(state.summary)") }
            if leaf.notAfter <= now { host.violate("\(name) ends expired") }
            if host.verdict(name, expecting: leaf) != .match {
                host.violate("\(name) ends with an endpoint that \(host.verdict(name, expecting: leaf))")
            }
        }
    }
}

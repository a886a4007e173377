import Deployment
import FoundationEssentials
import Lineages
import PKI
import Synchronization

@testable import Renewal

/// What is wrong with the world at a moment.
struct Faults {
    /// The CA does not answer.
    var caIsDown = false
    /// It refuses every order because of a limit, and says for how long, in seconds.
    var limit: TimeInterval?
    /// The limit is that of the account.
    var limitsAccount = false
    /// It answers every order with 503, and says for how long, in seconds.
    var unavailable: TimeInterval?
    /// It does what it is asked for, and the answer to one request in so many gets lost.
    var lostAnswers: Double?
    /// It validates nothing.
    var validatesNothing = false
    /// It validates every name but these.
    var refusedNames: Set<String> = []
    /// It never comes to an end with a validation.
    var validatesForEver = false
    /// It forgets orders at once, or refuses everything about them.
    var forgetsOrders = false
    var refusesOrders = false
    /// When it wants certificates renewed, other than usually.
    var suggests: Suggestion?
    /// It refuses a preferred profile when the request is handed in, until an order is without it.
    var refusesProfile = false
    /// Signing takes longer than a client waits.
    var signsSlowly = false
    /// The reload hook fails.
    var hookFails = false
    /// It succeeds, and reloads nothing.
    var hookLies = false
    /// The web server does not listen.
    var serverIsDown = false
    /// Its configuration is broken: no handshake succeeds, whatever the certificate.
    var configIsBroken = false
    /// With the next reload it takes up a configuration that is broken, or does not come up again.
    var breaksAtReload = false
    var diesAtReload = false
    /// It takes no certificate made from now on, or none of one lineage.
    var rejectsNew = false
    var rejectsNewOf: String?
    /// Certificates are dated this far ahead, in seconds.
    var datedAhead: TimeInterval = 0
    /// Seconds for which it does not listen after a reload.
    var restartSeconds = 0.0
    /// No file can be written.
    var diskIsFull = false
    /// How far the wall clock is off, in seconds.
    var clockError: TimeInterval = 0
    /// In which window the CA suggests to renew a certificate (RFC 9773); nil where it suggests nothing.
    var suggestedWindow: (@Sendable (Leaf) -> (start: Date, end: Date))?

    /// Whether the CA would do what it is asked for.
    var caIsWell: Bool {
        !caIsDown && limit == nil && unavailable == nil && lostAnswers == nil && !validatesNothing && !validatesForEver
            && !forgetsOrders && !refusesOrders && !signsSlowly
    }
}

/// When the simulated CA wants a certificate to be renewed (RFC 9773).
enum Suggestion {
    /// A day of its last third.
    case usual
    /// At once, as for certificates that are about to be revoked.
    case now
    /// A window that ends before it begins.
    case backwards
    /// After it has expired.
    case late
    /// Another window at each look.
    case restless
}

/// A certificate of the simulated CA.
struct SimulatedVersion: Equatable {
    let leaf: Leaf
    let key: Int
    /// Whether the server refuses it.
    let isBad: Bool
    var isRevoked = false
}

/// An order at the simulated CA.
struct SimulatedOrder {
    let lineage: String
    let names: [String]
    /// What live/ showed when it was placed.
    let live: String?
    let expires: Date
    /// Whether the CA has dropped an authorization of it.
    var hasLostAuthorization = false
    var isValidated = false
    var isFinalized = false
    var isDelivered = false
    /// Whether an operator has forced a renewal since, which may replace an order that has failed.
    var mayBeReplaced = false
    var version: SimulatedVersion?
}

/// The disk, the CA, the web server and the hooks of one host, as long as a seed lasts.
///
/// Everything runs on the thread of its ``VirtualTime``; the lock is there for the compiler.
final class SimulatedHost: Sendable {
    struct Disk {
        var states: [String: LineageState] = [:]
        var staged: [String: (key: Int, version: SimulatedVersion?)] = [:]
        var archive: [String: [Int: SimulatedVersion]] = [:]
        var live: [String: Int] = [:]
        var quarantine: [String: SimulatedVersion] = [:]
        var owed: [Hook] = []
        var authorities: [String: AuthorityState] = [:]
    }

    struct World {
        var disk = Disk()
        var dice: Dice
        var faults = Faults()
        var orders: [String: SimulatedOrder] = [:]
        /// What the web server has loaded of each lineage.
        var loaded: [String: SimulatedVersion] = [:]
        /// When it listens again.
        var listensAt = Duration.zero
        var serial = 0
        /// Effects since the run began, and at which the process is killed.
        var effects = 0
        var killAt: Int?
        var isDead = false
        var violations: [String] = []
        /// Lineages whose state was lost, or on which an operator acted by force, in this run.
        var isForced = false
        var stateWasLost = false
        /// `failure` and `recovered`, in order, with the lineage.
        var notifications: [(kind: Hook.Kind, lineage: String)] = []
        /// The newest that endpoints were seen serving rightly.
        var provenAt: [String: Date] = [:]
        /// How often each version has gone forward again.
        var returns: [String: Int] = [:]
        var hasCheckHook = false
        /// Where not nil, names are proven through the web server, but for those of these lineages, which need its port.
        var standalone: Set<String>?
        /// What the CA was asked for, what hooks have run and what live/ was made to show, in order; nil where nobody reads it.
        var log: [String]?
        var lifetime: TimeInterval = 90 * 86_400
        /// Nil where the CA suggests nothing.
        var suggests: Suggestion?
        /// The names of each lineage's certificate, where they are others than its own.
        var domains: [String: [String]] = [:]
    }

    let time = VirtualTime()
    let state: Mutex<World>
    static let start = Date(timeIntervalSince1970: 1_800_000_000)

    init(seed: UInt64) { state = Mutex(World(dice: Dice(seed))) }

    /// The time that it really is.
    var realNow: Date { SimulatedHost.start.addingTimeInterval(time.uptime / .seconds(1)) }

    /// Does something that changes the world, unless the process is dead by then. Killed before or after it, as the seed has it.
    @discardableResult func effect<Result>(_ body: (inout World) throws -> Result) rethrows -> Result? {
        try state.withLock { world in
            if world.isDead { return nil }
            world.effects += 1
            guard world.effects == world.killAt else { return try body(&world) }
            world.isDead = true
            return world.dice.once(in: 2) ? try body(&world) : nil
        }
    }

    /// Enters something in the log, unless the process is dead by then.
    func log(_ line: String) { state.withLock { if !$0.isDead { $0.log?.append(line) } } }

    func look<Result>(_ body: (inout World) -> Result) -> Result { state.withLock { body(&$0) } }

    /// What a dead process would do is nothing.
    func violate(_ what: String) {
        state.withLock { if !$0.isDead { $0.violations.append("\(realNow.formatted(.iso8601)): \(what)") } }
    }

    /// A new certificate for a lineage.
    ///
    /// - Parameter names: what it is for; nil for all that the lineage is to have.
    func issue(_ name: String, _ names: [String]? = nil, key: Int) -> SimulatedVersion {
        let now = realNow
        return state.withLock { world in
            world.serial += 1
            let leaf = Leaf(
                sha256: "\(name)#\(world.serial)", serial: "\(world.serial)",
                names: (names ?? world.domains[name] ?? [name]).compactMap { SubjectName($0) },
                notBefore: now.addingTimeInterval(world.faults.datedAhead - 3600),
                notAfter: now.addingTimeInterval(world.faults.datedAhead + world.lifetime - 3600))
            let isBad = world.faults.rejectsNew || world.faults.rejectsNewOf == name
            return SimulatedVersion(leaf: leaf, key: key, isBad: isBad)
        }
    }

    /// What the CA answers when it is asked about a certificate; nil where it does not know the question.
    func suggestion(for leaf: Leaf) -> RenewalAnswer? {
        state.withLock { world in
            guard let kind = world.faults.suggests ?? world.suggests else { return nil }
            let lifetime = leaf.notAfter.timeIntervalSince(leaf.notBefore)
            func part(_ share: Double) -> Date { leaf.notBefore.addingTimeInterval(lifetime * share) }
            let window =
                switch kind {
                case .usual: (part(0.67), part(0.67).addingTimeInterval(min(86_400, lifetime / 10)))
                case .now: (leaf.notBefore.addingTimeInterval(-2), leaf.notBefore.addingTimeInterval(-1))
                case .backwards: (part(0.7), part(0.6))
                case .late: (part(1.1), part(1.2))
                case .restless: (part(0.5 + world.dice.fraction() / 10), part(0.7 + world.dice.fraction() / 10))
                }
            return RenewalAnswer(window: window, explanationURL: nil, nextLook: kind == .usual ? 86_400 : 21_600)
        }
    }

    /// The web server takes up what live/ shows.
    func reload() {
        let now = time.uptime
        state.withLock { world in
            for (name, number) in world.disk.live { world.loaded[name] = world.disk.archive[name]?[number] }
            world.listensAt = now + .seconds(world.faults.restartSeconds)
            if world.faults.breaksAtReload { world.faults.configIsBroken = true }
            if world.faults.diesAtReload { world.faults.serverIsDown = true }
        }
    }

    /// What an endpoint says.
    func verdict(_ name: String, expecting leaf: Leaf) -> Verdict {
        let now = time.uptime
        return state.withLock { world in
            if world.faults.serverIsDown || now < world.listensAt { return .unreachable("Connection refused") }
            // One bad certificate keeps the server from taking up any.
            if world.faults.configIsBroken || world.loaded.values.contains(where: \.isBad) {
                return .broken("handshake failure")
            }
            guard let loaded = world.loaded[name] else { return .other("nothing of it") }
            if loaded.leaf.sha256 == leaf.sha256 { return .match }
            return loaded.leaf.notBefore < leaf.notBefore
                ? .stale(serial: loaded.leaf.serial) : .other(loaded.leaf.serial)
        }
    }
}

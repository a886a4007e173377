import Deployment
import FoundationEssentials
import Lineages
import PKI
import Synchronization

@testable import Renewal

/// The seams of the engine, on a simulated host.
struct SimulatedWorld: RenewalWorld {
    let host: SimulatedHost

    var now: Date { host.realNow.addingTimeInterval(host.look { $0.faults.clockError }) }
    var uptime: Duration { host.time.uptime }
    func sleep(for duration: Duration) async throws { try await host.time.sleep(for: duration) }
    func nextRun() async -> Date? { nil }
    func jitter() -> Double { host.look { $0.dice.fraction() } }
    var executor: (any TaskExecutor)? { host.time }

    // MARK: State

    private func write(_ body: (inout SimulatedHost.World) -> Void) throws(FileError) {
        if host.look({ $0.faults.diskIsFull }) {
            throw FileError("write", "the disk", because: "No space left on device")
        }
        host.effect(body)
    }

    func knowledge(of name: String) -> StateStore.Knowledge {
        host.look { world in world.disk.states[name].map { .known($0) } ?? .unknown }
    }
    func save(_ state: LineageState, isDurable: Bool) throws(FileError) {
        try write { $0.disk.states[state.name] = state }
    }
    func requireWritableState() throws(FileError) { try write { _ in } }
    func append(_ events: [HistoryEvent], isDurable: Bool) throws(FileError) { try write { _ in } }
    func owedHooks() -> StateStore.OwedHooks { .known(host.look { $0.disk.owed }) }
    func authorityStates() -> [String: AuthorityState] { host.look { $0.disk.authorities } }
    func save(_ authorities: [String: AuthorityState]) throws(FileError) {
        try write { $0.disk.authorities = authorities }
    }

    // MARK: The CA

    func staged(_ name: String) -> (hasKey: Bool, hasChain: Bool, leaf: Leaf?) {
        host.look { world in
            let staged = world.disk.staged[name]
            return (staged != nil, staged?.version != nil, staged?.version?.leaf)
        }
    }
    func takesStagedKey(of name: String) -> Bool { true }
    func clearStaging(_ name: String) throws(FileError) { try write { $0.disk.staged[name] = nil } }
    func prepare(_ name: String, with omitted: [String]) throws(Cause) -> OrderRequest {
        let names = live(of: name)?.leaf.names.map(\.description) ?? [name]
        return OrderRequest(
            lineage: name, server: "https://ca.example/dir", names: names + omitted,
            allowsSubset: host.look { $0.domains[name] != nil })
    }
    func renewalAnswer(_ name: String) async -> RenewalAnswer? {
        guard !host.look({ $0.faults.caIsDown }), let leaf = live(of: name)?.leaf else { return nil }
        if let window = host.look({ $0.faults.suggestedWindow }) {
            return RenewalAnswer(window: window(leaf), explanationURL: nil, nextLook: 6 * 3600)
        }
        return host.suggestion(for: leaf)
    }
    func exchange(
        _ request: OrderRequest, report: @escaping @Sendable (RenewalEvent) -> Void
    ) async throws(AcquisitionFailure) -> any OrderExchange {
        let exchange = SimulatedExchange(request, host)
        do throws(AcquisitionFailure) {
            try await exchange.ask()
        } catch {
            throw AcquisitionFailure(error.cause, stage: .preparation, concernsWholeCA: true)
        }
        return exchange
    }
    func abandon(order: SavedOrder) async {}

    // MARK: Versions

    private func version(_ source: InstallSource, _ name: String) -> SimulatedVersion? {
        host.look { world in
            switch source {
            case .staged: world.disk.staged[name]?.version
            case .quarantine: world.disk.quarantine[name]
            case .copy(let number, _): world.disk.archive[name]?[number]
            }
        }
    }

    func candidate(_ source: InstallSource, of name: String) throws(InstallFailure) -> Leaf {
        guard let version = version(source, name) else { throw InstallFailure(Cause(.file, "it is gone"), .drops) }
        if version.leaf.notAfter <= now { throw InstallFailure(Cause(.unfit, "it has expired"), .drops) }
        if version.leaf.notBefore > now.addingTimeInterval(86_400) {
            throw InstallFailure(Cause(.unfit, "it is not valid yet"), .keeps)
        }
        if case .staged = source, let live = live(of: name)?.leaf,
            version.leaf.notBefore < live.notBefore.addingTimeInterval(-86_400)
        {
            throw InstallFailure(Cause(.unfit, "it is older than the installed one"), .drops)
        }
        return version.leaf
    }

    func warning(_ source: InstallSource, of name: String) -> String? { nil }

    func install(_ source: InstallSource, of name: String) async throws(FileError) -> Int {
        let number = host.look { ($0.disk.archive[name]?.keys.max() ?? 0) + 1 }
        guard let version = version(source, name) else { throw FileError("install", name, because: "it is gone") }
        try write { $0.disk.archive[name, default: [:]][number] = version }
        try write { $0.disk.live[name] = number }
        // One that is tried again after its quarantine may go back once more.
        if case .quarantine = source { host.look { $0.returns[version.leaf.sha256] = 0 } }
        return number
    }

    func show(_ number: Int, of name: String) async throws(FileError) {
        let shown = host.look { $0.disk.archive[name]?[number] }
        guard let shown else {
            host.violate("\(name): version \(number) is shown, and is not there")
            throw FileError("show", name, because: "it is gone")
        }
        host.log("show \(name) \(number)")
        if shown.isRevoked { host.violate("\(name): a revoked version is shown") }
        if shown.leaf.notAfter <= now { host.violate("\(name): an expired version is shown") }
        let current = host.look { $0.disk.live[name] } ?? 0
        if number > current {
            let count = host.look { world in
                world.returns[shown.leaf.sha256, default: 0] += 1
                return world.returns[shown.leaf.sha256] ?? 0
            }
            if count > 1, host.look({ $0.killAt == nil }) {
                host.violate("\(name): a second excursion of \(shown.leaf.sha256)")
            }
        }
        try write { $0.disk.live[name] = number }
    }

    func fitVersion(_ number: Int, of name: String) -> Leaf? {
        let version = host.look { $0.disk.archive[name]?[number] }
        return version.flatMap { $0.leaf.notAfter > now && !$0.isRevoked ? $0.leaf : nil }
    }
    func live(of name: String) -> (leaf: Leaf, number: Int?)? {
        host.look { world in
            world.disk.live[name].flatMap { number in
                world.disk.archive[name]?[number].map { ($0.leaf, number) }
            }
        }
    }
    func quarantine(_ number: Int, sha256: String, of name: String) throws(FileError) {
        try write { world in
            if let version = world.disk.archive[name]?[number], version.leaf.sha256 == sha256 {
                world.disk.quarantine[name] = version
            }
        }
    }
    func removeFromArchive(_ number: Int, sha256: String, of name: String) throws(FileError) {
        let isLive = host.look { $0.disk.live[name] == number }
        if isLive { host.violate("\(name): the installed version leaves the archive") }
        try write { world in
            guard world.disk.archive[name]?[number]?.leaf.sha256 == sha256 else { return }
            if world.disk.quarantine[name]?.leaf.sha256 != sha256 {
                world.violations.append("\(name): the only key of \(sha256) is removed")
            }
            world.disk.archive[name]?[number] = nil
        }
    }
    func discardQuarantine(_ name: String) throws(FileError) { try write { $0.disk.quarantine[name] = nil } }

    // MARK: Endpoints

    func prober(of name: String, expecting leaf: Leaf, _ state: HostState) -> Prober? {
        guard let endpoint = TLSEndpoint("127.0.0.1:443") else { return nil }
        let target = ProbeTarget(endpoint: endpoint, name: name)
        let isRequired = state.served.contains(target)
        return Prober(timeout: .seconds(30), recovery: .seconds(300)) { [host] in
            // A probe that is cancelled has seen nothing.
            let isCancelled = (try? await host.time.sleep(for: .milliseconds(5))) == nil
            let verdict = isCancelled ? .unreachable("cancelled") : host.verdict(name, expecting: leaf)
            if verdict == .match {
                host.look { world in
                    if !world.isDead {
                        world.provenAt[name] = max(world.provenAt[name] ?? .distantPast, leaf.notBefore)
                    }
                }
            }
            return ProbeReport([ProbeReport.Observation(target: target, isRequired: isRequired, verdict: verdict)])
        }
    }
}

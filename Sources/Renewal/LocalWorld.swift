import ACME
package import Challenges
package import FoundationEssentials
package import Lineages
import PKI

/// The real world of a run: this host's files, clocks and endpoints, and the CAs over the network.
package struct LocalWorld: RenewalWorld {
    let store: StateStore
    private let history: History
    private let authorities: CertificateAuthorities
    private let verification: Verification
    private let hostConf: ConfFile
    let isMounted: @Sendable (String) async -> Bool?
    let lineages: [String: Lineage]
    /// What `certctl issue` orders, by the name of its lineage.
    let issuing: Certification?
    let trust: TrustStore
    private let rotatesKeys: Bool
    private let challenges: ChallengeSettings
    private let expectedRun: @Sendable () async -> Date?
    package let executor: (any TaskExecutor)?

    /// - Parameters:
    ///   - hostConf: the host-wide settings, for those that a lineage may have of its own.
    ///   - caBundle: a PEM file of the CAs that are trusted beside the system's.
    ///   - rotatesKeys: whether `reuse_key` is ignored: each renewal gets a new key.
    ///   - challenges: what solvers need of the host.
    ///   - isMounted: whether some process has a mount of a directory itself, for a run that cannot see all processes; nil
    ///     where it can, and looks.
    ///   - nextRun: when the next run is expected; nil where that is not known.
    ///   - executor: where what must not be cancelled runs.
    package init(
        _ lineages: [Lineage], issuing: Certification? = nil, authorities: CertificateAuthorities,
        stateDirectory: String,
        hostConf: ConfFile, caBundle: String? = nil, rotatesKeys: Bool = false,
        challenges: ChallengeSettings = ChallengeSettings(),
        isMounted: @escaping @Sendable (String) async -> Bool? = { _ in nil },
        nextRun: @escaping @Sendable () async -> Date? = { nil },
        executor: (any TaskExecutor)? = nil
    ) {
        self.lineages = Dictionary(lineages.map { ($0.name, $0) }) { first, _ in first }
        (self.issuing, self.authorities, self.hostConf) = (issuing, authorities, hostConf)
        (store, history) = (StateStore(stateDirectory: stateDirectory), History(stateDirectory: stateDirectory))
        (verification, self.isMounted, self.executor) = (Verification(), isMounted, executor)
        trust = TrustStore.system(caBundle: caBundle)
        (self.challenges, self.rotatesKeys, expectedRun) = (challenges, rotatesKeys, nextRun)
    }

    // MARK: Clocks

    package var now: Date { Date.now }
    package var uptime: Duration { LocalWorld.epoch.duration(to: .now) }
    package func sleep(for duration: Duration) async throws { try await Task.sleep(for: duration) }
    package func nextRun() async -> Date? { await expectedRun() }
    package func jitter() -> Double { Double.random(in: 0...1) }

    private static let epoch = ContinuousClock.now

    // MARK: certctl's state

    package func knowledge(of name: String) -> StateStore.Knowledge { store.knowledge(of: name) }
    package func save(_ state: LineageState, isDurable: Bool) throws(FileError) {
        try store.save(state, isDurable: isDurable)
    }
    package func requireWritableState() throws(FileError) { try store.requireWritable() }
    package func append(_ events: [HistoryEvent], isDurable: Bool) throws(FileError) {
        try history.append(events, isDurable: isDurable)
    }
    package func owedHooks() -> StateStore.OwedHooks { store.owedHooks() }
    package func authorityStates() -> [String: AuthorityState] { store.authorities() }
    package func save(_ authorities: [String: AuthorityState]) throws(FileError) { try store.save(authorities) }

    // MARK: A certificate in the making

    package func staged(_ name: String) -> (hasKey: Bool, hasChain: Bool, leaf: Leaf?) {
        let staging = store.staging(name)
        return (staging.key != nil, staging.chain != nil, staging.leaf)
    }

    package func takesStagedKey(of name: String) -> Bool {
        guard let pem = store.staging(name).key, let key = try? PrivateKey(pem: pem) else { return false }
        return (try? certification(name).key.takes(key)) ?? false
    }

    package func clearStaging(_ name: String) throws(FileError) { try store.staging(name).clear() }

    package func prepare(_ name: String, with omitted: [String]) throws(Cause) -> OrderRequest {
        try certification(name, with: omitted).request
    }

    /// - Parameter omitted: names that are wanted beside those of the installed certificate.
    func certification(
        _ name: String, with omitted: [String] = [], report: (@Sendable (RenewalEvent) -> Void)? = nil
    ) throws(Cause) -> Certification {
        if let issuing, issuing.name == name { return issuing }
        do {
            guard let lineage = lineages[name] else { throw Cause(.lineage, "there is no lineage \(name)") }
            return try Certification(
                renewing: lineage, with: omitted, report.map { challenges.of(name, store, report: $0) } ?? challenges,
                trust: trust, needsNewKey: { path in rotatesKeys || store.revoked().isCompromised(keyAt: path) })
        } catch {
            throw Cause(error)
        }
    }

    package func renewalAnswer(_ name: String) async -> RenewalAnswer? {
        guard let server = lineages[name]?.options?.server, let certificate = lineages[name]?.certificate,
            let session = try? await authorities.session(for: server),
            let info = try? await session.renewalInfo(for: certificate)
        else { return nil }
        let nextLook = info.nextLook / .seconds(1)
        switch info.answer {
        case .window(let window, let page):
            return RenewalAnswer(window: (window.start, window.end), explanationURL: page, nextLook: nextLook)
        case .none: return RenewalAnswer(window: nil, explanationURL: nil, nextLook: nextLook)
        }
    }

    package func exchange(
        _ request: OrderRequest, report: @escaping @Sendable (RenewalEvent) -> Void
    ) async throws(AcquisitionFailure) -> any OrderExchange {
        do {
            let planned = try certification(request.lineage, with: request.names, report: report)
                .limited(to: request.names)
            let client = try await authorities.client(for: planned.server, account: planned.account)
            let certification = try await planned.replacing(lineages[request.lineage], at: client.session)
            if let root = lineages[request.lineage]?.options?.preferredChainRoot,
                planned.parameters.preferredRoot == nil
            {
                report(
                    .step(
                        name: planned.name, .fellBack("this host has no root with SHA-256 \(root), which is preferred"))
                )
            }
            let solver = await recording(certification.solver, for: request.lineage)
            return CAExchange(
                certification, client: client, solver: solver, staging: store.staging(request.lineage),
                predecessor: chain(of: request.lineage), trust: trust
            ) { step in
                report(.step(name: request.lineage, step))
            }
        } catch {
            throw AcquisitionFailure(error, stage: .preparation)
        }
    }

    /// A solver whose answers outlive a run that is killed: they are noted before they are shown, and what an earlier run has left
    /// is taken away now. What is in a webroot goes by its age.
    private func recording(_ solver: any ChallengeSolver, for name: String) async -> any ChallengeSolver {
        if solver is WebrootSolver { return solver }
        let left = store.presented(name).compactMap(\.pending)
        if !left.isEmpty {
            await solver.cleanUp(left)
            try? store.save([], presentedFor: name)
        }
        return RecordingSolver(solver) { [store] in try store.save($0, presentedFor: name) }
    }

    /// Gives up the authorizations that an abandoned order leaves pending, unless another saved order is for one of the names. The
    /// CA forgets them by itself as well, so that nothing depends on it.
    package func abandon(order: SavedOrder) async {
        let isShared = lineages.keys.contains { name in
            store.knowledge(of: name).state?.acquisition.order.map { other in
                other.url != order.url && other.server == order.server
                    && !Set(other.names).isDisjoint(with: order.names)
            } ?? false
        }
        guard !isShared, let client = try? await authorities.client(for: order.server, account: order.account) else {
            return
        }
        let issuance = Issuance(client: client, solver: NoSolver())
        guard let placed = try? await issuance.placed(at: order.url), placed.status == .pending else { return }
        _ = try? await issuance.deactivatePending(of: placed)
    }

    // MARK: Endpoints

    package func prober(of name: String, expecting leaf: Leaf, _ state: HostState) -> Prober? {
        let conf =
            issuing?.name == name ? issuing?.conf.flatMap { try? ConfFile(bytes: $0.bytes) } : lineages[name]?.conf
        guard let settings = try? VerificationSettings(lineage: conf, host: hostConf),
            let certificate = certificate(of: name), (try? certificate.sha256()) == leaf.sha256
        else { return nil }
        return Prober(
            timeout: settings.timeout, recovery: settings.recovery,
            observe: verification.prober(for: certificate, settings, state, paths(name)))
    }
}

/// For an order that nothing is proven for any more.
private struct NoSolver: ChallengeSolver {
    func challengeType(for name: SubjectName) -> String? { nil }
    func present(_ challenges: [PendingChallenge]) async throws {}
    func cleanUp(_ challenges: [PendingChallenge]) async {}
}

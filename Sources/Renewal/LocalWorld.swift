import ACME
package import Challenges
package import FoundationEssentials
package import Lineages
import PKI

/// The real world of a run: this host's files, clocks and endpoints, and the CAs over the network.
package struct LocalWorld: RenewalWorld {
    private let store: StateStore
    private let history: History
    private let authorities: CertificateAuthorities
    private let verification: Verification
    private let hostConf: ConfFile
    private let isMounted: @Sendable (String) async -> Bool?
    let lineages: [String: Lineage]
    /// What `certctl issue` orders, by the name of its lineage.
    private let issuing: Certification?
    private let trust: TrustStore
    private let rotatesKeys: Bool
    private let challenges: ChallengeSettings
    package let executor: (any TaskExecutor)?

    /// - Parameters:
    ///   - hostConf: the host-wide settings, for those that a lineage may have of its own.
    ///   - caBundle: a PEM file of the CAs that are trusted beside the system's.
    ///   - rotatesKeys: whether `reuse_key` is passed over: each renewal gets a new key.
    ///   - challenges: what solvers need of the host.
    ///   - isMounted: whether some process has a mount of a directory itself, for a run that cannot see all processes; nil
    ///     where it can, and looks.
    ///   - executor: where what must not be cancelled runs.
    package init(
        _ lineages: [Lineage], issuing: Certification? = nil, authorities: CertificateAuthorities,
        stateDirectory: String,
        hostConf: ConfFile, caBundle: String? = nil, rotatesKeys: Bool = false,
        challenges: ChallengeSettings = ChallengeSettings(),
        isMounted: @escaping @Sendable (String) async -> Bool? = { _ in nil },
        executor: (any TaskExecutor)? = nil
    ) {
        self.lineages = Dictionary(lineages.map { ($0.name, $0) }) { first, _ in first }
        (self.issuing, self.authorities, self.hostConf) = (issuing, authorities, hostConf)
        (store, history) = (StateStore(stateDirectory: stateDirectory), History(stateDirectory: stateDirectory))
        (verification, self.isMounted, self.executor) = (Verification(), isMounted, executor)
        trust = TrustStore.system(caBundle: caBundle)
        (self.challenges, self.rotatesKeys) = (challenges, rotatesKeys)
    }

    // MARK: Clocks

    package var now: Date { Date.now }
    package var uptime: Duration { LocalWorld.epoch.duration(to: .now) }
    package func sleep(for duration: Duration) async throws { try await Task.sleep(for: duration) }
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

    package func clearStaging(_ name: String) throws(FileError) { try store.staging(name).clear() }

    package func prepare(_ name: String) throws(Cause) -> OrderRequest { try certification(name).request }

    func certification(
        _ name: String, report: @escaping @Sendable (RenewalEvent) -> Void = { _ in }
    ) throws(Cause) -> Certification {
        if let issuing, issuing.name == name { return issuing }
        do {
            guard let lineage = lineages[name] else { throw Cause(.lineage, "there is no lineage \(name)") }
            return try Certification(
                renewing: lineage, challenges.reporting { report(.step(name: name, .fellBack($0))) },
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
            let planned = try certification(request.lineage, report: report)
            let client = try await authorities.client(for: planned.server, account: planned.account)
            let certification = try await planned.replacing(lineages[request.lineage], at: client.session)
            if let root = lineages[request.lineage]?.options?.preferredChainRoot, planned.wishes.preferredRoot == nil {
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

    // MARK: Versions

    private func paths(_ name: String) -> LineagePaths? {
        if let issuing, issuing.name == name { return issuing.paths }
        return lineages[name]?.paths
    }

    private func installation(_ name: String) async throws(FileError) -> Installation {
        let paths = try requiredPaths(name)
        return Installation(paths: paths, stateDirectory: store.root, isMounted: await isMounted(paths.live))
    }

    private func requiredPaths(_ name: String) throws(FileError) -> LineagePaths {
        guard let paths = paths(name) else {
            throw FileError("find", name, because: "its renewal config is not complete")
        }
        return paths
    }

    private func certificate(of name: String) -> Certificate? {
        paths(name).flatMap { try? FileSystem.read($0.link(.cert)) }.flatMap { try? Certificate.chain(pem: $0) }?.first
    }

    /// The installed chain, the leaf first; empty where there is none.
    private func chain(of name: String) -> [Certificate] {
        paths(name).flatMap { try? FileSystem.read($0.link(.fullchain)) }.flatMap { try? Certificate.chain(pem: $0) }
            ?? []
    }

    package func live(of name: String) -> (leaf: Leaf, number: Int?)? {
        guard let paths = paths(name), let leaf = certificate(of: name).flatMap({ try? Leaf($0) }) else { return nil }
        return (leaf, Installation(paths: paths, stateDirectory: store.root).liveVersion)
    }

    /// What is to be installed, read and checked.
    private func set(_ source: InstallSource, of name: String) throws -> CertificateSet {
        switch source {
        case .copy(let set): return set
        case .staged:
            let staging = store.staging(name)
            guard let key = staging.key, let chain = staging.chain else {
                throw FileError("read", "the staged certificate", because: "it is not there any more")
            }
            let names = issuing?.name == name ? issuing?.names : lineages[name]?.certificate?.names
            let set = try CertificateSet(
                key: PrivateKey(pem: key), chain: chain, names: names ?? [], after: certificate(of: name), now: now)
            if !isUrgent(name) { try set.requirePath(after: self.chain(of: name), trust: trust) }
            return set
        case .quarantine:
            let directory = store.quarantineDirectory(name)
            let set = try CertificateSet(
                key: PrivateKey(pem: FileSystem.read("\(directory)/privkey.pem")),
                chain: FileSystem.read("\(directory)/fullchain.pem"), names: lineages[name]?.certificate?.names ?? [],
                after: nil, now: now)
            if let entry = store.revoked().reason(against: set.leaf) {
                throw FileError("install", name, because: "the certificate is \(entry)")
            }
            return set
        }
    }

    /// Whether so little of the installed certificate's lifetime is left that a new one is installed whatever its chain leads to.
    private func isUrgent(_ name: String) -> Bool {
        guard let live = certificate(of: name) else { return true }
        return live.notAfter.timeIntervalSince(now) < live.validity.lifetime * Planner.shareThatEndsAQuarantine
    }

    package func warning(_ source: InstallSource, of name: String) -> String? {
        guard case .staged = source, isUrgent(name), let set = try? set(source, of: name) else { return nil }
        do throws(CertificateSet.Unfit) {
            try set.requirePath(after: chain(of: name), trust: trust)
            return nil
        } catch {
            return "\(error); it is installed all the same, since the one before is about to expire"
        }
    }

    package func candidate(_ source: InstallSource, of name: String) throws(InstallFailure) -> Leaf {
        do {
            return try Leaf(set(source, of: name).leaf)
        } catch CertificateSet.Unfit.notYetValid(let date) {
            // A clock that is wrong makes it no worse.
            throw InstallFailure(Cause(CertificateSet.Unfit.notYetValid(date)), .keeps)
        } catch CertificateSet.Unfit.leadsNowhere(let reason) {
            throw InstallFailure(Cause(.chain, "\(CertificateSet.Unfit.leadsNowhere(reason: reason))"), .keepsForADay)
        } catch let error as FileError where !error.isNotFound && error.code != 0 {
            throw InstallFailure(Cause(error), .keeps)
        } catch {
            throw InstallFailure(Cause(error), .drops)
        }
    }

    package func number(_ source: InstallSource, of name: String) throws(FileError) -> Int {
        do {
            return try Installation(paths: requiredPaths(name), stateDirectory: store.root).number(
                for: set(source, of: name))
        } catch let error as FileError {
            throw error
        } catch {
            throw FileError("install", name, because: "\(error)")
        }
    }

    package func install(_ source: InstallSource, of name: String) async throws(FileError) -> Int {
        do {
            let set = try set(source, of: name)
            if let issuing, issuing.name == name {
                try issuing.newLineage?.makeDirectories()
                return try await installation(name).install(set, conf: issuing.conf)
            }
            return try await installation(name).install(set)
        } catch let error as FileError {
            throw error
        } catch {
            throw FileError("install", name, because: "\(error)")
        }
    }

    package func show(_ number: Int, of name: String) async throws(FileError) {
        try await installation(name).show(number)
    }

    package func fitVersion(_ number: Int, of name: String) -> Leaf? {
        guard let paths = paths(name) else { return nil }
        func bytes(_ kind: PEMKind) -> [UInt8]? {
            try? FileSystem.read("\(paths.archive)/\(kind.rawValue)\(number).pem")
        }
        guard let key = bytes(.privkey), let chain = bytes(.fullchain), bytes(.cert) != nil, bytes(.chain) != nil,
            let set = try? CertificateSet(key: PrivateKey(pem: key), chain: chain, names: [], after: nil, now: now),
            !store.revoked().bars(set.leaf)
        else { return nil }
        return try? Leaf(set.leaf)
    }

    package func quarantine(_ number: Int, sha256: String, of name: String) throws(FileError) {
        let directory = store.quarantineDirectory(name)
        if CertificateSet.isWhole(in: directory, sha256: sha256) { return }
        try Installation(paths: requiredPaths(name), stateDirectory: store.root).copy(number, to: directory)
    }

    package func removeFromArchive(_ number: Int, sha256: String, of name: String) throws(FileError) {
        try Installation(paths: requiredPaths(name), stateDirectory: store.root).removeFromArchive(
            number, sha256: sha256)
    }

    package func discardQuarantine(_ name: String) throws(FileError) {
        let directory = store.quarantineDirectory(name)
        for kind in PEMKind.allCases { try FileSystem.remove("\(directory)/\(kind.rawValue).pem") }
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

import ACME
package import FoundationEssentials
package import Lineages
import PKI
import Synchronization

/// The world of a dry run: the whole exchange with a CA, with keys that are not kept, and nothing written but the account.
package struct RehearsalWorld: RenewalWorld {
    private let base: LocalWorld
    private let authorities: CertificateAuthorities
    private let server: String?
    private let host: String
    private let areas = Areas()

    /// - Parameters:
    ///   - server: the CA to try; without it Let's Encrypt's staging environment for a lineage of Let's Encrypt, and else the
    ///     lineage's own CA.
    ///   - host: this host's name, for a new account's record.
    package init(_ base: LocalWorld, authorities: CertificateAuthorities, server: String?, host: String) {
        (self.base, self.authorities, self.server, self.host) = (base, authorities, server, host)
    }

    package var now: Date { base.now }
    package var uptime: Duration { base.uptime }
    package func sleep(for duration: Duration) async throws { try await base.sleep(for: duration) }
    package func nextRun() async -> Date? { nil }
    package func jitter() -> Double { base.jitter() }
    package var executor: (any TaskExecutor)? { base.executor }

    // MARK: Nothing is known, and nothing is written

    package func knowledge(of name: String) -> StateStore.Knowledge { .unknown }
    package func save(_ state: LineageState, isDurable: Bool) throws(FileError) {}
    package func requireWritableState() throws(FileError) {}
    package func append(_ events: [HistoryEvent], isDurable: Bool) throws(FileError) {}
    package func owedHooks() -> StateStore.OwedHooks { base.owedHooks() }
    package func authorityStates() -> [String: AuthorityState] { [:] }
    package func save(_ authorities: [String: AuthorityState]) throws(FileError) {}

    package func staged(_ name: String) -> (hasKey: Bool, hasChain: Bool, leaf: Leaf?) { (false, false, nil) }
    package func takesStagedKey(of name: String) -> Bool { false }
    package func clearStaging(_ name: String) throws(FileError) {}

    // MARK: The exchange

    package func prepare(_ name: String, with omitted: [String]) throws(Cause) -> OrderRequest {
        let known =
            base.lineages[name]?.options?.allowsSubset == true ? base.knowledge(of: name).state?.liveOmitted : nil
        let request = try base.prepare(name, with: omitted + (known?.names ?? []))
        return OrderRequest(
            lineage: name, server: target(for: request.server), names: request.names, allowsSubset: request.allowsSubset
        )
    }

    private func target(for own: String) -> String {
        server ?? (own == RenewalOptions.defaultServer ? RenewalOptions.stagingServer : own)
    }

    package func renewalAnswer(_ name: String) async -> RenewalAnswer? { nil }

    package func exchange(
        _ request: OrderRequest, report: @escaping @Sendable (RenewalEvent) -> Void
    ) async throws(AcquisitionFailure) -> any OrderExchange {
        do {
            let certification = try base.certification(request.lineage, with: request.names)
                .limited(to: request.names)
            areas.area(request.lineage).expect(certification.names)
            // An operator with an account at the CA has agreed to the terms that its staging environment shows as well.
            let registration = try await authorities.registration(
                at: request.server, account: request.server == certification.server ? certification.account : nil,
                email: nil, agreeToTerms: true, host: host)
            return CAExchange(
                certification, client: registration.client, staging: areas.area(request.lineage),
                rehearsal: request.server == RenewalOptions.stagingServer ? .deactivates : .reports
            ) { step in
                report(.step(name: request.lineage, step))
            }
        } catch {
            throw AcquisitionFailure(error, stage: .preparation)
        }
    }

    package func abandon(order: SavedOrder) async {}

    // MARK: What came of it

    package func candidate(_ source: InstallSource, of name: String) throws(InstallFailure) -> Leaf {
        do {
            let area = areas.area(name)
            let set = try CertificateSet(
                key: PrivateKey(pem: area.key ?? []), chain: area.chain ?? [], names: area.names, after: nil, now: now)
            return try Leaf(set.leaf)
        } catch {
            throw InstallFailure(Cause(error), .drops)
        }
    }

    package func warning(_ source: InstallSource, of name: String) -> String? { nil }
    package func install(_ source: InstallSource, of name: String) async throws(FileError) -> Int {
        throw FileError("install", name, because: "this is a dry run")
    }
    package func show(_ number: Int, of name: String) async throws(FileError) {}
    package func fitVersion(_ number: Int, of name: String) -> Leaf? { nil }
    package func live(of name: String) -> (leaf: Leaf, number: Int?)? { base.live(of: name) }
    package func quarantine(_ number: Int, sha256: String, of name: String) throws(FileError) {}
    package func removeFromArchive(_ number: Int, sha256: String, of name: String) throws(FileError) {}
    package func discardQuarantine(_ name: String) throws(FileError) {}
    package func prober(of name: String, expecting leaf: Leaf, _ state: HostState) -> Prober? { nil }
}

/// Keys and chains that are never written.
private final class Areas: Sendable {
    private let areas = Mutex<[String: Area]>([:])

    func area(_ name: String) -> Area {
        areas.withLock { areas in
            let area = areas[name] ?? Area()
            areas[name] = area
            return area
        }
    }

    final class Area: StagingArea {
        private let files = Mutex<(key: [UInt8]?, chain: [UInt8]?)>((nil, nil))
        private let expected = Mutex<[SubjectName]>([])

        /// The names that the certificate has to be for.
        var names: [SubjectName] { expected.withLock(\.self) }
        func expect(_ names: [SubjectName]) { expected.withLock { $0 = names } }

        var key: [UInt8]? { files.withLock(\.key) }
        var chain: [UInt8]? { files.withLock(\.chain) }
        func stage(key pem: [UInt8]) throws(FileError) { files.withLock { $0 = (pem, nil) } }
        func stage(chain pem: [UInt8]) throws(FileError) { files.withLock { $0.chain = pem } }
    }
}

import Challenges
import FoundationEssentials
package import Lineages
package import PKI

/// Looks at what endpoints serve of a lineage.
package struct Verification: Sendable {
    /// What asks an endpoint, for a kind of key or any, and with a header of the PROXY protocol or without.
    package typealias Probe = @Sendable (ProbeTarget, KeyType?, _ hasProxyHeader: Bool) async -> ServedLeaf

    private let probe: Probe
    private let clock: any Clock<Duration>

    /// How long one endpoint may take to answer.
    static let probeTimeout: Duration = .seconds(5)
    /// More probes at once than this gain nothing.
    static let mostAtOnce = 16

    /// Verifies over the network.
    package init() {
        self.init(clock: ContinuousClock()) { target, keyType, hasProxyHeader in
            await TLSProbe(timeout: Verification.probeTimeout).leaf(
                at: target.endpoint, serverName: target.name, keyType: keyType, hasProxyHeader: hasProxyHeader)
        }
    }

    package init(clock: any Clock<Duration>, probe: @escaping Probe) { (self.clock, self.probe) = (clock, probe) }

    /// Probes every endpoint of a lineage once, as its renewal config and the host's settings have them; nil where it has no
    /// certificate to look for.
    package func look(at lineage: Lineage, state: LineageState?, host: ConfFile) async -> ProbeReport? {
        guard let certificate = lineage.certificate,
            let settings = try? VerificationSettings(lineage: lineage.conf, host: host)
        else { return nil }
        return await prober(for: certificate, settings, state?.host ?? HostState(), lineage.paths)()
    }

    /// What probes every endpoint once. What the archive holds is read here, and not at each probe.
    package func prober(
        for certificate: Certificate, _ settings: VerificationSettings, _ state: HostState, _ paths: LineagePaths?
    ) -> @Sendable () async -> ProbeReport {
        let targets = settings.targets(for: certificate.names)
        let judge = targets.isEmpty ? nil : Judge(certificate, state, paths)
        return { [self] in
            guard let judge else { return ProbeReport([]) }
            return ProbeReport(
                await sideBySide(targets, most: Verification.mostAtOnce) { target, isListed in
                    ProbeReport.Observation(
                        target: target, isRequired: isListed || state.served.contains(target),
                        verdict: await verdict(of: target, settings, judge))
                })
        }
    }

    private func verdict(
        of target: ProbeTarget, _ settings: VerificationSettings, _ judge: Judge
    ) async -> Verdict {
        let hasProxyHeader = settings.proxyProtocol.contains(target.endpoint)
        let verdict = judge.verdict(on: await probe(target, nil, hasProxyHeader))
        // A server with an RSA and an ECDSA certificate shows one of them, and may have ours as well.
        guard case .other = verdict else { return verdict }
        let other = judge.verdict(on: await probe(target, judge.expected.keyType, hasProxyHeader))
        return other.isOfLineage ? other : verdict
    }

    /// Probes until nothing is wrong any more, or the time is up.
    package func wait(
        for certificate: Certificate, _ settings: VerificationSettings, _ state: HostState, _ paths: LineagePaths?,
        answeredBefore: Set<ProbeTarget>
    ) async -> ProbeReport {
        await wait(
            ProbeLoop(timeout: settings.timeout, recovery: settings.recovery, answeredBefore: answeredBefore),
            prober(for: certificate, settings, state, paths), on: clock)
    }

    private func wait<C: Clock>(
        _ loop: ProbeLoop, _ probe: @Sendable () async -> ProbeReport, on clock: C
    ) async -> ProbeReport where C.Duration == Duration {
        let start = clock.now
        return await loop.run(
            uptime: { start.duration(to: clock.now) }, sleep: { try await clock.sleep(for: $0) }, probe: probe)
    }

    /// Knows what is served of a lineage when it sees it.
    private struct Judge: Sendable {
        let expected: Certificate
        let earlier: Set<String>
        let live: String?

        init(_ certificate: Certificate, _ state: HostState, _ paths: LineagePaths?) {
            (expected, live) = (certificate, paths?.live)
            let archived = paths.map { Verification.leaves(in: $0.archive, but: certificate) } ?? []
            earlier = archived.union(state.earlier)
        }

        func verdict(on served: ServedLeaf) -> Verdict {
            Verdict(served, expected: expected, earlier: earlier) { leaf in
                live.map { Verification.isLive(leaf, besides: $0) } ?? false
            }
        }
    }

    /// Whether another lineage of the tree shows a leaf: a `-0001` twin, or the RSA certificate beside the one for ECDSA.
    private static func isLive(_ leaf: Certificate, besides live: String) -> Bool {
        guard let parent = FileSystem.directory(of: live), let names = try? FileSystem.entries(of: parent) else {
            return false
        }
        return names.contains { name in
            guard name != FileSystem.name(of: live), !name.hasPrefix("."),
                let pem = try? FileSystem.read("\(parent)/\(name)/cert.pem")
            else { return false }
            return (try? Certificate.chain(pem: pem).first)?.der == leaf.der
        }
    }

    /// SHA-256 of every leaf that an archive holds, but for one.
    private static func leaves(in directory: String, but live: Certificate) -> Set<String> {
        guard let archive = try? Archive(directory: directory) else { return [] }
        var found: Set<String> = []
        for version in archive.versions.keys {
            guard let pem = try? FileSystem.read(archive.path(.cert, version)),
                let leaf = try? Certificate.chain(pem: pem).first, leaf.der != live.der, let sha256 = try? leaf.sha256()
            else { continue }
            found.insert(sha256)
        }
        return found
    }
}

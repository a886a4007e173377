import FoundationEssentials
package import Lineages
package import PKI

/// Looks at what listeners serve of a lineage.
package struct Verification: Sendable {
    private let probe: @Sendable (LedgerEntry.Place, KeyType?) async -> ServedLeaf
    private let clock: any Clock<Duration>

    /// How long one listener may take to answer.
    static let probeTimeout: Duration = .seconds(5)
    /// More probes at once than this gain nothing.
    static let mostAtOnce = 16
    /// How long to wait for a listener when no hook has succeeded.
    static let shortWait: Duration = .seconds(3)
    /// The time between two looks.
    static let interval: Duration = .milliseconds(250)

    /// Verifies over the network.
    package init() {
        self.init(clock: ContinuousClock()) { place, keyType in
            await TLSProbe(timeout: Verification.probeTimeout)
                .leaf(at: place.endpoint, serverName: place.name, keyType: keyType)
        }
    }

    package init(
        clock: any Clock<Duration>, probe: @escaping @Sendable (LedgerEntry.Place, KeyType?) async -> ServedLeaf
    ) {
        (self.clock, self.probe) = (clock, probe)
    }

    /// Looks once at every place.
    package func look(
        at certificate: Certificate, _ settings: VerificationSettings, _ entry: LedgerEntry, _ paths: LineagePaths?
    ) async -> ServedReport {
        await look(settings.places(for: certificate), entry, Verification.Judge(certificate, entry, paths))
    }

    /// Looks once at a lineage as its conf and the host's settings have it; nil where it has no certificate to look for.
    package func look(at lineage: Lineage, entry: LedgerEntry?, host: ConfFile) async -> ServedReport? {
        guard let certificate = lineage.certificate,
            let settings = try? VerificationSettings(lineage: lineage.conf, host: host)
        else { return nil }
        return await look(
            at: certificate, settings, entry ?? LedgerEntry(name: lineage.name), lineage.paths)
    }

    /// Looks until nothing is wrong any more, and whoever answered before does so again, or the time is up.
    ///
    /// Two looks in a row have to find it so: right after a reload one connection may meet a new worker of nginx, and the next
    /// an old one that still accepts.
    ///
    /// Where hooks have failed and none has succeeded, no reload is on its way: then a short wait has to do.
    package func wait(
        for certificate: Certificate, _ settings: VerificationSettings, _ entry: LedgerEntry, _ paths: LineagePaths?,
        answeredBefore: Set<LedgerEntry.Place>
    ) async -> ServedReport {
        let isReloaded = entry.failedHooks.isEmpty || entry.hooks.contains(where: \.succeeded)
        let timeout = isReloaded ? settings.timeout : min(settings.timeout, Verification.shortWait)
        let judge = Judge(certificate, entry, paths)
        let places = settings.places(for: certificate)
        var report = ServedReport([])
        // A look takes its time, too, where a listener does not answer.
        var waited = await clock.measure { report = await look(places, entry, judge) }
        var isConfirmed = false
        while waited < timeout, !Task.isCancelled {
            if report.wrong == nil, report.complaint(at: answeredBefore) == nil {
                if isConfirmed || report.matches.isEmpty { break }
                isConfirmed = true
            } else {
                isConfirmed = false
            }
            guard (try? await clock.sleep(for: Verification.interval)) != nil else { break }
            waited += Verification.interval
            waited += await clock.measure { report = await look(places, entry, judge) }
        }
        return report
    }

    private func look(
        _ places: [(place: LedgerEntry.Place, isListed: Bool)], _ entry: LedgerEntry, _ judge: Judge
    ) async -> ServedReport {
        var sightings: [Int: ServedReport.Sighting] = [:]
        await withTaskGroup(of: (Int, ServedReport.Sighting).self) { group in
            var next = 0
            func add() {
                guard next < places.count else { return }
                let (index, place) = (next, places[next])
                let counts = place.isListed || entry.served.contains(place.place)
                next += 1
                group.addTask { [probe] in
                    var verdict = judge.verdict(on: await probe(place.place, nil))
                    // A server with an RSA and an ECDSA certificate shows one of them, and may have ours as well.
                    if case .other = verdict {
                        let other = judge.verdict(on: await probe(place.place, judge.expected.keyType))
                        if other.isOfLineage { verdict = other }
                    }
                    return (index, ServedReport.Sighting(place: place.place, counts: counts, verdict: verdict))
                }
            }
            for _ in 0..<Verification.mostAtOnce { add() }
            for await (index, sighting) in group {
                sightings[index] = sighting
                add()
            }
        }
        return ServedReport(sightings.sorted { $0.key < $1.key }.map(\.value))
    }

    /// Knows what is served of a lineage when it sees it.
    private struct Judge: Sendable {
        let expected: Certificate
        let earlier: Set<String>
        let live: String?

        init(_ certificate: Certificate, _ entry: LedgerEntry, _ paths: LineagePaths?) {
            (expected, live) = (certificate, paths?.live)
            let archived = paths.map { Verification.leaves(in: $0.archive, but: certificate) } ?? []
            earlier = archived.union(entry.earlier)
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

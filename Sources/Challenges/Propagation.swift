import FoundationEssentials

/// The wait until authoritative servers have records: a CA asks any of them, and from several networks.
struct Propagation {
    /// Between two looks at the start, and at most.
    private static let firstPause: Duration = .milliseconds(500)
    private static let longestPause: Duration = .seconds(5)

    private let settings: ChallengeSettings

    init(_ settings: ChallengeSettings) { self.settings = settings }

    /// Returns when all servers that answer have all values, or the time is up: then with a report, as a CA may see more.
    ///
    /// - Throws: `CancellationError`.
    func wait(for records: [ProgramSolver.TextRecord]) async throws {
        let end = ContinuousClock.now + settings.propagationTimeout
        var late: [LateRecord] = []
        for record in records {
            let found: (zone: String, servers: [ChallengeDNS.Authority])
            do throws(ChallengeDNS.Failure) {
                found = try await settings.dns.authorities(of: record.name)
            } catch {
                settings.report("whether \(record.name) can be seen is not known: \(error)")
                continue
            }
            if let record = try await wait(for: record, at: found, until: end) { late.append(record) }
        }
        for record in late { settings.report("\(record.sentence); the CA is asked all the same") }
        settings.propagated(late)
    }

    /// Gives the record where it came too late.
    private func wait(
        for record: ProgramSolver.TextRecord, at found: (zone: String, servers: [ChallengeDNS.Authority]),
        until end: ContinuousClock.Instant
    ) async throws -> LateRecord? {
        var pause = Propagation.firstPause
        while true {
            let lacking = await settings.dns.lacking(record.value, in: record.name, at: found.servers)
            if lacking?.isEmpty == true { return nil }
            try Task.checkCancellation()
            guard let lacking else {
                settings.report("no server of the zone \(found.zone) can be asked from here for \(record.name)")
                return nil
            }
            guard ContinuousClock.now + pause < end else {
                return LateRecord(
                    record: record.name, zone: found.zone, lacking: lacking.map(\.description),
                    servers: found.servers.count, waited: Int(settings.propagationTimeout.components.seconds),
                    at: Date.now)
            }
            try await Task.sleep(for: pause)
            pause = min(pause * 2, Propagation.longestPause)
        }
    }
}

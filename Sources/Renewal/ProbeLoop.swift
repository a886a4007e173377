/// Probes again and again until nothing is wrong any more, and endpoints that answered before a switch do so again, or the time is up.
///
/// Two observations in a row have to find it so: right after a reload one connection may meet a new worker of nginx, and the next
/// an old one that still accepts.
struct ProbeLoop: Sendable {
    /// How long to wait for what is stale, broken, or another certificate.
    let timeout: Duration
    /// How long to wait where all that is wrong is the silence of endpoints that answered before.
    let recovery: Duration
    /// Where a handshake succeeded before the switch.
    let answeredBefore: Set<ProbeTarget>

    /// The time between two probes.
    static let interval: Duration = .milliseconds(250)
    /// The time between two probes of a server that is on its way up.
    static let slowInterval: Duration = .seconds(2)

    /// - Parameters:
    ///   - uptime: a monotonic clock.
    ///   - sleep: throws where the run was asked to stop.
    func run(
        uptime: () -> Duration, sleep: (Duration) async throws -> Void, probe: () async -> ProbeReport
    ) async -> ProbeReport {
        let start = uptime()
        var report = await probe()
        var isConfirmed = false
        while !Task.isCancelled {
            let evidence = report.evidence(at: answeredBefore)
            if report.trouble == nil, evidence == nil {
                if isConfirmed || report.matches.isEmpty { break }
                isConfirmed = true
            } else {
                isConfirmed = false
            }
            let elapsed = uptime() - start
            guard elapsed < limit(report, evidence) else { break }
            let interval = elapsed < timeout ? ProbeLoop.interval : ProbeLoop.slowInterval
            guard (try? await sleep(interval)) != nil else { break }
            report = await probe()
        }
        return report
    }

    private func limit(_ report: ProbeReport, _ evidence: Evidence?) -> Duration {
        guard let evidence, !evidence.isStrong else { return timeout }
        let isSilenceAll = report.wrongs.allSatisfy { if case .unreachable = $0.verdict { true } else { false } }
        return isSilenceAll ? max(timeout, recovery) : timeout
    }
}

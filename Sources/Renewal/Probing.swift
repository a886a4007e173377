import Challenges
import Deployment
import FoundationEssentials
import Lineages

/// How a run looks at endpoints: side by side, each lineage within its own limits.
extension RenewalRun {
    /// Probes once.
    func probed(_ batch: [LineageContext], where isWanted: (LineageContext) -> Bool) async -> [LineageContext] {
        var batch = batch
        let indices = batch.indices.filter { isWanted(batch[$0]) }
        let reports = await sideBySide(indices.map { batch[$0] }, most: RenewalRun.mostProbedAtOnce) {
            await observe($0)
        }
        for (index, report) in zip(indices, reports) { batch[index].probes = report }
        return batch
    }

    /// More lineages at once gain nothing: each has several endpoints.
    private static let mostProbedAtOnce = 16

    func observe(_ context: LineageContext) async -> ProbeReport {
        guard let leaf = context.leaf, let prober = world.prober(of: context.name, expecting: leaf, context.state.host)
        else { return ProbeReport([]) }
        return await prober.observe()
    }

    /// Waits until each lineage that was rolled out is served, or its time is up.
    func verified(_ batch: [LineageContext]) async -> [LineageContext] {
        var batch = batch
        let indices = batch.indices.filter { batch[$0].rollout != nil }
        let reports = await sideBySide(indices.map { batch[$0] }, most: RenewalRun.mostProbedAtOnce) {
            await awaited($0)
        }
        for (index, report) in zip(indices, reports) {
            // A run that was asked to stop has not waited, and cannot tell: the next one does.
            batch[index].isUnseen = Task.isCancelled && batch[index].subject.settingsProblem == nil
            batch[index].probes = Task.isCancelled ? nil : report
        }
        return batch
    }

    /// Probes until nothing is wrong, or the time is up.
    ///
    /// - Parameter time: what an endpoint that is silent is given time for.
    func awaited(_ context: LineageContext, _ time: ProbeTime = .restart) async -> ProbeReport {
        guard let leaf = context.leaf, let prober = world.prober(of: context.name, expecting: leaf, context.state.host)
        else { return ProbeReport([]) }
        let host = context.state.host
        let hooks = host.live.rollout?.hooks ?? []
        // Where hooks have failed and none has succeeded, no reload is on its way.
        let isReloaded = hooks.allSatisfy(\.succeeded) || hooks.contains(where: \.succeeded)
        // While it shows the predecessor, no version is on trial.
        let answered = host.live.rollout?.trial.predecessor?.answered ?? context.way?.answered ?? []
        let loop = ProbeLoop(
            timeout: isReloaded && time != .nothing ? prober.timeout : min(prober.timeout, RenewalRun.shortWait),
            recovery: isReloaded && time == .restart ? prober.recovery : min(prober.recovery, RenewalRun.shortWait),
            answeredBefore: answered)
        return await loop.run(
            uptime: { world.uptime }, sleep: { try await world.sleep(for: $0) }, probe: prober.observe)
    }

    /// How long to wait for an endpoint when no hook has succeeded.
    private static let shortWait: Duration = .seconds(3)
}

/// What an endpoint that is silent, or serves something else, is given time for.
enum ProbeTime: Sendable {
    /// A server that restarts (`verify_recovery`).
    case restart
    /// A reload (`verify_timeout`).
    case reload
    /// Nothing more is expected of it: a moment.
    case nothing
}

/// Runs work to its end though the calling task is cancelled.
func uncancelled<Result: Sendable>(
    on executor: (any TaskExecutor)?, _ body: @escaping @Sendable () async -> Result
) async -> Result {
    await Task(executorPreference: executor) { await body() }.value
}

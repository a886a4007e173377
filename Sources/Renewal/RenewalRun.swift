package import Deployment
import FoundationEssentials
import Lineages

/// One run over lineages: what an earlier run left is finished, what is due is renewed, everything is rolled out and verified, and
/// the state says how far each lineage came. One lineage's failure stops no other.
///
/// Data goes one way: plan, obtain, roll out, judge, record. A batch goes back to the roll-out with the predecessor of one suspect at a
/// time. To be used with the config directory's lock held.
package struct RenewalRun: Sendable {
    let world: any RenewalWorld
    /// The hooks of the run.
    package let hooks: HookRun
    let initiator: Initiator
    /// How many lineages are renewed side by side.
    let jobs: Int
    let report: @Sendable (RenewalEvent) -> Void
    let recorder = RunRecorder()
    let authorities: AuthorityWatch
    let startedAt: Duration

    /// An acquisition may take this long, then its order waits for the next run.
    static let acquisitionBudget: Duration = .seconds(600)
    /// After this much of a run nothing new is ordered: the roll-out needs the rest of the hour that systemd gives a run.
    static let orderingBudget: Duration = .seconds(1500)
    /// After this much of a run no further version is suspected: systemd ends it after an hour.
    static let judgingBudget: Duration = .seconds(2400)

    /// A run.
    ///
    /// - Parameters:
    ///   - initiator: who began it, for the history.
    ///   - report: told of everything that happens, one event at a time.
    package init(
        _ world: any RenewalWorld, hooks: HookRun, jobs: Int = 1, initiator: Initiator = .manual,
        report: @escaping @Sendable (RenewalEvent) -> Void
    ) {
        (self.world, self.hooks, self.jobs, self.initiator) = (world, hooks, jobs, initiator)
        (self.report, startedAt) = (report, world.uptime)
        authorities = AuthorityWatch(world.authorityStates())
    }

    /// Does what was asked for with lineages.
    ///
    /// - Parameter isExplicit: whether the operator named them: then nothing waits for its time, and one that certctl cannot renew is a
    ///   failure.
    package func run(
        _ request: RunRequest, _ subjects: [Subject], isExplicit: Bool, exceptions: RunExceptions = RunExceptions()
    ) async -> RunReport {
        await payOwedHooks(isAcknowledged: request.isDeployment)
        let known = subjects.map { knownState(of: $0.name) }
        let suggestions = await suggestions(for: subjects, known, request)
        let planner = Planner(
            request, isExplicit: isExplicit, exceptions: exceptions,
            nextRun: await nextRun(suggestions.values + known.compactMap(\.suggested)))
        var planned = zip(subjects, known).map { plan($0, $1, suggestions[$0.name], planner) }
        planned = await resolveTrials(planned, planner)
        for wave in Wave.waves(planned, await preHooks(of: planned)) {
            if Task.isCancelled { break }
            var batch = wave.map { planned[$0] }
            batch = await obtain(batch)
            batch = await rollOut(batch, request)
            batch = await judge(batch)
            batch = await record(batch, request)
            for (index, context) in zip(wave, batch) { planned[index] = context }
        }
        return finish(planned)
    }

    /// Brings what is known of a lineage together with what live/ shows, and decides.
    private func plan(
        _ subject: Subject, _ saved: LineageState, _ suggested: SuggestedRenewal?, _ planner: Planner
    ) -> LineageContext {
        var state = saved
        let staged = state.acquisition == .idle ? (false, false, nil) : world.staged(subject.name)
        var effects: [StateEffect] = []
        if let leaf = subject.leaf, !subject.isCopy {
            (state, effects) = saved.applying(
                .found(leaf, number: subject.number, staged: staged.2?.sha256), at: world.now)
        }
        if let suggested { state = state.applying(.suggested(suggested), at: world.now).state }
        let plan = planner.plan(subject, state, staged: staged, at: world.now)
        var context = LineageContext(
            subject, state, saved: saved, plan: plan, isExplicit: planner.isExplicit, at: world.uptime)
        save(&context)
        perform(effects, &context)
        if plan.endsAcquisition { apply(.acquisitionEnded, to: &context) }
        for remark in plan.remarks { report(.remark(name: subject.name, remark)) }
        announce(context)
        return context
    }

    /// What is said of a lineage before anything is done with it.
    private func announce(_ context: LineageContext) {
        if let problem = context.subject.settingsProblem, context.plan.rollOut != .nothing || context.needsOrder {
            recorder.update { $0.settingsFailed = true }
            report(.failed(name: context.name, RenewalFailure(.preparation, problem)))
        }
        guard !context.needsOrder else { return }
        switch context.outcome {
        case .failed(let failure): report(.failed(name: context.name, failure))
        case .notDue(let date, let reason) where context.plan.rollOut == .nothing:
            report(.notDue(name: context.name, until: date, because: reason))
        case .leftAlone(let reason): report(.leftAlone(name: context.name, because: reason))
        default: break
        }
    }

    /// A version that an earlier run left on trial is judged before another one is ordered: what it has broken must not be taken for
    /// the fault of the next, nor stay in archive/ as the newest one.
    private func resolveTrials(_ planned: [LineageContext], _ planner: Planner) async -> [LineageContext] {
        var planned = planned
        let undecided = planned.indices.filter { planned[$0].needsOrder && planned[$0].trial != nil }
        guard !undecided.isEmpty else { return planned }
        var batch = await probed(undecided.map { planned[$0] }) { _ in true }
        batch = await judge(batch)
        for (index, context) in zip(undecided, batch) {
            let isQuarantined = context.state.host.quarantine != nil
            // One that has gone back in vain has passed, and is not tried again.
            guard isQuarantined || context.way != nil else { continue }
            planned[index] = context
            (planned[index].rollout, planned[index].isRolledOut) = (nil, true)
            planned[index].isExplicit = planner.isExplicit
            if isQuarantined {
                planned[index].plan = planner.plan(
                    context.subject, context.state, staged: world.staged(context.name), at: world.now)
            }
            planned[index].plan.rollOut = .nothing
        }
        return planned
    }

    /// The pre hooks that an order of each lineage would run.
    private func preHooks(of planned: [LineageContext]) async -> [[String]] {
        var identities: [[String]] = []
        for context in planned {
            let hooks =
                context.needsOrder && !context.state.acquisition.isIssued
                ? await hooks.plan(.pre, conf: context.subject.commands.pre) : []
            // What listens by itself is a wave of its own, also without a pre hook.
            identities.append(hooks.map(\.identity) + (context.needsOrder && context.subject.needsListener ? [""] : []))
        }
        return identities
    }

    private func finish(_ contexts: [LineageContext]) -> RunReport {
        if let changed = authorities.changed() {
            keep { () throws(FileError) in try world.save(changed) }
        }
        let notes = recorder.takeHistory()
        if !notes.isEmpty { keep { () throws(FileError) in try world.append(notes, isDurable: false) } }
        return recorder.update { run in
            run.outcomes = contexts.map { ($0.name, $0.outcome) }
            run.changed = Set(contexts.filter(\.isChanged).map(\.name))
            for context in contexts where context.state != LineageState(name: context.name) {
                run.states[context.name] = context.state
            }
            run.wasInterrupted = Task.isCancelled
            return run
        }
    }
}

/// Which lineages go through a run together: first all that have no pre hook, then those that share the same ones, a group after the
/// other. A pre hook that stops the web server thus never takes it away from the challenges of others.
enum Wave {
    /// - Parameter preHooks: of each lineage, by identity.
    /// - Returns: indices, the earliest to expire first where something is ordered, else in their order.
    static func waves(_ contexts: [LineageContext], _ preHooks: [[String]]) -> [[Int]] {
        var order: [[String]] = [[]]
        var groups: [[String]: [Int]] = [[]: []]
        for index in contexts.indices {
            if groups[preHooks[index]] == nil { order.append(preHooks[index]) }
            groups[preHooks[index], default: []].append(index)
        }
        return order.compactMap { groups[$0] }.filter { !$0.isEmpty }
    }
}

package import FoundationEssentials
import Lineages
import PKI

/// Decides. Pure: the clock is a parameter.
package struct Planner: Sendable {
    let request: RunRequest
    /// Whether an operator named the lineages: then nothing waits for its time.
    let isExplicit: Bool
    let policy: RenewalPolicy
    /// What an operator decided about lineages before they are renewed by force.
    let exceptions: RunExceptions
    /// When the next run is expected.
    let nextRun: Date?

    package init(
        _ request: RunRequest, isExplicit: Bool, exceptions: RunExceptions = RunExceptions(), nextRun: Date? = nil
    ) {
        (self.request, self.isExplicit, self.exceptions, self.nextRun) = (request, isExplicit, exceptions, nextRun)
        if case .renew(let isForced) = request {
            policy = RenewalPolicy(isForced: isForced)
        } else {
            policy = RenewalPolicy()
        }
    }

    /// - Parameters:
    ///   - state: what is known, as it applies to what live/ shows.
    ///   - staged: what is staged.
    package func plan(
        _ subject: Subject, _ state: LineageState, staged: (hasKey: Bool, hasChain: Bool, leaf: Leaf?), at now: Date
    ) -> Plan {
        var plan = requested(subject, state, staged, at: now)
        plan.isDue = isDue(subject, state, at: now)
        var unasked = state
        unasked.suggested = nil
        plan.isOnlySuggested = plan.isDue && !isDue(subject, unasked, at: now)
        return plan
    }

    private func isDue(_ subject: Subject, _ state: LineageState, at now: Date) -> Bool {
        guard let leaf = subject.leaf, let options = subject.options else { return false }
        let decision = RenewalPolicy().decision(
            for: leaf, of: subject.name, options: options, state, nextRun: nextRun, at: now)
        if case .renew = decision { return true }
        return false
    }

    private func requested(
        _ subject: Subject, _ state: LineageState, _ staged: (hasKey: Bool, hasChain: Bool, leaf: Leaf?), at now: Date
    ) -> Plan {
        if case .issue = request {
            return Plan(acquire: .order(.issue, because: "asked for"), outcome: .leftAlone(because: "not begun"))
        }
        if let problem = subject.problem { return Plan(outcome: .failed(RenewalFailure(.preparation, problem))) }
        switch request {
        case .renew:
            if exceptions.deployed.contains(subject.name) { return deployment(state) }
            if let refusal = exceptions.refused[subject.name] {
                return Plan(outcome: .failed(RenewalFailure(.waiting, refusal)))
            }
            return renewal(subject, state, staged, at: now)
        case .deploy: return deployment(state)
        case .finish: return Plan(rollOut: unfinished(state, at: now), outcome: .deployed)
        case .rollBack, .issue: return Plan(rollOut: .all, outcome: .deployed)
        case .rehearse:
            if let reason = subject.reasonUnmanaged {
                return Plan(outcome: isExplicit ? .failed(.unmanaged(reason)) : .leftAlone(because: reason))
            }
            return Plan(acquire: .order(.issue, because: "dry run"), outcome: .tried)
        }
    }

    private func deployment(_ state: LineageState) -> Plan {
        var rollOut = Plan.RollOut.all
        if case .back = state.host.move {
            rollOut = .goBack
        } else if state.host.isHeldBack {
            rollOut = .reinstall
        }
        return Plan(rollOut: rollOut, outcome: .deployed)
    }

    // MARK: Renewal

    private func renewal(
        _ subject: Subject, _ state: LineageState, _ staged: (hasKey: Bool, hasChain: Bool, leaf: Leaf?), at now: Date
    ) -> Plan {
        var plan = Plan(rollOut: unfinished(state, at: now), outcome: .deployed)
        plan.remarks = subject.remarks
        if let reason = subject.reasonUnmanaged {
            plan.outcome = isExplicit ? .failed(.unmanaged(reason)) : .leftAlone(because: reason)
            if subject.isCopy || isExplicit { plan.rollOut = .nothing }
            plan.endsAcquisition = state.acquisition != .idle
            return plan
        }
        guard let leaf = subject.leaf, let options = subject.options else {
            return Plan(outcome: .failed(RenewalFailure(.preparation, Cause(.lineage, "there is no certificate"))))
        }
        if holdsBack(state, leaf, at: now) { return plan }
        let decision = policy.decision(
            for: leaf, of: subject.name, options: options, state, nextRun: nextRun, at: now)
        let isDue: Bool
        let because: String
        switch decision {
        case .renew(let reason):
            (isDue, because) = (true, "\(reason)")
        case .wait(let date, let reason):
            (isDue, because) = (false, "begun earlier")
            plan.outcome = .notDue(until: date, because: reason)
        case .never(let reason):
            (isDue, because) = (false, "begun earlier")
            plan.outcome = .leftAlone(because: "\(reason)")
        }
        var begun = self.begun(subject, leaf, state, staged, isDue: isDue, at: now)
        if begun.goesOn, exceptions.makesNewKeys {
            begun.isOver = true
            begun.remark = "what an earlier run has begun is given up for a new key"
        }
        plan.endsAcquisition = begun.isOver
        if let remark = begun.remark { plan.remarks.append(remark) }
        if let cause = begun.failure { plan.outcome = .failed(RenewalFailure(.installation, cause)) }
        guard isDue || begun.goesOn else { return plan }
        let need: Need = policy.isForced ? .forced(live: leaf.sha256) : .due(live: leaf.sha256)
        if !isExplicit, !policy.isForced, let retry = state.acquisition.retry, !begun.isOver,
            !(state.acquisition.isIssued && retry.nextAttempt == nil), let date = retry.wait(at: now)
        {
            plan.acquire = .wait(until: date, retry.cause)
            return plan
        }
        plan.acquire = .order(begun.isOver ? need : state.acquisition.need ?? need, because: because)
        if policy.isForced { plan.acquire = .order(need, because: because) }
        return plan
    }

    /// Whether what is quarantined keeps another certificate from being ordered: until an operator acts, or little of the lifetime
    /// remains; then another one is ordered, once.
    private func holdsBack(_ state: LineageState, _ leaf: Leaf, at now: Date) -> Bool {
        guard let held = state.host.quarantine else {
            if case .back = state.host.move { return true }
            return false
        }
        if policy.isForced { return false }
        return !Planner.isOutlived(held, by: leaf, at: now)
    }

    /// With less than this share of the lifetime left, a quarantined version no longer keeps a new one from being ordered.
    static let shareThatEndsAQuarantine = 0.05

    static func isOutlived(_ held: Quarantine, by live: Leaf, at now: Date) -> Bool {
        let short = live.notAfter.addingTimeInterval(-live.validity.lifetime * shareThatEndsAQuarantine)
        return now > short && held.at < short
    }

    /// What an earlier run has begun with the CA, and what becomes of it.
    private struct Begun {
        /// It is finished, whether the certificate is due or not.
        var goesOn = false
        /// It is given up.
        var isOver = false
        var remark: String?
        var failure: Cause?
    }

    private func begun(
        _ subject: Subject, _ leaf: Leaf, _ state: LineageState,
        _ staged: (hasKey: Bool, hasChain: Bool, leaf: Leaf?), isDue: Bool, at now: Date
    ) -> Begun {
        let names = subject.wantedNames(state)
        switch state.acquisition {
        case .idle: return Begun()
        case .failing(let need, _):
            // A forced attempt is history once it has failed, and a need that has passed by itself is none.
            return isDue && !(need.isForced && !policy.isForced) ? Begun() : Begun(isOver: !isDue)
        case .ordered(let order, let retry):
            guard order.wantedNames == names else {
                let list = order.names.joined(separator: ", ")
                return Begun(isOver: true, remark: "the order for \(list), begun with certctl issue, is abandoned")
            }
            // Without its key an order is of no use; and force replaces one that has failed.
            if !staged.hasKey || order.hasExpired(at: now) { return Begun(isOver: true) }
            if policy.isForced, retry != nil || order.refusals > 0 { return Begun(isOver: true) }
            return Begun(goesOn: true)
        case .issued(let need, let order, _):
            guard staged.hasKey, staged.hasChain else { return Begun(isOver: true) }
            guard let found = staged.leaf,
                Set(found.names.map(\.description)).union(order?.omitted?.names ?? []) != names
            else {
                // A chain that cannot be read is for the installation to refuse. One that a wrong clock dates into the future is
                // no reason to wait for an operator who wants another.
                let isEarly = staged.leaf.map { $0.notBefore > now.addingTimeInterval(Backoff.day) } ?? false
                return policy.isForced && isEarly ? Begun(isOver: true) : Begun(goesOn: true)
            }
            guard need == .issue || need.live == nil else { return Begun(isOver: true) }
            let list = found.names.map(\.description).joined(separator: " -d ")
            let command = "certctl issue --name \(subject.name) -d \(list)"
            return Begun(failure: Cause(.interrupted, "\(command) was cut short before the installation: run it again"))
        }
    }

    // MARK: Rollout

    /// What an earlier run has left of a rollout.
    private func unfinished(_ state: LineageState, at now: Date) -> Plan.RollOut {
        if case .back = state.host.move { return .goBack }
        if let held = state.host.quarantine, state.host.isHeldBack, !policy.isForced {
            if !isExplicit, let date = held.retry.wait(at: now) { return .quarantined(until: date) }
            return .reinstall
        }
        switch state.host.live {
        case .unknown: return .nothing
        case .adopted: return .probe
        case .installed(_, let rollout):
            let retries = rollout.failedHooks.contains { isExplicit || $0.isDue(at: now) }
            let isOnTrial = rollout.trial.predecessor != nil
            return rollout.isPending || isOnTrial || retries ? .probe : .nothing
        }
    }
}

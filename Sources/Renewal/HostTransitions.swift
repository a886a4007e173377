import FoundationEssentials
import Lineages

/// The transitions of what a host has of a lineage.
extension HostState {
    mutating func apply(_ event: StateEvent, at now: Date) -> [StateEffect] {
        switch event {
        case .adopted(let matches):
            guard case .adopted(let version) = live else { return [] }
            served.formUnion(matches)
            var rollout = Rollout()
            rollout.deployedAt = now
            if !matches.isEmpty { rollout.verifiedAt = now }
            live = .installed(version: version, rollout: rollout)
            return [.note(.adopted, error: nil)]
        case .rollingOut:
            if case .adopted(let version) = live { live = .installed(version: version, rollout: Rollout()) }
        case .hooksEnded(let records): update { rollout in for record in records { rollout.record(record) } }
        case .served(let matches): served.formUnion(matches)
        case .rolloutEnded(let hooks, let probes, let jitter): return rolloutEnded(hooks, probes, jitter, at: now)
        case .rolloutInterrupted(let hooks): return settleHooks(hooks, at: now)

        case .rollingBack(let leaf, let from, let predecessor, let cause, let jitter):
            rollingBack(leaf, from, predecessor, cause, jitter, at: now)
        case .rolledBack(let isProven, let isRolledOut):
            move = nil
            if !isRolledOut, let version = live.version { live = .adopted(version: version) }
            quarantine?.isProven = isProven
            let reason = quarantine?.retry.cause.message
            return [.note(.rolledBack, error: reason)]
        case .exonerated:
            move = nil
            update { $0.trial = .passed }
            return dropQuarantine()
        case .quarantineReleased:
            if case .back = move { move = nil }
            return dropQuarantine()
        default: break
        }
        return []
    }

    private mutating func update(_ body: (inout Rollout) -> Void) {
        guard case .installed(let version, var rollout) = live else { return }
        body(&rollout)
        live = .installed(version: version, rollout: rollout)
    }

    /// Enters the version before among those by which an endpoint is known as stale.
    mutating func remember(_ old: Version?, besides leaf: Leaf) {
        guard let old, old.sha256 != leaf.sha256 else { return }
        earlier.removeAll { $0 == old.sha256 }
        earlier.append(old.sha256)
        earlier.removeFirst(max(0, earlier.count - HostState.mostEarlier))
    }

    // MARK: Rollout

    /// Forgets hooks that do not exist any more, and notes when all had succeeded.
    private mutating func settleHooks(_ planned: [HookID], at now: Date) -> [StateEffect] {
        var effects: [StateEffect] = []
        update { rollout in
            rollout.hooks.removeAll { record in
                !planned.contains { $0.kind == record.kind && $0.identity == record.identity }
            }
            let isDeployed = planned.allSatisfy { hook in
                rollout.hooks.contains { $0.kind == hook.kind && $0.identity == hook.identity && $0.succeeded }
            }
            if isDeployed, rollout.deployedAt == nil {
                rollout.deployedAt = now
                effects.append(.note(.deployed, error: nil))
            }
        }
        return effects
    }

    private mutating func rolloutEnded(
        _ planned: [HookID], _ probes: ProbeReport, _ jitter: Double, at now: Date
    ) -> [StateEffect] {
        var effects = settleHooks(planned, at: now)
        served.formUnion(probes.matches)
        update { rollout in
            rollout.trouble = probes.trouble
            if probes.trouble == nil { rollout.trial = .passed }
            guard probes.trouble == nil, !probes.matches.isEmpty else { return }
            if rollout.verifiedAt == nil { effects.append(.note(.verified, error: nil)) }
            rollout.verifiedAt = now
        }
        // What was quarantined is installed again, and nothing is wrong with it as far as anybody can see.
        if let held = quarantine, held.sha256 == live.version?.sha256, probes.trouble == nil, move == nil,
            live.rollout?.deployedAt != nil || !probes.matches.isEmpty
        {
            effects += dropQuarantine()
        }
        guard let rollout = live.rollout else { return effects }
        guard rollout.isPending else {
            update { $0.retry = nil }
            if let held = quarantine { effects.append(.note(.failed, error: held.retry.cause.message)) }
            return effects
        }
        let cause =
            rollout.trouble ?? rollout.failedHooks.first?.cause ?? Cause(.hook, "its hooks have not run")
        let delay = Backoff.freeDelay(afterFailures: Retry.next(rollout.retry?.failures ?? 0))
        update { $0.retry = Retry(after: $0.retry, cause, at: now, delay: delay.map { $0 * (0.8 + 0.4 * jitter) }) }
        return effects + [.note(.failed, error: cause.message)]
    }

    // MARK: Rollback

    private mutating func rollingBack(
        _ leaf: Leaf, _ from: Int, _ predecessor: Predecessor, _ cause: Cause, _ jitter: Double, at now: Date
    ) {
        move = .back(number: predecessor.number, to: predecessor.sha256, from: from)
        let earlier = quarantine.flatMap { $0.sha256 == leaf.sha256 ? $0.retry : nil }
        // To try it once more costs a site its handshakes for as long as it takes to see that it still fails.
        let delay = Backoff.day * (1 + 0.4 * jitter)
        quarantine = Quarantine(
            sha256: leaf.sha256, serial: leaf.serial, at: now,
            retry: Retry(after: earlier, cause, at: now, delay: delay), isProven: false)
    }

    private mutating func dropQuarantine() -> [StateEffect] {
        guard quarantine != nil else { return [] }
        quarantine = nil
        return [.discardQuarantine]
    }
}

extension Rollout {
    fileprivate mutating func record(_ record: HookRecord) {
        let index = hooks.firstIndex { $0.kind == record.kind && $0.identity == record.identity }
        let failures = record.succeeded ? 0 : Retry.next(index.map { hooks[$0].failures } ?? 0)
        let counted = HookRecord(
            kind: record.kind, identity: record.identity, cause: record.cause, failures: failures, at: record.at)
        if let index { hooks[index] = counted } else { hooks.append(counted) }
    }
}

package import FoundationEssentials

/// The transitions of a lineage's state: pure, and complete. Whatever happens between two of them, a later run goes on from the one
/// that was saved last.
extension LineageState {
    /// The state after an event, and what is to be done once it is saved.
    package func applying(_ event: StateEvent, at now: Date) -> (state: LineageState, effects: [StateEffect]) {
        var state = self
        let effects = state.apply(event, at: now)
        return (state, effects)
    }

    private mutating func apply(_ event: StateEvent, at now: Date) -> [StateEffect] {
        switch event {
        case .found(let leaf, let number, let staged): return found(leaf, number, staged: staged, at: now)
        case .suggested(let suggested): self.suggested = suggested
        case .revoked(let version): revoked = version
        case .orderPlaced(let order, let isEarly):
            acquisition = .ordered(order: order, retry: acquisition.retry)
            if isEarly { suggested?.renewedEarly = now }
        case .finalizing:
            guard case .ordered(var order, let retry) = acquisition else { return [] }
            order.isFinalizing = true
            acquisition = .ordered(order: order, retry: retry)
        case .issued:
            guard case .ordered(let order, _) = acquisition else { return [] }
            acquisition = .issued(need: order.need, order: order, retry: nil)
        case .acquisitionFailed(let failure, let need, let rule):
            return acquisitionFailed(failure, need, rule, at: now)
        case .installationFailed(let cause, let need, let keepsStaged, let rule):
            return installationFailed(cause, need, keepsStaged: keepsStaged, rule, at: now)
        case .acquisitionEnded: return endAcquisition()
        case .orderReplaced(let need):
            let retry = acquisition.retry
            defer { if let retry { acquisition = .failing(need: need, retry: retry) } }
            return endAcquisition()

        case .namesForgotten(let names): omitted = omitted?.without(names)

        case .switching(let sha256, let predecessor): host.move = .forward(to: sha256, predecessor: predecessor)
        case .switchFailed:
            // A rollback that failed leaves the version where it is.
            if case .back = host.move { return apply(.exonerated, at: now) }
            host.move = nil
        case .installed(let leaf, let number): return installed(leaf, number, at: now)

        case .notified(let isFailure, let unheard):
            host.notified = isFailure ? .failure(unheard: unheard) : .clear(unheard: unheard)
        case .adopted, .rollingOut, .hooksEnded, .served, .rolloutEnded, .rolloutInterrupted, .rollingBack,
            .rolledBack, .exonerated, .quarantineReleased:
            return host.apply(event, at: now)
        }
        return []
    }

    // MARK: What live/ shows

    /// Brings the state and what live/ shows together: the one answer to whether the state is about what is installed now.
    private mutating func found(_ leaf: Leaf, _ number: Int?, staged: String?, at now: Date) -> [StateEffect] {
        if host.live.version?.sha256 == leaf.sha256 {
            // The switch was not come to.
            if case .forward(let target, _) = host.move, target != leaf.sha256 { host.move = nil }
            return []
        }
        switch host.move {
        case .forward(leaf.sha256, _), .back(_, leaf.sha256, _): return installed(leaf, number, at: now)
        case .forward, .back, nil: break
        }
        // The state was lost, or is of a certctl that did not write the switch down.
        if staged == leaf.sha256 { return installed(leaf, number, at: now) }
        var effects = forgetOvertaken(by: leaf)
        omitted = omitted.flatMap { $0.areMissing(in: leaf) ? $0.of(leaf) : nil }
        host.remember(host.live.version, besides: leaf)
        (host.live, host.move) = (.adopted(version: Version(leaf, number: number, at: now)), nil)
        // Going back to what was quarantined before would be a step back.
        if host.quarantine != nil { effects += host.apply(.quarantineReleased, at: now) }
        return effects
    }

    private mutating func installed(_ leaf: Leaf, _ number: Int?, at now: Date) -> [StateEffect] {
        var rollout = Rollout()
        var isBack = false
        switch host.move {
        case .forward(leaf.sha256, let predecessor?): rollout.trial = .onTrial(predecessor: predecessor)
        case .back(_, leaf.sha256, _): isBack = true
        case .forward, .back, nil: break
        }
        let isIssued = acquisition.isIssued
        if isIssued { omitted = acquisition.savedOrder?.omitted?.of(leaf) }
        let effects = forgetOvertaken(by: leaf)
        host.remember(host.live.version, besides: leaf)
        host.live = .installed(version: Version(leaf, number: number, at: now), rollout: rollout)
        if isBack { return effects }
        host.move = nil
        return effects + (isIssued && !effects.contains(.clearStaging) ? [.clearStaging] : [])
    }

    /// Another certificate in live/ ends what was needed of the one before.
    private mutating func forgetOvertaken(by leaf: Leaf) -> [StateEffect] {
        if revoked?.sha256 != leaf.sha256 { revoked = nil }
        guard let need = acquisition.need else { return [] }
        if need == .issue, !acquisition.isIssued { return [] }
        return need.live == leaf.sha256 ? [] : endAcquisition()
    }

    // MARK: What the CA does

    private mutating func endAcquisition() -> [StateEffect] {
        defer { acquisition = .idle }
        switch acquisition {
        case .idle, .failing: return []
        case .ordered(let order, _): return [.clearStaging, .abandonOrder(order)]
        case .issued: return [.clearStaging]
        }
    }

    private mutating func acquisitionFailed(
        _ failure: AcquisitionFailure, _ need: Need, _ rule: RetryRule, at now: Date
    ) -> [StateEffect] {
        // An interruption leaves everything where it was.
        if failure.cause.code == .interrupted { return [] }
        let note = StateEffect.note(.failed, error: failure.cause.message)
        var order = acquisition.order
        switch failure.verdict {
        case .keeps: break
        case .countsAgainst:
            order?.refusals += 1
            if let count = order?.refusals, count >= SavedOrder.mostRefusals { order = nil }
        case .ends, .needsNewOrder: order = nil
        }
        if let saved = order, saved.hasExpired(at: now) { order = nil }
        if case .none = rule, order?.isFinalizing != true {
            return endAcquisition() + [note]
        }
        let retry = retry(failure.cause, rule, asked: failure.retryAfter, at: now)
        guard let order else {
            let effects = endAcquisition()
            acquisition = .failing(need: need, retry: retry)
            return effects + [note]
        }
        acquisition = .ordered(order: order, retry: retry)
        return [note]
    }

    private mutating func installationFailed(
        _ cause: Cause, _ need: Need, keepsStaged: Bool, _ rule: RetryRule, at now: Date
    ) -> [StateEffect] {
        let note = StateEffect.note(.failed, error: cause.message)
        let retry = retry(cause, rule, asked: nil, at: now)
        if keepsStaged, case .issued(_, let order, _) = acquisition {
            acquisition = .issued(need: need, order: order, retry: retry)
            return [note]
        }
        let effects = endAcquisition()
        if case .none = rule { return effects + [note] }
        acquisition = .failing(need: need, retry: retry)
        return effects + [note]
    }

    private func retry(_ cause: Cause, _ rule: RetryRule, asked: TimeInterval?, at now: Date) -> Retry {
        let count = Retry.next(acquisition.retry?.failures ?? 0)
        let delay: TimeInterval? =
            switch rule {
            case .backedOff(let jitter, let remaining):
                Backoff.delay(
                    afterFailures: count, jitter: jitter, asked: asked, isLimit: cause.code == .rateLimited,
                    remaining: remaining)
            case .daily: Backoff.day
            case .nextRun, .none: nil
            }
        return Retry(after: acquisition.retry, cause, at: now, delay: delay)
    }
}

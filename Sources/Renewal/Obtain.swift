import Challenges
import FoundationEssentials
import Lineages
import PKI

/// The stage in which certificates are ordered and issued: lineages side by side, each in its own lane.
extension RenewalRun {
    /// Obtains a certificate for each lineage of a batch that needs one, the earliest to expire first.
    func obtain(_ batch: [LineageContext]) async -> [LineageContext] {
        var batch = batch
        for index in batch.indices {
            guard case .wait(let date, let cause) = batch[index].plan.acquire else { continue }
            batch[index].outcome = .failed(RenewalFailure(.waiting, cause))
            report(.pending(name: batch[index].name, batch[index].state.summary, next: date, command: "renew"))
        }
        let needy = batch.indices.filter { batch[$0].needsOrder }
            .sorted { batch[$0].leaf?.notAfter ?? .distantPast < batch[$1].leaf?.notAfter ?? .distantPast }
        let obtained = await sideBySide(needy.map { batch[$0] }, most: jobs) { await obtainOne($0) }
        for (index, context) in zip(needy, obtained) { batch[index] = context }
        return batch
    }

    private func obtainOne(_ start: LineageContext) async -> LineageContext {
        guard case .order(let need, let reason) = start.plan.acquire else { return start }
        var context = start
        if context.state.acquisition.isIssued {
            if isStaged(context, need) {
                await fetchChainAgain(context)
                context.isObtained = true
                return context
            }
            apply(.acquisitionEnded, to: &context)
        }
        if let cause = obstacle(context) {
            fail(&context, RenewalFailure(.waiting, cause))
            return context
        }
        let failure: AcquisitionFailure?
        (context, failure) = await inTime(context) { context in
            var context = context
            do throws(AcquisitionFailure) {
                try await acquire(&context, need, because: reason)
                return (context, nil)
            } catch {
                return (context, error)
            }
        }
        if let failure {
            settle(failure, need, &context)
        } else {
            context.isObtained = true
        }
        return context
    }

    /// A chain that leads nowhere is fetched once more from the order that it came from: the CA may have corrected it. Where that
    /// fails, what is staged stays.
    private func fetchChainAgain(_ context: LineageContext) async {
        guard context.state.acquisition.retry?.cause.code == .chain, let order = context.state.acquisition.savedOrder,
            !order.hasExpired(at: world.now), let request = try? requested(context).like(order),
            let exchange = try? await world.exchange(request, report: report),
            (try? await exchange.resume(order.url)) != nil
        else { return }
        try? await exchange.finalize()
        try? await exchange.download()
    }

    /// Whether what is staged is what is asked for. The planner has seen to it where a renewal was begun.
    private func isStaged(_ context: LineageContext, _ need: Need) -> Bool {
        guard need == .issue, let request = try? world.prepare(context.name, with: []) else { return need != .issue }
        let staged = world.staged(context.name)
        let omitted = request.allowsSubset ? context.state.acquisition.savedOrder?.omitted?.names ?? [] : []
        // A chain that cannot be read is for the installation to refuse. Some CAs add a name of their own accord.
        return staged.hasKey && staged.hasChain && world.takesStagedKey(of: context.name)
            && (staged.leaf.map { Set(request.names).subtracting(omitted).isSubset(of: $0.names.map(\.description)) }
                ?? true)
    }

    /// Why nothing is ordered in this run any more; nil where there is time.
    private func obstacle(_ context: LineageContext) -> Cause? {
        if Task.isCancelled { return Cause(.interrupted, "interrupted") }
        guard world.uptime - startedAt >= RenewalRun.orderingBudget else { return nil }
        return Cause(.outOfTime, "this run has taken long: the next one goes on with it", isTemporary: true)
    }

    /// Notes why no certificate has come of it.
    private func settle(_ failure: AcquisitionFailure, _ need: Need, _ context: inout LineageContext) {
        if failure.stage != .waiting {
            apply(.acquisitionFailed(failure, need: need, retry: rule(failure, need, context)), to: &context)
        }
        fail(&context, RenewalFailure(failure.stage, failure.cause))
    }

    /// When it is tried again.
    private func rule(_ failure: AcquisitionFailure, _ need: Need, _ context: LineageContext) -> RetryRule {
        if !context.plan.isDue { return .none }
        if failure.stage == .preparation, failure.cause.isLocal { return .nextRun }
        return backedOff(context)
    }

    /// At rising intervals, with an eye on what remains of the installed certificate's lifetime.
    func backedOff(_ context: LineageContext) -> RetryRule {
        .backedOff(jitter: world.jitter(), remaining: context.leaf.map { $0.notAfter.timeIntervalSince(world.now) })
    }

    /// Ends an acquisition that takes too long. What is under way is cancelled, and its order is kept.
    private func inTime(
        _ context: LineageContext,
        _ body: @escaping @Sendable (LineageContext) async -> (LineageContext, AcquisitionFailure?)
    ) async -> (LineageContext, AcquisitionFailure?) {
        await withTaskGroup(of: (LineageContext, AcquisitionFailure?)?.self) { group in
            group.addTask { await body(context) }
            group.addTask { [world] in
                try? await world.sleep(for: RenewalRun.acquisitionBudget)
                return nil
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            if let first { return first }
            let last = await group.next() ?? nil
            guard let (context, failure) = last, failure?.cause.code == .interrupted, !Task.isCancelled else {
                return last ?? (context, AcquisitionFailure(Cause(.interrupted, "interrupted")))
            }
            let minutes = RenewalRun.acquisitionBudget.components.seconds / 60
            let cause = Cause(.outOfTime, "no certificate within \(minutes) minutes", isTemporary: true)
            return (context, AcquisitionFailure(cause))
        }
    }
}

extension Cause {
    /// Whether only this host is concerned: to try again costs nothing.
    fileprivate var isLocal: Bool {
        switch code {
        case .webroot, .file, .hook, .lineage, .setting, .notPresented: true
        default: false
        }
    }
}

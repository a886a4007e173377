import Challenges
import Deployment
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
            !order.hasExpired(at: world.now), let request = try? world.prepare(context.name),
            let exchange = try? await world.exchange(request, report: report),
            (try? await exchange.resume(order.url)) != nil
        else { return }
        try? await exchange.finalize()
        try? await exchange.download()
    }

    /// Whether what is staged is what is asked for. The planner has seen to it where a renewal was begun.
    private func isStaged(_ context: LineageContext, _ need: Need) -> Bool {
        guard need == .issue, let request = try? world.prepare(context.name) else { return need != .issue }
        let staged = world.staged(context.name)
        // A chain that cannot be read is for the installation to refuse. Some CAs add a name of their own accord.
        return staged.hasKey && staged.hasChain && world.takesStagedKey(of: context.name)
            && (staged.leaf.map { Set(request.names).isSubset(of: $0.names.map(\.description)) } ?? true)
    }

    /// Why nothing is ordered in this run any more; nil where there is time.
    private func obstacle(_ context: LineageContext) -> Cause? {
        if Task.isCancelled { return Cause(.interrupted, "interrupted") }
        guard world.uptime - startedAt >= RenewalRun.orderingBudget else { return nil }
        return Cause(.outOfTime, "this run has taken long: the next one goes on with it", isTemporary: true)
    }

    /// The whole exchange, from the webroot's check to the staged chain.
    private func acquire(_ context: inout LineageContext, _ need: Need, because reason: String)
        async throws(AcquisitionFailure)
    {
        let request = try prepared(context)
        context.server = request.server
        report(.started(name: context.name, names: request.names, because: reason))
        let exchange = try await world.exchange(request, report: report)
        try await runPreHooks(context)
        var isNew = try await takeUp(&context, exchange, request, need)
        do throws(AcquisitionFailure) {
            try await exchange.validate()
        } catch {
            // An authorization that has expired fails the order, and not the renewal.
            guard error.verdict == .needsNewOrder, !isNew else { throw error }
            apply(.acquisitionEnded, to: &context)
            isNew = try await takeUp(&context, exchange, request, need)
            try await exchange.validate()
        }
        do throws(AcquisitionFailure) {
            try await finalize(&context, exchange)
        } catch {
            // A preferred profile that the CA does not take is left out of another order.
            guard error.verdict == .needsNewOrder, error.cause.code == .profile else { throw error }
            apply(.acquisitionEnded, to: &context)
            _ = try await takeUp(&context, exchange, request, need)
            try await exchange.validate()
            try await finalize(&context, exchange)
        }
        try await exchange.download()
        try committing(.issued, &context)
        report(.obtained(name: context.name))
    }

    private func finalize(
        _ context: inout LineageContext, _ exchange: any OrderExchange
    ) async throws(AcquisitionFailure) {
        try committing(.finalizing, &context)
        try await exchange.finalize()
    }

    private func prepared(_ context: LineageContext) throws(AcquisitionFailure) -> OrderRequest {
        do throws(FileError) {
            try world.requireWritableState()
        } catch {
            throw AcquisitionFailure(Cause(error), stage: .preparation)
        }
        do throws(Cause) {
            return try world.prepare(context.name)
        } catch {
            throw AcquisitionFailure(error, stage: .preparation)
        }
    }

    private func runPreHooks(_ context: LineageContext) async throws(AcquisitionFailure) {
        let commands = context.subject.commands
        let failures = await hooks.pre(conf: commands.pre, post: commands.post)
        guard let first = failures.first else { return }
        recorder.update { report in
            for failure in failures where !report.hookFailures.contains(failure) { report.hookFailures.append(failure) }
        }
        throw AcquisitionFailure(Cause(first), stage: .preparation)
    }

    /// Takes up the order that an earlier run placed, or places one; returns whether it is a new one.
    private func takeUp(
        _ context: inout LineageContext, _ exchange: any OrderExchange, _ request: OrderRequest, _ need: Need
    ) async throws(AcquisitionFailure) -> Bool {
        if let saved = context.state.acquisition.order {
            if saved.server == request.server, saved.names == request.names.sorted() {
                do throws(AcquisitionFailure) {
                    _ = try await exchange.resume(saved.url)
                    return false
                } catch {
                    guard error.verdict == .ends || error.verdict == .needsNewOrder else { throw error }
                }
            }
            apply(.acquisitionEnded, to: &context)
        }
        let urgency = urgency(context, need)
        if let cause = authorities.obstacle(to: request.server, urgency, at: world.now) {
            throw AcquisitionFailure(cause, stage: .waiting)
        }
        do throws(AcquisitionFailure) {
            let placed = try await exchange.place()
            authorities.noteSuccess(request.server)
            let order = SavedOrder(
                url: placed.url, server: request.server, account: request.account, names: request.names, need: need,
                placedAt: world.now, expires: placed.expires)
            let isYoung = context.leaf.map { SuggestedRenewal.isYoung($0.validity, at: world.now) } ?? false
            try committing(.orderPlaced(order, isEarly: isYoung && urgency == .suggested), &context)
            return true
        } catch {
            authorities.noteFailure(request.server, error, at: world.now)
            throw error
        }
    }

    private func urgency(_ context: LineageContext, _ need: Need) -> AuthorityWatch.Urgency {
        if context.isExplicit || need.live == nil || need.isForced { return .asked }
        return context.plan.isOnlySuggested ? .suggested : .due
    }

    private func committing(_ event: StateEvent, _ context: inout LineageContext) throws(AcquisitionFailure) {
        do throws(FileError) {
            try commit(event, to: &context)
        } catch {
            recorder.update { $0.stateFailed = true }
            throw AcquisitionFailure(Cause(error))
        }
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

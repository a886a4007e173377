import Challenges
import Deployment
import FoundationEssentials
import Lineages
import PKI

/// One certificate, from the checks on this host to the staged chain.
extension RenewalRun {
    /// Where the renewal config allows it, names that the CA refuses are left out, and the rest is ordered again.
    func acquire(_ context: inout LineageContext, _ need: Need, because reason: String) async throws(AcquisitionFailure)
    {
        var request = try prepared(context)
        context.server = request.server
        report(.started(name: context.name, names: request.names, because: reason))
        while true {
            do throws(AcquisitionFailure) {
                try await acquire(&context, request, need)
                return
            } catch {
                guard let rest = request.without(error.names, because: error.cause) else { throw error }
                let gone = request.names.filter { !rest.names.contains($0) }.joined(separator: ", ")
                report(.remark(name: context.name, "ordering without \(gone): \(error.cause)"))
                apply(.orderReplaced(need: need), to: &context)
                request = rest
            }
        }
    }

    private func acquire(
        _ context: inout LineageContext, _ request: OrderRequest, _ need: Need
    ) async throws(AcquisitionFailure) {
        var request = request
        if let saved = context.state.acquisition.order, saved.server == request.server,
            let begun = request.like(saved)
        {
            request = begun
        }
        let exchange = try await world.exchange(request, report: report)
        try await runPreHooks(context)
        var isNew = try await takeUp(&context, exchange, request, need)
        do throws(AcquisitionFailure) {
            try await exchange.validate()
        } catch {
            // An authorization that has expired fails the order, and not the renewal.
            guard error.verdict == .needsNewOrder, !isNew else { throw error }
            apply(.orderReplaced(need: need), to: &context)
            isNew = try await takeUp(&context, exchange, request, need)
            try await exchange.validate()
        }
        do throws(AcquisitionFailure) {
            try await finalize(&context, exchange)
        } catch {
            // A preferred profile that the CA does not take is left out of another order.
            guard error.verdict == .needsNewOrder, error.cause.code == .profile else { throw error }
            apply(.orderReplaced(need: need), to: &context)
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
            return try requested(context)
        } catch {
            throw AcquisitionFailure(error, stage: .preparation)
        }
    }

    /// What is to be ordered for a lineage: every name that is wanted.
    func requested(_ context: LineageContext) throws(Cause) -> OrderRequest {
        try world.prepare(context.name, with: context.subject.omittedNames(context.state))
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
            if saved.server == request.server, saved.names == request.names.sorted(), saved.omitted == request.omitted {
                do throws(AcquisitionFailure) {
                    _ = try await exchange.resume(saved.url)
                    return false
                } catch {
                    guard error.verdict == .ends || error.verdict == .needsNewOrder else { throw error }
                }
            }
            apply(.orderReplaced(need: need), to: &context)
        }
        let urgency = urgency(context, need)
        if let cause = authorities.obstacle(to: request.server, urgency, at: world.now) {
            throw AcquisitionFailure(cause, stage: .waiting)
        }
        do throws(AcquisitionFailure) {
            let placed = try await exchange.place()
            authorities.noteSuccess(request.server)
            let order = SavedOrder(
                url: placed.url, server: request.server, account: request.account, names: request.names,
                omitted: request.omitted, need: need, placedAt: world.now, expires: placed.expires)
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
}

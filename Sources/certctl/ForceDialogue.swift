import Diagnosis
import Lineages
import Renewal

/// What is said, and on a terminal asked, before certificates are ordered by force: panic must not burn a rate limit.
struct ForceDialogue: Sendable {
    private let printer: RunPrinter
    private let isYes: Bool
    private let isQuiet: Bool
    private let canAsk: Bool
    private let limit: Int?
    private let all: [Lineage]
    private let host: Diagnosis.Host
    private let store: StateStore

    /// - Parameters:
    ///   - all: every lineage of the config directory.
    ///   - isYes: whether the operator has said that nothing is to be asked.
    init(_ setup: borrowing RunSetup, _ options: TreeOptions, all: [Lineage], isYes: Bool, isQuiet: Bool) {
        (printer, limit, self.isYes, self.isQuiet) = (setup.printer, setup.settings.duplicateLimit, isYes, isQuiet)
        canAsk = StandardError.canAsk
        self.all = all
        host = Diagnosis.Host(
            setup.tree, [], path: setup.tree.path, settings: setup.settings, statePath: options.statePath,
            transport: setup.transport)
        store = StateStore(stateDirectory: options.statePath)
    }

    /// What is done with which lineage instead.
    func exceptions(for lineages: [Lineage]) async -> RunExceptions {
        var exceptions = RunExceptions()
        let reviews = await ForceReview.reviews(
            of: lineages, among: all, store, host: host.settings.conf, limit: limit, at: host.now)
        var healthy: [ForceReview] = []
        for review in reviews {
            printer.remark("\(review.name): \(review.finding); \(review.budgets)")
            if review.advice == .deploy, !isYes, prefersDeployment(review) {
                exceptions.deployed.insert(review.name)
            } else if let refusal = review.refusal, !isYes {
                exceptions.refused[review.name] = refusal
            } else if review.advice == .nothing {
                healthy.append(review)
            }
        }
        if !wantsAll(healthy) {
            for review in healthy {
                exceptions.refused[review.name] = Cause(.declined, "not ordered: nothing is wrong with it")
            }
        }
        let ordered = lineages.filter { lineage in
            !exceptions.deployed.contains(lineage.name) && exceptions.refused[lineage.name] == nil
                && lineage.fatalProblem == nil && lineage.reasonUnmanaged == nil
        }
        if let refusal = await refusal(of: ordered) {
            for lineage in ordered { exceptions.refused[lineage.name] = refusal }
            return exceptions
        }
        await warn(of: ordered)
        return exceptions
    }

    /// Why nothing is ordered: nginx refuses its configuration, so that a new certificate could not be served; nil where it does not,
    /// or the operator wants one all the same.
    private func refusal(of lineages: [Lineage]) async -> Cause? {
        guard !lineages.isEmpty else { return nil }
        var host = host
        host.lineages = lineages
        guard let fault = await Diagnosis(host).configurationFault() else { return nil }
        if isYes {
            printer.warn("a new certificate cannot be served yet: \(fault.evidence)")
            return nil
        }
        if canAsk,
            StandardError.ask(
                "\(fault.evidence): a new certificate could not be served. Order one anyway? [y/N] ")
        {
            return nil
        }
        return Cause(.server, "not ordered: a new certificate could not be served: \(fault.evidence)")
    }

    /// Whether certificates are ordered in place of healthy ones: what that costs is said, and on a terminal it is asked for once.
    private func wantsAll(_ healthy: [ForceReview]) -> Bool {
        guard let first = healthy.first, !isYes, canAsk else { return true }
        let what =
            healthy.count == 1
            ? "nothing is wrong with \(first.name). A new certificate uses up one of those that the CA makes for its names"
            : "nothing is wrong with \(healthy.count) certificates. New ones use up one each of those that the CA makes for their names"
        let left = first.budget.limit.map { " (\($0 - first.budget.used) of \($0) left this week)" } ?? ""
        return StandardError.ask(
            "\(what)\(healthy.count == 1 ? left : ""). Order \(healthy.count == 1 ? "it" : "them")? [y/N] ")
    }

    private func prefersDeployment(_ review: ForceReview) -> Bool {
        guard canAsk else {
            printer.warn("\(review.name): certctl deploy is enough: deploying it instead (--yes renews it anyway)")
            return true
        }
        return !StandardError.ask(
            "\(review.name): certctl deploy is enough. Order a new certificate anyway? [y/N] ")
    }

    /// Asks for a file in each webroot as the CA will; a fault stops nothing, since a host may not see itself as others do.
    private func warn(of lineages: [Lineage]) async {
        guard !lineages.isEmpty, !isQuiet else { return }
        var host = host
        host.lineages = lineages
        var seen: Set<String> = []
        for fault in await Diagnosis(host).challengeFaults() {
            let text = "\(fault.lineage.map { "\($0): " } ?? "")seen from here, a challenge may fail: \(fault.evidence)"
            if seen.insert(text).inserted { printer.warn(text) }
        }
    }
}

import Glibc
import Renewal

/// What is said, and on a terminal asked, before certificates are ordered by force: panic must not burn a rate limit.
struct ForceDialogue {
    private let printer: RunPrinter
    private let isYes: Bool
    private let canAsk: Bool

    /// - Parameter isYes: whether the operator has said that nothing is to be asked.
    init(_ printer: RunPrinter, isYes: Bool) {
        (self.printer, self.isYes) = (printer, isYes)
        canAsk = isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1
    }

    /// What is done with which lineage instead.
    func exceptions(for reviews: [ForceReview]) -> RenewalRun.Exceptions {
        var exceptions = RenewalRun.Exceptions()
        for review in reviews {
            printer.remark("\(review.name): \(review.finding); \(review.budget.description)")
            if review.advice == .deploy, !isYes, prefersDeployment(review) {
                exceptions.deployed.insert(review.name)
            } else if review.budget.isLow, !isYes {
                exceptions.refused[review.name] = BudgetRefusal(budget: review.budget)
            }
        }
        return exceptions
    }

    private func prefersDeployment(_ review: ForceReview) -> Bool {
        guard canAsk else {
            printer.warn("\(review.name): certctl deploy is enough: deploying it instead (--yes renews all the same)")
            return true
        }
        return !printer.ask("\(review.name): certctl deploy is enough. Order a new certificate all the same? [y/N] ")
    }
}

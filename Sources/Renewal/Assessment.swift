package import FoundationEssentials
package import Lineages
import PKI

/// What there is to say about a lineage at a moment, for `status`.
package struct Assessment: Sendable {
    /// In one word; the names are part of `status --format json`.
    package enum State: String, Sendable, CaseIterable {
        /// Nothing to do for now.
        case ok
        /// The next run renews it.
        case due
        /// Less than a tenth of its lifetime remains.
        case expiring
        /// It is not valid any more.
        case expired
        /// Something that was begun is not finished.
        case pending
        /// It cannot be renewed as it is.
        case broken
        /// certctl watches it, and something else has to renew it.
        case unmanaged
    }

    /// What was looked at.
    package let lineage: Lineage
    package let state: State
    /// When it is renewed; nil where that is unknown or never.
    package let renewalAt: Date?
    /// Why then, or why never.
    package let renewalBecause: String
    /// What the books say of the live version; nil where they know nothing of it.
    package let entry: LedgerEntry?
    /// What listeners serve, where somebody has looked.
    package let served: ServedReport?
    /// What is wrong with it, from the tree and from the books.
    package let problems: [LineageProblem]
    /// Days until it expires, negative after; nil without a certificate.
    package let daysLeft: Double?

    /// The share of a lifetime that must remain for a certificate not to be called expiring.
    static let expiringShare = 0.1

    /// Assesses a lineage.
    ///
    /// - Parameters:
    ///   - entry: what the books have on the lineage.
    ///   - served: what listeners were just seen serving.
    package init(_ lineage: Lineage, entry: LedgerEntry? = nil, served: ServedReport? = nil, at now: Date) {
        self.lineage = lineage
        self.served = served
        // What the books say of another version than the live one is past.
        let isCurrent = entry?.installed.map { $0.sha256 == (try? lineage.certificate?.sha256()) } ?? true
        let entry = isCurrent ? entry : nil
        self.entry = entry
        problems = lineage.problems + Assessment.problems(of: entry, served)
        let remaining = lineage.certificate.map { $0.notAfter.timeIntervalSince(now) }
        daysLeft = remaining.map { $0 / 86_400 }

        var decision: RenewalPolicy.Decision?
        if let certificate = lineage.certificate, let options = lineage.options {
            decision = RenewalPolicy().decision(for: certificate, options: options, at: now)
        }
        if let problem = lineage.fatalProblem {
            (renewalAt, renewalBecause) = (nil, problem.message)
        } else if let entry, entry.isPending {
            (renewalAt, renewalBecause) = (max(entry.nextAttempt ?? now, now), entry.pendingReason)
        } else if let reason = lineage.reasonUnmanaged {
            (renewalAt, renewalBecause) = (nil, reason)
        } else {
            switch decision {
            case .renew(let reason):
                (renewalAt, renewalBecause) = (max(entry?.nextAttempt ?? now, now), reason.description)
            case .wait(let date, let reason): (renewalAt, renewalBecause) = (date, reason.description)
            case .never(let reason): (renewalAt, renewalBecause) = (nil, reason.description)
            case nil: (renewalAt, renewalBecause) = (nil, "there is no certificate to go by")
            }
        }
        state = Assessment.state(
            of: lineage, decision: decision, remaining: remaining,
            isPending: entry?.isPending ?? false || served?.wrong != nil)
    }

    private static func problems(of entry: LedgerEntry?, _ served: ServedReport?) -> [LineageProblem] {
        var problems: [LineageProblem] = []
        if let entry {
            if entry.attempts > 0, !entry.isDeploymentPending, let error = entry.lastError {
                problems.append(
                    LineageProblem(
                        .renewalFailed,
                        "the renewal has failed \(entry.attempts == 1 ? "once" : "\(entry.attempts) times"): \(error)",
                        isFatal: false))
            }
            for hook in entry.failedHooks {
                let count = hook.failures == 1 ? "" : " (\(hook.failures) times)"
                problems.append(
                    LineageProblem(.hookFailed, "\(hook.error ?? "\(hook.identity) failed")\(count)", isFatal: false))
            }
        }
        if let complaint = served?.complaint ?? (served == nil ? entry?.servedWrongly : nil) {
            problems.append(LineageProblem(.servedWrongly, complaint, isFatal: false))
        }
        return problems
    }

    /// The worst thing that holds.
    private static func state(
        of lineage: Lineage, decision: RenewalPolicy.Decision?, remaining: TimeInterval?, isPending: Bool
    ) -> State {
        if lineage.fatalProblem != nil { return .broken }
        guard let certificate = lineage.certificate, let remaining else { return .broken }
        if remaining <= 0 { return .expired }
        if isPending { return .pending }
        if remaining < certificate.lifetime * expiringShare { return .expiring }
        if lineage.reasonUnmanaged != nil { return .unmanaged }
        if case .renew = decision { return .due }
        return .ok
    }
}

package import FoundationEssentials
package import Lineages
import PKI

/// What there is to say about a lineage at a moment: a row of `status`, and its object in the JSON.
///
/// The names of the fields, states and codes are part of `status --format json`: fields are only ever added.
package struct LineageStatus: Codable, Equatable, Sendable {
    /// In one word.
    package enum State: String, Codable, Sendable, CaseIterable {
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

    /// When the next step is taken, and why then.
    package struct NextStep: Codable, Equatable, Sendable {
        /// Nil if that is unknown or never; nil as well for a pending certificate that the next run continues, whenever that starts.
        package var at: Date?
        /// Why then, or why never; for people.
        package var reason: String
        /// Since when the policy has wanted it renewed; nil where it does not, or an operator forced it.
        package var dueSince: Date?
        /// A page of the CA's that says why it suggests the time that it does.
        package var explanationURL: String?

        enum CodingKeys: String, CodingKey {
            case at, reason, dueSince, explanationURL
        }
    }

    /// What an endpoint was seen serving.
    package struct Served: Codable, Equatable, Sendable {
        package var endpoint: String
        package var name: String
        package var verdict: String
        package var detail: String
        /// Whether a wrong answer here keeps the lineage pending.
        package var required: Bool
        /// Whether it keeps the lineage pending, as far as was just seen: not part of the document.
        package var isWrong = false

        enum CodingKeys: String, CodingKey {
            case endpoint, name, verdict, detail, required
        }
    }

    /// Something that is wrong.
    package struct Problem: Codable, Equatable, Sendable {
        package var code: String
        package var message: String
    }

    package var name: String
    package var domains: [String] = []
    package var state = State.broken
    package var version: Int?
    package var serial: String?
    package var sha256: String?
    package var issuer: String?
    package var issuerCommonName: String?
    package var keyType: String?
    package var notBefore: Date?
    package var notAfter: Date?
    /// Days until it expires, to hundredths; negative after it.
    package var daysLeft: Double?
    package var stage: LineageState.Stage?
    /// How often the current work has failed in a row.
    package var consecutiveFailures: Int?
    package var nextAttempt: Date?
    package var served: [Served]?
    package var renewal: NextStep
    package var problems: [Problem] = []

    /// The share of a lifetime that must remain for a certificate not to be called expiring.
    static let expiringShare = 0.1

    /// How much of a certificate is put into a row.
    package enum Detail: Sendable {
        /// All that the JSON has.
        case full
        /// Without what identifies it (serial number, fingerprint, the issuer's whole name), which a table has no room for.
        case brief
    }

    /// Assesses a lineage.
    ///
    /// - Parameters:
    ///   - state: what is known of the lineage, as ``StateStore/state(of:at:)`` gives it.
    ///   - served: what endpoints were just seen serving.
    package init(
        _ lineage: Lineage, state: LineageState? = nil, served: ProbeReport? = nil, detail: Detail = .full, at now: Date
    ) {
        name = lineage.name
        version = lineage.version
        if let certificate = lineage.certificate {
            domains = certificate.names.map(\.description)
            switch detail {
            case .full:
                (serial, sha256) = (certificate.serial, try? certificate.sha256())
                (issuer, issuerCommonName) = certificate.issuerNames
            case .brief:
                issuerCommonName = certificate.issuerCommonName
                if issuerCommonName == nil { issuer = certificate.issuer }
            }
            keyType = certificate.keyType.description
            (notBefore, notAfter) = (certificate.notBefore, certificate.notAfter)
        }
        (stage, consecutiveFailures, nextAttempt) = (
            state?.stage, state?.retry?.failures ?? state.map { _ in 0 }, state?.nextAttempt
        )
        let wrongs = Set(served?.wrongs ?? [])
        self.served = served?.observations.map {
            Served(
                endpoint: $0.target.endpoint.description, name: $0.target.name, verdict: $0.verdict.code,
                detail: $0.verdict.description, required: $0.isRequired, isWrong: wrongs.contains($0))
        }
        problems = (lineage.problems + LineageStatus.problems(of: state, served)).map {
            Problem(code: $0.code.rawValue, message: $0.message)
        }
        if let problem = lineage.fatalProblem {
            (condition, renewal) = (.broken, NextStep(reason: problem.message))
        } else if lineage.certificate == nil {
            (condition, renewal) = (.broken, NextStep(reason: "there is no certificate to go by"))
        } else if let state, state.isPending {
            (condition, renewal) = (.pending, NextStep(at: state.nextAttempt, reason: state.summary))
        } else if let trouble = served?.trouble {
            (condition, renewal) = (.pending, NextStep(at: state?.nextAttempt, reason: trouble.message))
        } else if let reason = lineage.reasonUnmanaged {
            (condition, renewal) = (.unmanaged, NextStep(reason: reason))
        } else {
            let (next, isDue) = LineageStatus.renewal(of: lineage, state, at: now)
            (condition, renewal) = (isDue ? .due : nil, next)
        }
        renewal.explanationURL = state?.liveSuggestion?.explanationURL
        refresh(at: now)
    }

    /// What holds whatever the time is, and does not pass by itself: broken, pending, unmanaged, due.
    var condition: State?

    /// Whether the listeners serve something else than the live version, as far as anybody has seen.
    package var isServedWrongly: Bool { problems.contains { $0.code == LineageProblem.Code.servedWrongly.rawValue } }

    /// Brings what depends on the time up to a moment: the state and the days that are left.
    package mutating func refresh(at now: Date) {
        let remaining = notAfter.map { $0.timeIntervalSince(now) }
        // Hundredths: finer than anybody decides by, and short to read.
        daysLeft = remaining.map { ($0 / 864).rounded() / 100 }
        state = worst(remaining, at: now)
    }

    /// The worst thing that holds.
    private func worst(_ remaining: TimeInterval?, at now: Date) -> State {
        guard condition != .broken, let remaining, let notBefore, let notAfter else { return .broken }
        if remaining <= 0 { return .expired }
        if condition == .pending { return .pending }
        if remaining < notAfter.timeIntervalSince(notBefore) * LineageStatus.expiringShare { return .expiring }
        if condition == .unmanaged { return .unmanaged }
        return condition == .due || (renewal.at ?? .distantFuture) <= now ? .due : .ok
    }

    private static func renewal(of lineage: Lineage, _ state: LineageState?, at now: Date) -> (NextStep, isDue: Bool) {
        guard let certificate = lineage.certificate else {
            return (NextStep(reason: "there is no certificate to go by"), false)
        }
        let rulings = RenewalPolicy().rulings(for: lineage, state, at: now)
        switch rulings.last?.decision {
        case nil: return (NextStep(reason: "no rule has decided"), false)
        case .renew(let reason):
            let since = rulings.last?.rule.date.map { min($0, certificate.notAfter) }
            let next = NextStep(at: max(state?.nextAttempt ?? now, now), reason: "\(reason)", dueSince: since)
            return (next, true)
        case .wait(let date, let reason): return (NextStep(at: date, reason: "\(reason)"), false)
        case .never(let reason): return (NextStep(reason: "\(reason)"), false)
        }
    }

    private static func problems(of state: LineageState?, _ served: ProbeReport?) -> [LineageProblem] {
        var problems: [LineageProblem] = []
        if let reason = state?.liveRevocation {
            problems.append(
                LineageProblem(
                    .revoked, "the installed certificate is revoked (\(reason)): it has to be replaced", isFatal: false)
            )
        }
        if let omitted = state?.liveOmitted {
            problems.append(
                LineageProblem(.namesOmitted, "the installed certificate is \(omitted)", isFatal: false))
        }
        if let retry = state?.acquisition.retry {
            problems.append(
                LineageProblem(
                    .renewalFailed, "the renewal has failed \(LineageState.times(retry.failures)): \(retry.cause)",
                    isFatal: false))
        }
        let rollout = state?.host.live.rollout
        for hook in rollout?.failedHooks ?? [] {
            let count = hook.failures == 1 ? "" : " (\(hook.failures) times)"
            problems.append(
                LineageProblem(
                    .hookFailed, "\(hook.cause?.message ?? "\(hook.identity) failed")\(count)", isFatal: false))
        }
        if let trouble = served == nil ? rollout?.trouble : served?.trouble {
            problems.append(LineageProblem(.servedWrongly, trouble.message, isFatal: false))
        }
        return problems
    }
}

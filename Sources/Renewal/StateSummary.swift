package import FoundationEssentials

/// What a state says, for `status`, `doctor` and the run: one answer each.
extension LineageState {
    /// The stages on the way of a certificate, each of them durable.
    package enum Stage: String, Codable, Sendable, CaseIterable {
        /// The CA has an order, and its key is staged.
        case ordered
        /// Key and chain are staged.
        case issued
        /// live/ shows the new version.
        case installed
        /// The hooks have exited with 0.
        case deployed
        /// An endpoint was seen serving the new leaf.
        case verified
    }

    /// What the CA has suggested for a certificate; nil for any other than it was asked about.
    package func suggestion(for sha256: String) -> SuggestedRenewal? {
        suggested.flatMap { $0.sha256 == sha256 ? $0 : nil }
    }

    /// What the CA has suggested for the installed certificate; nil where it was not asked.
    package var liveSuggestion: SuggestedRenewal? { host.live.version.flatMap { suggestion(for: $0.sha256) } }

    /// Why the certificate with this SHA-256 is revoked, as RFC 5280 spells it; nil where that is not known of it.
    package func revocation(of sha256: String) -> String? {
        revoked.flatMap { $0.sha256 == sha256 ? $0.reason : nil }
    }

    /// Why the installed certificate is revoked; nil where that is not known of it.
    package var liveRevocation: String? { host.live.version.flatMap { revocation(of: $0.sha256) } }

    /// The stage that the newest certificate has reached; nil where there is none.
    package var stage: Stage? {
        switch acquisition {
        case .ordered: return .ordered
        case .issued: return .issued
        case .idle, .failing: break
        }
        switch host.live {
        case .unknown: return nil
        case .adopted: return .installed
        case .installed(_, let rollout):
            return rollout.deployedAt == nil ? .installed : rollout.verifiedAt == nil ? .deployed : .verified
        }
    }

    /// Whether something that was begun is not finished.
    package var isPending: Bool {
        switch acquisition {
        case .ordered, .issued: true
        case .idle, .failing: host.move != nil || host.quarantine != nil || host.isRolloutPending
        }
    }

    /// How often the work at hand has failed in a row.
    package var failures: Int {
        let hooks = host.live.rollout?.failedHooks.map(\.failures).max() ?? 0
        return max(retry?.failures ?? 0, hooks)
    }

    /// When it is tried again by itself; nil for the next run.
    package var nextAttempt: Date? { retry?.nextAttempt }

    /// What has failed: first what keeps a certificate from its endpoints, then what keeps another from being issued.
    package var retry: Retry? {
        if let held = host.quarantine { return held.retry }
        if host.isRolloutPending, let retry = host.live.rollout?.retry { return retry }
        return acquisition.retry
    }

    /// What is not finished, and how often it was tried, in a line.
    package var summary: String {
        let what: String
        if let held = host.quarantine {
            what = "serial \(held.serial) was rolled back: \(held.retry.cause)"
        } else if case .back(let number, _, _) = host.move {
            what = "rolling back to version \(number)"
        } else if acquisition.isIssued {
            what = "issued, not installed"
        } else if acquisition.order != nil {
            what = "ordered, not issued"
        } else if case .failing(_, let retry) = acquisition, !host.isRolloutPending {
            what = "not renewed: \(retry.cause)"
        } else if let rollout = host.live.rollout {
            if let trouble = rollout.trouble {
                what = trouble.message
            } else if let hook = rollout.failedHooks.first {
                let name = hook.identity.split(separator: "/").last.map(String.init) ?? hook.identity
                return "\(hook.kind) hook \(name) failed \(LineageState.times(hook.failures))"
            } else if rollout.deployedAt != nil {
                what = "deployed, not verified yet"
            } else {
                what = "installed, its hooks have not run"
            }
        } else {
            what = "nothing is known of it yet"
        }
        guard let failures = retry?.failures, failures > 0 else { return what }
        return "\(what); failed \(LineageState.times(failures))"
    }

    static func times(_ count: Int) -> String { count == 1 ? "once" : "\(count) times" }
}

extension HostState {
    /// Whether a quarantined version waits to be installed again; it is on trial where it is installed.
    var isHeldBack: Bool { quarantine != nil && quarantine?.sha256 != live.version?.sha256 }

    /// Whether the installed version has still to reach its endpoints.
    package var isRolloutPending: Bool { live.rollout?.isPending ?? false }
}

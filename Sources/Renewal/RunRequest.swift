/// What a run was asked for.
package enum RunRequest: Sendable {
    /// Whatever is due; `isForced` renews whatever the dates say.
    case renew(isForced: Bool)
    /// The deploy step again.
    case deploy
    /// What an earlier run has left, without ordering anything.
    case finish
    /// A first certificate, or other names.
    case issue
    /// A copy of the version in archive/ with this number; by force whatever its dates and names are.
    case rollBack(to: Int, isForced: Bool)
    /// The whole exchange, due or not, of which nothing is kept; and the deploy hooks, with what is installed.
    case rehearse(runsDeployHooks: Bool)
}

extension RunRequest {
    var isCopy: Bool { if case .rollBack = self { true } else { false } }
    var isDeployment: Bool { if case .deploy = self { true } else { false } }
}

/// What an operator has decided beyond the request.
package struct RunExceptions: Sendable {
    /// Deployed again and not renewed.
    package var deployed: Set<String> = []
    /// Neither: why.
    package var refused: [String: Cause] = [:]
    /// Every key is made by this run: orders and certificates that an earlier one has begun with a key of its own are given up, and
    /// ordered again.
    package var makesNewKeys = false

    package init() {}
}

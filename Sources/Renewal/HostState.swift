package import FoundationEssentials
import Lineages
package import PKI

/// What this host has of a lineage: the installed version, how far its rollout is, and what keeps another one from being installed.
package struct HostState: Codable, Equatable, Sendable {
    package internal(set) var live = Live.unknown
    /// A change of live/ that was begun: written down before it, and gone when what comes after it is known.
    package internal(set) var move: Move?
    /// A version that was rolled back; nil where there is none.
    package internal(set) var quarantine: Quarantine?
    /// Where the lineage has been seen served: an endpoint that has to serve it from then on.
    package internal(set) var served: Set<ProbeTarget> = []
    /// SHA-256 of earlier leaves, the newest last: an endpoint that serves one is stale.
    package internal(set) var earlier: [String] = []
    package internal(set) var notified = Notified.clear(unheard: [])

    package init() {}

    /// More earlier leaves than any endpoint still serves.
    static let mostEarlier = 20
}

/// What live/ shows, and who installed it.
package enum Live: Codable, Equatable, Sendable {
    /// Nothing is known.
    case unknown
    /// Somebody else installed it, certbot say, and its endpoints have not been probed yet: its hooks are not certctl's to run.
    case adopted(version: Version)
    case installed(version: Version, rollout: Rollout)

    package var version: Version? {
        switch self {
        case .unknown: nil
        case .adopted(let version), .installed(let version, _): version
        }
    }

    package var rollout: Rollout? { if case .installed(_, let rollout) = self { rollout } else { nil } }
}

/// A change of what live/ shows, from the moment before it begins.
package enum Move: Codable, Equatable, Sendable {
    /// To another version, which then has to prove itself against the predecessor.
    case forward(to: String, predecessor: Predecessor?)
    /// Back to the version in archive/ with this number and SHA-256, from the quarantined one.
    case back(number: Int, to: String, from: Int)
}

/// How far the installed version has come.
package struct Rollout: Codable, Equatable, Sendable {
    /// Whether the version has yet to prove itself, and against what.
    package internal(set) var trial = Trial.passed
    /// The last outcome of each hook for this version.
    package internal(set) var hooks: [HookRecord] = []
    /// When every hook had exited with 0.
    package internal(set) var deployedAt: Date?
    /// When an endpoint was last seen serving it.
    package internal(set) var verifiedAt: Date?
    /// What endpoints do wrong; nil where nothing is wrong, or nothing was probed.
    package internal(set) var trouble: Cause?
    /// How often it was left unfinished.
    package internal(set) var retry: Retry?

    /// The hooks that have failed.
    package var failedHooks: [HookRecord] { hooks.filter { !$0.succeeded } }

    /// Whether endpoints answered before the switch, and none has been probed since.
    package var isUnseen: Bool {
        if case .onTrial(let predecessor) = trial { verifiedAt == nil && !predecessor.answered.isEmpty } else { false }
    }

    /// Whether the version has still to reach its endpoints: one that has to serve it does not, or nothing is known of them and its
    /// hooks have not all succeeded.
    package var isPending: Bool { trouble != nil || (deployedAt == nil && verifiedAt == nil) || isUnseen }
}

/// Whether an installed version may be rolled back.
package enum Trial: Codable, Equatable, Sendable {
    /// It stays, whatever endpoints do.
    case passed
    case onTrial(predecessor: Predecessor)

    var predecessor: Predecessor? { if case .onTrial(let predecessor) = self { predecessor } else { nil } }
}

/// The version that another one has taken the place of, and how the host was just before.
package struct Predecessor: Codable, Equatable, Sendable {
    /// Its number in archive/.
    package let number: Int
    package let sha256: String
    /// Where a handshake succeeded just before the switch.
    package let answered: Set<ProbeTarget>
    /// Whether check hooks exist and had passed just before the switch.
    package let passedChecks: Bool

    init(number: Int, sha256: String, answered: Set<ProbeTarget>, passedChecks: Bool) {
        (self.number, self.sha256, self.answered, self.passedChecks) = (number, sha256, answered, passedChecks)
    }
}

/// A hook's last outcome for the installed version.
package struct HookRecord: Codable, Equatable, Sendable {
    /// `deploy` or `post`.
    package let kind: String
    /// The path or the command, which tells hooks apart.
    package let identity: String
    /// How it failed; nil where it succeeded.
    package let cause: Cause?
    /// How often it has failed in a row for this version.
    package let failures: Int
    package let at: Date

    package var succeeded: Bool { cause == nil }

    /// Whether it is to run again by itself: by every run until it has failed often, then once a day.
    package func isDue(at now: Date) -> Bool {
        let span = now.timeIntervalSince(at)
        // A time to come was written by a clock that was wrong.
        return failures < Backoff.failuresBeforeDaily || span >= Backoff.day || span < 0
    }
}

/// A version that endpoints failed with: it is out of archive/, installed again at its own pace, and none is ordered in its place
/// until an operator acts or time gets short.
package struct Quarantine: Codable, Equatable, Sendable {
    package let sha256: String
    package let serial: String
    /// When it was last rolled back.
    package let at: Date
    /// How often it was rolled back, why, and when it is tried again.
    package internal(set) var retry: Retry
    /// Whether going back helped: else it was one of several suspects.
    package internal(set) var isProven: Bool
}

/// Whether the `failure` hooks have run for the trouble that is on, and who has not heard.
package enum Notified: Codable, Equatable, Sendable {
    /// Nothing is wrong, as far as the hooks know.
    case clear(unheard: [String])
    /// The `failure` hooks have run.
    case failure(unheard: [String])

    var isFailure: Bool { if case .failure = self { true } else { false } }

    /// The hooks that failed when they were run for what holds now.
    var unheard: [String] {
        switch self {
        case .clear(let unheard), .failure(let unheard): unheard
        }
    }
}

/// An endpoint and the name that it is asked for.
package struct ProbeTarget: Codable, Hashable, Sendable {
    package var endpoint: TLSEndpoint
    package var name: String

    package init(endpoint: TLSEndpoint, name: String) { (self.endpoint, self.name) = (endpoint, name) }
}

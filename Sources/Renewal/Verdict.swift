import FoundationEssentials
package import PKI

/// What a listener serves, beside what it should.
package enum Verdict: Hashable, Sendable, CustomStringConvertible {
    /// The installed leaf.
    case match
    /// An older leaf of the lineage: its serial.
    case stale(serial: String)
    /// Another certificate: whose.
    case other(String)
    /// The handshake fails: how.
    case broken(String)
    /// Nothing listens, or nothing answers.
    case unreachable(String)

    /// Judges what was served.
    ///
    /// - Parameters:
    ///   - expected: the installed leaf.
    ///   - earlier: SHA-256 of older leaves of the lineage.
    ///   - isAnothers: whether a leaf for the same names is another lineage's.
    package init(
        _ served: ServedLeaf, expected: Certificate, earlier: Set<String>,
        isAnothers: (Certificate) -> Bool = { _ in false }
    ) {
        switch served {
        case .leaf(let leaf, _):
            if leaf.der == expected.der {
                self = .match
            } else if (try? leaf.sha256()).map(earlier.contains) == true
                || (Set(leaf.names) == Set(expected.names) && leaf.notBefore < expected.notBefore && !isAnothers(leaf))
            {
                self = .stale(serial: leaf.serial)
            } else {
                let names =
                    leaf.names.isEmpty ? leaf.subject : leaf.names.prefix(3).map(\.description).joined(separator: " ")
                self = .other("\(names) (serial \(leaf.serial))")
            }
        case .broken(let reason): self = .broken(reason)
        case .unreachable(let reason): self = .unreachable(reason)
        }
    }

    /// Whether what is served is a leaf of the lineage, the live one or an older.
    package var isOfLineage: Bool {
        switch self {
        case .match, .stale: true
        case .other, .broken, .unreachable: false
        }
    }

    /// Whether a handshake succeeded.
    package var isHandshake: Bool {
        switch self {
        case .match, .stale, .other: true
        case .broken, .unreachable: false
        }
    }

    /// The name in `status --format json`.
    package var code: String {
        switch self {
        case .match: "match"
        case .stale: "stale"
        case .other: "other"
        case .broken: "broken"
        case .unreachable: "unreachable"
        }
    }

    package var description: String {
        switch self {
        case .match: "serves the installed certificate"
        case .stale(let serial): "still serves the old certificate (serial \(serial))"
        case .other(let whose): "serves another certificate, of \(whose)"
        case .broken(let reason): "fails the handshake: \(reason)"
        case .unreachable(let reason): "cannot be reached: \(reason)"
        }
    }
}

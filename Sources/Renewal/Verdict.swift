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
    /// Nobody listens, or nobody answers.
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

/// What all the places of a lineage say together.
package struct ServedReport: Sendable {
    /// One place and what was seen there.
    package struct Sighting: Hashable, Sendable {
        package let place: LedgerEntry.Place
        /// Whether a wrong answer here keeps the lineage pending: the operator listed it, or it has served the lineage.
        package let counts: Bool
        package let verdict: Verdict
    }

    package let sightings: [Sighting]

    package init(_ sightings: [Sighting]) { self.sightings = sightings }

    /// The places that serve the installed leaf.
    package var matches: [LedgerEntry.Place] { sightings.filter { $0.verdict == .match }.map(\.place) }

    /// The first sighting that keeps the lineage pending; nil where there is none.
    package var wrong: Sighting? { wrongs.first }

    /// The sightings that keep the lineage pending.
    ///
    /// A stale leaf does so anywhere. Anything else but a match does where it counts, unless the same name is served rightly
    /// on the same port of the other loopback address: one address family answering is enough.
    package var wrongs: [Sighting] {
        let right = Set(matches.filter(\.endpoint.isLoopback).map { "\($0.name):\($0.endpoint.port)" })
        return sightings.filter { sighting in
            switch sighting.verdict {
            case .match: false
            case .stale: true
            case .unreachable:
                sighting.counts
                    && !(sighting.place.endpoint.isLoopback
                        && right.contains("\(sighting.place.name):\(sighting.place.endpoint.port)"))
            case .other, .broken: sighting.counts
            }
        }
    }

    /// Whether some place still serves an older leaf.
    package var isStale: Bool { sightings.contains { if case .stale = $0.verdict { true } else { false } } }

    /// What is wrong, in a line.
    package var complaint: String? {
        wrong.map { "\($0.place.endpoint) \($0.verdict) for \($0.place.name)" }
    }
}

extension TLSEndpoint {
    /// 127.0.0.1 or ::1.
    package var isLoopback: Bool { ["127.0.0.1", "::1", "localhost"].contains(host) }
}

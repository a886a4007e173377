package import PKI

/// What all the endpoints of a lineage say together.
package struct ProbeReport: Sendable {
    /// One endpoint and what it serves.
    package struct Observation: Hashable, Sendable {
        package let target: ProbeTarget
        /// Whether a wrong answer here keeps the lineage pending: the operator listed it, or it has served the lineage.
        package let isRequired: Bool
        package let verdict: Verdict

        package init(target: ProbeTarget, isRequired: Bool, verdict: Verdict) {
            (self.target, self.isRequired, self.verdict) = (target, isRequired, verdict)
        }

        /// What is wrong here, as a cause; nil where nothing is.
        package var cause: Cause? {
            let code: Cause.Code
            switch verdict {
            case .match: return nil
            case .stale: code = .stale
            case .other: code = .otherCertificate
            case .broken: code = .brokenHandshake
            case .unreachable: code = .silent
            }
            return Cause(code, "\(target.endpoint) \(verdict) for \(target.name)", subject: "\(target.endpoint)")
        }
    }

    package let observations: [Observation]

    package init(_ observations: [Observation]) { self.observations = observations }

    /// Where the installed leaf is served.
    package var matches: Set<ProbeTarget> {
        Set(observations.filter { $0.verdict == .match }.map(\.target))
    }

    /// The first observation that keeps the lineage pending; nil where there is none.
    package var wrong: Observation? { wrongs.first }

    /// The observations that keep the lineage pending.
    ///
    /// A stale leaf does so anywhere. Anything else but a match does where it is required, unless the same name is served rightly
    /// on the same port of the other loopback address: one address family answering is enough.
    package var wrongs: [Observation] {
        let right = matches
        return observations.filter { observation in
            switch observation.verdict {
            case .match: false
            case .stale: true
            case .unreachable: observation.isRequired && !observation.target.isServedOnOtherLoopback(right)
            case .other, .broken: observation.isRequired
            }
        }
    }

    /// Whether some endpoint still serves an older leaf.
    package var isStale: Bool { observations.contains { if case .stale = $0.verdict { true } else { false } } }

    /// What is wrong; nil where nothing is.
    package var trouble: Cause? { wrong?.cause }

    /// The endpoints that shook hands, whatever they served.
    var answered: Set<ProbeTarget> {
        Set(observations.filter { $0.verdict.isHandshake }.map(\.target))
    }

    /// What has become of endpoints that answered before a switch; nil where all answer still.
    func evidence(at answeredBefore: Set<ProbeTarget>) -> Evidence? {
        let silent = observations.filter { !$0.verdict.isHandshake && answeredBefore.contains($0.target) }
        let broken = silent.first { if case .broken = $0.verdict { true } else { false } }
        if let cause = broken?.cause { return Evidence(cause: cause, isStrong: true) }
        return silent.first?.cause.map { Evidence(cause: $0, isStrong: false) }
    }
}

/// What speaks against a version that was just installed.
struct Evidence: Hashable, Sendable {
    let cause: Cause
    /// A failed handshake, or a refused check, is strong; silence is weak: a server may be on its way up.
    let isStrong: Bool
}

extension ProbeTarget {
    /// Whether this is a loopback address, and the same name is served rightly on the same port of the other one.
    package func isServedOnOtherLoopback(_ matches: Set<ProbeTarget>) -> Bool {
        endpoint.isLoopback
            && matches.contains { $0.endpoint.isLoopback && $0.name == name && $0.endpoint.port == endpoint.port }
    }
}

extension TLSEndpoint {
    /// 127.0.0.1 or ::1.
    package var isLoopback: Bool { ["127.0.0.1", "::1", "localhost"].contains(host) }
}

package import Lineages

extension Fault {
    /// What is wrong with a certificate by its files and its state, the worst first: nothing is asked for it.
    package static func known(of lineage: Lineage, _ state: LineageState?) -> [Fault] {
        let subject = FaultSubject(lineage)
        return lineage.problems.filter(\.isFatal).map { Fault.lineage($0.code, subject) }
            + (state.map { known($0, subject) } ?? [])
            + lineage.problems.filter { !$0.isFatal }.map { Fault.lineage($0.code, subject) }
    }

    /// What is wrong by the state alone, the worst first.
    static func known(_ state: LineageState, _ subject: FaultSubject) -> [Fault] {
        var faults: [Fault] = []
        let name = subject.name
        if state.liveRevocation != nil { faults.append(.revoked(name: name)) }
        if state.host.quarantine != nil { faults.append(.quarantined(name: name)) }
        let rollout = state.host.live.rollout
        faults += (rollout?.failedHooks ?? []).map {
            .hookFailed(name: name, identity: $0.identity, isRepeated: $0.failures > 1)
        }
        if rollout?.trouble != nil { faults.append(.served(name: name, tried: false, restart: nil)) }
        if let omitted = state.liveOmitted { faults.append(.namesOmitted(name: name, names: omitted.names)) }
        if let retry = state.acquisition.retry {
            faults.append(.renewal(RecordedCause(retry.cause), subject, isRepeated: retry.failures > 1))
        }
        return faults
    }
}

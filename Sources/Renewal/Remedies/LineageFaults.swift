package import Lineages

extension Fault {
    /// What is wrong with a certificate by its files and its state, the worst first: nothing is asked for it.
    package static func known(of lineage: Lineage?, _ entry: LedgerEntry?, name: String) -> [Fault] {
        let subject = lineage.map(FaultSubject.init) ?? FaultSubject(name: name)
        var faults = (lineage?.problems ?? []).filter(\.isFatal).map { Fault.lineage($0.code, subject) }
        if let entry {
            if entry.held != nil { faults.append(.quarantined(name: name)) }
            faults += entry.failedHooks.map {
                .hookFailed(name: name, identity: $0.identity, isRepeated: $0.failures > 1)
            }
            if entry.servedWrongly != nil { faults.append(.served(name: name, tried: false, restart: nil)) }
            if entry.attempts > 0, !entry.isDeploymentPending, entry.held == nil, entry.lastError != nil {
                faults.append(.renewal(entry.lastCause ?? .other, subject, isRepeated: entry.attempts > 1))
            }
        }
        faults += (lineage?.problems ?? []).filter { !$0.isFatal }.map { Fault.lineage($0.code, subject) }
        return faults
    }
}

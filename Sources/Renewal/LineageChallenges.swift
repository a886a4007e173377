import ACME
package import Challenges
import Lineages

extension ChallengeSettings {
    /// The same for one lineage: what solvers report are steps of it, and records that came late are kept for `doctor`.
    package func of(
        _ name: String, _ store: StateStore, report: @escaping @Sendable (RenewalEvent) -> Void
    ) -> ChallengeSettings {
        var settings = self
        settings.report = { report(.step(name: name, .fellBack($0))) }
        settings.propagated = { late in
            do throws(FileError) {
                try store.save(late, lateFor: name)
            } catch {
                report(.stateFailed("\(error)"))
            }
        }
        return settings
    }
}

extension StateStore {
    /// The records of the last dns-01 order that did not reach all servers in time.
    package func lateRecords(_ name: String) -> [LateRecord] { read([LateRecord].self, from: latePath(name)) ?? [] }

    /// Notes what came late; an empty list, that all of it came in time.
    func save(_ records: [LateRecord], lateFor name: String) throws(FileError) {
        if records.isEmpty { return try FileSystem.remove(latePath(name)) }
        try FileSystem.makeDirectories("\(root)/propagation", mode: 0o700)
        try write(records, to: latePath(name), isDurable: false)
    }

    private func latePath(_ name: String) -> String { "\(root)/propagation/\(name).json" }
}

package import FoundationEssentials
package import Lineages

/// What a run that holds the lock is doing: `STATE/running.json`, for commands that wait for it.
///
/// It is written at the start of a run and at each of its steps, not synced, and removed at the end. What a killed run leaves is
/// ignored: a note is believed only of the process that holds the lock.
package struct RunNote: Codable, Equatable, Sendable {
    package let pid: Int32
    package let startedAt: Date
    /// For people.
    package let step: String

    package init(pid: Int32, startedAt: Date, step: String) {
        (self.pid, self.startedAt, self.step) = (pid, startedAt, step)
    }
}

extension StateStore {
    private var runningPath: String { "\(root)/running.json" }

    /// What the last run said that has not removed it; nil where there is none.
    package var running: RunNote? { read(RunNote.self, from: runningPath) }

    /// Notes what a run is doing; nil at its end.
    package func note(running: RunNote?) throws(FileError) {
        guard let running else { return try FileSystem.remove(runningPath) }
        try write(running, to: runningPath, isDurable: false)
    }
}

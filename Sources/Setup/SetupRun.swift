/// Carries a plan out, or takes back what earlier runs did.
package struct SetupRun: ~Copyable {
    private var editor: HostEditor
    /// Begins with what is on record.
    package init(on host: SetupHost, statePath: String) throws(SetupFailure) {
        editor = HostEditor(host: host, record: try SetupRecord(stateDirectory: statePath))
    }

    /// Does the steps in order. Ends at the first that fails; those before it stay, and can be undone.
    package mutating func carryOut(_ plan: SetupPlan) async throws(SetupFailure) {
        try editor.record.makeDirectory()
        for step in plan.steps {
            for action in step.actions {
                do throws(SetupFailure) {
                    try await editor.perform(action)
                } catch {
                    throw SetupFailure("\(step.title): \(error)", next: error.next)
                }
            }
        }
    }

    /// What ``undo(tell:)`` would take back, the last first, in words.
    package var undoing: [String] {
        editor.record.changes.reversed().map { change in
            switch change {
            case .directory(let path): "remove the directory \(path), if it is empty"
            case .file(let path, let before, _, _):
                before.content == .nothing ? "remove \(path)" : "put back \(path) as it was"
            case .mode(let path, _, _): "make \(path) executable again"
            case .unit(let name, let isEnabled, let isActive):
                isEnabled || isActive ? "enable and start \(name) as it was" : "disable and stop \(name)"
            case .crontab: "put back root's crontab"
            }
        }
    }

    /// Takes every change back, the last first. What others have changed since stays, and is reported. Returns whether everything is undone.
    package mutating func undo(tell: (UndoOutcome) -> Void) async throws(SetupFailure) -> Bool {
        var isComplete = true
        var hasUnits = false
        for index in editor.record.changes.indices.reversed() {
            let change = editor.record.changes[index]
            if case .file(let path, _, _, _) = change, path.contains("/etc/systemd/system/") { hasUnits = true }
            let outcome = try await editor.undo(change)
            tell(outcome)
            if case .left = outcome {
                isComplete = false
            } else {
                try editor.record.remove(at: index)
            }
        }
        if hasUnits, editor.host.runsSystemd { try await editor.host.systemd.control("daemon-reload") }
        return isComplete
    }
}

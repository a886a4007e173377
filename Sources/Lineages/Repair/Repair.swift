/// Carries a ``RepairPlan`` out, completes one that was cut short, and undoes the last one.
///
/// What stood at every path is durable in a ``RepairRecord`` before the first change. To be called with the tree's lock held.
package struct Repair: Sendable {
    private let stateDirectory: String
    private let isMounted: Bool?

    /// - Parameter isMounted: whether a process has a mount of `live/NAME` itself, so that it has to stay; nil to look.
    package init(stateDirectory: String, isMounted: Bool? = nil) {
        (self.stateDirectory, self.isMounted) = (stateDirectory, isMounted)
    }

    /// Makes the plan's changes. Where it throws, what was changed is put back.
    package func apply(_ plan: RepairPlan) throws(FileError) {
        guard plan.hasChanges else { return }
        var record = RepairRecord(plan)
        try record.save(in: stateDirectory)
        do throws(FileError) {
            try carryOut(plan)
            record.phase = .done
            try record.save(in: stateDirectory)
        } catch {
            try? undo(record)
            throw error
        }
    }

    private func carryOut(_ plan: RepairPlan) throws(FileError) {
        try plan.move?.run()
        for edit in plan.preparations { try edit.after.put(at: edit.path) }
        if let version = plan.version, !plan.links.isEmpty, let paths = plan.paths {
            try LiveSwitch(
                paths: paths, version: version, stateDirectory: stateDirectory, isMounted: isMounted,
                texts: plan.texts, areCopiesKept: true
            ).run()
            // What an exchange replaced is not left beside it.
            _ = try SwitchJournal.completeAll(in: stateDirectory)
        }
        for edit in plan.removals { try edit.after.put(at: edit.path) }
    }

    /// What became of a repair that was cut short.
    package enum Resumption: Hashable, Sendable {
        case completed
        case undone
        /// Somebody has changed this path since, so that the rest was left: a new plan has to be made.
        case overtaken(at: String)
    }

    /// Completes what a repair, or an undoing, that was cut short had still to do; nil where there is nothing.
    package func resume(_ name: String) throws(FileError) -> Resumption? {
        try FileSystem.remove(NewFile.temporaryPath(for: RepairRecord.path(name, in: stateDirectory)))
        guard var record = try RepairRecord.read(name, in: stateDirectory), record.phase != .done else { return nil }
        try removeLeftovers(record)
        if record.phase == .undoing {
            try undo(record)
            return .undone
        }
        if let path = try overtaken(record) {
            try record.remove(in: stateDirectory)
            return .overtaken(at: path)
        }
        try record.move?.run()
        for edit in record.edits where try !PathContent(at: edit.path).matches(edit.after) {
            try edit.after.put(at: edit.path)
        }
        record.phase = .done
        try record.save(in: stateDirectory)
        return .completed
    }

    /// Puts back what the last repair of a lineage changed; nil where nothing is recorded.
    ///
    /// - Returns: what was put back.
    /// - Throws: also where a path has been changed since: then nothing is put back.
    package func undo(_ name: String) throws(FileError) -> RepairRecord? {
        try FileSystem.remove(NewFile.temporaryPath(for: RepairRecord.path(name, in: stateDirectory)))
        guard let record = try RepairRecord.read(name, in: stateDirectory) else { return nil }
        try removeLeftovers(record)
        if let path = try overtaken(record) {
            throw FileError("undo the change of", path, because: "it has been changed since the repair")
        }
        try undo(record)
        return record
    }

    /// Removes files that were on their way when a repair was killed.
    private func removeLeftovers(_ record: RepairRecord) throws(FileError) {
        for edit in record.edits { try FileSystem.remove(NewFile.temporaryPath(for: edit.path)) }
    }

    /// The first path with something else than what stood there before, or was to.
    private func overtaken(_ record: RepairRecord) throws(FileError) -> String? {
        if let path = try record.move?.overtaken() { return path }
        for edit in record.edits {
            let now = try PathContent(at: edit.path)
            if !now.matches(edit.before), !now.matches(edit.after) { return edit.path }
        }
        return nil
    }

    private func undo(_ record: RepairRecord) throws(FileError) {
        var record = record
        record.phase = .undoing
        try record.save(in: stateDirectory)
        for edit in record.edits.reversed() {
            let now = try PathContent(at: edit.path)
            // A directory that was made, and has something else in it by now, stays.
            if case .directory = now, edit.before == .nothing {
                try? edit.before.put(at: edit.path)
            } else if now != edit.before {
                try edit.before.put(at: edit.path)
            }
        }
        try record.move?.undo()
        try record.remove(in: stateDirectory)
    }
}

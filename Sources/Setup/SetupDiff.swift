import Lineages

/// Every file that a plan changes, as `diff -u` shows it.
package enum SetupDiff {
    /// The lines of all files; a file that is removed has the new name /dev/null.
    package static func lines(of plan: SetupPlan) throws(SetupFailure) -> [String] {
        var lines: [String] = []
        for action in plan.steps.flatMap(\.actions) {
            switch action {
            case .write(let path, let bytes, _, let before, _):
                lines += UnifiedDiff.lines(path, from: before, to: bytes)
            case .remove(let path): lines += UnifiedDiff.lines(path, from: try read(path), to: nil)
            case .installCrontab(let text, let before):
                lines += UnifiedDiff.lines("root's crontab", from: before.map { Array($0.utf8) }, to: Array(text.utf8))
            case .makeDirectory, .setMode, .reloadUnits, .enable, .disable: continue
            }
        }
        return lines
    }

    /// What a path shows; a link that leads to no file, such as a mask, has no lines.
    private static func read(_ path: String) throws(SetupFailure) -> [UInt8] {
        try SetupFailure.files { () throws(FileError) in
            try FileSystem.status(path, followingLinks: true)?.kind == .file ? FileSystem.read(path) : []
        }
    }
}

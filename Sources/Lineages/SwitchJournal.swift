import FoundationEssentials

/// What a switch of live/NAME has still to do, written down before it begins so that a crash cannot leave it half done.
///
/// That is either links to replace one by one, or a directory to remove that was exchanged for another.
package struct SwitchJournal: Sendable {
    private struct Step: Codable {
        /// The link.
        let link: String
        /// What it is to say.
        let text: String
        /// What it said; nil where it was no link.
        let before: String?
    }

    private struct Record: Codable {
        var steps: [Step] = []
        /// `archive/NAME`, where a file is kept that stood in place of a link.
        let archive: String
        /// The directory that was live/NAME, and is kept for those who have it open.
        var replaced: String?
        /// Whether copies of such files are elsewhere, so that none has to be kept.
        var areCopiesKept: Bool?
    }

    private let record: Record
    private let path: String

    /// A switch link by link.
    init(
        _ paths: LineagePaths, targets: [PEMKind: String], in stateDirectory: String, areCopiesKept: Bool = false
    ) throws(FileError) {
        var record = Record(archive: paths.archive)
        record.areCopiesKept = areCopiesKept ? true : nil
        for kind in PEMKind.allCases {
            let link = paths.link(kind)
            let isLink = try FileSystem.status(link)?.kind == .link
            record.steps.append(
                Step(link: link, text: targets[kind, default: ""], before: isLink ? try FileSystem.linkText(link) : nil)
            )
        }
        self.record = record
        path = SwitchJournal.path(paths, in: stateDirectory)
    }

    /// An exchange, after which `directory` is to be removed.
    init(_ paths: LineagePaths, replaced directory: String, in stateDirectory: String) {
        record = Record(archive: paths.archive, replaced: directory)
        path = SwitchJournal.path(paths, in: stateDirectory)
    }

    private init(at path: String) throws(FileError) {
        let bytes = try FileSystem.read(path)
        // The journal is written whole or not at all: one that cannot be understood is not ours to follow.
        guard let record = try? JSONDecoder().decode(Record.self, from: Data(bytes)) else {
            throw FileError("read", path, because: "it is not certctl's journal; look at it and remove it")
        }
        (self.record, self.path) = (record, path)
    }

    private static func path(_ paths: LineagePaths, in stateDirectory: String) -> String {
        "\(directory(in: stateDirectory))/\(FileSystem.name(of: paths.live))\(suffix)"
    }

    private static func directory(in stateDirectory: String) -> String { stateDirectory + "/switches" }

    private static let suffix = ".json"

    /// Makes the journal durable.
    func write() throws(FileError) {
        try FileSystem.makeDirectories(FileSystem.directory(of: path) ?? ".", mode: 0o700)
        let bytes: Data
        do {
            bytes = try JSONEncoder().encode(record)
        } catch {
            throw FileError("write", path, because: "\(error)")
        }
        try NewFile(path, Array(bytes), mode: 0o600).commit()
    }

    /// Does what is written, and removes the journal.
    func complete() throws(FileError) {
        for step in record.steps { try replace(step) }
        for parent in Set(record.steps.compactMap { FileSystem.directory(of: $0.link) }) {
            for kind in PEMKind.allCases { try FileSystem.remove("\(parent)/previous_\(kind.rawValue).pem") }
            try FileSystem.sync(directory: parent)
        }
        if let replaced = record.replaced { try LiveSwitch.removeDirectory(replaced) }
        try remove()
    }

    /// Gives the switch up.
    func remove() throws(FileError) {
        try FileSystem.remove(path)
        try FileSystem.sync(directory: FileSystem.directory(of: path) ?? ".")
    }

    private func replace(_ step: Step) throws(FileError) {
        let status = try FileSystem.status(step.link)
        if status?.kind == .link, try FileSystem.linkText(step.link) == step.text { return }
        if let status, status.kind == .file, record.areCopiesKept != true { try keep(step, status) }
        let temporary = NewFile.temporaryPath(for: step.link)
        try FileSystem.remove(temporary)
        try FileSystem.makeLink(temporary, to: step.text)
        do throws(FileError) {
            try FileSystem.rename(temporary, to: step.link)
        } catch {
            try FileSystem.remove(temporary)
            throw error
        }
    }

    /// A file that stood where a link belongs (a dummy certificate, a restored backup) is kept in archive/, as
    /// `replaced-by-cert3.pem`.
    private func keep(_ step: Step, _ status: FileSystem.Status) throws(FileError) {
        let kept = "\(record.archive)/replaced-by-\(FileSystem.name(of: step.text))"
        let bytes = try FileSystem.read(step.link)
        try NewFile(kept, bytes, mode: status.mode, owner: status.owner, group: status.group).commit()
    }

    /// Completes what earlier runs began, and returns the names of the lineages whose links were switched.
    ///
    /// A switch is left alone where a link says neither what it said before nor what it was to say: then somebody has renewed
    /// the lineage since. Every journal is tried before the first error is thrown. To be called with the tree's lock held; at
    /// the end of a run it tidies up, too.
    package static func completeAll(in stateDirectory: String) throws(FileError) -> [String] {
        let directory = directory(in: stateDirectory)
        let names: [String]
        do throws(FileError) {
            names = try FileSystem.entries(of: directory)
        } catch {
            if error.isNotFound { return [] }
            throw error
        }
        var completed: [String] = []
        var failure: FileError?
        // What was on its way when a run was killed.
        for name in names where name.hasPrefix(".") && name.hasSuffix(suffix + NewFile.suffix) {
            try FileSystem.remove("\(directory)/\(name)")
        }
        for name in names where name.hasSuffix(suffix) && !name.hasPrefix(".") {
            do throws(FileError) {
                let journal = try SwitchJournal(at: "\(directory)/\(name)")
                if try journal.isOvertaken() {
                    try journal.remove()
                } else {
                    try journal.complete()
                    if !journal.record.steps.isEmpty { completed.append(String(name.dropLast(suffix.count))) }
                }
            } catch {
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
        return completed
    }

    /// Whether a link was changed by somebody else, or its directory or the file that it was to show is gone.
    private func isOvertaken() throws(FileError) -> Bool {
        for step in record.steps {
            guard try FileSystem.status(FileSystem.directory(of: step.link) ?? "/", followingLinks: true) != nil else {
                return true
            }
            let status = try FileSystem.status(step.link)
            let text = status?.kind == .link ? try FileSystem.linkText(step.link) : nil
            let target =
                step.text.hasPrefix("/") ? step.text : "\(FileSystem.directory(of: step.link) ?? ".")/\(step.text)"
            guard text == step.text || text == step.before,
                try FileSystem.status(target, followingLinks: true) != nil
            else { return true }
        }
        return false
    }
}

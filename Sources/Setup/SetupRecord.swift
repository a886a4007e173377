import FoundationEssentials
import Lineages

/// What setup has changed on this host, in order: `setup.json` in the state directory.
///
/// An entry is on the disk before its change is made, so that a setup that was killed can be undone, too.
package struct SetupRecord: Sendable {
    /// The file's layout.
    private static let schema = 1

    private struct Document: Codable {
        var schema = SetupRecord.schema
        /// Whether the directory that this stands in was made for it.
        var ownsDirectory: Bool
        var changes: [HostChange]
    }

    private let directory: String
    private(set) var changes: [HostChange]
    private var ownsDirectory = false

    private var path: String { "\(directory)/setup.json" }
    /// Where the former contents of files are.
    var keep: String { "\(directory)/setup" }

    /// Reads the record; of a host where setup has done nothing it is empty.
    package init(stateDirectory: String) throws(SetupFailure) {
        directory = stateDirectory
        changes = []
        let bytes: [UInt8]
        do throws(FileError) {
            bytes = try FileSystem.read("\(stateDirectory)/setup.json")
        } catch {
            if error.isNotFound { return }
            throw SetupFailure(error)
        }
        do {
            let document = try JSONDecoder().decode(Document.self, from: Data(bytes))
            guard document.schema == SetupRecord.schema else {
                throw SetupFailure("\(path) is of another version of certctl (schema \(document.schema))")
            }
            (changes, ownsDirectory) = (document.changes, document.ownsDirectory)
        } catch let failure as SetupFailure {
            throw failure
        } catch {
            throw SetupFailure(
                "\(path) cannot be understood",
                next: "restore it from a backup, or move it away: then nothing is undone")
        }
    }

    /// The picture that setup has left at a path; nil where it wrote nothing.
    func left(at path: String) -> FilePicture? {
        for case .file(path, _, let after, _) in changes.reversed() { return after }
        return nil
    }

    /// Whether what stands at a path is what setup has put there.
    func isOurs(_ path: String) -> Bool {
        guard let left = left(at: path), left.content != .nothing else { return false }
        return (try? FilePicture(at: path))?.content == left.content
    }

    /// Makes the directory, where it is not there.
    mutating func makeDirectory() throws(SetupFailure) {
        let isThere = try SetupFailure.files { () throws(FileError) in
            try FileSystem.status(directory, followingLinks: true) != nil
        }
        if isThere { return }
        ownsDirectory = true
        try SetupFailure.files { () throws(FileError) in try FileSystem.makeDirectories(directory, mode: 0o700) }
    }

    mutating func append(_ change: HostChange) throws(SetupFailure) {
        changes.append(change)
        try save()
    }

    mutating func remove(at index: Int) throws(SetupFailure) {
        let change = changes.remove(at: index)
        try save()
        if case .file(_, let before, _, _) = change, let copy = before.copy {
            do throws(FileError) { try FileSystem.remove(copy) } catch { throw SetupFailure(error) }
        }
        guard changes.isEmpty else { return }
        // Nothing is lost where others put something there.
        try? FileSystem.removeDirectory(keep)
        if ownsDirectory { try? FileSystem.removeDirectory(directory) }
    }

    /// Notes that a file of setup's was written again.
    mutating func rewrote(_ path: String, as picture: FilePicture) throws(SetupFailure) {
        for index in changes.indices.reversed() {
            guard case .file(path, let before, _, let merge) = changes[index] else { continue }
            changes[index] = .file(path: path, before: before, after: picture, merge: merge)
            return try save()
        }
    }

    /// Keeps the bytes of a file that is about to be changed; gives where.
    func keep(_ bytes: [UInt8], of path: String) throws(SetupFailure) -> String {
        do throws(FileError) {
            try FileSystem.makeDirectory(keep, mode: 0o700)
            var number = 1
            while try FileSystem.status("\(keep)/\(number).\(FileSystem.name(of: path))") != nil { number += 1 }
            let copy = "\(keep)/\(number).\(FileSystem.name(of: path))"
            try NewFile(copy, bytes, mode: 0o600).commit()
            return copy
        } catch {
            throw SetupFailure(error)
        }
    }

    private func save() throws(SetupFailure) {
        do {
            if changes.isEmpty {
                try FileSystem.remove(path)
                try FileSystem.sync(directory: directory)
                return
            }
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            try NewFile(
                path, Array(encoder.encode(Document(ownsDirectory: ownsDirectory, changes: changes))), mode: 0o600
            ).commit()
        } catch let error as FileError {
            throw SetupFailure(error)
        } catch {
            throw SetupFailure("\(path) cannot be written: \(error)")
        }
    }
}

internal import FoundationEssentials

/// One path that a repair changes: what stands there, and what will.
package struct RepairEdit: Hashable, Sendable, Codable {
    package let path: String
    package let before: PathContent
    package let after: PathContent

    package init(_ path: String, before: PathContent, after: PathContent) {
        (self.path, self.before, self.after) = (path, before, after)
    }
}

/// What the last repair of a lineage changed, kept so that it can be completed after a crash and undone later:
/// `STATE/repairs/NAME.json`, 0600, since it holds copies of keys.
package struct RepairRecord: Hashable, Sendable, Codable {
    /// How far the repair has come.
    package enum Phase: String, Sendable, Codable {
        case applying, done, undoing
    }

    package let name: String
    /// The config directory.
    package let tree: String
    package internal(set) var phase: Phase
    /// What is made before them; nil for nothing.
    package let move: RepairMove?
    /// In the order in which they are made.
    package let edits: [RepairEdit]

    init(_ plan: RepairPlan) {
        (name, tree, phase, move, edits) = (plan.name, plan.tree, .applying, plan.move, plan.edits)
    }

    /// Where the copies are.
    package static func path(_ name: String, in stateDirectory: String) -> String {
        "\(stateDirectory)/repairs/\(name).json"
    }

    /// The record of a lineage's last repair; nil where there is none.
    package static func read(_ name: String, in stateDirectory: String) throws(FileError) -> RepairRecord? {
        let path = path(name, in: stateDirectory)
        let bytes: [UInt8]
        do throws(FileError) {
            bytes = try FileSystem.read(path, limit: largest)
        } catch {
            if error.isNotFound { return nil }
            throw error
        }
        guard let record = try? JSONDecoder().decode(RepairRecord.self, from: Data(bytes)) else {
            throw FileError("read", path, because: "it is not a record of a repair; look at it and remove it")
        }
        return record
    }

    /// The names of lineages with a record.
    package static func names(in stateDirectory: String) throws(FileError) -> [String] {
        do throws(FileError) {
            let directory = "\(stateDirectory)/repairs"
            let files = try FileSystem.entries(of: directory)
            return files.filter { $0.hasSuffix(".json") && !$0.hasPrefix(".") }.map {
                String($0.dropLast(".json".count))
            }
        } catch {
            if error.isNotFound { return [] }
            throw error
        }
    }

    /// The names of lineages whose repair, or its undoing, was cut short.
    package static func unfinished(in stateDirectory: String) throws(FileError) -> [String] {
        var unfinished: [String] = []
        for name in try names(in: stateDirectory) {
            if let record = try read(name, in: stateDirectory), record.phase != .done { unfinished.append(name) }
        }
        return unfinished
    }

    /// A conf, and both copies of the files of a few versions.
    private static let largest = 16 << 20

    /// Makes it durable.
    func save(in stateDirectory: String) throws(FileError) {
        let path = RepairRecord.path(name, in: stateDirectory)
        try FileSystem.makeDirectories("\(stateDirectory)/repairs", mode: 0o700)
        let bytes: Data
        do {
            bytes = try JSONEncoder().encode(self)
        } catch {
            throw FileError("write", path, because: "\(error)")
        }
        try NewFile(path, Array(bytes), mode: 0o600).commit()
    }

    func remove(in stateDirectory: String) throws(FileError) {
        try PathContent.nothing.put(at: RepairRecord.path(name, in: stateDirectory))
    }
}

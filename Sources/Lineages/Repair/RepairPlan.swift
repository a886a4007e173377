package import FoundationEssentials
package import PKI

/// What has to be changed for a lineage to be whole again, from what is on the disk. Pure: what was seen is given to it.
///
/// It never chooses a version that is older than the newest fit one of the archive, or than the one that is served.
package struct RepairPlan: Sendable {
    package let name: String
    /// The config directory.
    package let tree: String
    /// Where the files are, once the conf is right; nil where the conf does not say.
    package private(set) var paths: LineagePaths?
    /// The archive gets its name back, before anything else.
    package private(set) var move: RepairMove?
    /// Changes before the symlinks are set: the conf, new files of the archive.
    package private(set) var preparations: [RepairEdit] = []
    /// The symlinks of live/, which are set together.
    package private(set) var links: [RepairEdit] = []
    /// What is removed in the end.
    package private(set) var removals: [RepairEdit] = []
    /// The version that live/ shows afterwards; nil where that is not known.
    package private(set) var version: Int?
    /// The same changes for people.
    package private(set) var steps: [RepairStep] = []
    /// Why not all of it can be repaired.
    package private(set) var refusal: RepairRefusal?

    /// A leaf that an endpoint was seen serving.
    package struct Served: Sendable {
        package let endpoint: String
        package let leaf: Certificate

        package init(endpoint: String, leaf: Certificate) { (self.endpoint, self.leaf) = (endpoint, leaf) }
    }

    /// Every change but the move, in order.
    package var edits: [RepairEdit] { preparations + links + removals }
    /// Whether nothing is to be changed, and nothing is wrong that a repair could be for.
    package var isEmpty: Bool { !hasChanges && refusal == nil }
    package var hasChanges: Bool { move != nil || !edits.isEmpty }
    /// What each symlink is to say.
    var texts: [PEMKind: String] {
        var texts: [PEMKind: String] = [:]
        guard let paths else { return texts }
        for kind in PEMKind.allCases {
            for edit in links where edit.path == paths.link(kind) {
                if case .link(let text) = edit.after { texts[kind] = text }
            }
        }
        return texts
    }

    /// - Parameters:
    ///   - files: what stands where the repaired conf leads to; nil where it could not be looked at, or is not known.
    ///   - served: what endpoints were seen serving of this lineage's names.
    ///   - barred: SHA-256 of certificates that may not be installed again: revoked, or quarantined.
    init(
        _ scan: ConfScan, _ conf: ConfRepair, _ files: Result<RepairScan, RepairRefusal>?, served: [Served],
        barred: Set<String>, at now: Date
    ) {
        (name, tree) = (scan.name, scan.tree)
        switch conf {
        case .asItIs: break
        case .refused(let refusal):
            self.refusal = refusal
            return
        case .rewritten(let conf, let steps):
            self.steps = steps
            preparations.append(
                RepairEdit(scan.path, before: scan.content, after: .file(RepairPlan.copy(conf.bytes, of: scan.content)))
            )
        }
        switch files {
        case nil: break
        case .failure(let refusal): self.refusal = refusal
        case .success(let files): repair(files, served, barred, now)
        }
    }

    private static func copy(_ bytes: [UInt8], of content: PathContent) -> PathContent.FileCopy {
        if case .file(let old) = content { return PathContent.FileCopy(bytes, old.access) }
        return PathContent.FileCopy(bytes, PathContent.Access(mode: 0o644, owner: .max, group: .max))
    }

    private mutating func repair(_ files: RepairScan, _ served: [Served], _ barred: Set<String>, _ now: Date) {
        paths = files.paths
        if let obstacle = files.obstacle {
            refusal = .notADirectory(path: obstacle)
            return
        }
        let choice = RepairChoice(files, barred: barred, at: now)
        guard let target = choice.target else {
            refusal = .nothingFit
            return
        }
        // A lineage whose symlinks stay as they are does not become older by that.
        if !choice.isSettled, let newer = served.first(where: { $0.leaf.notBefore > target.leaf.notBefore }) {
            refusal = .olderThanServed(endpoint: newer.endpoint)
            return
        }
        let number: Int
        switch target.version {
        case let version?: number = version
        case nil:
            guard let set = target.files else {
                refusal = .nothingFit
                return
            }
            number = (files.archive.keys.max() ?? 0) + 1
            takeIn(set, as: number, files)
            steps.append(.takenIn(version: number, from: target.place))
        }
        if let renamed = files.move {
            move = renamed
            steps.append(.archiveRenamed(from: renamed.from))
        }
        version = number
        link(number, files)
        remove(files, newerThan: number)
    }

    private mutating func makeDirectories(_ files: RepairScan) {
        for directory in files.missingDirectories {
            let edit = RepairEdit(
                directory, before: .nothing,
                after: .directory(PathContent.Access(mode: 0o755, owner: .max, group: .max)))
            if !preparations.contains(edit) { preparations.append(edit) }
        }
    }

    private mutating func takeIn(_ set: [PEMKind: [UInt8]], as number: Int, _ files: RepairScan) {
        makeDirectories(files)
        for kind in PEMKind.allCases {
            let access =
                kind == .privkey
                ? files.keyAccess
                : PathContent.Access(mode: 0o644, owner: .max, group: .max)
            preparations.append(
                RepairEdit(
                    Archive.path(kind, number, in: files.paths.archive), before: .nothing,
                    after: .file(PathContent.FileCopy(set[kind, default: []], access))))
        }
    }

    private mutating func link(_ number: Int, _ files: RepairScan) {
        for kind in PEMKind.allCases {
            guard files.shown[kind] != number else { continue }
            links.append(
                RepairEdit(
                    files.paths.link(kind), before: files.links[kind] ?? .nothing,
                    after: .link("\(files.linkDirectories[kind, default: "."])/\(kind.rawValue)\(number).pem")))
        }
        guard !links.isEmpty else { return }
        makeDirectories(files)
        steps.append(.linked(version: number))
    }

    /// Takes away what would have certbot fail, hang, or install a damaged version.
    private mutating func remove(_ files: RepairScan, newerThan number: Int) {
        for (path, content) in files.leftovers.sorted(by: { $0.key < $1.key }) {
            removals.append(RepairEdit(path, before: content, after: .nothing))
        }
        if !files.leftovers.isEmpty {
            steps.append(.leftoversRemoved(files.leftovers.keys.map(FileSystem.name).sorted()))
        }
        for (version, contents) in files.archive.sorted(by: { $0.key < $1.key }) {
            let isComplete = contents.count == PEMKind.allCases.count
            let isDamaged = version > number && isComplete && files.versions[version]?.isWhole != true
            if isDamaged { steps.append(.versionRemoved(version)) }
            for kind in PEMKind.allCases {
                guard let content = contents[kind] else { continue }
                let path = Archive.path(kind, version, in: files.paths.archive)
                if isDamaged {
                    removals.append(RepairEdit(path, before: content, after: .nothing))
                } else if case .fifo = content {
                    removals.append(RepairEdit(path, before: content, after: .nothing))
                    steps.append(.pipeRemoved(path: path))
                }
            }
        }
    }
}

extension Tree {
    /// What a repair of a lineage would change. Reads, and writes nothing.
    ///
    /// - Parameters:
    ///   - views: where other processes and containers see this tree: ``Mounts/views(of:)``, and what the container engine knows.
    ///   - served: what endpoints were seen serving of this lineage's names.
    ///   - barred: SHA-256 of certificates that may not be installed again.
    package func repairPlan(
        for name: String, views: Set<String> = [], served: [RepairPlan.Served] = [], barred: Set<String> = [],
        at now: Date
    ) throws(FileError) -> RepairPlan {
        let scan = try ConfScan(self, name, views: views)
        let conf = ConfRepair(scan)
        let files = conf.conf.map { fileScan(of: name, $0) }
        return RepairPlan(scan, conf, files, served: served, barred: barred, at: now)
    }

    private func fileScan(of name: String, _ conf: ConfFile) -> Result<RepairScan, RepairRefusal> {
        let paths: LineagePaths
        do throws(LineageProblem) {
            paths = try LineagePaths(conf, configDirectory: path, name: name)
        } catch {
            return .failure(.conf(error))
        }
        if let problem = problem(with: paths, of: name) { return .failure(.conf(problem)) }
        let names = conf.webrootNames.compactMap { SubjectName($0) }
        do throws(FileError) {
            let renamed = try ArchiveSearch(self, name, paths, confNames: Set(names)).found
            if renamed.count > 1 { return .failure(.archiveUnknown(renamed, should: paths.archive)) }
            return .success(try RepairScan(paths, confNames: Set(names), renamed: renamed.first))
        } catch {
            return .failure(.file(error))
        }
    }
}

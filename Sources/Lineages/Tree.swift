/// A config directory in certbot's layout, such as `/etc/letsencrypt`.
package struct Tree: Sendable {
    /// Its absolute path, without a trailing slash.
    package let path: String
    /// What `cli.ini` says, as if it had been typed.
    package let defaults: CLIDefaults

    /// Why a tree cannot be worked with at all.
    package enum Failure: Error, Sendable, CustomStringConvertible {
        /// A file or directory that everything rests on cannot be read.
        case unreadable(FileError)
        /// `cli.ini` cannot be parsed.
        case badDefaults(path: String, ConfError)

        package var description: String {
            switch self {
            case .unreadable(let error): "\(error)"
            case .badDefaults(let path, let error): "\(path): \(error)"
            }
        }

        /// Whether the caller lacks the rights.
        package var isPermission: Bool {
            if case .unreadable(let error) = self { error.isPermission } else { false }
        }
    }

    /// Opens a tree and reads its `cli.ini`. A relative path is taken from the working directory.
    ///
    /// - Parameter userDefaults: a second `cli.ini`, of the user's, whose values win.
    package init(_ path: String, userDefaults: String? = nil) throws(Failure) {
        // Confs hold absolute paths only.
        var trimmed = path.hasPrefix("/") ? path : "\(FileSystem.resolved("."))/\(path)"
        while trimmed.count > 1, trimmed.hasSuffix("/") { trimmed.removeLast() }
        self.path = trimmed
        var files: [CLIFile] = []
        var paths: [String] = []
        for file in [trimmed + "/cli.ini", userDefaults].compactMap(\.self) {
            guard let parsed = try Tree.defaults(at: file) else { continue }
            files.append(parsed)
            paths.append(file)
        }
        defaults = CLIDefaults(files, paths: paths)
    }

    private static func defaults(at path: String) throws(Failure) -> CLIFile? {
        let bytes: [UInt8]
        do throws(FileError) {
            bytes = try FileSystem.read(path)
        } catch {
            if error.isNotFound { return nil }
            throw .unreadable(error)
        }
        do throws(ConfError) {
            return try CLIFile(bytes: bytes)
        } catch {
            throw .badDefaults(path: path, error)
        }
    }

    /// `renewal/NAME.conf`.
    package func confPath(_ name: String) -> String { "\(path)/renewal/\(name).conf" }

    /// What is wrong with a lineage's paths where they are another tree's.
    package func problem(with paths: LineagePaths, of name: String) -> LineageProblem? {
        TreeBounds(path).problem(with: paths, of: name)
    }

    /// Every lineage, in the byte order of its conf's file name, as certbot takes them; a broken one is among them with its
    /// problems.
    ///
    /// A tree without `renewal/` has no lineages; one whose `renewal/` cannot be read is a failure.
    ///
    /// - Parameter wanted: reads only the lineages of these names.
    package func lineages(_ wanted: Set<String>? = nil) throws(Failure) -> [Lineage] {
        try mapLineages(wanted) { $0 }
    }

    /// What a closure makes of each lineage, in the order of ``lineages(_:)``: a tree of ten thousand is not held in memory.
    ///
    /// - Parameters:
    ///   - known: lineages that were read before and have not changed: they are not read again.
    ///   - transform: called twice for the copy of a conf, and its second answer counts.
    package func mapLineages<T>(
        _ wanted: Set<String>? = nil, known: [String: Lineage] = [:], _ transform: (Lineage) -> T
    ) throws(Failure) -> [T] {
        var results: [T] = []
        var copies = CopyFinder()
        let names = try lineageNames().filter { wanted?.contains($0) ?? true }
        let bounds = TreeBounds(path)
        results.reserveCapacity(names.count)
        for name in names {
            let lineage = known[name] ?? lineage(name, bounds)
            copies.note(lineage)
            results.append(transform(lineage))
        }
        for (index, name, original) in copies.found(in: self) {
            var copy = known[name] ?? lineage(name, bounds)
            copy.original = original
            results[index] = transform(copy)
        }
        return results
    }

    /// The names of all lineages, in the order of their files; nothing of them is read.
    package func lineageNames() throws(Failure) -> [String] {
        do throws(FileError) {
            return try Tree.lineageNames(in: path)
        } catch {
            guard error.isNotFound else { throw .unreadable(error) }
            guard (try? FileSystem.status(path, followingLinks: true))?.kind == .directory else {
                throw .unreadable(FileError("read", path, because: "there is no such directory"))
            }
            return []
        }
    }

    /// The names for which a config directory has a conf, in the byte order of its file name.
    package static func lineageNames(in path: String) throws(FileError) -> [String] {
        try FileSystem.entries(of: "\(path)/renewal")
            .filter { $0.hasSuffix(".conf") && !$0.hasPrefix(".") && $0.utf8.count > ".conf".utf8.count }
            .map { String($0.dropLast(".conf".count)) }
    }
}

/// Tells copies of a conf, `cp one.conf one-old.conf`, from the original: each would renew the same certificate once more.
///
/// The original is the one that its directory in live/ is named after, else the first that can be renewed. Most lineages have a
/// directory of their own name, and nothing is kept of them.
private struct CopyFinder {
    private var count = 0
    /// The lineages that show another one's directory by its name.
    private var suspects: [(index: Int, name: String, live: String)] = []
    /// The first of them for each directory that can be renewed.
    private var originals: [String: String] = [:]

    mutating func note(_ lineage: Lineage) {
        defer { count += 1 }
        guard let live = lineage.paths?.live, FileSystem.name(of: live) != lineage.name else { return }
        suspects.append((count, lineage.name, live))
        if lineage.isRenewable, originals[live] == nil { originals[live] = lineage.name }
    }

    /// Index, name and original of each copy.
    func found(in tree: Tree) -> [(index: Int, name: String, original: String)] {
        suspects.compactMap { suspect in
            let namesake = tree.lineage(FileSystem.name(of: suspect.live))
            let isOriginal = namesake.paths?.live == suspect.live && namesake.isRenewable
            guard let original = isOriginal ? namesake.name : originals[suspect.live], original != suspect.name else {
                return nil
            }
            return (suspect.index, suspect.name, original)
        }
    }
}

extension Lineage {
    fileprivate var isRenewable: Bool { fatalProblem == nil && reasonUnmanaged == nil }
}

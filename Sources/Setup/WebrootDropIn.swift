import Deployment
import FoundationEssentials
package import Lineages

/// The drop-in of `certctl.service` that lets its sandbox write where the tree's challenges go, to whatever else of the
/// tree and the state stands elsewhere, and where the host's settings have a run leave its reports.
///
/// A path that is not there does not keep the service from starting.
package struct WebrootDropIn: Equatable, Sendable {
    /// Where it stands on a host.
    package static let path = "/etc/systemd/system/certctl.service.d/webroots.conf"

    /// What the sandbox may write to, sorted, each once.
    package let paths: [String]
    /// What a renewal writes to, whether or not the unit's own file opens it; with symlinks resolved.
    package let needed: Set<String>

    private let treePath: String
    private let statePath: String

    /// What the service may write to without it.
    private static let usual: Set<String> = ["/etc/letsencrypt", "/var/lib/certctl", "/run/certctl"]

    /// What the lineages of a tree need.
    ///
    /// - Parameters:
    ///   - reports: files that each run writes.
    ///   - added: webroots of lineages that are about to get them.
    package init(
        _ lineages: [Lineage], treePath: String, statePath: String, reports: [String] = [], adding added: [String] = []
    ) {
        (self.treePath, self.statePath) = (treePath, statePath)
        var paths: Set<String> = [treePath, statePath, RenewalOptions.defaultWebroot]
        var webroots = added
        for lineage in lineages {
            guard let options = lineage.options, !options.proof.methods.isEmpty else { continue }
            if options.proof.methods.contains(.webroot) {
                webroots += Array(options.webroots.values) + (options.lastWebroot.map { [$0] } ?? [])
            }
            // archive_dir may be anywhere, and so may live/NAME.
            paths.formUnion([lineage.paths?.archive, lineage.paths?.live].compactMap(\.self).map(FileSystem.resolved))
        }
        for webroot in webroots {
            paths.insert(webroot)
            // A link within the webroot leads out of what systemd makes writable. One that is not followed opens nothing.
            let challenges = FileSystem.resolved(webroot + "/.well-known/acme-challenge")
            guard !WebrootDropIn.isIn(challenges, FileSystem.resolved(webroot)) else { continue }
            if (try? Webroot(webroot).challenges()) != nil { paths.insert(challenges) }
        }
        for part in ["live", "archive", "renewal", "accounts"] {
            paths.insert(FileSystem.resolved("\(treePath)/\(part)"))
        }
        needed = Set(paths.subtracting([RenewalOptions.defaultWebroot]).union(webroots).map(FileSystem.resolved))
        // A file is replaced by another one, beside it at first. A file in / does not make the whole system writable.
        paths.formUnion(reports.compactMap(FileSystem.directory).filter { $0 != "/" })
        let real = paths.map { ($0, FileSystem.resolved($0)) }
        self.paths = paths.filter { path in
            // A path that a unit cannot express is left out; a path that another covers adds nothing.
            guard path.hasPrefix("/"), UnitSyntax.word(path) != nil, !WebrootDropIn.usual.contains(path) else {
                return false
            }
            let resolved = FileSystem.resolved(path)
            if WebrootDropIn.usual.contains(where: { WebrootDropIn.isIn(resolved, FileSystem.resolved($0)) }) {
                return false
            }
            return !real.contains { $0.0 != path && $0.1 != resolved && WebrootDropIn.isIn(resolved, $0.1) }
        }.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    private static func isIn(_ path: String, _ directory: String) -> Bool {
        path == directory || path.hasPrefix(directory == "/" ? "/" : directory + "/")
    }

    /// The file.
    package var text: String {
        let lines = paths.map { "\(UnitSyntax.opening($0, writable: true))\n" }
        return """
            # Written by certctl setup and certctl issue: where challenges and reports go.
            \(owner)
            [Service]
            \(lines.joined())
            """
    }

    /// The line that says whose paths these are: another tree's are another drop-in's.
    private var owner: String { "# For \(treePath.debugDescription) and \(statePath.debugDescription)" }

    /// Whether the file of a host says this.
    package func isCurrent(on host: SetupHost = SetupHost()) -> Bool {
        let bytes = try? FileSystem.read(host.path(WebrootDropIn.path))
        return bytes == Array(text.utf8)
    }

    /// Writes the file again if setup has created it, and reloads systemd. Returns whether it had changed.
    package func refresh(on host: SetupHost = SetupHost(), stateDirectory: String) async throws(SetupFailure) -> Bool {
        let path = host.path(WebrootDropIn.path)
        guard let there = try? FileSystem.read(path), !isCurrent(on: host),
            String(decoding: there, as: UTF8.self).split(separator: "\n").contains(Substring(owner))
        else { return false }
        let bytes = Array(text.utf8)
        do throws(FileError) {
            try NewFile(path, bytes, mode: 0o644).commit()
        } catch {
            throw SetupFailure(error)
        }
        var record = try SetupRecord(stateDirectory: stateDirectory)
        try record.rewrote(path, as: try FilePicture(bytes, mode: 0o644))
        if host.runsSystemd { try await host.systemd.control("daemon-reload") }
        return true
    }
}

import FoundationEssentials
package import Lineages
package import PKI

/// The certificate that a fault is about, as far as its remedy needs it.
package struct FaultSubject: Hashable, Sendable {
    package let name: String
    /// `renewal/NAME.conf`.
    package let conf: String
    /// `live/NAME`, or the renewal config where that does not say.
    package let live: String
    /// The names of its certificate as far as any file has them, else those of its renewal config; empty where nothing tells.
    package let names: [SubjectName]
    /// Whether its renewal config says how to prove each of the names: `certctl issue` needs no option for that then.
    package let isProvable: Bool
    /// What helps with its files, from what is on the disk; nil where nothing is to be repaired.
    package let repair: LineageRemedy?
    /// Whether it does not exist yet: `certctl issue` has failed.
    package var isNew = false

    package init(
        name: String, conf: String, live: String, names: [SubjectName], isProvable: Bool = false,
        repair: LineageRemedy? = nil
    ) {
        (self.name, self.conf, self.live, self.names) = (name, conf, live, names)
        (self.isProvable, self.repair) = (isProvable, repair)
    }

    package init(_ lineage: Lineage) {
        let names = lineage.ownNames
        self.init(
            name: lineage.name, conf: lineage.confPath, live: lineage.paths?.live ?? lineage.confPath, names: names,
            isProvable: lineage.options?.proof.reasonUnproven(names) == nil && lineage.options != nil,
            repair: lineage.remedy)
    }

    /// A certificate of which only the name is known.
    ///
    /// - Parameter isNew: whether it does not exist yet.
    package init(name: String, isNew: Bool = false) {
        self.init(name: name, conf: "renewal/\(name).conf", live: "live/\(name)", names: [])
        self.isNew = isNew
    }

    /// What tries again what has failed.
    var again: String { isNew ? "the same certctl issue again" : "certctl renew \(name.shellWord)" }

    func retry(cost: Remedy.Cost) -> Remedy {
        isNew ? .do("run the same certctl issue again", cost: cost) : .renew([name], cost: cost)
    }

    /// A name for which `certctl issue` has to be given a DNS plugin or a hook.
    private var wildcard: SubjectName? { isProvable ? nil : names.first(where: \.isWildcard) }

    /// Has `certctl issue` make it again, for all of its names: with fewer it would lose the others. No command to paste where
    /// the names are not known.
    ///
    /// - Parameter options: what the command is given besides.
    func reissue(_ options: String = "") -> Remedy {
        let command = issueCommand(options)
        if let wildcard {
            return .do(
                "\(command), with --dns PLUGIN and --dns-credentials FILE: \(wildcard) needs dns-01", cost: .order)
        }
        return names.isEmpty
            ? .do("\(command), with a -d for each of its names", cost: .order) : .run(command, cost: .order)
    }

    func issueCommand(_ options: String = "") -> String {
        let words = names.isEmpty ? ["NAME"] : names.map { $0.description.shellWord }
        return (["certctl issue --name \(name.shellWord)"] + words.map { "-d \($0)" } + [options])
            .filter { !$0.isEmpty }.joined(separator: " ")
    }
}

extension Lineage {
    /// `/etc/letsencrypt`, of a renewal config in `renewal/`.
    private var configDirectory: String? { FileSystem.directory(of: confPath).flatMap(FileSystem.directory) }

    /// The names that are its own, by its archive and its renewal config; empty where nothing tells.
    fileprivate var ownNames: [SubjectName] { configDirectory.map { ownNames(in: $0) } ?? [] }

    /// What a repair would do, where something is to be repaired.
    fileprivate var remedy: LineageRemedy? {
        guard problems.contains(where: \.isRepairable), let tree = configDirectory.flatMap({ try? Tree($0) }) else {
            return nil
        }
        return tree.remedy(for: self, views: Mounts.views(of: tree.path), at: Date.now)
    }
}

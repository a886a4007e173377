import FoundationEssentials
import Lineages
import PKI

extension Lineage {
    /// Has `certctl issue` make it anew, for all of its names: with fewer it would lose the others. Advice where a command to
    /// paste cannot be told.
    ///
    /// - Parameter options: what the command is given besides.
    func reissue(_ options: String = "") -> Check.Remedy {
        let names = knownNames
        if let wildcard = names.first(where: \.isWildcard) {
            return .advice("have what made it make it anew: \(wildcard) needs dns-01, which certctl does not have")
        }
        let command = issueCommand(names, options)
        return names.isEmpty ? .advice("\(command), with a -d for each of its names") : .command(command)
    }

    /// What helps with its files, from what is on the disk where that is possible; nil where nothing is to be repaired.
    func repair(at now: Date) -> Check.Remedy? {
        guard let tree = FileSystem.directory(of: confPath).flatMap(FileSystem.directory),
            let remedy = (try? Tree(tree))?.remedy(for: self, at: now)
        else { return nil }
        switch remedy {
        case .repair: return .command("certctl repair \(name.shellWord)")
        case .issue(let names):
            if names.contains(where: \.isWildcard) { return reissue() }
            return names.isEmpty
                ? .advice("\(issueCommand([], "")), with a -d for each of its names")
                : .command(issueCommand(names, ""))
        case .issueWithoutConf: return newConf
        case .editor(let path, let line):
            return .advice("editor \(line.map { "+\($0) " } ?? "")\(path.shellWord)")
        case .person(let text): return .advice(text)
        }
    }

    /// What to do about a conf that cannot be used. Without it no lineage is known, so that none of it is a command to paste.
    var newConf: Check.Remedy {
        .advice(
            "restore \(confPath) from a backup; or move it away, run \(issueCommand(knownNames, "")), and move it back "
                + "should that fail")
    }

    private func issueCommand(_ names: [SubjectName], _ options: String) -> String {
        let words = names.isEmpty ? ["NAME"] : names.map { $0.description.shellWord }
        return (["certctl issue --name \(name.shellWord)"] + words.map { "-d \($0)" } + [options])
            .filter { !$0.isEmpty }.joined(separator: " ")
    }

    /// The names that are its own; empty where nothing tells.
    private var knownNames: [SubjectName] {
        let renewal = FileSystem.directory(of: confPath) ?? "."
        return ownNames(in: FileSystem.directory(of: renewal) ?? ".")
    }
}

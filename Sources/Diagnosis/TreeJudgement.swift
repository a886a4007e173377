import FoundationEssentials
import Lineages

/// What opening the tree tells.
enum TreeJudgement {
    static let ids: [CheckID] = [.treeMissing, .treeUnreadable, .defaultsMalformed]

    static func findings(_ failure: Tree.Failure?, path: String, lineages: [Lineage]) -> Findings {
        var findings = Findings()
        switch failure {
        case .badDefaults(let file, let error):
            findings.fail(.defaultsMalformed, at: file, "\(file): \(error)", remedy: "editor \(file)")
        case .unreadable(let error) where error.isPermission:
            findings.fail(.treeUnreadable, at: path, "\(error)", remedy: "sudo certctl doctor")
        case .unreadable(let error):
            let isThere = (try? FileSystem.status(path, followingLinks: true))?.kind == .directory
            if isThere {
                findings.fail(
                    .treeUnreadable, at: path, "\(error)", remedy: "ls -ld \(path.shellWord) \(path.shellWord)/renewal")
            } else {
                findings.fail(
                    .treeMissing, at: path, "there is no directory \(path)",
                    remedy: .advice(
                        "name the tree with --config-dir; or make a first certificate: certctl issue -d NAME"))
            }
        case nil:
            if lineages.isEmpty {
                findings.warn(
                    .noLineage, at: "\(path)/renewal", "there is no lineage in \(path)",
                    remedy: .advice("make a first certificate: certctl issue -d NAME"))
            } else {
                findings.pass([.noLineage], at: "\(path)/renewal")
            }
        }
        findings.pass(ids, at: path)
        return findings
    }
}

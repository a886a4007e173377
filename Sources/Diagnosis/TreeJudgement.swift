import FoundationEssentials
import Lineages
import Renewal

/// What opening the tree tells.
enum TreeJudgement {
    static let ids: [CheckID] = [.treeMissing, .treeUnreadable, .defaultsMalformed]

    static func findings(_ failure: Tree.Failure?, path: String, lineages: [Lineage]) -> Findings {
        var findings = Findings()
        switch failure {
        case .badDefaults(let file, let error):
            findings.fail(.defaultsMalformed, at: file, "\(file): \(error)", .fileMalformed(file))
        case .unreadable(let error) where error.isPermission:
            findings.fail(.treeUnreadable, at: path, "\(error)", .configDirectoryForbidden)
        case .unreadable(let error):
            let isThere = (try? FileSystem.status(path, followingLinks: true))?.kind == .directory
            if isThere {
                findings.fail(
                    .treeUnreadable, at: path, "\(error)", .configDirectoryUnreadable(path))
            } else {
                findings.fail(
                    .treeMissing, at: path, "there is no directory \(path)", .configDirectoryMissing)
            }
        case nil:
            if lineages.isEmpty {
                findings.warn(
                    .noLineage, at: "\(path)/renewal", "there is no lineage in \(path)", .noCertificate)
            } else {
                findings.pass([.noLineage], at: "\(path)/renewal")
            }
        }
        findings.pass(ids, at: path)
        return findings
    }
}

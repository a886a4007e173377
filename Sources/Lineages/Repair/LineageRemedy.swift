package import FoundationEssentials
package import PKI

/// What helps with the files of a lineage: the one place that says so, for every command.
package enum LineageRemedy: Hashable, Sendable {
    /// `certctl repair NAME` does it, without a CA.
    case repair
    /// A new certificate under the same name, for these names; they are empty where nothing tells.
    case issue([SubjectName])
    /// The same, once the lost renewal config at this path is moved away.
    case issueWithoutConf(path: String, [SubjectName])
    /// A person corrects the renewal config, at this line where it is known.
    case editor(path: String, line: Int?)
    /// A person has to do this.
    case person(String)
}

extension Tree {
    /// What helps with the files of a lineage; nil where nothing is to be repaired. Reads the archive, and writes nothing.
    ///
    /// To follow it never leads in a circle: `repair` is only said where it leaves nothing to repair.
    package func remedy(for lineage: Lineage, views: Set<String> = [], at now: Date) -> LineageRemedy? {
        let plan: RepairPlan
        do throws(FileError) {
            plan = try repairPlan(for: lineage.name, views: views, at: now)
        } catch {
            return .person(error.isPermission ? "run it as root" : "look at \(error.path): \(error.cause)")
        }
        guard let refusal = plan.refusal else { return plan.hasChanges ? .repair : nil }
        return remedy(after: refusal, lineage)
    }

    /// What helps where a repair was refused.
    package func remedy(after refusal: RepairRefusal, _ lineage: Lineage) -> LineageRemedy {
        switch refusal.remedy {
        case .issue: .issue(lineage.ownNames(in: path))
        case .issueWithoutConf: .issueWithoutConf(path: lineage.confPath, lineage.ownNames(in: path))
        case .editor(let path, let line): .editor(path: path, line: line)
        case .person(let text): .person(text)
        }
    }
}

import FoundationEssentials
import Lineages
import PKI
import Renewal

/// What an operator does about a failure: the second line of an error, from the table of remedies.
enum NextStep {
    /// - Parameter lineage: as far as it is known.
    static func after(_ failure: RenewalFailure, lineage: String) -> String? {
        let cause = RecordedCause(failure.cause)
        // Its own words say all that is known.
        guard cause != .other else { return nil }
        if case .lineage(let code) = cause, let code = LineageProblem.Code(rawValue: code) {
            return after(LineageProblem(code, failure.cause.message), lineage: lineage)
        }
        return Fault.renewal(cause, FaultSubject(name: lineage), isRepeated: true).remedy?.text
    }

    static func after(_ problem: LineageProblem, lineage: String) -> String? {
        switch problem.code {
        case .confMalformed where problem.line != nil:
            "correct line \(problem.line ?? 1) with an editor: certbot fails on it as well"
        case _ where problem.isRepairable: "certctl repair \(lineage.shellWord)"
        default: Fault.lineage(problem.code, FaultSubject(name: lineage)).remedy?.text
        }
    }

    /// What helps where a repair cannot: the names of a new certificate are the lineage's own.
    static func after(_ refusal: RepairRefusal, lineage name: String, _ tree: Tree) -> String {
        text(tree.remedy(after: refusal, tree.lineage(name)), name, tree)
    }

    /// A remedy as a command to paste, or as what a person does.
    static func text(_ remedy: LineageRemedy, _ name: String, _ tree: Tree) -> String {
        let place = tree.path == OperatorPath.tree.text ? "" : " --config-dir \(tree.path.shellWord)"
        func issue(_ names: [SubjectName]) -> String {
            let domains = names.map { " -d \($0.description.shellWord)" }.joined()
            return "certctl issue\(place) --name \(name.shellWord)"
                + (domains.isEmpty ? ", with a -d for each of its names" : domains)
        }
        switch remedy {
        case .repair: return "certctl repair\(place) \(name.shellWord)"
        case .issue(let names): return issue(names)
        case .issueWithoutConf(let conf, let names):
            guard ((try? FileSystem.status(conf)) ?? nil) != nil else { return issue(names) }
            return "mv \(conf.shellWord) \((conf + ".lost").shellWord) && \(issue(names))"
        case .editor(let path, let line):
            return "editor \(line.map { "+\($0) " } ?? "")\(path.shellWord)"
        case .person(let text): return text
        }
    }
}

import FoundationEssentials
import Lineages
import PKI
import Renewal

/// What an operator does about a failure: the second line of an error, from the table of remedies.
enum NextStep {
    /// - Parameters:
    ///   - lineage: as far as it is known.
    ///   - isNew: whether it does not exist yet.
    static func after(_ failure: RenewalFailure, lineage: String, isNew: Bool = false) -> Remedy.Step? {
        let cause = RecordedCause(failure.cause)
        // Its own words say all that is known.
        guard cause != .other else { return nil }
        if case .lineage(let code) = cause, let code = LineageProblem.Code(rawValue: code) {
            return after(LineageProblem(code, failure.cause.message), lineage: lineage)
        }
        return Fault.renewal(cause, FaultSubject(name: lineage, isNew: isNew), isRepeated: true).remedy?.step
    }

    static func after(_ problem: LineageProblem, lineage: String) -> Remedy.Step? {
        switch problem.code {
        case .confMalformed where problem.line != nil:
            "correct line \(problem.line ?? 1) with an editor: certbot fails on it as well"
        case _ where problem.isRepairable: .run("certctl repair \(lineage.shellWord)")
        default: Fault.lineage(problem.code, FaultSubject(name: lineage)).remedy?.step
        }
    }

    /// What helps where a repair cannot: the names of a new certificate are the lineage's own.
    static func after(_ refusal: RepairRefusal, lineage name: String, _ tree: Tree) -> Remedy.Step {
        step(tree.remedy(after: refusal, tree.lineage(name)), name, tree)
    }

    /// A remedy as a command to paste, or as what a person does.
    static func step(_ remedy: LineageRemedy, _ name: String, _ tree: Tree) -> Remedy.Step {
        let place = tree.path == OperatorPath.tree.text ? "" : " --config-dir \(tree.path.shellWord)"
        func issue(_ names: [SubjectName], after first: String = "") -> Remedy.Step {
            let domains = names.map { " -d \($0.description.shellWord)" }.joined()
            let command = "\(first)certctl issue\(place) --name \(name.shellWord)"
            return domains.isEmpty ? .do(command + ", with a -d for each of its names") : .run(command + domains)
        }
        switch remedy {
        case .repair: return .run("certctl repair\(place) \(name.shellWord)")
        case .issue(let names): return issue(names)
        case .issueWithoutConf(let conf, let names):
            guard ((try? FileSystem.status(conf)) ?? nil) != nil else { return issue(names) }
            return issue(names, after: "mv \(conf.shellWord) \((conf + ".lost").shellWord) && ")
        case .editor(let path, let line):
            return .run("editor \(line.map { "+\($0) " } ?? "")\(path.shellWord)")
        case .person(let text): return .do(text)
        }
    }
}

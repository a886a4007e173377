import ACME
import HTTP
import Lineages
import PKI
import Renewal

/// What an operator does about a failure: the second line of an error.
enum NextStep {
    static func after(_ failure: RenewalFailure, lineage: String) -> String? {
        let cause = failure.cause
        switch cause.code {
        case .tlsNotTrusted:
            return "see that this host's clock is right; for a private CA, name its root certificate with --ca-bundle FILE"
        case .proxy:
            return "correct that environment variable where it is set: for the service, in certctl.service or a drop-in of it"
        case .redirected:
            return "set server to the new URL in the renewal config and cli.ini, if the CA says that it has moved"
        case .unreachable: return "nothing to mend here if the CA or the network is down: run it again later"
        case .notValidated:
            return
                "see that http://NAME/.well-known/acme-challenge/ reaches this host's nginx on port 80 and is served from the webroot"
        case .paused: return cause.url.map { "open \($0) in a browser: the CA waits for a person" }
        case .rateLimited: return "wait: trying again sooner only adds to the count"
        case .lineage:
            return cause.subject.flatMap { LineageProblem.Code(rawValue: $0) }
                .flatMap { after(LineageProblem($0, cause.message), lineage: lineage) }
        case .account where failure.stage == .preparation:
            return "set account = ID in renewal/\(lineage).conf to one that is in accounts/"
        case .budget: return "if you are sure that a new one is what is missing: certctl renew --force --yes \(lineage)"
        case .webroot: return cause.subject
        case .file where failure.stage != .deployment:
            return "nothing of the lineage was changed; mend it and run certctl renew \(lineage)"
        default: return nil
        }
    }

    static func after(_ problem: LineageProblem, lineage: String) -> String? {
        let name = lineage.quotedForShell
        switch problem.code {
        case .confMalformed where problem.line != nil:
            return "correct line \(problem.line ?? 1) with an editor: certbot stops at it, too"
        case _ where problem.isRepairable: return "certctl repair \(name)"
        case .anotherTree:
            return
                "name that tree with --config-dir; for a lineage of this one, correct the paths in renewal/\(lineage).conf"
        case .optionInvalid: return "correct the line in renewal/\(lineage).conf"
        default: return nil
        }
    }

    /// What helps where a repair cannot: the names of a new certificate are the lineage's own.
    static func after(_ refusal: RepairRefusal, lineage name: String, _ tree: Tree) -> String {
        let lineage = tree.lineage(name)
        return text(tree.remedy(after: refusal, lineage), name, tree)
    }

    /// A remedy as a command to paste, or as what a person does.
    static func text(_ remedy: LineageRemedy, _ name: String, _ tree: Tree) -> String {
        let place = tree.path == OperatorPath.tree.text ? "" : " --config-dir \(tree.path.quotedForShell)"
        func issue(_ names: [SubjectName]) -> String {
            if let wildcard = names.first(where: \.isWildcard) {
                return "order it again with what ordered it: \(wildcard) needs dns-01, which certctl does not have"
            }
            let domains = names.map { " -d \($0.description.quotedForShell)" }.joined()
            return "certctl issue\(place) --name \(name.quotedForShell)"
                + (domains.isEmpty ? ", with a -d for each of its names" : domains)
        }
        switch remedy {
        case .repair: return "certctl repair\(place) \(name.quotedForShell)"
        case .issue(let names): return issue(names)
        case .issueWithoutConf(let conf, let names):
            guard ((try? FileSystem.status(conf)) ?? nil) != nil else { return issue(names) }
            return "mv \(conf.quotedForShell) \((conf + ".lost").quotedForShell) && \(issue(names))"
        case .editor(let path, let line):
            return "editor \(line.map { "+\($0) " } ?? "")\(path.quotedForShell)"
        case .person(let text): return text
        }
    }
}

extension String {
    /// One word of a POSIX shell's command line, in quotes only where it needs them.
    var quotedForShell: String {
        let isPlain =
            !isEmpty
            && unicodeScalars.allSatisfy {
                $0.isASCII
                    && ($0.properties.isAlphabetic || ("0"..."9").contains($0)
                        || "-_./:@%+,=".unicodeScalars.contains($0))
            }
        return isPlain ? self : "'\(replacing("'", with: #"'\''"#))'"
    }
}

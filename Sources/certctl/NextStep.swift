import ACME
import HTTP
import Lineages
import Renewal

/// What an operator does about a failure: the second line of an error.
enum NextStep {
    static func after(_ failure: RenewalFailure, lineage: String) -> String? {
        let cause = failure.cause
        switch cause.code {
        case .tlsNotTrusted:
            return "see that this host's clock is right; for a private CA, name its root certificate with --ca-bundle FILE"
        case .unreachable: return "nothing to mend here if the CA or the network is down: run it again later"
        case .notValidated:
            return
                "see that http://NAME/.well-known/acme-challenge/ reaches this host's nginx on port 80 and is served from the webroot"
        case .paused: return cause.url.map { "unpause it at \($0)" }
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
        switch problem.code {
        case .confMalformed, .confUnreadable, .confIncomplete:
            "restore renewal/\(lineage).conf from a backup, or move it away and run certctl issue --name \(lineage) -d …"
        case .keyMismatch, .keyMalformed, .certificateMalformed, .fullchainMismatch, .liveMissing, .liveInconsistent,
            .liveNotALink:
            "certctl issue --name \(lineage) -d … gets a new certificate and sets all four links"
        case .anotherTree:
            "name that tree with --config-dir; for a lineage of this one, mend the paths in renewal/\(lineage).conf"
        case .optionInvalid: "mend the line in renewal/\(lineage).conf"
        default: nil
        }
    }
}

import ACME
import HTTP
import Lineages
import Renewal

/// What an operator does about a failure: the second line of an error.
enum NextStep {
    static func after(_ failure: RenewalFailure, lineage: String) -> String? {
        switch failure.cause {
        case let error as ACMEError: after(error)
        case let problem as LineageProblem: after(problem, lineage: lineage)
        case AccountError.ambiguous:
            "set account = ID in renewal/\(lineage).conf to one that is in accounts/"
        case AccountError.missing:
            "certctl account register sets it right; or set account = ID in renewal/\(lineage).conf to one in accounts/"
        case is BudgetRefusal:
            "if you are sure that a new one is what is missing: certctl renew --force --yes \(lineage)"
        case let failure as WebrootResponder.Failure: failure.wayOut
        case is FileError: "nothing of the lineage was changed; mend it and run certctl renew \(lineage)"
        default: nil
        }
    }

    private static func after(_ error: ACMEError) -> String? {
        switch error {
        case .unreachable(let error) where error.kind == .tlsNotTrusted:
            "see that this host's clock is right; for a private CA, name its root certificate with --ca-bundle FILE"
        case .unreachable(let error) where error.kind == .proxyRefused || error.kind == .invalidProxy:
            "correct that environment variable where it is set: for the service, in certctl.service or a drop-in of it"
        case .unreachable: "nothing to mend here if the CA or the network is down: run it again later"
        case .authorizationFailed:
            "see that http://NAME/.well-known/acme-challenge/ reaches this host's nginx on port 80 and is served from the webroot"
        case .unknownAccount, .accountDeactivated:
            "certctl account register makes an account that the certificates of this CA use; then run certctl renew"
        case .redirected:
            "set server to the new URL in the renewal config and cli.ini, if the CA says that it has moved"
        case .refused(let problem, _) where problem.needsOperator:
            "open the URL above in a browser: the CA waits for a person"
        case .refused(let problem, _) where problem.type == "rateLimited":
            "wait: trying again sooner only adds to the count"
        default: nil
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

import FoundationEssentials
import Lineages
import PKI

/// Remedies for the last renewal, by its recorded cause.
extension Fault {
    static func remedy(_ cause: RecordedCause, _ subject: FaultSubject, isRepeated: Bool) -> Remedy? {
        switch cause {
        case .unreachable:
            .do(
                subject.isNew
                    ? "see that this host reaches the CA, then: \(subject.again)"
                    : "see that this host reaches the CA, or run it again later: certctl renew goes on by itself",
                by: subject.isNew ? .root : .certctl)
        case .notTrusted: trust
        case .proxy:
            .do(
                "correct that environment variable where it is set: for the service, in certctl.service or a drop-in of it"
            )
        case .moved(let url):
            .do(
                "set server to the new URL in \(subject.conf) and cli.ini, if the CA says that it has moved"
                    + (url.map { ": \($0)" } ?? ""))
        case .refused(type: "rateLimited"): wait
        case .paused(let url):
            .do(
                url.map { "unpause it at \($0), then: \(subject.again)" }
                    ?? "unpause the name at the CA", by: .person)
        case .termsChanged(let url):
            .do(
                "agree to the CA's terms\(url.map { " at \($0)" } ?? ""), then: \(subject.again)",
                by: .person)
        case .account(let server): register(server)
        case .profile where subject.isNew:
            .do("name a profile that certctl account profiles lists, in: \(subject.again)")
        case .profile(let name):
            .do(
                "take \(name) out of required_profile and preferred_profile in \(subject.conf), or write one that the CA has; then: \(subject.again)"
            )
        case .refused(type: "caa"):
            .do(
                "let the CAA records of its names allow the CA, then: \(subject.again)",
                by: .person)
        case .refused, .other:
            isRepeated
                ? .do(
                    "correct what the CA says of \(subject.name), then: \(subject.again)",
                    cost: .validation)
                : subject.retry(cost: .validation)
        case .notValidated(let types) where types.contains("dns-01"):
            isRepeated
                ? .do(
                    "see that the plugin or hook makes the TXT record that the CA looks for, in the zone that its name servers serve; then: \(subject.again)",
                    cost: .validation)
                : subject.retry(cost: .validation)
        case .notPresented:
            isRepeated
                ? .do("correct what the plugin or hook says, then: \(subject.again)") : subject.retry(cost: .free)
        case .notValidated:
            isRepeated
                ? .do(
                    "see that http://\(subject.names.first { !$0.isWildcard }?.description ?? subject.name)/.well-known/acme-challenge/ reaches this host's nginx from outside, as the CA says it does not; then: \(subject.again)",
                    cost: .validation)
                : subject.retry(cost: .validation)
        case .webroot(let path?): Fault.webrootObstructed(path).remedy
        case .webroot(nil):
            isRepeated
                ? .do("correct what it says of the webroot, then: \(subject.again)") : subject.retry(cost: .validation)
        case .file(let path, _):
            isRepeated
                ? .do(
                    "let root write to \(path): see ls -ld, findmnt -T and df of it; then: \(subject.again)"
                )
                : subject.retry(cost: .validation)
        case .hook(_, let identity):
            isRepeated
                ? .do("correct \(identity), then: \(subject.again)") : subject.retry(cost: .order)
        case .lineage(let code):
            LineageProblem.Code(rawValue: code).flatMap { remedy($0, subject) } ?? subject.retry(cost: .order)
        case .server:
            .do(
                "correct nginx's configuration until nginx -t passes, then: certctl renew --force \(subject.name.shellWord) (with --yes it is ordered all the same)"
            )
        case .budget:
            .do(
                "if you are sure that a new one is what is missing: certctl renew --force --yes \(subject.name.shellWord)",
                cost: .order)
        }
    }
}

import FoundationEssentials
import Lineages

/// Remedies for the last renewal, by its recorded cause.
extension Fault {
    static func remedy(_ cause: RecordedCause, _ subject: FaultSubject, isRepeated: Bool) -> Remedy? {
        switch cause {
        case .unreachable:
            .do(
                "see that this host reaches the CA, or run it again later: certctl renew goes on by itself",
                by: .certctl)
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
                url.map { "unpause it at \($0), then: certctl renew \(subject.name.shellWord)" }
                    ?? "unpause the name at the CA", by: .person)
        case .termsChanged(let url):
            .do(
                "agree to the CA's terms\(url.map { " at \($0)" } ?? ""), then: certctl renew \(subject.name.shellWord)",
                by: .person)
        case .account(let server): register(server)
        case .profile(let name):
            .do(
                "take \(name) out of required_profile and preferred_profile in \(subject.conf), or write one that the CA has; then: certctl renew \(subject.name.shellWord)"
            )
        case .refused(type: "caa"):
            .do(
                "let the CAA records of its names allow the CA, then: certctl renew \(subject.name.shellWord)",
                by: .person)
        case .refused, .other:
            isRepeated
                ? .do(
                    "correct what the CA says of \(subject.name), then: certctl renew \(subject.name.shellWord)",
                    cost: .validation)
                : .renew([subject.name], cost: .validation)
        case .notValidated:
            isRepeated
                ? .do(
                    "see that http://NAME/.well-known/acme-challenge/ reaches this host's nginx from outside, as the CA says it does not; then: certctl renew \(subject.name.shellWord)",
                    cost: .validation)
                : .renew([subject.name], cost: .validation)
        case .webroot(let path?): Fault.webrootObstructed(path).remedy
        case .webroot(nil): .renew([subject.name], cost: .validation)
        case .file(let path, _):
            isRepeated
                ? .do(
                    "let root write to \(path): see ls -ld, findmnt -T and df of it; then: certctl renew \(subject.name.shellWord)"
                )
                : .renew([subject.name], cost: .validation)
        case .hook(_, let identity):
            isRepeated
                ? .do("correct \(identity), then: certctl renew \(subject.name.shellWord)") : .renew([subject.name])
        case .lineage(let code):
            LineageProblem.Code(rawValue: code).flatMap { remedy($0, subject) } ?? .renew([subject.name])
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

import FoundationEssentials
import Lineages
import PKI
import Renewal

/// What listeners serve, beside what the disk holds.
enum ServedJudgement {
    static let ids: [CheckID] = [.servedStale, .servedOther, .servedBroken, .servedUnreachable]

    /// - Parameter report: nil where nothing was looked at.
    static func findings(_ report: ProbeReport?, _ lineage: Lineage, installed serial: String?, at now: Date)
        -> Findings
    {
        var findings = Findings()
        guard let report else {
            findings.skip(ids, lineage.name, at: "listeners", because: "there is no certificate to compare with")
            return findings
        }
        guard !report.observations.isEmpty else {
            findings.skip(ids, lineage.name, at: "listeners", because: "verify = none: nobody serves it here")
            return findings
        }
        // One address family answering is enough, as everywhere.
        let right = Set(report.matches.filter(\.endpoint.isLoopback).map { "\($0.name):\($0.endpoint.port)" })
        // A certificate that is no good cannot be deployed either.
        let isUsable = (lineage.certificate.map { $0.notAfter > now } ?? false) && lineage.fatalProblem == nil
        let deploy: Check.Remedy = "certctl deploy \(lineage.name.shellWord)"
        let remedy: Check.Remedy = isUsable ? deploy : "certctl renew --force \(lineage.name.shellWord)"
        let action: Check.Action = isUsable ? .deploy : .renew
        for observation in report.observations {
            let place = "\(observation.target.endpoint) as \(observation.target.name)"
            let evidence = "\(observation.target.endpoint) \(observation.verdict) for \(observation.target.name)"
            let installed = serial.map { ", installed is \($0)" } ?? ""
            switch observation.verdict {
            case .match: break
            case .stale:
                findings.fail(
                    .servedStale, lineage.name, at: place, evidence + installed, remedy: remedy, action: action)
            case .other where observation.isRequired:
                findings.fail(
                    .servedOther, lineage.name, at: place, evidence + installed, remedy: remedy, action: action)
            case .other:
                findings.warn(
                    .servedOther, lineage.name, at: place, evidence + "; no setting says that it should serve this one",
                    remedy: .advice("set verify in certctl.conf: the lineage's listener, or none"))
            case .broken where observation.isRequired:
                findings.fail(
                    .servedBroken, lineage.name, at: place, evidence,
                    remedy:
                        "openssl s_client -connect \(observation.target.endpoint) -servername \(observation.target.name) </dev/null"
                )
            case .broken:
                findings.warn(
                    .servedBroken, lineage.name, at: place,
                    evidence + "; no setting says that it should serve this one",
                    remedy: .advice("set verify in certctl.conf: the lineage's listener, or none"))
            case .unreachable:
                guard
                    !(observation.target.endpoint.isLoopback
                        && right.contains("\(observation.target.name):\(observation.target.endpoint.port)"))
                else { break }
                if observation.isRequired {
                    findings.fail(
                        .servedUnreachable, lineage.name, at: place, evidence,
                        remedy: "docker compose up -d   # or: systemctl start nginx"
                    )
                } else {
                    findings.warn(
                        .servedUnreachable, lineage.name, at: place, evidence,
                        remedy: .advice("set verify in certctl.conf: the lineage's listener, or none"))
                }
            }
            findings.pass(ids, lineage.name, at: place)
        }
        return findings
    }
}

import FoundationEssentials
import Lineages
import PKI
import Renewal

/// What listeners serve, beside what the disk holds.
enum ServedJudgement {
    static let ids: [CheckID] = [.servedStale, .servedOther, .servedBroken, .servedUnreachable]

    /// - Parameter report: nil where nothing was looked at.
    static func findings(_ report: ServedReport?, _ lineage: Lineage, installed serial: String?, at now: Date)
        -> Findings
    {
        var findings = Findings()
        guard let report else {
            findings.skip(ids, lineage.name, at: "listeners", because: "there is no certificate to compare with")
            return findings
        }
        guard !report.sightings.isEmpty else {
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
        for sighting in report.sightings {
            let place = "\(sighting.place.endpoint) as \(sighting.place.name)"
            let evidence = "\(sighting.place.endpoint) \(sighting.verdict) for \(sighting.place.name)"
            let installed = serial.map { ", installed is \($0)" } ?? ""
            switch sighting.verdict {
            case .match: break
            case .stale:
                findings.fail(
                    .servedStale, lineage.name, at: place, evidence + installed, remedy: remedy, action: action)
            case .other where sighting.counts:
                findings.fail(
                    .servedOther, lineage.name, at: place, evidence + installed, remedy: remedy, action: action)
            case .other:
                findings.warn(
                    .servedOther, lineage.name, at: place, evidence + "; no setting says that it should serve this one",
                    remedy: .advice("set verify in certctl.conf: the lineage's listener, or none"))
            case .broken where sighting.counts:
                findings.fail(
                    .servedBroken, lineage.name, at: place, evidence,
                    remedy:
                        "openssl s_client -connect \(sighting.place.endpoint) -servername \(sighting.place.name) </dev/null"
                )
            case .broken:
                findings.warn(
                    .servedBroken, lineage.name, at: place,
                    evidence + "; no setting says that it should serve this one",
                    remedy: .advice("set verify in certctl.conf: the lineage's listener, or none"))
            case .unreachable:
                guard
                    !(sighting.place.endpoint.isLoopback
                        && right.contains("\(sighting.place.name):\(sighting.place.endpoint.port)"))
                else { break }
                if sighting.counts {
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

import Challenges
import FoundationEssentials
import Lineages
import PKI
import Renewal

/// What endpoints serve, beside what the disk holds.
enum ServedJudgement {
    static let ids: [CheckID] = [
        .servedStale, .servedOther, .servedBroken, .servedUnreachable, .certificateFileWrong, .serverNameMissing,
        .proxyProtocol,
    ]

    /// What is known beside what was served.
    struct Surroundings: Sendable {
        /// Why a wrong endpoint serves what it does, where that was looked for.
        var sources: [ProbeTarget: ServedSource] = [:]
        /// Whether a deployment has been tried for what is installed, and did not help.
        var isTried = false
        /// What is left to try then; nil where a person has to look.
        var restart: String?
        var hasDocker = false
        /// What listens on ports of this host; nil where that could not be seen.
        var listeners: ListenerFacts?
        /// Where nginx is.
        var server = WebServerPlace.host
    }

    /// - Parameter report: nil where nothing was looked at.
    static func findings(
        _ report: ProbeReport?, _ lineage: Lineage, installed serial: String?, _ around: Surroundings, at now: Date
    ) -> Findings {
        var findings = Findings()
        guard let report else {
            findings.skip(ids, lineage.name, at: "endpoints", because: "there is no certificate to compare with")
            return findings
        }
        guard !report.observations.isEmpty else {
            findings.skip(ids, lineage.name, at: "endpoints", because: "verify = none: it is not served here")
            return findings
        }
        // One address family answering is enough, as everywhere.
        let right = Set(report.matches.filter(\.endpoint.isLoopback).map { "\($0.name):\($0.endpoint.port)" })
        for observation in report.observations {
            let (place, name) = (observation.target, lineage.name)
            let lookedAt = "\(place.endpoint) as \(place.name)"
            let evidence = "\(place.endpoint) \(observation.verdict) for \(place.name)"
            let source = around.sources[place]
            switch observation.verdict {
            case .match: break
            case .stale, .other:
                guard observation.isRequired || observation.verdict.isOfLineage else {
                    findings.warn(
                        .servedOther, name, at: lookedAt, evidence + "; no setting says that it should serve this one",
                        .endpointUnknown)
                    break
                }
                let installed = serial.map { ", installed is \($0)" } ?? ""
                judge(observation, source, evidence + installed, lineage, around, now, &findings)
            case .broken where observation.isRequired:
                judgeBroken(observation, source, evidence, lineage, around, &findings)
            case .broken:
                findings.warn(
                    .servedBroken, name, at: lookedAt, evidence + "; no setting says that it should serve this one",
                    .endpointUnknown)
            case .unreachable:
                guard !(place.endpoint.isLoopback && right.contains("\(place.name):\(place.endpoint.port)")) else {
                    break
                }
                if observation.isRequired {
                    // Also of a port that Docker publishes for a container without a server in it.
                    let isElsewhere =
                        place.endpoint.isLoopback && around.listeners?.isListening(place.endpoint.port) == true
                    findings.fail(
                        .servedUnreachable, name, at: lookedAt,
                        isElsewhere
                            ? "\(evidence); a program listens on that port, perhaps of another address" : evidence,
                        isElsewhere
                            ? .tlsElsewhere(place.endpoint) : .tlsNotListening(hasDocker: around.hasDocker))
                } else {
                    findings.warn(.servedUnreachable, name, at: lookedAt, evidence, .endpointUnknown)
                }
            }
            findings.pass(ids, name, at: lookedAt)
        }
        return findings
    }

    /// An endpoint that serves another certificate: the line of nginx's configuration that says so, before anything is deployed.
    private static func judge(
        _ observation: ProbeReport.Observation, _ source: ServedSource?, _ evidence: String, _ lineage: Lineage,
        _ around: Surroundings, _ now: Date, _ findings: inout Findings
    ) {
        let (name, asked) = (lineage.name, observation.target.name)
        let lookedAt = "\(observation.target.endpoint) as \(asked)"
        let id: CheckID = if case .stale = observation.verdict { .servedStale } else { .servedOther }
        // A certificate that is no good cannot be deployed either.
        let isUsable = (lineage.certificate.map { $0.notAfter > now } ?? false) && lineage.fatalProblem == nil
        let deploy: Fault = isUsable ? .served(name: name, tried: false, restart: nil) : .chain(name: name)
        switch source {
        case .file(let what, let directive, let place, let wanted)?:
            findings.fail(
                .certificateFileWrong, name, at: lookedAt,
                "\(evidence); for \(asked), \(place) has nginx serve \(what): \(directive)",
                .servedFile(directive: directive, at: place, wanted: wanted, name: name))
            findings.fail(id, name, at: lookedAt, evidence, deploy)
        case .noServer(let answering, let rightPlace)?:
            findings.fail(
                .serverNameMissing, name, at: lookedAt,
                "\(evidence); no server_name has \(asked), so that the server at \(answering) answers",
                .serverNameMissing(name: asked, at: rightPlace, lineage: name))
            findings.fail(id, name, at: lookedAt, evidence, deploy)
        case .notReloaded?, .proxyProtocol?, .unknown?, nil:
            var seen = evidence
            if case .unknown(let what?)? = source { seen += "; it is \(what)" }
            guard isUsable, around.isTried else {
                findings.fail(id, name, at: lookedAt, seen, deploy)
                return
            }
            findings.fail(
                id, name, at: lookedAt,
                seen + "; a deployment has run since, its hooks ended well, and it did not help",
                .served(name: name, tried: true, restart: around.restart))
        }
    }

    private static func judgeBroken(
        _ observation: ProbeReport.Observation, _ source: ServedSource?, _ evidence: String, _ lineage: Lineage,
        _ around: Surroundings, _ findings: inout Findings
    ) {
        let (place, name) = (observation.target, lineage.name)
        let lookedAt = "\(place.endpoint) as \(place.name)"
        switch source {
        case .proxyProtocol(let isExpected)?:
            findings.fail(
                .proxyProtocol, name, at: lookedAt,
                isExpected
                    ? "\(evidence); to the PROXY protocol it answers"
                    : "\(evidence); without the PROXY protocol, which proxy_protocol asks for, it answers",
                .proxyProtocol(endpoint: place.endpoint, isExpected: isExpected),
                title: isExpected ? nil : "nginx does not expect the PROXY protocol")
        case .noServer(let answering, let right)?:
            findings.fail(
                .serverNameMissing, name, at: lookedAt,
                "\(evidence); no server_name has \(place.name), so that the server at \(answering) answers",
                .serverNameMissing(name: place.name, at: right, lineage: name))
        case .file, .notReloaded, .unknown, nil: break
        }
        findings.fail(
            .servedBroken, name, at: lookedAt, evidence,
            .handshakeBroken(endpoint: "\(place.endpoint)", name: place.name, around.server))
    }
}

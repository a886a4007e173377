import FoundationEssentials
import Glibc
import Lineages
import PKI
import Renewal

/// What the tree holds of one lineage, judged at a moment.
enum LineageJudgement {
    /// The codes of status, as far as the tree gives them.
    static let codes = LineageProblem.Code.allCases.compactMap { CheckID($0) }
    static let ids: [CheckID] =
        codes + [.mustStaple, .chainIncomplete, .chainExpired, .expired, .notYetValid]

    /// - Parameter failure: that of the last order; nil where none has failed.
    static func findings(
        _ lineage: Lineage, chain: [Certificate]?, failure: Cause? = nil, at now: Date
    ) -> Findings {
        var findings = Findings()
        let place = lineage.paths?.live ?? lineage.confPath
        for problem in lineage.problems {
            guard let id = CheckID(problem.code) else { continue }
            var (fault, evidence) = (Fault.lineage(problem.code, FaultSubject(lineage)), problem.message)
            if let failure, fault.remedy?.cost == .order {
                fault = .lineageReissued(problem.code, FaultSubject(lineage))
                evidence += "; a new one was ordered since: \(failure.message)"
            }
            if problem.isFatal {
                findings.fail(id, lineage.name, at: place, evidence, fault)
            } else {
                findings.warn(id, lineage.name, at: place, problem.message, fault)
            }
        }
        if let options = lineage.options, options.mustStaple {
            let why = "must_staple is set, which asks for an extension that Let's Encrypt refuses since 2025"
            let fault = Fault.mustStaple(conf: lineage.confPath)
            if options.server.contains("letsencrypt.org") {
                findings.fail(.mustStaple, lineage.name, at: place, why, fault)
            } else {
                findings.warn(.mustStaple, lineage.name, at: place, "\(why); this CA may, too", fault)
            }
        }
        if let leaf = lineage.certificate {
            judge(leaf, chain ?? [], lineage, place, now, &findings)
        } else {
            findings.skip(
                [.expired, .notYetValid, .chainIncomplete, .chainExpired], lineage.name, at: place,
                because: "its certificate cannot be read")
        }
        if let key = lineage.paths?.link(.privkey), unsafe access(key, R_OK) != 0, errno == EACCES {
            findings.skip(
                [.keyMalformed, .keyMismatch], lineage.name, at: place,
                because: "private keys can be read by root alone")
        }
        findings.pass(ids, lineage.name, at: place)
        return findings
    }

    private static func judge(
        _ leaf: Certificate, _ chain: [Certificate], _ lineage: Lineage, _ place: String, _ now: Date,
        _ findings: inout Findings
    ) {
        if leaf.notAfter <= now {
            findings.fail(
                .expired, lineage.name, at: place,
                "the certificate expired \(Span.ago(leaf.notAfter, now)), at \(leaf.notAfter.formatted(.iso8601))",
                .expired(name: lineage.name))
        }
        if leaf.notBefore > now {
            findings.fail(
                .notYetValid, lineage.name, at: place,
                "the certificate is not valid before \(leaf.notBefore.formatted(.iso8601)), and here it is "
                    + "\(now.formatted(.iso8601))",
                .notYetValid(name: lineage.name))
        }
        for fault in ChainFault.faults(in: chain, at: now) {
            let (id, evidence): (CheckID, String) =
                switch fault {
                case .incomplete(let reason): (.chainIncomplete, reason)
                case .expired(let subject, let date):
                    (.chainExpired, "\(subject) in fullchain.pem expired \(Span.ago(date, now))")
                }
            findings.fail(id, lineage.name, at: place, evidence, .chain(name: lineage.name))
        }
    }
}

import FoundationEssentials
import Glibc
import Lineages
import PKI

/// What the tree holds of one lineage, judged at a moment.
enum LineageJudgement {
    /// The codes of status, as far as the tree gives them.
    static let codes = LineageProblem.Code.allCases.compactMap { CheckID($0) }
    static let ids: [CheckID] =
        codes + [.mustStaple, .chainIncomplete, .chainExpired, .expired, .notYetValid]

    static func findings(_ lineage: Lineage, chain: [Certificate]?, at now: Date) -> Findings {
        var findings = Findings()
        let place = lineage.paths?.live ?? lineage.confPath
        for problem in lineage.problems {
            guard let id = CheckID(problem.code) else { continue }
            let (remedy, action) = remedy(for: problem, lineage, at: now)
            if problem.isFatal {
                findings.fail(id, lineage.name, at: place, problem.message, remedy: remedy, action: action)
            } else {
                findings.warn(id, lineage.name, at: place, problem.message, remedy: remedy, action: action)
            }
        }
        if let options = lineage.options, options.mustStaple {
            let why = "must_staple is set, which asks for an extension that Let's Encrypt refuses since 2025"
            let remedy: Check.Remedy = "sed -i '/^must_staple/d' \(lineage.confPath.shellWord)"
            if options.server.contains("letsencrypt.org") {
                findings.fail(.mustStaple, lineage.name, at: place, why, remedy: remedy)
            } else {
                findings.warn(.mustStaple, lineage.name, at: place, "\(why); this CA may, too", remedy: remedy)
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
        let renew: Check.Remedy = "certctl renew --force \(lineage.name.shellWord)"
        if leaf.notAfter <= now {
            findings.fail(
                .expired, lineage.name, at: place,
                "the certificate expired \(Span.ago(leaf.notAfter, now)), at \(leaf.notAfter.formatted(.iso8601))",
                remedy: "certctl renew \(lineage.name.shellWord)", action: .renew)
        }
        if leaf.notBefore > now {
            findings.fail(
                .notYetValid, lineage.name, at: place,
                "the certificate is not valid before \(leaf.notBefore.formatted(.iso8601)), and here it is "
                    + "\(now.formatted(.iso8601))",
                remedy: "timedatectl   # is the clock right? if it is: \(renew.text)")
        }
        for fault in ChainFault.faults(in: chain, at: now) {
            let (id, evidence): (CheckID, String) =
                switch fault {
                case .incomplete(let reason): (.chainIncomplete, reason)
                case .expired(let subject, let date):
                    (.chainExpired, "\(subject) in fullchain.pem expired \(Span.ago(date, now))")
                }
            findings.fail(id, lineage.name, at: place, evidence, remedy: renew, action: .renew)
        }
    }

    private static func remedy(
        for problem: LineageProblem, _ lineage: Lineage, at now: Date
    ) -> (Check.Remedy, Check.Action) {
        let (name, conf) = (lineage.name.shellWord, lineage.confPath.shellWord)
        if problem.isRepairable, let remedy = lineage.repair(at: now) { return (remedy, .operator) }
        return switch problem.code {
        case .confUnreadable: ("ls -l \(conf)", .operator)
        case .confMalformed, .confIncomplete: (lineage.newConf, .operator)
        case .anotherTree, .optionInvalid, .optionIgnored, .optionMisplaced, .optionMisspelled, .renewBeforeExpiry:
            (problem.line.map { "editor +\($0) \(conf)" } ?? "editor \(conf)", .operator)
        case .unreadable: ("ls -lL \((lineage.paths?.live ?? lineage.confPath).shellWord)", .operator)
        case .newerVersion:
            ("certctl renew \(name)", problem.isFatal ? .operator : .none)
        default: (lineage.reissue(), .operator)
        }
    }
}

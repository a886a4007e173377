import ACME
import Challenges
import FoundationEssentials
import Lineages
import PKI
import Renewal

/// What a renewal of a lineage would meet on this host, and what became of the last one.
enum RenewalJudgement {
    static let accountIDs: [CheckID] = [.accountMissing, .accountUnusable]
    static let webrootIDs: [CheckID] = [.webrootMissing, .webrootNotWritable]
    static let pastIDs: [CheckID] = [.renewalFailed, .rateLimited, .accountPaused]

    static func account(_ result: Result<StoredAccount?, AccountError>, of lineage: Lineage, server: String) -> Findings
    {
        var findings = Findings()
        let place = "the account for \(server)"
        switch result {
        case .success(nil):
            findings.fail(
                .accountMissing, lineage.name, at: place, "the tree has no account for \(server)",
                remedy: lineage.reissue("--agree-tos"))
        case .success: break
        case .failure(let error):
            switch error {
            case .missing:
                findings.fail(
                    .accountMissing, lineage.name, at: place, "\(error)",
                    remedy: .advice(
                        "restore accounts/ from a backup; or take account = … out of its conf, then: "
                            + lineage.reissue("--agree-tos").text))
            case .ambiguous:
                findings.fail(
                    .accountMissing, lineage.name, at: place, "\(error)",
                    remedy: .advice("set account = ID under [renewalparams] in \(lineage.confPath)"))
            case .unusable(let path, _):
                findings.fail(.accountUnusable, lineage.name, at: place, "\(error)", remedy: "ls -l \(path.shellWord)")
            case .badServer:
                findings.fail(
                    .accountUnusable, lineage.name, at: place, "\(error)",
                    remedy: "editor \(lineage.confPath.shellWord)")
            }
        }
        findings.pass(accountIDs, lineage.name, at: place)
        return findings
    }

    /// What keeps a probe file out of a webroot.
    enum WebrootState: Equatable, Sendable {
        case written
        case missing
        case notADirectory
        /// By something in it that is no directory, or a link that is not followed.
        case obstructed(FileError)
        /// In the system's words.
        case refused(String)
        /// Not root, so that it says nothing of a run as root.
        case notAllowed(String)

        /// Why the file is not there; nil where it is.
        var reason: String? {
            switch self {
            case .written: nil
            case .missing: "it does not exist"
            case .notADirectory: "it is not a directory"
            case .obstructed(let error): "\(error)"
            case .refused(let words), .notAllowed(let words): words
            }
        }
    }

    static func webroot(_ state: WebrootState, path: String, of lineage: String) -> Findings {
        var findings = Findings()
        let place = "webroot \(path)"
        switch state {
        case .written: break
        case .missing:
            findings.fail(
                .webrootMissing, lineage, at: place, "the webroot \(path) does not exist",
                remedy: "mkdir -p \(path.shellWord)")
        case .notADirectory:
            findings.fail(
                .webrootMissing, lineage, at: place, "the webroot \(path) is not a directory",
                remedy: "ls -ld \(path.shellWord)")
        case .obstructed(let error):
            let failure = WebrootSolver.Failure.obstructed(path, by: error)
            findings.fail(
                .webrootNotWritable, lineage, at: place, "\(failure)", remedy: .advice(failure.wayOut ?? "\(error)"))
        case .refused(let words):
            findings.fail(
                .webrootNotWritable, lineage, at: place, "no file can be made in \(path): \(words)",
                remedy: "findmnt -T \(path.shellWord); ls -ld \(path.shellWord)")
        case .notAllowed(let words):
            findings.skip([.webrootNotWritable], lineage, at: place, because: "\(words): run it as root")
        }
        findings.pass(webrootIDs, lineage, at: place)
        return findings
    }

    /// What the books say of the last renewal.
    ///
    /// - Parameter unreadable: why the books cannot be read; nil where they can, or know nothing.
    static func past(_ entry: LedgerEntry?, unreadable: String?, of lineage: Lineage, at now: Date) -> Findings {
        var findings = Findings()
        let (name, place) = (lineage.name, "the books of \(lineage.name)")
        guard let entry else {
            findings.skip(pastIDs, name, at: place, because: unreadable ?? "certctl has not renewed it yet")
            return findings
        }
        if entry.attempts > 0, !entry.isDeploymentPending, let error = entry.lastError {
            let next = entry.nextAttempt.map { $0 > now ? "; the next try is at \($0.formatted(.iso8601))" : "" } ?? ""
            let times = entry.attempts == 1 ? "the last renewal failed" : "the last \(entry.attempts) renewals failed"
            let kind = Refusal(of: error)
            switch kind {
            case .paused(let url):
                findings.fail(
                    .accountPaused, name, at: place, "the CA has paused this name: \(error)",
                    remedy: .advice(url.map { "unpause it at \($0)" } ?? "unpause the name at the CA"))
            case .rateLimited:
                findings.fail(
                    .rateLimited, name, at: place, "\(times): \(error)\(next)",
                    remedy: .advice("wait: certctl renew goes on by itself, and trying sooner only adds to the count"),
                    action: .none)
            case .other:
                findings.fail(
                    .renewalFailed, name, at: place, "\(times): \(error)\(next)",
                    remedy: "certctl renew \(name.shellWord)", action: .renew)
            }
        }
        if let held = entry.held {
            findings.fail(
                .renewalFailed, name, at: place,
                "the new certificate (serial \(held.serial)) was taken back at \(held.at.formatted(.iso8601)): \(held.reason)",
                remedy: "certctl deploy \(name.shellWord)", action: .deploy)
        }
        findings.pass(pastIDs, name, at: place)
        return findings
    }

    /// A CA's refusal by the words that certctl prints for it, as the books keep no more.
    enum Refusal: Equatable, Sendable {
        /// A name that failed too often: where it is unpaused.
        case paused(String?)
        case rateLimited
        case other

        init(of text: String) {
            guard text.contains("(rateLimited)") else {
                self = .other
                return
            }
            // Let's Encrypt: "Your account is temporarily prevented from requesting certificates for …. Please visit: https://…"
            guard text.contains("unpause") || text.contains("paused") || text.contains("temporarily prevented") else {
                self = .rateLimited
                return
            }
            let url = text.firstRange(of: "https://").map { range in
                var url = text[range.lowerBound...].prefix { !$0.isWhitespace && $0 != ")" }
                while url.last == "." || url.last == "," { url.removeLast() }
                return String(url)
            }
            self = .paused(url)
        }
    }
}

import ACME
import Challenges
import FoundationEssentials
import Glibc
import Lineages
import PKI
import Renewal

/// What a renewal of a lineage would meet on this host, and what became of the last one.
enum RenewalJudgement {
    static let accountIDs: [CheckID] = [.accountMissing, .accountUnusable]
    static let webrootIDs: [CheckID] = [.webrootMissing, .webrootNotWritable]
    static let pastIDs: [CheckID] = [.revoked, .namesOmitted, .renewalFailed, .rateLimited, .accountPaused]

    /// - Parameter failure: that an account was to be made since, in vain.
    static func account(
        _ result: Result<StoredAccount?, AccountError>, of lineage: Lineage, server: String,
        failure: RegistrationFailure? = nil
    ) -> Findings {
        var findings = Findings()
        let (cause, since) = (failure.map { RecordedCause($0.cause) }, tried(failure))
        let place = "the account for \(server)"
        switch result {
        case .success(nil):
            findings.fail(
                .accountMissing, lineage.name, at: place, "there is no account for \(server)\(since)",
                .accountMissing(server: server, failure: cause))
        case .success: break
        case .failure(let error):
            let (id, fault): (CheckID, Fault) =
                switch error {
                case .missing: (.accountMissing, .accountMissing(server: server, failure: cause))
                case .ambiguous(let ids, _): (.accountMissing, .accountAmbiguous(conf: lineage.confPath, ids: ids))
                case .unusable(let path, _): (.accountUnusable, .accountUnusable(path: path, server: server))
                case .badServer: (.accountUnusable, .serverInvalid(conf: lineage.confPath))
                }
            findings.fail(id, lineage.name, at: place, "\(error)\(since)", fault)
        }
        findings.pass(accountIDs, lineage.name, at: place)
        return findings
    }

    /// For the end of a sentence that an account is missing.
    static func tried(_ failure: RegistrationFailure?) -> String {
        failure.map { "; to make one has failed since: \($0.cause.message)" } ?? ""
    }

    /// What keeps a probe file out of a webroot.
    enum WebrootState: Equatable, Sendable {
        case written
        case missing
        case notADirectory
        /// By something in it that is no directory, or a link that is not followed.
        case obstructed(FileError)
        /// In the system's words, with its `errno`; 0 for a file system that does not answer.
        case refused(String, code: Int32)
        /// Not root, so that it says nothing of a run as root.
        case notAllowed(String)

        /// Why the file is not there; nil where it is.
        var reason: String? {
            switch self {
            case .written: nil
            case .missing: "it does not exist"
            case .notADirectory: "it is not a directory"
            case .obstructed(let error): "\(error)"
            case .refused(let words, _), .notAllowed(let words): words
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
                .webrootMissing, lineage, at: place, "the webroot \(path) does not exist", .webrootMissing(path))
        case .notADirectory:
            findings.fail(
                .webrootMissing, lineage, at: place, "the webroot \(path) is not a directory",
                .webrootNoDirectory(path))
        case .obstructed(let error):
            let failure = WebrootSolver.Failure.obstructed(path, by: error)
            let isLink = ((try? FileSystem.status(error.path)) ?? nil)?.kind == .link
            findings.fail(
                .webrootNotWritable, lineage, at: place, "\(failure)",
                isLink ? .webrootObstructed(error.path) : .webrootNoDirectory(error.path))
        case .refused(let words, let code):
            let (fault, title): (Fault, String?) =
                switch code {
                case ENOSPC, EDQUOT: (.diskFull(path), "the webroot's file system is full")
                case EROFS: (.diskReadOnly(path), "the webroot's file system is read-only")
                case EPERM: (.immutable(path), "the webroot is immutable")
                default: (.webrootNotWritable(path), nil)
                }
            findings.fail(
                .webrootNotWritable, lineage, at: place, "no file can be made in \(path): \(words)", fault,
                title: title)
        case .notAllowed(let words):
            findings.skip([.webrootNotWritable], lineage, at: place, because: "\(words): run it as root")
        }
        findings.pass(webrootIDs, lineage, at: place)
        return findings
    }

    /// What the state says of the last renewal: what was recorded of it comes first, and only what fits that is behind it.
    ///
    /// - Parameter unreadable: why the state cannot be read; nil where it can, or knows nothing.
    ///
    /// - Parameter failures: of registrations, by the CA's directory URL.
    static func past(
        _ state: LineageState?, unreadable: String?, of lineage: Lineage,
        failures: [String: RegistrationFailure] = [:], at now: Date
    ) -> Findings {
        var findings = Findings()
        let (name, place) = (lineage.name, "the state of \(lineage.name)")
        guard let state else {
            findings.skip(pastIDs, name, at: place, because: unreadable ?? "certctl has not renewed it yet")
            return findings
        }
        if let reason = state.liveRevocation {
            findings.fail(
                .revoked, name, at: place, "the installed certificate was revoked from this host (\(reason))",
                .revoked(name: name))
        }
        if let omitted = state.liveOmitted {
            findings.warn(
                .namesOmitted, name, at: place, "the installed certificate is \(omitted)",
                .namesOmitted(name: name, names: omitted.names),
                explainedBy: causes(of: RecordedCause(omitted.cause)))
        }
        if let retry = state.acquisition.retry {
            judge(retry, state, lineage, place, failures, now, &findings)
        }
        if let held = state.host.quarantine {
            findings.fail(
                .renewalFailed, name, at: place,
                "the new certificate (serial \(held.serial)) was rolled back at \(held.at.formatted(.iso8601)): \(held.retry.cause)",
                .quarantined(name: name), title: "the new certificate was rolled back")
        }
        findings.pass(pastIDs, name, at: place)
        return findings
    }

    private static func judge(
        _ retry: Retry, _ state: LineageState, _ lineage: Lineage, _ place: String,
        _ failures: [String: RegistrationFailure], _ now: Date, _ findings: inout Findings
    ) {
        let next = retry.nextAttempt.map { $0 > now ? "; the next try is at \($0.formatted(.iso8601))" : "" } ?? ""
        let times = retry.failures == 1 ? "the last renewal failed" : "the last \(retry.failures) renewals failed"
        let (cause, error) = (RecordedCause(retry.cause), retry.cause.message)
        var (fault, since) = (Fault.renewal(cause, FaultSubject(lineage), isRepeated: retry.failures > 1), "")
        if case .account(let server?) = cause, let failure = failures[server] {
            fault = .accountRefused(server: server, failure: RecordedCause(failure.cause))
            since = tried(failure)
        }
        // One that was forced, and whose certificate is good for long: nothing has to be done about it.
        if case .wait(let date, _)? = decision(on: lineage, state, at: now), state.acquisition.order == nil,
            !state.acquisition.isIssued
        {
            findings.warn(
                .renewalFailed, lineage.name, at: place,
                "\(times): \(error); it is not due before \(date.formatted(.iso8601))", title: title(of: cause))
            return
        }
        let id: CheckID =
            switch cause {
            case .paused: .accountPaused
            case .refused(type: "rateLimited"): .rateLimited
            default: .renewalFailed
            }
        findings.fail(
            id, lineage.name, at: place, "\(times): \(error)\(next)\(since)", fault,
            title: id == .renewalFailed ? title(of: cause) : nil, explainedBy: causes(of: cause))
    }

    private static func decision(
        on lineage: Lineage, _ state: LineageState, at now: Date
    ) -> RenewalPolicy.Decision? {
        RenewalPolicy().rulings(for: lineage, state, at: now).last?.decision
    }

    /// What was recorded, as the head of its paragraph.
    static func title(of cause: RecordedCause) -> String {
        switch cause {
        case .unreachable: "the CA could not be reached"
        case .proxy: "a proxy did not let the renewal through"
        case .moved: "the CA's directory has moved"
        case .notTrusted: "the CA's TLS certificate was not trusted"
        case .refused(let type?): "the CA refused the last renewal (\(type))"
        case .paused: "the CA has paused the name"
        case .termsChanged: "the CA's terms of service have changed"
        case .notValidated: "the CA could not validate a name"
        case .account: "the CA does not take the account"
        case .profile: "the CA has no such profile"
        case .notPresented: "the plugin or hook did not prove the name"
        case .webroot: "the webroot did not take the challenge"
        case .file: "a file could not be written"
        case .hook(let kind, _): "the \(kind) hook failed before the renewal"
        case .lineage: "the certificate's files or settings are wrong"
        case .budget: "the CA's limit for these names is near"
        case .server: "nginx refused its configuration"
        case .refused(nil), .other: "the last renewal failed"
        }
    }

    /// What a look at the host may find that is behind what was recorded.
    static func causes(of cause: RecordedCause) -> Set<CheckID> {
        let clock: Set<CheckID> = [.clockWrong]
        switch cause {
        case .unreachable: return [.caUnreachable, .resolverSilent]
        case .proxy, .moved: return [.caUnreachable]
        case .notTrusted: return clock.union([.caNotTrusted])
        case .refused(type: "caa"): return [.caaForbids]
        case .refused(type: "dns"): return [.nameUnresolved, .resolverSilent]
        case .refused, .paused, .termsChanged, .profile, .budget: return []
        case .server: return [.nginxConfigInvalid, .upstreamStopped]
        case .notValidated(let types): return challenge.union(types.contains("caa") ? [.caaForbids] : [])
        case .account: return [.accountMissing, .accountUnusable, .accountDeactivated]
        case .notPresented:
            return [.credentialsMissing, .pluginUnusable, .standalonePortTaken, .hookMissing, .resolverSilent]
        case .webroot: return [.webrootMissing, .webrootNotWritable, .diskFull, .diskReadOnly, .sandboxOutdated]
        case .file:
            return [.diskFull, .diskReadOnly, .webrootMissing, .webrootNotWritable, .unreadable, .sandboxOutdated]
        case .hook: return [.hookMissing, .hookNotExecutable, .hookBadInterpreter, .hookSettingsWrong]
        case .lineage: return Set(LineageJudgement.ids).union([.webrootMissing, .accountMissing])
        // Nothing is known of it: whatever is found may be behind it.
        case .other: return Set(CheckID.allCases)
        }
    }

    /// Everything between a CA and the webroot.
    private static let challenge: Set<CheckID> = [
        .nameUnresolved, .resolverSilent, .addressesDiffer, .wrongServer, .dockerUnreachable, .portHeld,
        .upstreamStopped, .containerMissing, .containerStopped, .containerRestarting, .containerUnhealthy, .mountStale,
        .configStale, .webrootNotMounted, .nginxConfigInvalid, .httpNotListening, .challengeRedirected,
        .webrootUnreadable, .challengeDenied, .challengeLocationMissing, .challengeUnreachable,
    ]
}

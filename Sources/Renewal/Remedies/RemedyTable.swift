import FoundationEssentials
import Lineages

/// The one table of faults and remedies: doctor, `next:` of every command, status, the JSON's `action` and the notification hooks
/// have their words from here.
extension Fault {
    /// What to do first. Where that has been done and did not help, the fault says so by its own values.
    package var remedy: Remedy? {
        switch self {
        case .configDirectoryMissing, .configDirectoryForbidden, .configDirectoryUnreadable, .fileMalformed,
            .noCertificate:
            configDirectory
        case .lineage(let code, let subject): Fault.remedy(code, subject)
        case .lineageReissued(_, let subject):
            .do("correct what keeps it from being issued, as said below, then: \(subject.reissue().text)", cost: .order)
        case .confMissing, .mustStaple, .chain, .expired, .notYetValid, .revoked, .namesOmitted, .clock: certificate
        case .diskFull, .diskReadOnly, .immutable, .writeRefused, .accountMissing, .accountAmbiguous, .accountUnusable,
            .accountRefused,
            .serverInvalid, .webrootMissing, .webrootNoDirectory, .webrootUnknown, .webrootObstructed,
            .webrootNotWritable:
            renewalNeeds
        case .nameUnresolved, .resolverSilent, .addressRefused, .wrongAddress, .caaForbids: names
        case .dockerSilent, .dockerHostWrong, .dockerContextWrong, .portHeld, .containerNotThere, .containerMissing,
            .containerStopped, .containerEnds, .containerRestarting, .containerUnhealthy, .containerSpare,
            .hookSettings:
            docker
        case .notMounted, .bindMountStale, .bindMountRefused, .bindMountGone, .nginxConfig, .nginxFileMissing,
            .upstreamStopped,
            .upstreamUnknown:
            nginx
        case .httpSilent, .httpNotListening, .familyNotListening, .challengeRedirected, .webrootUnreadable,
            .challengeLocation, .challengePassword, .challengeReturned, .challengeDenied, .challengeLimited,
            .challengeReplaced, .challengeRoot:
            challenge
        case .noReload, .hooksUnreadable, .hookDangling, .hookGone, .hookNotExecutable, .hookNoScript, .hookInterpreter,
            .hookFailed:
            hooks
        case .served, .servedFile, .serverNameMissing, .handshakeBroken, .proxyProtocol,
            .proxyProtocolDirect, .tlsNotListening, .tlsElsewhere, .endpointUnknown:
            served
        case .timerMissing, .timerMasked, .timerDisabled, .certbotRenews, .unitOutdated, .unitBroken, .serviceMasked,
            .serviceFailed, .serviceFailedBefore, .certbotTimer, .sandboxOutdated, .sandboxClosed, .lockHung:
            schedule
        case .renewal(let cause, let subject, let isRepeated): Fault.remedy(cause, subject, isRepeated: isRepeated)
        case .quarantined(let name): .deploy([name])
        case .caUnreachable(let server):
            .do("see that this host reaches \(server): a firewall, a proxy, the CA's status page")
        case .caNotTrusted: Fault.trust
        case .rateLimited: Fault.wait
        case .credentialsMissing, .credentialsReadable, .pluginUnusable, .challengeRecordLoop, .zoneNotDelegated,
            .challengeRecordStale, .challengeRecordDiffers, .propagationSlow, .standalonePortTaken,
            .standaloneAddressWrong,
            .statelessWrong:
            proof
        }
    }

    static let wait = Remedy.do(
        "wait: certctl renew goes on by itself, and trying sooner only adds to the count", by: .certctl)
    static let trust = Remedy.do(
        "for a private CA name its root with --ca-bundle; for a public one see the clock and the package ca-certificates"
    )
    /// Makes an account, lets every certificate of the CA use it, and renews what is due.
    static func register(_ server: String?) -> Remedy {
        guard let server else {
            return .do("certctl account register --server URL, with the CA's directory URL; then: certctl renew")
        }
        return .run("certctl account register --server \(server.shellWord) --agree-tos && certctl renew")
    }

    /// What is left where that has failed: its cause first.
    static func register(_ server: String, after failure: RecordedCause) -> Remedy {
        let command = "certctl account register --server \(server.shellWord) --agree-tos"
        func then(_ text: String, by actor: Remedy.Actor = .root) -> Remedy {
            .do("\(text), then: \(command) && certctl renew", by: actor)
        }
        switch failure {
        case .unreachable:
            return then("see that this host reaches \(server): a firewall, a proxy, the CA's status page")
        case .notTrusted, .proxy: return then("correct what it said, as below")
        case .refused(type: "rateLimited"): return then("wait until the CA takes new accounts from this host again")
        case .refused(type: "externalAccountRequired"):
            return .do(
                "ask the CA for a key identifier and an HMAC key of external account binding, then: \(command) --eab-kid ID --eab-hmac-key-file FILE && certctl renew",
                by: .person)
        default: return then("settle with the CA what it said, as below", by: .person)
        }
    }
}

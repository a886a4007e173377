/// Which faults bring which others about: what is found of the right side is folded under the left one.
package enum Causes {
    /// The consequences of each fault, right ones first hand only: what follows from them follows as well.
    static let consequences: [CheckID: Set<CheckID>] = [
        .confUnreadable: broken, .confMalformed: broken, .confIncomplete: broken, .optionInvalid: [.renewalFailed],
        .liveMissing: broken, .liveNotALink: [.renewalFailed], .liveInconsistent: broken, .unreadable: broken,
        .certificateMalformed: broken, .keyMalformed: broken, .keyMismatch: broken, .fullchainMismatch: broken,
        .mustStaple: [.renewalFailed],

        .diskFull: [.webrootNotWritable, .renewalFailed, .hookFailed, .timerFailing],
        .diskReadOnly: [.webrootNotWritable, .renewalFailed, .hookFailed, .timerFailing],
        .accountMissing: [.renewalFailed], .accountUnusable: [.renewalFailed],
        .webrootMissing: [.renewalFailed, .webrootNotMounted, .challengeLocationMissing],
        .webrootNotWritable: [.renewalFailed],

        .resolverSilent: [.renewalFailed, .caUnreachable], .nameUnresolved: [.renewalFailed],
        .addressesDiffer: [.renewalFailed], .wrongServer: [.renewalFailed],
        .caaForbids: [.renewalFailed],

        .credentialsMissing: [.pluginUnusable, .renewalFailed], .pluginUnusable: [.renewalFailed],
        .challengeRecordLoop: [.renewalFailed], .zoneNotDelegated: [.renewalFailed],
        .challengeRecordDiffers: [.renewalFailed], .standalonePortTaken: [.renewalFailed],
        .statelessWrong: [.renewalFailed],

        .dockerUnreachable: down,
        .portHeld: down.union([
            .containerStopped, .containerRestarting, .containerUnhealthy, .servedOther, .challengeLocationMissing,
            .challengeRedirected, .wrongServer, .webrootUnreadable,
        ]),
        .hookSettingsWrong: [.hookFailed, .servedStale],
        .upstreamStopped: down.union([
            .nginxConfigInvalid, .containerStopped, .containerRestarting, .containerUnhealthy,
        ]),
        .mountStale: down.union([
            .challengeLocationMissing, .webrootUnreadable, .servedOther, .nginxConfigInvalid, .certificateFileWrong,
            .containerUnhealthy, .containerRestarting, .containerStopped, .wrongServer, .renewalFailed,
        ]),
        .configStale: [
            .servedStale, .servedOther, .certificateFileWrong, .serverNameMissing, .challengeLocationMissing,
        ],
        .containerMissing: down, .containerStopped: down, .containerRestarting: down, .containerUnhealthy: down,
        .treeNotMounted: unloadable, .archiveNotMounted: unloadable,
        .singleFileMounted: [.servedStale],
        .webrootNotMounted: [.challengeLocationMissing, .wrongServer, .renewalFailed],
        .nginxConfigInvalid: down.union([.containerStopped, .containerRestarting]),

        .httpNotListening: [.challengeUnreachable, .servedUnreachable, .renewalFailed],
        .challengeRedirected: [.renewalFailed, .wrongServer], .webrootUnreadable: [.renewalFailed, .wrongServer],
        .challengeDenied: [.renewalFailed, .wrongServer],
        .challengeLocationMissing: [.renewalFailed, .wrongServer],
        .challengeUnreachable: [.renewalFailed],

        .hooksUnreadable: [.renewalFailed, .hookFailed, .servedStale],
        .hookMissing: [.servedStale], .hookNotExecutable: [.hookFailed, .servedStale],
        .hookBadInterpreter: [.hookFailed, .servedStale], .hookFailed: [.servedStale, .timerFailing],
        .certificateFileWrong: [.servedStale, .servedOther],
        .serverNameMissing: [.servedStale, .servedOther, .servedBroken],
        .proxyProtocol: [.servedBroken, .renewalFailed],
        .servedStale: [.timerFailing], .servedOther: [.timerFailing], .servedBroken: [.timerFailing],

        .sandboxOutdated: [.timerFailing, .renewalFailed],
        .lockHeld: [.renewalFailed, .timerFailing, .hookFailed, .servedStale, .newerVersion],
        .renewalFailed: [.expired, .timerFailing],
        .rateLimited: [.renewalFailed], .accountPaused: [.renewalFailed, .rateLimited],
        .caUnreachable: [.renewalFailed], .caNotTrusted: [.renewalFailed], .accountDeactivated: [.renewalFailed],
    ]

    /// nginx does not answer, or cannot be reloaded.
    private static let down: Set<CheckID> = [
        .httpNotListening, .servedUnreachable, .servedBroken, .servedStale, .hookFailed, .challengeUnreachable,
    ]
    /// nginx cannot load the certificate.
    private static let unloadable: Set<CheckID> = down.union([
        .nginxConfigInvalid, .containerStopped, .containerRestarting, .servedOther,
    ])
    /// Neither nginx nor a renewal can work with the lineage.
    private static let broken: Set<CheckID> = unloadable.union([.renewalFailed, .expired])

    /// Everything that follows from a fault, through others too.
    static func all(of id: CheckID) -> Set<CheckID> {
        var found: Set<CheckID> = []
        var open = [id]
        while let next = open.popLast() {
            for consequence in consequences[next, default: []] where found.insert(consequence).inserted {
                open.append(consequence)
            }
        }
        return found.subtracting([id])
    }
}

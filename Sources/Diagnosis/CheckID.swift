package import Lineages

/// The faults that `doctor` knows, each by its name, in the order in which a challenge and a handshake travel.
///
/// The names are part of the JSON output and never change; a check whose verdict is `ok` says that the fault is not there.
package enum CheckID: String, Sendable, CaseIterable, Codable {
    // The tree.
    case treeMissing = "tree-missing"
    case treeUnreadable = "tree-unreadable"
    case defaultsMalformed = "defaults-malformed"
    case noLineage = "no-lineage"

    // A lineage's conf and its files. Where status has a code for it, the name is that.
    case confUnreadable = "conf-unreadable"
    case confMalformed = "conf-malformed"
    case confIncomplete = "conf-incomplete"
    case movedTree = "moved-tree"
    case anotherTree = "another-tree"
    case optionInvalid = "option-invalid"
    case optionIgnored = "option-ignored"
    case optionMisplaced = "option-misplaced"
    case optionMisspelled = "option-misspelled"
    case renewBeforeExpiry = "renew-before-expiry"
    case mustStaple = "must-staple"
    case liveMissing = "live-missing"
    case liveNotALink = "live-not-a-link"
    case liveInconsistent = "live-inconsistent"
    case unreadable = "unreadable"
    case newerVersion = "newer-version"
    case archiveDamaged = "archive-damaged"

    // Certificate, key, chain, clock.
    case certificateMalformed = "certificate-malformed"
    case keyMalformed = "key-malformed"
    case keyMismatch = "key-mismatch"
    case fullchainMismatch = "fullchain-mismatch"
    case chainIncomplete = "chain-incomplete"
    case chainExpired = "chain-expired"
    case expired = "expired"
    case notYetValid = "not-yet-valid"
    case revoked = "revoked"
    case namesOmitted = "names-omitted"
    case clockWrong = "clock-wrong"

    // What a renewal needs on this host.
    case diskFull = "disk-full"
    case diskReadOnly = "disk-read-only"
    case accountMissing = "account-missing"
    case accountUnusable = "account-unusable"
    case webrootMissing = "webroot-missing"
    case webrootNotWritable = "webroot-not-writable"

    // Names.
    case resolverSilent = "resolver-silent"
    case nameUnresolved = "name-unresolved"
    case addressesDiffer = "addresses-differ"
    case wrongServer = "wrong-server"
    case caaForbids = "caa-forbids"

    // The web server.
    case dockerUnreachable = "docker-unreachable"
    case hookSettingsWrong = "hook-settings-wrong"
    case portHeld = "port-held"
    case upstreamStopped = "upstream-stopped"
    case containerMissing = "container-missing"
    case containerStopped = "container-stopped"
    case containerRestarting = "container-restarting"
    case containerUnhealthy = "container-unhealthy"
    case mountStale = "mount-stale"
    case configStale = "config-stale"
    case treeNotMounted = "tree-not-mounted"
    case archiveNotMounted = "archive-not-mounted"
    case singleFileMounted = "single-file-mounted"
    case webrootNotMounted = "webroot-not-mounted"
    case nginxConfigInvalid = "nginx-config-invalid"

    // Other ways of proof than the webroot.
    case credentialsMissing = "credentials-missing"
    case credentialsReadable = "credentials-readable"
    case pluginUnusable = "plugin-unusable"
    case challengeRecordLoop = "challenge-record-loop"
    case zoneNotDelegated = "zone-not-delegated"
    case challengeRecordStale = "challenge-record-stale"
    case challengeRecordDiffers = "challenge-record-differs"
    case propagationSlow = "propagation-slow"
    case standalonePortTaken = "standalone-port-taken"
    case statelessWrong = "stateless-wrong"

    // The way of a challenge.
    case httpNotListening = "http-not-listening"
    case challengeRedirected = "challenge-redirected"
    case webrootUnreadable = "webroot-unreadable"
    case challengeDenied = "challenge-denied"
    case challengeLocationMissing = "challenge-location-missing"
    case challengeUnreachable = "challenge-unreachable"

    // Hooks.
    case hooksUnreadable = "hooks-unreadable"
    case hookMissing = "hook-missing"
    case hookNotExecutable = "hook-not-executable"
    case hookBadInterpreter = "hook-bad-interpreter"
    case hookFailed = "hook-failed"

    // What is served.
    case certificateFileWrong = "certificate-file-wrong"
    case serverNameMissing = "server-name-missing"
    case proxyProtocol = "proxy-protocol"
    case servedStale = "served-stale"
    case servedOther = "served-other"
    case servedBroken = "served-broken"
    case servedUnreachable = "served-unreachable"

    // What renews.
    case timerMissing = "timer-missing"
    case timerDisabled = "timer-disabled"
    case timerFailing = "timer-failing"
    case certbotTimerActive = "certbot-timer-active"
    case sandboxOutdated = "sandbox-outdated"
    case lockHeld = "lock-held"
    case renewalFailed = "renewal-failed"
    case rateLimited = "rate-limited"
    case accountPaused = "account-paused"

    // The CA; only with --ca.
    case caUnreachable = "ca-unreachable"
    case caNotTrusted = "ca-not-trusted"
    case accountDeactivated = "account-deactivated"

    // doctor itself.
    case budgetSpent = "budget-spent"

    /// Its place in the order of travel.
    package var place: Int { CheckID.places[self, default: 0] }

    private static let places = Dictionary(
        uniqueKeysWithValues: CheckID.allCases.enumerated().map { ($0.element, $0.offset) })

    /// The check for a problem of a lineage's files, by status's own code; nil for what is not in files, and checked again here.
    package init?(_ code: LineageProblem.Code) {
        switch code {
        case .hookFailed, .renewalFailed, .servedWrongly: return nil
        default: self.init(rawValue: code.rawValue)
        }
    }
}

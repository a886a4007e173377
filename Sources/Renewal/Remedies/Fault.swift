package import FoundationEssentials
package import Lineages
package import PKI

/// A cause of trouble, with what its remedy depends on. ``remedy`` is the one table of what to do about each.
package enum Fault: Hashable, Sendable {
    // The config directory.
    case configDirectoryMissing
    case configDirectoryForbidden
    case configDirectoryUnreadable(String)
    case fileMalformed(String)
    case noCertificate

    // A certificate's files and settings.
    case lineage(LineageProblem.Code, FaultSubject)
    /// The same, after a new certificate was to be issued for it, in vain.
    case lineageReissued(LineageProblem.Code, FaultSubject)
    case confMissing(FaultSubject, canRepair: Bool)
    case mustStaple(conf: String)
    case chain(name: String)
    case expired(name: String)
    case notYetValid(name: String)
    case revoked(name: String)
    /// The certificate goes without them, as `allow_subset_of_names` has it.
    case namesOmitted(name: String, names: [String])
    case clock(ClockSetter, right: Date?)

    // What a renewal needs on this host.
    case diskFull(String)
    case diskReadOnly(String)
    case immutable(String)
    case writeRefused(String)
    /// - Parameter failure: why `certctl account register` has failed since; nil where it was not tried.
    case accountMissing(server: String, failure: RecordedCause?)
    case accountAmbiguous(conf: String, ids: [String])
    case accountUnusable(path: String, server: String)
    case accountRefused(server: String, failure: RecordedCause?)
    case serverInvalid(conf: String)
    case webrootMissing(String)
    case webrootNoDirectory(String)
    case webrootUnknown(conf: String)
    case webrootObstructed(String)
    case webrootNotWritable(String)

    // Names.
    case nameUnresolved(String)
    case resolverSilent(configured: Bool)
    case addressRefused(String, family: String)
    case wrongAddress(String, family: String)
    case caaForbids(owner: String, tag: String, identity: String)

    // Docker and nginx.
    case dockerSilent(EngineState)
    case dockerHostWrong(variable: String, origin: String?, defaultAnswers: Bool)
    case dockerContextWrong(name: String, defaultAnswers: Bool)
    case portHeld(PortHolder, container: String)
    case containerNotThere(named: String, settings: String, instead: [String])
    case containerMissing(composeFile: String?)
    case containerStopped(name: String, isPaused: Bool)
    case containerEnds(name: String)
    case containerRestarting(name: String)
    case containerUnhealthy(name: String)
    case containerSpare(name: String)
    case notMounted(volume: String, container: String)
    case bindMountStale(container: String, test: NginxTest)
    case bindMountRefused(container: String, file: String?)
    case bindMountGone(source: String, container: String)
    case nginxConfig(WebServerPlace, file: String?)
    case nginxFileMissing(WebServerPlace, path: String)
    case upstreamStopped(containers: [String], nginx: String?)
    case upstreamUnknown(host: String, WebServerPlace)
    case hookSettings(path: String)

    // The way of a challenge.
    case httpSilent(port: Int)
    case httpNotListening(StoppedServer)
    case familyNotListening(address: String)
    case challengeRedirected(webroot: String, server: String?)
    case webrootUnreadable(path: String)
    case challengeLocation(webroot: String, server: String?)
    case challengePassword(location: String?, webroot: String)
    case challengeReturned(directive: String, at: String, webroot: String)
    case challengeDenied(directive: String, at: String, webroot: String)
    case challengeLimited(directive: String, at: String)
    case challengeReplaced(location: String, at: String, webroot: String, isOpen: Bool)
    case challengeRoot(directive: String?, at: String, webroot: String)

    // Hooks.
    case noReload(name: String)
    case hooksUnreadable(path: String)
    case hookDangling(path: String)
    case hookGone(conf: String)
    case hookNotExecutable(path: String)
    case hookNoScript
    case hookInterpreter(path: String, ScriptFlaw)
    case hookFailed(name: String, identity: String, isRepeated: Bool)

    // What is served.
    case served(name: String, tried: Bool, restart: String?)
    case servedFile(directive: String, at: String?, wanted: String, name: String)
    case serverNameMissing(name: String, at: String?, lineage: String)
    case handshakeBroken(endpoint: String, name: String, WebServerPlace)
    case proxyProtocol(endpoint: TLSEndpoint, isExpected: Bool)
    case proxyProtocolDirect(name: String, server: String?)
    case tlsNotListening(StoppedServer)
    case tlsElsewhere(TLSEndpoint)
    case endpointUnknown

    // What renews.
    case timerMissing
    case unitOutdated
    case unitBroken(UnitFile?, unit: String, service: String?)
    case timerMasked(String)
    case timerDisabled(String)
    case certbotRenews
    case serviceFailed(String, ServiceFailure)
    case serviceMasked(String)
    case serviceFailedBefore(String)
    case certbotTimer(String)
    case sandboxOutdated
    /// The sandbox keeps a renewal from its work: whether setup opens it, else the line that closes it.
    case sandboxClosed(service: String, setupHelps: Bool, UnitFile?)
    /// - Parameters:
    ///   - unit: the service that it is of, where that does nothing but renew.
    ///   - isUnending: whether it was killed already, in vain.
    ///   - patience: the seconds that it gets to end in good order.
    case lockHung(pid: Int32, unit: String?, isUnending: Bool, patience: Int)

    // The CA.
    case renewal(RecordedCause, FaultSubject, isRepeated: Bool)
    case quarantined(name: String)
    case caUnreachable(server: String)
    case caNotTrusted
    case rateLimited

    // Other ways of proof than a webroot.
    case credentialsMissing(String)
    case credentialsReadable(String)
    case pluginUnusable
    case challengeRecordLoop
    case zoneNotDelegated
    case challengeRecordStale(String)
    case challengeRecordDiffers
    /// Seconds that the records were waited for.
    case propagationSlow(waited: Int)
    case standalonePortTaken(Int)
    case standaloneAddressWrong
    case statelessWrong
}

/// Where nginx runs.
package enum WebServerPlace: Hashable, Sendable {
    case host
    case container(String)

    /// The command line that tests its configuration.
    package var test: String {
        switch self {
        case .host: "nginx -t"
        case .container(let name): "docker exec \(name.shellWord) nginx -t"
        }
    }
}

/// A web server that does not listen.
package enum StoppedServer: Hashable, Sendable {
    /// It may be in a container.
    case container
    /// The host's nginx, with what systemd says of its unit.
    case unit(isFailed: Bool, isMasked: Bool)
    /// There are no containers, and no nginx is installed.
    case unknown

    /// How it is started.
    var remedy: Remedy {
        switch self {
        case .container: .do("start nginx's container: docker compose up -d")
        case .unit(_, isMasked: true): .run("systemctl unmask nginx && systemctl start nginx")
        case .unit(isFailed: true, _): .do("correct what journalctl -u nginx says, then: systemctl start nginx")
        case .unit: .run("systemctl start nginx")
        case .unknown: .do("start the web server: this host has neither an nginx nor containers")
        }
    }
}

/// What tests the files that the host has now, before the container that sees others is started again: another container of the
/// same image with the same volumes.
package struct NginxTest: Hashable, Sendable {
    package let image: String
    /// `host`, or `container:NAME`.
    package let network: String

    package init(image: String, network: String) { (self.image, self.network) = (image, network) }
}

/// What keeps a script from being run by the program in its first line.
package enum ScriptFlaw: Hashable, Sendable {
    /// Its lines end in CR LF.
    case carriageReturn
    /// A byte order mark stands before its `#!`.
    case byteOrderMark
    /// The program does not exist, or is not executable.
    case interpreter
}

/// Who has a port.
package enum PortHolder: Hashable, Sendable {
    case container(String)
    case unit(String)
    case process(pid: Int32, name: String)
}

/// What sets this host's clock, as far as it is installed.
package enum ClockSetter: Hashable, Sendable {
    case timedatectl
    case chrony
    case none
}

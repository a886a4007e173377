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
        case .mustStaple, .chain, .expired, .notYetValid, .revoked, .clock: certificate
        case .diskFull, .diskReadOnly, .accountMissing, .accountAmbiguous, .accountUnusable, .accountRefused,
            .serverInvalid, .webrootMissing, .webrootNoDirectory, .webrootUnknown, .webrootObstructed,
            .webrootNotWritable:
            renewalNeeds
        case .nameUnresolved, .resolverSilent, .addressRefused, .wrongAddress, .caaForbids: names
        case .dockerStopped, .dockerHostWrong, .dockerContextWrong, .portHeld, .containerNotThere, .containerMissing,
            .containerStopped, .containerRestarting, .containerUnhealthy, .containerSpare, .hookSettings:
            docker
        case .notMounted, .bindMountStale, .bindMountGone, .nginxConfig, .upstreamStopped, .upstreamUnknown: nginx
        case .httpSilent, .httpNotListening, .familyNotListening, .challengeRedirected, .webrootUnreadable,
            .challengeLocation, .challengeDenied, .challengeLimited, .challengeRoot:
            challenge
        case .noReload, .hookDangling, .hookGone, .hookNotExecutable, .hookNoScript, .hookInterpreter, .hookFailed:
            hooks
        case .served, .servedFile, .serverNameMissing, .handshakeBroken, .proxyProtocol,
            .tlsNotListening, .endpointUnknown:
            served
        case .timerMissing, .timerMasked, .timerDisabled, .certbotRenews, .serviceFailed, .serviceFailedBefore,
            .certbotTimer, .sandboxOutdated, .lockHung, .lockHeld:
            schedule
        case .renewal(let cause, let subject, let isRepeated): Fault.remedy(cause, subject, isRepeated: isRepeated)
        case .quarantined(let name): .deploy([name])
        case .caUnreachable(let server):
            .do("see that this host reaches \(server): a firewall, a proxy, the CA's status page")
        case .caNotTrusted: Fault.trust
        case .rateLimited: Fault.wait
        case .proof(let text, let isCommand): isCommand ? .run(text) : .do(text)
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
            return .do("certctl account register --server with the CA's directory, then: certctl renew")
        }
        return .run("certctl account register --server \(server.shellWord) --agree-tos && certctl renew")
    }

    // MARK: The config directory

    private var configDirectory: Remedy? {
        switch self {
        case .configDirectoryMissing:
            .do("name the config directory with --config-dir; or get a first certificate: certctl issue -d NAME")
        case .configDirectoryForbidden: .run("sudo certctl doctor")
        case .configDirectoryUnreadable(let path):
            .do("make \(path) and \(path)/renewal directories that root can read, or restore them from a backup")
        case .fileMalformed(let path): .do("correct the line in \(path)")
        case .noCertificate: .do("get a first certificate: certctl issue -d NAME")
        default: nil
        }
    }

    // MARK: A certificate's files

    private static func remedy(_ code: LineageProblem.Code, _ subject: FaultSubject) -> Remedy? {
        switch subject.repair {
        case .repair: return .run("certctl repair \(subject.name.shellWord)")
        case .editor(let path, let line):
            return .do(
                "correct \(path)\(line.map { ", line \($0)" } ?? ""): editor \(line.map { "+\($0) " } ?? "")\(path.shellWord)"
            )
        case .person(let text): return .do(text, by: .person)
        case .issueWithoutConf, .issue, nil: break
        }
        return byCode(code, subject)
    }

    private static func byCode(_ code: LineageProblem.Code, _ subject: FaultSubject) -> Remedy? {
        switch code {
        case .confUnreadable: .do("make \(subject.conf) a file that root can read, or restore it from a backup")
        // Without it no certificate is known, so that none of it is a command to paste.
        case .confMalformed, .confIncomplete:
            .do(
                "restore \(subject.conf) from a backup; or move it away, run \(subject.issueCommand()), and move it back "
                    + "should that fail")
        case .anotherTree:
            .do("name that config directory with --config-dir; or correct the paths in \(subject.conf)")
        case .optionInvalid, .optionIgnored, .optionMisplaced, .optionMisspelled, .renewBeforeExpiry:
            .do("correct the line in \(subject.conf)")
        case .unreadable: .do("make what \(subject.live) leads to readable for root, or restore it from a backup")
        case .newerVersion: .renew([subject.name], cost: .free)
        case .revoked: .replacing(subject.name)
        case .hookFailed, .renewalFailed, .servedWrongly: nil
        case .liveMissing, .liveNotALink, .liveInconsistent, .certificateMalformed, .keyMalformed, .keyMismatch,
            .fullchainMismatch, .movedTree, .archiveDamaged:
            subject.reissue()
        }
    }

    private var certificate: Remedy? {
        switch self {
        case .mustStaple(let conf): .run("sed -i '/^must_staple/d' \(conf.shellWord)")
        case .chain(let name): .renew([name], isForced: true)
        case .expired(let name): .renew([name])
        case .revoked(let name): .replacing(name)
        case .notYetValid(let name):
            .do("see that the clock is right; if it is: certctl renew --force \(name.shellWord)", cost: .order)
        case .clock(.timedatectl, _): .run("timedatectl set-ntp true")
        case .clock(.chrony, _): .run("chronyc makestep")
        case .clock(.none, let right?):
            .run("date -u -s '\(right.formatted(.iso8601))' && apt-get install systemd-timesyncd")
        case .clock(.none, nil):
            .do("set the clock with date -s, and install something that keeps it: systemd-timesyncd")
        default: nil
        }
    }

    // MARK: What a renewal needs

    private var renewalNeeds: Remedy? {
        switch self {
        case .diskFull(let path): .do("make room on the file system of \(path)")
        case .diskReadOnly(let path):
            .do("see dmesg for why the file system of \(path) is read-only, then remount it: mount -o remount,rw")
        case .accountMissing(let server), .accountRefused(let server): Fault.register(server)
        case .accountAmbiguous(let conf, let ids):
            .do("set account = ID under [renewalparams] in \(conf), one of \(ids.joined(separator: ", "))")
        case .accountUnusable(let path, let server):
            .do("restore \(path) from a backup; or make another account: \(Fault.register(server).text)")
        case .serverInvalid(let conf): .do("correct server in \(conf)")
        case .webrootMissing(let path): .run("mkdir -p \(path.shellWord)")
        case .webrootNoDirectory(let path): .do("put a directory in the place of \(path)")
        case .webrootUnknown(let conf):
            .do("set webroot_path under [renewalparams] in \(conf): the directory that nginx serves challenges from")
        case .webrootObstructed(let path):
            .do(
                "put a directory there, or a symlink of root's to one (chown -h root \(path), if it leads where it should)"
            )
        case .webrootNotWritable(let path):
            .do("let root write to \(path): see findmnt -T \(path.shellWord) and ls -ld \(path.shellWord)")
        default: nil
        }
    }

    private var names: Remedy? {
        switch self {
        case .nameUnresolved(let name):
            .do("make an A or AAAA record for \(name), or issue again without it", by: .person)
        case .resolverSilent(configured: true): .do("name another DNS server with --resolver")
        case .resolverSilent(configured: false):
            .do("correct the name servers in /etc/resolv.conf: nothing can be renewed without them")
        case .addressRefused(let name, let family):
            family == "AAAA"
                ? .do("give nginx: listen [::]:80;   or remove the AAAA record of \(name)")
                : .do("give nginx: listen 80;   or remove the A record of \(name)")
        case .wrongAddress(let name, let family):
            .do("point the \(family) record of \(name) to this host, or remove it", by: .person)
        case .caaForbids(let owner, let tag, let identity):
            .do("add to the DNS: \(owner). CAA 0 \(tag) \"\(identity)\"", by: .person)
        default: nil
        }
    }

    // MARK: Docker and nginx

    private var docker: Remedy? {
        switch self {
        case .dockerStopped: .run("systemctl start docker")
        case .dockerHostWrong(let variable, let origin, let defaultAnswers):
            .do(
                "correct or remove \(variable)"
                    + (origin.map { ", which \($0) sets" } ?? " of the environment that certctl was started with")
                    + (defaultAnswers ? ": without it Docker answers" : ""))
        case .dockerContextWrong(let name, true) where !name.isEmpty: .run("docker context use default")
        case .dockerContextWrong(let name, _):
            .do("correct the Docker context \(name): docker context inspect \(name.shellWord)")
        case .portHeld(.container(let other), let name):
            .run("docker stop \(other.shellWord) && docker restart \(name.shellWord)")
        case .portHeld(.unit(let unit), let name):
            .run("systemctl disable --now \(unit.shellWord) && docker restart \(name.shellWord)")
        case .portHeld(.process(let pid, let program), let name):
            .do("end \(program) (process \(pid)), then: docker restart \(name.shellWord)")
        case .containerNotThere(_, let settings, let instead):
            .do(
                instead.isEmpty
                    ? "start it with docker compose up -d, or correct \(settings)"
                    : "correct \(settings): \(instead.joined(separator: " or ")) is there instead")
        case .containerMissing(let file?): .run("docker compose -f \(file.shellWord) up -d")
        case .containerMissing(nil): .do("docker compose up -d, in the directory of the compose file")
        case .containerStopped(let name, let isPaused):
            .run(isPaused ? "docker unpause \(name.shellWord)" : "docker start \(name.shellWord)")
        case .containerRestarting(let name):
            .do("correct what docker logs --tail 20 \(name.shellWord) shows; Docker starts it again by itself")
        case .containerUnhealthy(let name):
            .do("correct what the health check of \(name) finds, or the check: docker inspect \(name.shellWord)")
        case .containerSpare(let name): .run("docker rm \(name.shellWord)")
        case .hookSettings(let path): .do("correct the line in \(path): the hook stops at it")
        default: nil
        }
    }

    private var nginx: Remedy? {
        switch self {
        case .notMounted(let volume, _):
            .do("add \(volume) to the volumes of its service, then: docker compose up -d")
        case .bindMountStale(let name, let test):
            .run(
                "docker run --rm --volumes-from \(name.shellWord) --network \(test.network.shellWord) \(test.image.shellWord) nginx -t && docker restart \(name.shellWord)"
            )
        case .bindMountGone(let source, let name):
            .do("restore \(source), then: docker restart \(name.shellWord)")
        case .nginxConfig(let place, let file):
            .do("correct \(file ?? "what it names") until \(place.test) passes, then: certctl deploy")
        case .upstreamStopped(let containers, let nginx):
            .run(
                "docker start \((containers + [nginx].compactMap(\.self)).map(\.shellWord).joined(separator: " "))"
                    + (nginx == nil ? " && certctl deploy" : ""))
        case .upstreamUnknown(let host, let place):
            .do(
                "start what answers to \(host), or correct the name in nginx's configuration, until \(place.test) passes; then: certctl deploy"
            )
        default: nil
        }
    }

    private static func location(_ webroot: String) -> String {
        "location ^~ /.well-known/acme-challenge/ { root \(webroot); }"
    }

    private var challenge: Remedy? {
        switch self {
        case .httpSilent(let port): .do("restart what listens on port \(port): ss -ltnp 'sport = :\(port)' names it")
        case .httpNotListening(_, hasDocker: true): .do("start nginx's container: docker compose up -d")
        case .httpNotListening(_, hasDocker: false), .tlsNotListening(hasDocker: false): .run("systemctl start nginx")
        case .familyNotListening(let address): .do("give nginx: listen \(address);")
        case .challengeRedirected(let webroot, let server), .challengeLocation(let webroot, let server):
            .do("give nginx\(server.map { ", in the server at \($0)" } ?? ""): \(Fault.location(webroot))")
        case .webrootUnreadable(let path): .run("chmod o+x \(path.shellWord)")
        case .challengeDenied(let directive, let place, let webroot):
            .do("\(place) has \"\(directive)\", which eats the path: put before it \(Fault.location(webroot))")
        case .challengeRoot(let directive?, let place, let webroot):
            .do("at \(place), in place of \"\(directive)\" write \"root \(webroot);\"")
        case .challengeRoot(nil, let place, let webroot): .do("give the location at \(place): root \(webroot);")
        case .challengeLimited(let directive, let place):
            .do("take \"\(directive)\" (\(place)) out of the location of /.well-known/acme-challenge/")
        default: nil
        }
    }

    // MARK: Hooks, what is served, what renews

    private var hooks: Remedy? {
        switch self {
        case .noReload(let name): .run("certctl setup --yes && certctl deploy \(name.shellWord)")
        case .hookDangling(let path):
            .do("restore what \(path) leads to, or remove it: certctl setup puts its own hook there")
        case .hookGone(let conf): .do("correct the hook in \(conf), or restore its program")
        case .hookNotExecutable(let path): .run("chmod +x \(path.shellWord)")
        case .hookNoScript: nil
        case .hookInterpreter(let path, true): .run("sed -i 's/\\r$//' \(path.shellWord)")
        case .hookInterpreter(let path, false): .do("correct the first line of \(path), or install what it names")
        case .hookFailed(let name, _, false): .deploy([name])
        case .hookFailed(let name, let hook, true):
            .do("correct what \(hook) says, then: certctl deploy \(name.shellWord)")
        default: nil
        }
    }

    private var served: Remedy? {
        switch self {
        case .served(let name, false, _): .deploy([name])
        case .served(_, true, let restart?): .run(restart)
        case .served(let name, true, nil):
            .do(
                "find which server of nginx -T answers for \(name), and what its ssl_certificate leads to; then: certctl deploy \(name.shellWord)"
            )
        case .servedFile(let directive, let place, let wanted, let name):
            .do(
                "\(place.map { "in \($0), " } ?? "")in place of \"\(directive)\" write \"ssl_certificate \(wanted)/fullchain.pem; ssl_certificate_key \(wanted)/privkey.pem;\", then: certctl deploy \(name.shellWord)"
            )
        case .serverNameMissing(let name, let place, let lineage):
            .do(
                "add \(name) to server_name of \(place.map { "the server at \($0)" } ?? "a server with its ssl_certificate"), then: certctl deploy \(lineage.shellWord)"
            )
        case .handshakeBroken(let endpoint, let name, let place):
            .do(
                "see nginx's error log, and openssl s_client -connect \(endpoint) -servername \(name): is there a server for \(name)? then \(place.test), and restart it"
            )
        case .proxyProtocol(let endpoint):
            .do(
                "nginx expects the PROXY protocol at \(endpoint): name another endpoint, or none, with verify in certctl.conf"
            )
        case .tlsNotListening(hasDocker: true): .do("start nginx's container: docker compose up -d")
        case .tlsNotListening(hasDocker: false): .run("systemctl start nginx")
        case .endpointUnknown: .do("set verify in certctl.conf: the endpoint that serves it, or none")
        default: nil
        }
    }

    private var schedule: Remedy? {
        switch self {
        case .timerMissing, .certbotRenews, .sandboxOutdated: .run("certctl setup")
        case .timerMasked(let unit): .run("systemctl unmask \(unit) && systemctl enable --now \(unit)")
        case .timerDisabled(let unit): .run("systemctl enable --now \(unit)")
        case .serviceFailed(let service):
            .do(
                "correct what journalctl -u \(service) says, then: systemctl reset-failed \(service) && systemctl start \(service)"
            )
        case .serviceFailedBefore(let again): .run(again)
        case .certbotTimer(let unit): .run("systemctl disable --now \(unit)")
        case .lockHung(let pid): .do("see what process \(pid) does; if it hangs: kill \(pid)")
        case .lockHeld: .do("wait until the run has ended", by: .certctl)
        default: nil
        }
    }

    // MARK: The last renewal

    private static func remedy(_ cause: RecordedCause, _ subject: FaultSubject, isRepeated: Bool) -> Remedy? {
        switch cause {
        case .unreachable:
            .do(
                "see that this host reaches the CA, or run it again later: certctl renew goes on by itself",
                by: .certctl)
        case .notTrusted: trust
        case .proxy:
            .do(
                "correct that environment variable where it is set: for the service, in certctl.service or a drop-in of it"
            )
        case .moved(let url):
            .do(
                "set server to the new URL in \(subject.conf) and cli.ini, if the CA says that it has moved"
                    + (url.map { ": \($0)" } ?? ""))
        case .refused(type: "rateLimited"): wait
        case .paused(let url):
            .do(
                url.map { "unpause it at \($0), then: certctl renew \(subject.name.shellWord)" }
                    ?? "unpause the name at the CA", by: .person)
        case .termsChanged(let url):
            .do(
                "agree to the CA's terms\(url.map { " at \($0)" } ?? ""), then: certctl renew \(subject.name.shellWord)",
                by: .person)
        case .account(let server): register(server)
        case .profile(let name):
            .do(
                "take \(name) out of required_profile and preferred_profile in \(subject.conf), or write one that the CA has; then: certctl renew \(subject.name.shellWord)"
            )
        case .refused(type: "caa"):
            .do(
                "let the CAA records of its names allow the CA, then: certctl renew \(subject.name.shellWord)",
                by: .person)
        case .refused, .other:
            isRepeated
                ? .do(
                    "correct what the CA says of \(subject.name), then: certctl renew \(subject.name.shellWord)",
                    cost: .validation)
                : .renew([subject.name], cost: .validation)
        case .notValidated:
            isRepeated
                ? .do(
                    "see that http://NAME/.well-known/acme-challenge/ reaches this host's nginx from outside, as the CA says it does not; then: certctl renew \(subject.name.shellWord)",
                    cost: .validation)
                : .renew([subject.name], cost: .validation)
        case .webroot(let path?): Fault.webrootObstructed(path).remedy
        case .webroot(nil): .renew([subject.name], cost: .validation)
        case .file(let path, _):
            isRepeated
                ? .do(
                    "let root write to \(path): see ls -ld, findmnt -T and df of it; then: certctl renew \(subject.name.shellWord)"
                )
                : .renew([subject.name], cost: .validation)
        case .hook(_, let identity):
            isRepeated
                ? .do("correct \(identity), then: certctl renew \(subject.name.shellWord)") : .renew([subject.name])
        case .lineage(let code):
            LineageProblem.Code(rawValue: code).flatMap { remedy($0, subject) } ?? .renew([subject.name])
        case .server:
            .do(
                "correct nginx's configuration until nginx -t passes, then: certctl renew --force \(subject.name.shellWord) (with --yes it is ordered all the same)"
            )
        case .budget:
            .do(
                "if you are sure that a new one is what is missing: certctl renew --force --yes \(subject.name.shellWord)",
                cost: .order)
        }
    }
}

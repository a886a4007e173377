import Lineages
import PKI

/// Remedies for Docker, for nginx, and for what nginx does with the path of challenges.
extension Fault {
    var docker: Remedy? {
        switch self {
        case .dockerSilent(let state): state.remedy
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
        case .containerEnds(let name):
            .do("correct what keeps it from starting, as said below, then: docker start \(name.shellWord)")
        case .containerRestarting(let name):
            .do("correct what docker logs --tail 20 \(name.shellWord) shows; Docker starts it again by itself")
        case .containerUnhealthy(let name):
            .do("correct what the health check of \(name) finds, or the check: docker inspect \(name.shellWord)")
        case .containerSpare(let name):
            .do("if nothing needs it any more: docker rm \(name.shellWord); else correct what keeps it from running")
        case .hookSettings(let path): .do("correct the line in \(path): the hook stops at it")
        default: nil
        }
    }

    var nginx: Remedy? {
        switch self {
        case .notMounted(let volume, _):
            .do("add \(volume) to the volumes of its service, then: docker compose up -d")
        case .bindMountStale(let name, let test):
            .run(
                "docker run --rm --volumes-from \(name.shellWord) --network \(test.network.shellWord) \(test.image.shellWord) nginx -t && docker restart \(name.shellWord)"
            )
        case .bindMountRefused(let name, let file):
            .do(
                "correct \(file ?? "what nginx refuses of the files of this host"), then: docker restart \(name.shellWord)"
            )
        case .bindMountGone(let source, let name):
            .do("restore \(source), then: docker restart \(name.shellWord)")
        case .nginxConfig(let place, let file):
            .do("correct \(file ?? "what it names") until \(place.test) passes, then: certctl deploy")
        case .nginxFileMissing(let place, let path):
            .do(
                "restore \(path), or correct the line of nginx's configuration that names it, until \(place.test) passes; then: certctl deploy"
            )
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

    /// - Parameter isOpen: whether it says that no password is asked for.
    static func location(_ webroot: String, isOpen: Bool = false) -> String {
        "location ^~ /.well-known/acme-challenge/ { \(isOpen ? "auth_basic off; " : "")root \(webroot); }"
    }

    var challenge: Remedy? {
        switch self {
        case .httpSilent(let port): .do("restart what listens on port \(port): ss -ltnp 'sport = :\(port)' names it")
        case .httpNotListening(let server): server.remedy
        case .familyNotListening(let address): .do("give nginx: listen \(address);")
        case .challengeRedirected(let webroot, let server), .challengeLocation(let webroot, let server):
            .do("give nginx\(server.map { ", in the server at \($0)" } ?? ""): \(Fault.location(webroot))")
        case .webrootUnreadable(let path): .run("chmod o+x \(path.shellWord)")
        case .challengePassword(let place?, _): .do("give the location at \(place): auth_basic off;")
        case .challengePassword(nil, let webroot):
            .do("give nginx: \(Fault.location(webroot, isOpen: true))")
        case .challengeReturned(let directive, let place, let webroot):
            .do(
                "at \(place), in place of \"\(directive)\" write \"location / { \(directive) }\" and \"\(Fault.location(webroot))\""
            )
        case .challengeDenied(let directive, let place, let webroot):
            .do("\(place) has \"\(directive)\", which eats the path: put before it \(Fault.location(webroot))")
        case .challengeReplaced(let location, let place, let webroot, let isOpen):
            .do(
                "at \(place), replace the whole block of \"\(location)\" by: \(Fault.location(webroot, isOpen: isOpen))"
            )
        case .challengeRoot(let directive?, let place, let webroot):
            .do("at \(place), in place of \"\(directive)\" write \"root \(webroot);\"")
        case .challengeRoot(nil, let place, let webroot): .do("give the location at \(place): root \(webroot);")
        case .challengeLimited(let directive, let place):
            .do("take \"\(directive)\" (\(place)) out of the location of /.well-known/acme-challenge/")
        default: nil
        }
    }
}

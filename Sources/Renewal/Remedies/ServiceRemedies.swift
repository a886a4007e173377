import Lineages
import PKI

/// Remedies for hooks, for what endpoints serve, and for what runs certctl.
extension Fault {
    var hooks: Remedy? {
        switch self {
        case .noReload(let name): .run("certctl setup --yes && certctl deploy \(name.shellWord)")
        case .hooksUnreadable(let path): .do("make \(path) a directory that root can read, or remove it")
        case .hookDangling(let path):
            .do("restore what \(path) leads to, or remove it: certctl setup puts its own hook there")
        case .hookGone(let conf): .do("correct the hook in \(conf), or restore its program")
        case .hookNotExecutable(let path): .run("chmod +x \(path.shellWord)")
        case .hookNoScript: nil
        case .hookInterpreter(let path, .carriageReturn): .run("sed -i 's/\\r$//' \(path.shellWord)")
        case .hookInterpreter(let path, .byteOrderMark): .run("sed -i '1s/^\\xef\\xbb\\xbf//' \(path.shellWord)")
        case .hookInterpreter(let path, .interpreter):
            .do("correct the first line of \(path), or install what it names")
        case .hookFailed(let name, _, false): .deploy([name])
        case .hookFailed(let name, let hook, true):
            .do("correct what \(hook) says, then: certctl deploy \(name.shellWord)")
        default: nil
        }
    }

    var served: Remedy? {
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
        case .proxyProtocol(let endpoint, let isExpected):
            .do(
                isExpected
                    ? "set proxy_protocol = \(endpoint.isLoopback ? "\(endpoint.port)" : "\(endpoint)") in certctl.conf, so that probes speak it; or verify = none"
                    : "take \(endpoint) out of proxy_protocol in certctl.conf or in the renewal config")
        case .proxyProtocolDirect(let name, let server):
            .do(
                "point \(name) to the load balancer, or take proxy_protocol out of listen\(server.map { " in the server at \($0)" } ?? "")",
                by: .person)
        case .tlsNotListening(let server): server.remedy
        case .tlsElsewhere(let endpoint):
            .do(
                "give nginx: listen \(endpoint) ssl; or name with verify the endpoint that ss -ltn 'sport = :\(endpoint.port)' shows"
            )
        case .endpointUnknown:
            .do("in its renewal config, below a line [certctl], set verify to the endpoint that serves it, or to none")
        default: nil
        }
    }

    var schedule: Remedy? {
        switch self {
        case .timerMissing, .certbotRenews, .sandboxOutdated: .run("certctl setup")
        case .timerMasked(let unit): .run("systemctl unmask \(unit) && systemctl enable --now \(unit)")
        case .timerDisabled(let unit): .run("systemctl enable --now \(unit)")
        case .unitOutdated: .run("systemctl daemon-reload")
        case .unitBroken(let file, let unit, let service):
            .do(
                "correct \(file?.text ?? "its files") until systemd-analyze verify \(unit) is silent, then: systemctl daemon-reload && "
                    + (service.map(Fault.again) ?? "systemctl enable --now \(unit)"))
        case .serviceMasked(let service): .run("systemctl unmask \(service) && \(Fault.again(service))")
        case .serviceFailed(let service, .notStarted(let file)):
            .do(
                "correct \(file?.text ?? "what journalctl -u \(service) says of its settings"), then: systemctl daemon-reload && \(Fault.again(service))"
            )
        case .serviceFailed(let service, .run), .serviceFailedBefore(let service): .run(Fault.again(service))
        case .serviceFailed(let service, .settings), .serviceFailed(let service, .repeated):
            .do("correct what journalctl -u \(service) says, then: \(Fault.again(service))")
        case .sandboxClosed(_, setupHelps: true, _): .run("certctl setup --yes")
        case .sandboxClosed(let service, _, let file):
            .do(
                "correct \(file?.text ?? "the sandbox settings that systemctl cat \(service) shows"), then: systemctl daemon-reload && \(Fault.again(service))"
            )
        case .certbotTimer(let unit): .run("systemctl disable --now \(unit)")
        case .lockHung(let pid, _, true, _):
            .do(
                "see dmesg for the device or file system that process \(pid) waits for; if it does not answer, restart the host"
            )
        case .lockHung(_, let unit?, _, _): .run("systemctl stop \(unit.shellWord)")
        case .lockHung(let pid, nil, _, let patience):
            // A stopped process gets the first signal with the second one. A zombie has ended.
            .run(
                "kill -TERM \(pid) && kill -CONT \(pid) && timeout \(patience) sh -c 'while grep -qs \"^State:.[^Z]\" /proc/\(pid)/status; do sleep 1; done' || kill -KILL \(pid)"
            )
        default: nil
        }
    }

    /// Starts a service, also one whose start limit is reached. `start` would wait for one that waits for its own `Restart=`.
    private static func again(_ service: String) -> String {
        "systemctl reset-failed \(service) && systemctl restart \(service)"
    }
}

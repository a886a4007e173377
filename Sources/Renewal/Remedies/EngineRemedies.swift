/// Remedies for a Docker Engine that does not answer. What was started in vain, or a short while ago, is not started again.
extension EngineState {
    var remedy: Remedy {
        switch self {
        case .unmanaged(_, let pid?, let name):
            .do("restart \(name) (process \(pid)) as it was started: systemd has no docker.service")
        case .unmanaged(let socket, nil, _):
            .do("start the Docker Engine that has \(socket): systemd has no docker.service")
        case .inactive: .run("systemctl start docker")
        case .masked: .run("systemctl unmask docker.socket docker.service && systemctl start docker")
        case .failed:
            .do(
                "correct what journalctl -u docker says, then: systemctl reset-failed docker && systemctl start docker"
            )
        case .starting: .do("wait until systemctl is-active docker says active; journalctl -u docker shows its start")
        case .active(let hasSocketUnit):
            .run(hasSocketUnit ? "systemctl restart docker.socket docker.service" : "systemctl restart docker")
        case .restarted:
            .do("correct what journalctl -u docker says, then: systemctl restart docker")
        }
    }
}

import Challenges
import FoundationEssentials
import Lineages
import PKI
import Renewal
import Setup

/// One nginx that may answer, and its configuration.
struct NginxFacts: Sendable {
    let place: WebServerPlace
    /// Nil for the host's own.
    let container: ContainerFacts?
    let configuration: NginxConf
    /// When its master process was started; nil where that is not known.
    let startedAt: Date?
    /// The service of the host's own.
    var unit: String?

    /// The port of its own for one of the host's.
    func port(_ port: Int) -> Int { container?.port(for: port) ?? port }

    /// The path at which it sees one of the host's.
    func inside(_ path: String) -> String { container?.inside(path) ?? path }

    /// `FILE:LINE`, with the host's path where it has one.
    func shown(_ directive: NginxConf.Directive) -> String {
        guard let container else { return directive.place }
        return container.outside(directive.file).map { "\($0):\(directive.line)" }
            ?? "\(directive.file):\(directive.line) in \(container.name)"
    }

    /// What starts it again.
    var restart: String? {
        if let container { return "docker restart \(container.name.shellWord)" }
        return unit.map { "systemctl restart \($0.shellWord)" }
    }

    /// The leaf of a file that it has; symlinks are followed as it follows them.
    func leaf(_ path: String) -> Certificate? {
        let path = path.hasPrefix("/") ? path : "/etc/nginx/\(path)"
        let bytes: [UInt8]?
        if let container {
            guard let root = ContainerRoot(pid: container.pid) else { return nil }
            bytes = root.read(path)
        } else {
            bytes = try? FileSystem.read(path)
        }
        return bytes.flatMap { try? Certificate.chain(pem: $0).first }
    }
}

/// The configuration of this host's web servers, as far as it could be read.
struct WebFacts: Sendable {
    /// Which container is the web server, and where Docker is asked about it.
    let server: WebServer
    let endpoint: DockerEndpoint
    var docker = DockerFacts.absent("Docker was not asked")
    /// What is known of an engine that does not answer; nil where the setting that names it may be wrong.
    var engine: EngineFacts?
    var nginx: [NginxFacts] = []

    init(_ server: WebServer, _ endpoint: DockerEndpoint) { (self.server, self.endpoint) = (server, endpoint) }

    var listeners: ListenerFacts? { server.listeners }
    /// What has to be started where nothing listens.
    var stopped: StoppedServer {
        if case .present(let all) = docker, !all.isEmpty { return .container }
        return hostUnit.map { .unit(isFailed: $0.active == "failed", isMasked: $0.load == "masked") }
            ?? (HostNginx.installed == nil ? .unknown : .unit(isFailed: false, isMasked: false))
    }

    /// What systemd says of the host's nginx; nil where it was not asked, or has no such unit.
    var hostUnit: UnitState?
}

import FoundationEssentials
import Lineages
import PKI
import Renewal

/// Where the docker command would look for its engine: `DOCKER_HOST`, `DOCKER_CONTEXT`, the CLI's current context, the default.
struct DockerEndpoint: Equatable, Sendable {
    enum Address: Equatable, Sendable {
        case socket(String)
        /// `http://host:port`, without TLS.
        case http(String)
        /// An engine that cannot be asked from here: why.
        case unsupported(String)
    }

    let address: Address
    /// Where that comes from; nil for the default, which need not be there.
    enum Origin: Equatable, Sendable {
        /// `DOCKER_HOST`.
        case variable(String)
        case context(String)
    }

    let source: Origin?

    /// Where that comes from, for people: `DOCKER_HOST`, `the Docker context prod`.
    var origin: String? {
        switch source {
        case .variable(let name): name
        case .context(let name): "the Docker context \(name)"
        case nil: nil
        }
    }

    static let defaultSocket = "/var/run/docker.sock"

    /// - Parameters:
    ///   - environment: what the process was started with.
    ///   - home: the user's home directory, where `.docker` is unless `DOCKER_CONFIG` says otherwise.
    init(environment: [String: String], home: String?) {
        func variable(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        if let host = variable("DOCKER_HOST") {
            self.init(host, .variable("DOCKER_HOST"), isSecure: variable("DOCKER_TLS_VERIFY") != nil)
            return
        }
        let directory = variable("DOCKER_CONFIG") ?? home.map { "\($0)/.docker" }
        let chosen = variable("DOCKER_CONTEXT") ?? directory.flatMap(DockerEndpoint.currentContext)
        guard let name = chosen, name != "default" else {
            self.init(address: .socket(DockerEndpoint.defaultSocket), source: nil)
            return
        }
        let origin = Origin.context(name)
        guard let directory, let host = DockerEndpoint.host(ofContext: name, in: directory) else {
            self.init(
                address: .unsupported("the Docker context \(name) is not in \(directory ?? "~/.docker")/contexts"),
                source: origin)
            return
        }
        self.init(host, origin, isSecure: false)
    }

    private init(_ host: String, _ source: Origin, isSecure: Bool) {
        let address: Address
        if host.hasPrefix("unix://") {
            address = .socket(String(host.dropFirst("unix://".count)))
        } else if host.hasPrefix("tcp://"), !isSecure {
            address = .http("http://\(host.dropFirst("tcp://".count))")
        } else {
            let name = if case .variable(let name) = source { name } else { "the Docker context" }
            address = .unsupported("\(name) is \(host), and certctl asks over unix sockets and plain tcp only")
        }
        self.init(address: address, source: source)
    }

    private init(address: Address, source: Origin?) { (self.address, self.source) = (address, source) }

    /// What is at fault where the engine does not answer.
    ///
    /// - Parameters:
    ///   - place: the file that sets the variable, where one was found.
    ///   - defaultAnswers: whether there is an engine at the default socket.
    ///   - state: what is known of the engine, where it is at fault and not the setting.
    func fault(setBy place: String?, defaultAnswers: Bool, _ state: EngineState?) -> Fault {
        if let state { return .dockerSilent(state) }
        return switch source {
        case .variable(let name): .dockerHostWrong(variable: name, origin: place, defaultAnswers: defaultAnswers)
        case .context(let name): .dockerContextWrong(name: name, defaultAnswers: defaultAnswers)
        case nil: .dockerSilent(.inactive)
        }
    }

    /// The path of its socket; nil for one of another kind.
    var socket: String? { if case .socket(let path) = address { path } else { nil } }

    /// Whether it is the socket of `docker.service`, whatever names it.
    var isDefault: Bool { socket.map(FileSystem.resolved) == FileSystem.resolved(DockerEndpoint.defaultSocket) }

    var description: String {
        switch address {
        case .socket(let path): path
        case .http(let url): url
        case .unsupported: origin ?? "Docker"
        }
    }

    private static func currentContext(_ directory: String) -> String? {
        struct Config: Decodable { let currentContext: String? }
        return decode(Config.self, "\(directory)/config.json")?.currentContext.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// The CLI keeps each context in a directory named after the SHA-256 of its name.
    private static func host(ofContext name: String, in directory: String) -> String? {
        struct Meta: Decodable {
            struct Endpoint: Decodable { let Host: String? }
            let Endpoints: [String: Endpoint]
        }
        guard let digest = try? Digest.sha256(Array(name.utf8)).hexadecimal else { return nil }
        return decode(Meta.self, "\(directory)/contexts/meta/\(digest)/meta.json")?.Endpoints["docker"]?.Host
    }

    private static func decode<Value: Decodable>(_ type: Value.Type, _ path: String) -> Value? {
        guard let bytes = try? FileSystem.read(path) else { return nil }
        return try? JSONDecoder().decode(type, from: Data(bytes))
    }
}

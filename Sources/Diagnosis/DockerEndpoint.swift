import FoundationEssentials
import Lineages
import PKI

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
    /// Where that comes from, for people: `DOCKER_HOST`, `context prod`; nil for the default, which need not be there.
    let origin: String?

    static let defaultSocket = "/var/run/docker.sock"

    /// - Parameters:
    ///   - environment: what the process was started with.
    ///   - home: the user's home directory, where `.docker` is unless `DOCKER_CONFIG` says otherwise.
    init(environment: [String: String], home: String?) {
        func variable(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        if let host = variable("DOCKER_HOST") {
            self.init(host, origin: "DOCKER_HOST", isSecure: variable("DOCKER_TLS_VERIFY") != nil)
            return
        }
        let directory = variable("DOCKER_CONFIG") ?? home.map { "\($0)/.docker" }
        let chosen = variable("DOCKER_CONTEXT") ?? directory.flatMap(DockerEndpoint.currentContext)
        guard let name = chosen, name != "default" else {
            self.init(address: .socket(DockerEndpoint.defaultSocket), origin: nil)
            return
        }
        let origin = "the Docker context \(name)"
        guard let directory, let host = DockerEndpoint.host(ofContext: name, in: directory) else {
            self.init(address: .unsupported("\(origin) is not in \(directory ?? "~/.docker")/contexts"), origin: origin)
            return
        }
        self.init(host, origin: origin, isSecure: false)
    }

    private init(_ host: String, origin: String, isSecure: Bool) {
        let address: Address
        if host.hasPrefix("unix://") {
            address = .socket(String(host.dropFirst("unix://".count)))
        } else if host.hasPrefix("tcp://"), !isSecure {
            address = .http("http://\(host.dropFirst("tcp://".count))")
        } else {
            address = .unsupported("\(origin) is \(host), and certctl asks over unix sockets and plain tcp only")
        }
        self.init(address: address, origin: origin)
    }

    private init(address: Address, origin: String?) { (self.address, self.origin) = (address, origin) }

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

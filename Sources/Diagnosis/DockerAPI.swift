import FoundationEssentials
import Lineages

/// An entry of GET /containers/json.
struct ListedContainer: Decodable { let Id: String }

/// GET /containers/ID/json, as far as it is looked at.
struct InspectedContainer: Decodable {
    struct Running: Decodable {
        struct Checked: Decodable {
            struct Entry: Decodable { let Output: String? }
            let Status: String
            let Log: [Entry]?
        }
        let Status: String
        let ExitCode: Int
        let Error: String
        let FinishedAt: String
        let StartedAt: String?
        let Pid: Int32
        let Health: Checked?
    }
    struct Mount: Decodable {
        let Source: String?
        let Destination: String

        /// Nil for what is not of the host's disk. A directory is named as it is without links; the engine has it as it was
        /// written, and what a file's link leads to now is not what is mounted.
        var facts: ContainerFacts.Mount? {
            guard let Source, !Source.isEmpty else { return nil }
            let isDirectory = (try? FileSystem.status(Source, followingLinks: true))?.kind == .directory
            return ContainerFacts.Mount(
                source: isDirectory ? FileSystem.resolved(Source) : Source, destination: Destination, written: Source)
        }
    }
    struct Settings: Decodable {
        let Image: String
        let Labels: [String: String]?
        let Env: [String]?
    }
    struct Hosting: Decodable {
        struct Binding: Decodable { let HostPort: String? }
        let NetworkMode: String?
        let PortBindings: [String: [Binding]?]?
    }
    let Id: String
    let Name: String
    let State: Running
    let Mounts: [Mount]?
    let Config: Settings
    let HostConfig: Hosting

    var facts: ContainerFacts {
        let labels = Config.Labels ?? [:]
        let bindings = (HostConfig.PortBindings ?? [:]).values.compactMap(\.self).joined()
        var published: [Int: Int] = [:]
        for (port, bindings) in HostConfig.PortBindings ?? [:] where port.hasSuffix("/tcp") {
            guard let inside = Int(port.dropLast("/tcp".count)) else { continue }
            for outside in (bindings ?? []).compactMap({ $0.HostPort.flatMap { Int($0) } }) {
                published[outside] = inside
            }
        }
        var facts = ContainerFacts(
            id: Id, name: Name.hasPrefix("/") ? String(Name.dropFirst()) : Name, image: Config.Image,
            service: labels["com.docker.compose.service"], project: labels["com.docker.compose.project"],
            composeFile: labels["com.docker.compose.project.config_files"]?.split(separator: ",").first.map(
                String.init),
            status: State.Status, exitCode: State.ExitCode, error: State.Error, finishedAt: State.FinishedAt,
            health: State.Health.flatMap { $0.Status == "none" ? nil : $0.Status },
            healthOutput: State.Health?.Log?.last?.Output.flatMap(NginxWords.complaint), pid: State.Pid,
            mounts: (Mounts ?? []).compactMap(\.facts),
            hostPorts: Set(bindings.compactMap { $0.HostPort.flatMap { Int($0) } }),
            isOnHostNetwork: HostConfig.NetworkMode == "host", configTest: .notRun("nginx was not asked"))
        facts.publishedPorts = published
        facts.environment = Config.Env ?? []
        // Its fractions of a second have nine digits.
        facts.startedAt = State.StartedAt.flatMap { try? Date("\($0.prefix(19))Z", strategy: .iso8601) }
        return facts
    }
}

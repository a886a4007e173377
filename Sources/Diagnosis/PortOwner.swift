import Challenges
import Lineages
import Renewal

/// Who has a port: a container by its name, a service by its unit, else a process.
enum PortOwner {
    /// Programs that listen for a container: Docker's, and those of engines without root.
    static let proxies: Set = ["docker-proxy", "rootlesskit", "rootlessport", "conmon"]

    /// The holder of a port that is not this container; nil where it is the container itself, or the port is free.
    static func holder(
        of port: Int, except container: ContainerFacts, _ all: [ContainerFacts], _ listeners: ListenerFacts
    ) -> PortHolder? {
        let owners = listeners.listeners.filter { $0.port == port }.compactMap(\.owner)
        func has(_ container: ContainerFacts) -> Bool {
            container.pid > 0 && owners.contains { $0.ancestry.contains(container.pid) }
        }
        if container.isRunning, has(container) { return nil }
        if container.isRunning, container.publishedPorts[port] != nil,
            owners.contains(where: { proxies.contains($0.name) })
        {
            return nil
        }
        let others = all.filter { $0.id != container.id && $0.isRunning }
        if let other = others.first(where: { has($0) || $0.publishedPorts[port] != nil || $0.hostPorts.contains(port) })
        {
            return .container(other.name)
        }
        guard let owner = owners.first(where: { !proxies.contains($0.name) }), !has(container) else { return nil }
        if let unit = unit(of: owner.pid) { return .unit(unit) }
        return .process(pid: owner.pid, name: owner.name)
    }

    /// The service that a process is of, by its control group (cgroups(7)); nil for a user's session and for containers.
    static func unit(of pid: Int32) -> String? {
        guard let bytes = try? FileSystem.readAll("/proc/\(pid)/cgroup") else { return nil }
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            // 0::/system.slice/nginx.service
            guard let group = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).last,
                group.hasPrefix("/system.slice/"), let unit = group.split(separator: "/").last,
                unit.hasSuffix(".service"),
                !unit.hasPrefix("docker")
            else { continue }
            return String(unit)
        }
        return nil
    }
}

extension PortHolder {
    /// `nginx (process 7) of the host`.
    var description: String {
        switch self {
        case .container(let name): "the container \(name)"
        case .unit(let unit): "\(unit) of the host"
        case .process(let pid, let name): "\(name) (process \(pid)) of the host"
        }
    }
}

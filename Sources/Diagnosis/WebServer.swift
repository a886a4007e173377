import Challenges
import Lineages

/// Which of a host's containers is the web server.
struct WebServer: Sendable {
    let tree: String
    let webroots: [String]
    let settings: ReloadSettings
    /// The ports on which nginx should listen, and who does.
    let ports: Set<Int>
    let listeners: ListenerFacts?

    /// Whether a container is looked at closely.
    func mayBe(_ container: ContainerFacts) -> Bool {
        isNamed(container) || seesFiles(container) || container.isNginx
    }

    /// The containers that serve: those that the settings name, else each nginx that sees the tree or a webroot, else each that
    /// has one of the ports. Of the running ones the hook would choose the same; one that has ended can only be known by its name.
    func containers(in all: [ContainerFacts]) -> [ContainerFacts] {
        let named = all.filter(isNamed)
        if !named.isEmpty || names { return named }
        let nginx = all.filter { $0.isNginx && isOfServices($0) }
        let seeing = nginx.filter(seesFiles)
        if !seeing.isEmpty { return seeing }
        return nginx.filter(hasPort)
    }

    /// Whether the settings say which container it is.
    var names: Bool { !settings.containers.isEmpty || settings.composeFile != nil }

    /// What the settings name, for people.
    var named: String { names ? namedInSettings : "service \(settings.services.joined(separator: ", "))" }

    private var namedInSettings: String {
        if !settings.containers.isEmpty { return settings.containers.joined(separator: ", ") }
        let services = settings.services.isEmpty ? ["nginx"] : settings.services
        return "service \(services.joined(separator: ", ")) of \(settings.composeFile ?? "Compose")"
    }

    private func isNamed(_ container: ContainerFacts) -> Bool {
        if settings.containers.contains(where: { $0 == container.name || container.id.hasPrefix($0) && $0.count >= 12 })
        {
            return true
        }
        guard let file = settings.composeFile, let service = container.service else { return false }
        let services = settings.services.isEmpty ? ["nginx"] : settings.services
        let isOfProject = settings.expectedProject.map { $0 == container.project } ?? true
        return isOfProject && container.composeFile.map(FileSystem.resolved) == FileSystem.resolved(file)
            && services.contains(service)
    }

    /// Whether it is one of the services and the project that are set; everything is, where none are.
    private func isOfServices(_ container: ContainerFacts) -> Bool {
        (settings.services.isEmpty || container.service.map(settings.services.contains) == true)
            && (settings.project == nil || settings.project == container.project)
    }

    private func hasPort(_ container: ContainerFacts) -> Bool {
        !container.hostPorts.isDisjoint(with: ports)
            || listeners?.listeners.contains { container.pid > 0 && $0.owner?.ancestry.contains(container.pid) == true }
                == true
    }

    private func seesFiles(_ container: ContainerFacts) -> Bool {
        ([tree] + webroots).contains { container.inside($0) != nil || !container.mounts(below: $0).isEmpty }
    }
}

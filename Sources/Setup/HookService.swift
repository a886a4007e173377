import Deployment
import Lineages

/// A service that a hook's command starts, stops or reloads: where it is missing, the hook fails at the first renewal.
package struct HookService: Hashable, Sendable {
    /// What knows the service.
    package enum Manager: Hashable, Sendable {
        /// `systemctl`, by the name of a unit.
        case systemd
        /// `service` or a script of /etc/init.d.
        case sysV
        /// `docker`, by the name or id of a container.
        case docker
    }

    package let manager: Manager
    /// As the command has it.
    package let name: String

    package init(_ manager: Manager, _ name: String) { (self.manager, self.name) = (manager, name) }

    private static let verbs: Set<String> = [
        "start", "stop", "restart", "reload", "kill", "try-restart", "reload-or-restart", "try-reload-or-restart",
    ]

    /// The services that a shell's line names. What a variable or a script of its own hides is not among them.
    package static func named(in line: String) -> [HookService] {
        var found: [HookService] = []
        for command in ShellCommand.all(in: line) {
            var words = command.text.split(whereSeparator: \.isWhitespace).map { $0.filter { !"'\"".contains($0) } }
            while let first = words.first, ["sudo", "exec", "-n"].contains(first) || first.contains("=") {
                words.removeFirst()
            }
            for service in services(words) where !service.name.contains("$") && !found.contains(service) {
                found.append(service)
            }
        }
        return found
    }

    private static func services(_ words: [String]) -> [HookService] {
        guard let program = words.first.map(FileSystem.name) else { return [] }
        let arguments = words.dropFirst().filter { !$0.hasPrefix("-") && !$0.hasPrefix(">") && !$0.contains(">&") }
        switch program {
        case "systemctl":
            guard let verb = arguments.first, verbs.contains(verb) else { return [] }
            return arguments.dropFirst().map { HookService(.systemd, $0) }
        case "service", "invoke-rc.d", "rc-service":
            guard arguments.count >= 2, verbs.contains(arguments[1]) else { return [] }
            return [HookService(.sysV, arguments[0])]
        case "docker", "podman":
            guard let verb = arguments.first, verbs.contains(verb) else { return [] }
            return arguments.dropFirst().map { HookService(.docker, $0) }
        default:
            guard words[0].hasPrefix("/etc/init.d/") else { return [] }
            return [HookService(.sysV, program)]
        }
    }

    /// Those of systemd's and init's services that do not exist on this host; containers are not looked at.
    ///
    /// - Throws: where systemd cannot be asked.
    package static func missing(
        _ services: [HookService], _ systemd: Systemd = Systemd()
    ) async throws(Systemd.Absent) -> [HookService] {
        var missing: [HookService] = []
        for service in services {
            switch service.manager {
            case .docker: continue
            case .systemd:
                let unit = service.name.contains(".") ? service.name : "\(service.name).service"
                if try await !systemd.state(of: unit).isThere { missing.append(service) }
            case .sysV:
                let script = "/etc/init.d/\(service.name)"
                if (try? FileSystem.status(script, followingLinks: true)) != nil { continue }
                if try await !systemd.state(of: "\(service.name).service").isThere { missing.append(service) }
            }
        }
        return missing
    }
}

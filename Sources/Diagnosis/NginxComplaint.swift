import Lineages
import Renewal

/// What nginx says when it does not start, or refuses its configuration: the line of its own that names the cause.
struct NginxComplaint: Equatable, Sendable {
    let text: String

    init(_ text: String) { self.text = text }

    /// Whether its configuration or a file that it names is at fault, and not a port that is taken.
    var isOfConfiguration: Bool {
        text.contains("nginx.conf") || text.contains(".conf:") || text.contains("cannot load certificate")
            || text.contains("SSL_CTX_") || upstream != nil
    }

    /// The host of `host not found in upstream "app:8080"`; nil for another complaint.
    var upstream: String? {
        guard let mark = text.firstRange(of: "host not found in upstream \"") else { return nil }
        let host = text[mark.upperBound...].prefix { $0 != "\"" && $0 != ":" && $0 != "/" }
        return host.isEmpty ? nil : String(host)
    }

    /// The `FILE:LINE` at its end; nil where it names none.
    var place: String? {
        guard let mark = text.ranges(of: " in /").last else { return nil }
        let place = text[text.index(mark.upperBound, offsetBy: -1)...].prefix { !$0.isWhitespace }
        guard let colon = place.lastIndex(of: ":"), Int(place[place.index(after: colon)...]) != nil else { return nil }
        return String(place)
    }

    /// The same with the path of the host, where the container has it from there.
    func place(in container: ContainerFacts) -> String? {
        place.map { place in
            guard let colon = place.lastIndex(of: ":") else { return place }
            return container.outside(String(place[..<colon])).map { $0 + place[colon...] } ?? place
        }
    }

    /// What is at fault.
    ///
    /// - Parameters:
    ///   - containers: every container of the host.
    ///   - nginx: the one that nginx is in; nil on the host.
    func fault(_ server: WebServerPlace, containers: [ContainerFacts], nginx: ContainerFacts?) -> Fault {
        guard let upstream else {
            return .nginxConfig(server, file: nginx.map { self.place(in: $0) } ?? place)
        }
        let stopped = containers.filter { container in
            !container.isRunning && container.id != nginx?.id
                && [container.service, container.name].contains(upstream)
                && (nginx?.project == nil || container.project == nginx?.project)
        }
        guard !stopped.isEmpty else { return .upstreamUnknown(host: upstream, server) }
        return .upstreamStopped(
            containers: stopped.map(\.name),
            nginx: nginx.flatMap { $0.isRunning || $0.status == "restarting" ? nil : $0.name })
    }
}

package import Lineages

/// The drop-in of `certctl.service` that lets certctl itself listen on a low port: only where a lineage is proven by a listener
/// that certctl opens itself (certbot's `standalone`).
package struct PortDropIn: Equatable, Sendable {
    /// Where it stands on a host.
    package static let path = "/etc/systemd/system/certctl.service.d/standalone.conf"

    /// Ports below this are root's (ip(7), `ip_unprivileged_port_start`).
    private static let firstFree = 1024

    /// The lineages that need it, by name.
    package let lineages: [String]

    /// What the lineages of a tree need.
    package init(_ lineages: [Lineage]) {
        self.lineages = lineages.filter { lineage in
            lineage.reasonUnmanaged == nil
                && lineage.options?.proof.methods.contains { method in
                    if case .standalone(_, let port) = method { port < PortDropIn.firstFree } else { false }
                } == true
        }.map(\.name).sorted()
    }

    /// The file; nil where no lineage needs it.
    package var text: String? {
        guard !lineages.isEmpty else { return nil }
        return """
            # Written by certctl setup: certctl listens on port 80 itself while a CA looks (authenticator = standalone).
            [Service]
            CapabilityBoundingSet=CAP_NET_BIND_SERVICE

            """
    }

    /// Whether a host's service has what is needed, and no more of it.
    package func isCurrent(on host: SetupHost = SetupHost()) -> Bool {
        (try? FileSystem.read(host.path(PortDropIn.path))) == text.map { Array($0.utf8) }
    }
}

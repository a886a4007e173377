package import Lineages
package import PKI

/// The endpoints at which the web server expects the PROXY protocol, as behind a load balancer: `proxy_protocol`. A probe that does
/// not speak it sees a failed handshake there.
package struct ProxyProtocolEndpoints: Hashable, Sendable {
    /// Of the loopback addresses.
    private var ports: Set<Int> = []
    private var endpoints: Set<TLSEndpoint> = []

    /// Reads `443`, a port of the loopback addresses, or an endpoint such as `192.0.2.7:443`.
    package init(_ texts: [String]) throws(LineageProblem) {
        for text in texts where text != "none" || texts.count > 1 {
            if let port = SettingBounds.port.number(text) {
                ports.insert(port)
            } else if let endpoint = TLSEndpoint(text) {
                endpoints.insert(endpoint)
            } else {
                throw LineageProblem(
                    .optionInvalid, "proxy_protocol = \(text) is neither a port nor an endpoint such as 192.0.2.7:443")
            }
        }
    }

    package func contains(_ endpoint: TLSEndpoint) -> Bool {
        endpoints.contains(endpoint) || endpoint.isLoopback && ports.contains(endpoint.port)
    }
}

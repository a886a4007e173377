package import Lineages
package import PKI

/// Where a lineage is probed, how and for how long: `verify`, `verify_names`, `verify_timeout`, `verify_recovery` and
/// `proxy_protocol`, in the section `[certctl]` of its renewal config or among the host's settings.
package struct VerificationSettings: Sendable {
    /// What `verify` says.
    package enum Endpoints: Hashable, Sendable {
        /// Nothing is said: both loopback addresses on port 443.
        case standard
        /// These, and each of them is required to serve the lineage.
        case listed([TLSEndpoint])
        /// `none`: nobody serves the lineage here.
        case none
    }

    package let endpoints: Endpoints
    /// The names to ask for; nil is each concrete name of the certificate.
    package let names: [String]?
    /// How long to wait for an endpoint to serve the new leaf.
    package let timeout: Duration
    /// How long an endpoint that answered before the switch may be silent after it, before the predecessor is tried.
    package let recovery: Duration
    /// Where a probe has to speak the PROXY protocol.
    package let proxyProtocol: ProxyProtocolEndpoints

    /// nginx's old workers are gone by then, unless a client keeps them.
    static let defaultTimeout: Duration = .seconds(30)
    /// A container that is restarted by a hook is back by then.
    static let defaultRecovery: Duration = .seconds(300)

    /// Reads the settings of a lineage.
    ///
    /// - Throws: what is wrong with a value.
    package init(lineage conf: ConfFile?, host: ConfFile) throws(LineageProblem) {
        func value(_ key: String) -> ConfFile.Value? { conf?.value(key, in: ["certctl"]) ?? host.value(key) }
        func list(_ key: String) -> [String]? {
            switch value(key) {
            case .string(let text): [text]
            case .list(let texts): texts
            case nil: nil
            }
        }
        switch list("verify") {
        case nil: endpoints = .standard
        case ["none"]?: endpoints = .none
        case let texts?:
            var listed: [TLSEndpoint] = []
            for text in texts {
                guard let endpoint = TLSEndpoint(text) else {
                    throw LineageProblem(
                        .optionInvalid, "verify = \(text) is not an endpoint such as 127.0.0.1:443 or [::1]:443")
                }
                listed.append(endpoint)
            }
            endpoints = .listed(listed)
        }
        names = list("verify_names")
        proxyProtocol = try ProxyProtocolEndpoints(list("proxy_protocol") ?? [])
        func seconds(_ key: String, _ standard: Duration) throws(LineageProblem) -> Duration {
            let text: String
            switch value(key) {
            case nil: return standard
            case .string(let value): text = value
            case .list(let values): text = values.joined(separator: ", ")
            }
            guard let seconds = SettingBounds.verifyTimeout.number(text) else {
                throw LineageProblem(.optionInvalid, "\(key) = \(text) is not \(SettingBounds.verifyTimeout)")
            }
            return .seconds(seconds)
        }
        timeout = try seconds("verify_timeout", VerificationSettings.defaultTimeout)
        recovery = try seconds("verify_recovery", VerificationSettings.defaultRecovery)
    }

    /// The endpoints to probe for a certificate of these names, and whether each is one that the operator listed.
    ///
    /// - Parameter most: how many of the names are probed.
    package func targets(
        for names: [SubjectName], most: Int = .max
    ) -> [(target: ProbeTarget, isListed: Bool)] {
        let listed: [TLSEndpoint]
        let isListed: Bool
        switch endpoints {
        case .none: return []
        case .standard: (listed, isListed) = (VerificationSettings.standard, false)
        case .listed(let endpoints): (listed, isListed) = (endpoints, true)
        }
        let names = self.names ?? names.filter { !$0.isWildcard }.map(\.description)
        return names.prefix(most).flatMap { name in
            listed.map { (ProbeTarget(endpoint: $0, name: name), isListed) }
        }
    }

    private static let standard = ["127.0.0.1:443", "[::1]:443"].compactMap { TLSEndpoint($0) }
}

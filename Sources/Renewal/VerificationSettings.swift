package import Lineages
package import PKI

/// Where a lineage is looked for: `verify`, `verify_names` and `verify_timeout`, in the conf's section `[certctl]` or among the
/// host's settings.
package struct VerificationSettings: Sendable {
    /// What a place's setting says.
    package enum Endpoints: Hashable, Sendable {
        /// Nothing is said: both loopback addresses on port 443.
        case standard
        /// These, and each of them counts.
        case listed([TLSEndpoint])
        /// `none`: nobody serves the lineage here.
        case none
    }

    package let endpoints: Endpoints
    /// The names to ask for; nil is each concrete name of the certificate.
    package let names: [String]?
    /// How long to wait for a listener to serve the new leaf.
    package let timeout: Duration

    /// nginx's old workers are gone by then, unless a client keeps them.
    static let defaultTimeout: Duration = .seconds(30)

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
        if case .string(let text) = value("verify_timeout") {
            guard let seconds = SettingBounds.verifyTimeout.number(text) else {
                throw LineageProblem(
                    .optionInvalid, "verify_timeout = \(text) is not \(SettingBounds.verifyTimeout)")
            }
            timeout = .seconds(seconds)
        } else {
            timeout = VerificationSettings.defaultTimeout
        }
    }

    /// The listeners and names to look at for a certificate, and whether each is one that the operator named.
    package func places(for certificate: Certificate) -> [(place: LedgerEntry.Place, isListed: Bool)] {
        let listed: [TLSEndpoint]
        let isListed: Bool
        switch endpoints {
        case .none: return []
        case .standard: (listed, isListed) = (VerificationSettings.standard, false)
        case .listed(let endpoints): (listed, isListed) = (endpoints, true)
        }
        let names = names ?? certificate.names.filter { !$0.isWildcard }.map(\.description)
        return names.flatMap { name in
            listed.map { (LedgerEntry.Place(endpoint: $0, name: name), isListed) }
        }
    }

    private static let standard = ["127.0.0.1:443", "[::1]:443"].compactMap { TLSEndpoint($0) }
}

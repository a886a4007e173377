import FoundationEssentials

/// A real ACME server, Pebble, and the DNS it asks, which answers 127.0.0.1 for every name.
package struct Pebble: Sendable {
    /// The ACME directory, on 127.0.0.1.
    package let directoryURL: String
    /// A PEM file with the root that verifies Pebble's own TLS; it has nothing to do with what Pebble issues.
    package let caBundle: String
    /// Where Pebble asks for http-01 answers.
    package let httpPort: Int
    /// Where Pebble asks for tls-alpn-01 answers.
    package let tlsPort: Int
    /// Pebble's own management interface: `/roots/0`, `/intermediates/0`, `/cert-status-by-serial/…`.
    package let managementURL: String
    /// The management interface of the DNS: POST `/set-txt`, `/add-a`, `/set-servfail`, ….
    package let dnsManagementURL: String
    /// Where the DNS answers, on 127.0.0.1.
    package let dnsPort: Int
    package let server: Daemon
    package let dns: Daemon

    /// How Pebble behaves.
    ///
    /// Its own defaults make a client prove itself by chance (5 % of the nonces, half of the authorizations); here
    /// nothing is left to chance unless a test asks for it.
    package struct Options: Sendable {
        /// How many good nonces are rejected, in percent.
        package var nonceReject = 0
        /// How often a valid authorization is used again for a new order, in percent.
        ///
        /// At 0 it is still one in a hundred: Pebble 2.4 compares a number from 0 to 99 with it, and takes equal for less. So no test
        /// may rest on a name that was valid before being validated again.
        package var authzReuse = 0
        /// Validation at once and not after up to 15 seconds.
        package var noSleep = true
        /// Every challenge succeeds without being looked at.
        package var alwaysValid = false
        /// How many chains besides the first are offered for a certificate.
        package var alternateRoots = 0
        /// How many intermediates a chain has.
        package var chainLength = 1
        /// Pebble's checks of things that today's CAs still tolerate.
        package var strict = true
        /// The lifetime of what is issued; nil is Pebble's, 5 years.
        package var validity: Duration?
        /// Key identifiers and base64url MAC keys for external account binding; not empty makes the binding required.
        package var externalAccountKeys: [String: String] = [:]
        /// The port on 127.0.0.1 of the DNS that is asked, where that is not the simple one.
        package var dnsPort: Int?
        /// Names that are refused with `rejectedIdentifier`.
        package var blockedDomains: [String] = []

        package init() {}
    }

    /// Runs a DNS and a Pebble with all their files in `directory`, which has to exist.
    package static func with<R: Sendable>(
        _ directory: String, options: Options = Options(), _ body: (Pebble) async throws -> R
    ) async throws -> R {
        try Parts.require(["pebble", "pebble-challtestsrv", "openssl", "setpriv"])
        let (acmePort, managementPort, httpPort, tlsPort) = (Ports.free(), Ports.free(), Ports.free(), Ports.free())
        let (dnsPort, dnsManagementPort) = (Ports.free(), Ports.free())
        let identity = try await ServerIdentity.make(in: directory)
        let configuration = options.configuration(
            listen: acmePort, management: managementPort, http: httpPort, tls: tlsPort, identity)
        let file = "\(directory)/pebble.json"
        try configuration.write(toFile: file, atomically: false, encoding: .utf8)

        return try await Daemon.with(
            "pebble-challtestsrv",
            [
                "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", "",
                "-dns01", "127.0.0.1:\(dnsPort)", "-management", "127.0.0.1:\(dnsManagementPort)",
            ],
            log: "\(directory)/challtestsrv.log", ready: .ports([dnsPort, dnsManagementPort])
        ) { dns in
            try await Daemon.with(
                "pebble",
                ["-config", file, "-dnsserver", "127.0.0.1:\(options.dnsPort ?? dnsPort)"]
                    + (options.strict ? ["-strict"] : []),
                environment: options.environment, log: "\(directory)/pebble.log",
                ready: .ports([acmePort, managementPort])
            ) { server in
                try await body(
                    Pebble(
                        directoryURL: "https://127.0.0.1:\(acmePort)/dir", caBundle: identity.root,
                        httpPort: httpPort, tlsPort: tlsPort, managementURL: "https://127.0.0.1:\(managementPort)",
                        dnsManagementURL: "http://127.0.0.1:\(dnsManagementPort)", dnsPort: dnsPort, server: server,
                        dns: dns))
            }
        }
    }

    /// The root of a chain that Pebble issues, as PEM: 0 is the default chain's, others need `alternateRoots`.
    package func rootPEM(_ index: Int = 0) async throws -> String {
        try await check("curl", ["-sS", "--fail", "--cacert", caBundle, "\(managementURL)/roots/\(index)"])
    }

    /// What Pebble says of a certificate by its serial number in hexadecimal: JSON with `Status` and `Reason`.
    package func revocation(of serial: String) async throws -> String {
        let text = try await check(
            "curl", ["-sS", "--fail", "--cacert", caBundle, "\(managementURL)/cert-status-by-serial/\(serial)"])
        return text.filter { !$0.isWhitespace }
    }

    /// What Pebble was asked, in order, each as `METHOD /path`: `POST /order-plz`.
    ///
    /// Without the directory, which a run may read to see whether the CA says when to renew.
    package func requests() -> [String] {
        allRequests().filter { $0 != "GET /dir" }
    }

    /// Everything that was asked for.
    package func allRequests() -> [String] {
        server.output().split(separator: "\n").compactMap { line in
            // Pebble 2026/11/23 02:08:16 POST /order-plz -> calling handler()
            let words = line.split(separator: " ")
            guard words.count > 5, words[0] == "Pebble", words[5] == "->" else { return nil }
            return "\(words[3]) \(words[4])"
        }
    }

    /// How often Pebble was asked for paths that begin with `prefix`, by whatever method.
    package func requestCount(_ prefix: String) -> Int {
        requests().count { $0.drop { $0 != " " }.dropFirst().hasPrefix(prefix) }
    }
}

extension Pebble.Options {
    var environment: [String: String] {
        var variables = [
            "PEBBLE_WFE_NONCEREJECT": String(nonceReject), "PEBBLE_AUTHZREUSE": String(authzReuse),
            "PEBBLE_ALTERNATE_ROOTS": String(alternateRoots), "PEBBLE_CHAIN_LENGTH": String(chainLength),
        ]
        if noSleep { variables["PEBBLE_VA_NOSLEEP"] = "1" }
        if alwaysValid { variables["PEBBLE_VA_ALWAYS_VALID"] = "1" }
        return variables
    }

    fileprivate func configuration(
        listen: Int, management: Int, http: Int, tls: Int, _ identity: ServerIdentity
    ) -> String {
        let keys = externalAccountKeys.map { "\"\($0)\": \"\($1)\"" }.joined(separator: ", ")
        let blocked = blockedDomains.map { "\"\($0)\"" }.joined(separator: ", ")
        return """
            {"pebble": {
                "listenAddress": "127.0.0.1:\(listen)",
                "managementListenAddress": "127.0.0.1:\(management)",
                "certificate": "\(identity.certificate)",
                "privateKey": "\(identity.key)",
                "httpPort": \(http),
                "tlsPort": \(tls),
                "ocspResponderURL": "",
                "certificateValidityPeriod": \(validity?.components.seconds ?? 0),
                "externalAccountBindingRequired": \(!externalAccountKeys.isEmpty),
                "externalAccountMACKeys": {\(keys)},
                "domainBlocklist": [\(blocked)]
            }}
            """
    }
}

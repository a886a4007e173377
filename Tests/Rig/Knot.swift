import FoundationEssentials

/// A real authoritative DNS server, Knot, with a zone that takes updates signed with a key (RFC 2136, RFC 8945).
///
/// The zone is `example`: every name in it has the address 127.0.0.1, `*.alone.example` has 127.0.0.2.
package struct Knot: Sendable {
    /// Where it answers, by UDP and TCP.
    package let address: String
    package let port: Int
    package let directory: String
    package let daemon: Daemon

    package static let keyName = "certctl-rig"
    package static let secret = "Y2VydGN0bC1yaWctc2VjcmV0LW9mLXRoZS10ZXN0cyE="

    /// Runs a Knot with all its files in `directory`, which has to exist.
    ///
    /// - Parameters:
    ///   - address: of 127.0.0.0/8.
    ///   - port: nil for a free one.
    ///   - records: more lines of the zone.
    ///   - zones: zones below `example`, by name, each with its lines besides the SOA.
    package static func with<R: Sendable>(
        _ directory: String, address: String = "127.0.0.1", port fixed: Int? = nil, records: [String] = [],
        zones: [String: [String]] = [:], _ body: (Knot) async throws -> R
    ) async throws -> R {
        try Parts.require(["knotd", "kdig", "knsupdate", "setpriv"])
        let port = fixed ?? Ports.free()
        let start = "$TTL 1\n@ SOA ns.example. nobody.example. 1 60 60 600 1\n"
        for (name, lines) in zones {
            try (start + lines.joined(separator: "\n") + "\n").write(
                toFile: "\(directory)/\(name).zone", atomically: true, encoding: .utf8)
        }
        let zone = """
            \(start)@ NS ns.example.
            ns A 127.0.0.1
            @ A 127.0.0.1
            * A 127.0.0.1
            alone A 127.0.0.2
            *.alone A 127.0.0.2
            \(records.joined(separator: "\n"))

            """
        try zone.write(toFile: "\(directory)/example.zone", atomically: true, encoding: .utf8)
        let configuration = """
            server:
                rundir: "\(directory)"
                listen: \(address)@\(port)
                background-workers: 1
                udp-workers: 1
                tcp-workers: 1
            database:
                storage: "\(directory)/db"
            log:
              - target: stderr
                any: info
            key:
              - id: \(keyName)
                algorithm: hmac-sha256
                secret: \(secret)
            acl:
              - id: update
                key: \(keyName)
                action: update
            zone:
              - domain: example.
                file: "\(directory)/example.zone"
                acl: update
                zonefile-sync: -1
                zonefile-load: whole
                journal-content: none
            \(zones.keys.map { "  - domain: \($0).example.\n    file: \"\(directory)/\($0).zone\"" }.joined(separator: "\n"))

            """
        try configuration.write(toFile: "\(directory)/knot.conf", atomically: true, encoding: .utf8)
        return try await Daemon.with(
            "knotd", ["-c", "\(directory)/knot.conf"], log: "\(directory)/knot.log",
            ready: .predicate {
                try await sh("kdig", ["+short", "+retry=0", "@\(address)", "-p", "\(port)", "example.", "SOA"]).stdout
                    .contains("ns.example.")
            }
        ) { daemon in
            try await body(Knot(address: address, port: port, directory: directory, daemon: daemon))
        }
    }

    /// The TXT records of a name, as the server has them now.
    package func texts(_ name: String) async throws -> [String] {
        let output = try await check("kdig", ["+short", "@\(address)", "-p", "\(port)", name, "TXT"])
        return output.split(separator: "\n").filter { $0.hasPrefix("\"") }.map { String($0.dropFirst().dropLast()) }
            .sorted()
    }

    /// Changes the zone: lines of knsupdate(1).
    package func update(_ lines: [String]) async throws {
        try await check("knsupdate", ["-y", Knot.key], input: (header + lines + ["send", ""]).joined(separator: "\n"))
    }

    private static let key = "hmac-sha256:\(keyName):\(secret)"

    private var header: [String] { ["server 127.0.0.1 \(port)", "zone example."] }

    /// A credentials file for certbot's plugin dns-rfc2136.
    package func writeCredentials() throws -> String {
        let path = "\(directory)/rfc2136.ini"
        try write(
            path,
            """
            dns_rfc2136_server = 127.0.0.1
            dns_rfc2136_port = \(port)
            dns_rfc2136_name = \(Knot.keyName)
            dns_rfc2136_secret = \(Knot.secret)
            dns_rfc2136_algorithm = HMAC-SHA256

            """, mode: 0o600)
        return path
    }

    /// A credentials file for the plugin dns-multi.
    package func writeMultiCredentials() throws -> String {
        let path = "\(directory)/multi.ini"
        try write(
            path,
            """
            dns_multi_provider = rfc2136
            RFC2136_NAMESERVER = 127.0.0.1:\(port)
            RFC2136_TSIG_KEY = \(Knot.keyName).
            RFC2136_TSIG_ALGORITHM = hmac-sha256.
            RFC2136_TSIG_SECRET = \(Knot.secret)

            """, mode: 0o600)
        return path
    }

    /// A pair of certbot's manual hooks. Each leaves a line of what it saw in a file.
    package func writeHooks(log: String) throws -> (auth: String, cleanup: String) {
        func hook(_ name: String, _ verb: String, _ facts: String) throws -> String {
            let path = "\(directory)/\(name).sh"
            let script = """
                #!/bin/sh
                echo "\(name) \(facts)" >>\(shellQuoted(log))
                knsupdate -y \(Knot.key) <<END
                server 127.0.0.1 \(port)
                zone example.
                \(verb) _acme-challenge.$CERTBOT_DOMAIN. \(verb == "add" ? "1 " : "")TXT "$CERTBOT_VALIDATION"
                send
                END
                echo "record of $CERTBOT_DOMAIN"

                """
            try write(path, script, mode: 0o755)
            return path
        }
        return (
            try hook("auth", "add", "$CERTBOT_DOMAIN $CERTBOT_REMAINING_CHALLENGES $CERTBOT_ALL_DOMAINS"),
            try hook("cleanup", "delete", "$CERTBOT_DOMAIN $CERTBOT_REMAINING_CHALLENGES [$CERTBOT_AUTH_OUTPUT]")
        )
    }

    private func write(_ path: String, _ text: String, mode: Int) throws {
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }
}

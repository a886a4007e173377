import Rig
import Testing

/// certbot's DNS plugins in units of their own: what they can reach.
@Suite(.systemdHost, .parts("knotd", "kdig", "knsupdate"))
struct DNSUnitTests {
    private static let modules = "/usr/lib/python3/dist-packages"
    private static let name = "wild.example"

    @Test func `the service renews a wildcard by a plugin that sees its credentials, the network, and nothing else`()
        async throws
    {
        try await TemporaryDirectory.with { directory in
            try await Knot.with(directory) { knot in
                try await UnitHost.with(dnsPort: knot.port) { host in
                    try await prepare(host, knot)
                    try await host.makeDue(Self.name)
                    try await host.succeeds()
                    #expect(try await host.version(Self.name) == "2")
                    #expect(try await knot.texts("_acme-challenge.\(Self.name)").isEmpty)

                    // The plugin says what it can do, as the reason why it does nothing.
                    try await host.host.shell(
                        """
                        cat >>\(Self.modules)/certbot_dns_rfc2136/__init__.py <<'END'
                        import glob, os
                        def can(path, mode):
                            try:
                                open(path, mode).close()
                                return "yes"
                            except OSError:
                                return "no"
                        raise RuntimeError("root %s, key %s, conf %s, write %s, home %s, tmp %s, credentials %s" % (
                            os.getuid() == 0, can("/etc/letsencrypt/live/wild.example/privkey.pem", "r"),
                            can("/etc/letsencrypt/renewal/wild.example.conf", "r"),
                            can("/etc/letsencrypt/new", "w"), can("/root/secrets.ini", "r"), can("/tmp/new", "w"),
                            os.listdir(os.environ["RUNTIME_DIRECTORY"])))
                        END
                        """)
                    #expect(try await host.run() == 1)
                    let messages = try await host.journal().map(\.message)
                    let wanted =
                        "root False, key no, conf no, write no, home no, tmp yes, credentials ['dns_rfc2136_credentials']"
                    #expect(messages.contains { $0.contains(wanted) }, "\(messages)")
                    // A run by hand is confined in the same way.
                    try await host.host.shell("rm /root/secrets.ini")
                    let run = try await host.host.exec("certctl", ["renew", Self.name])
                    #expect(run.status == 1 && run.stderr.contains("cannot stat '/root/secrets.ini'"), "\(run.stderr)")
                    #expect(try await host.host.shell("test ! -e /tmp/new && echo private") == "private\n")
                    #expect(
                        try await host.host.shell("systemctl list-units --plain --no-legend 'certctl-hook-*'") == "")
                }
            }
        }
    }

    /// A lineage that certbot has made with its plugin, whose credentials are in root's home.
    private func prepare(_ host: UnitHost, _ knot: Knot) async throws {
        let system = host.host
        for part in ["certbot_dns_rfc2136", "dns"] {
            try await system.copy("\(Self.modules)/\(part)", to: "\(Self.modules)/\(part)")
        }
        for part in try await check("sh", ["-c", "ls -d \(Self.modules)/certbot_dns_rfc2136*-info"]).split(
            separator: "\n")
        {
            try await system.copy(String(part), to: String(part))
        }
        try await system.copy(try knot.writeCredentials(), to: "/root/secrets.ini")
        try await system.write(
            """
            ca_bundle = /etc/ssl/test-ca.pem
            verify = none
            dns_resolver = 127.0.0.1:\(knot.port)
            dns_port = \(knot.port)

            """, to: "/etc/certctl/certctl.conf")
        try await system.shell(
            """
            chmod 600 /root/secrets.ini
            REQUESTS_CA_BUNDLE=/etc/ssl/test-ca.pem certbot certonly --non-interactive --quiet --agree-tos \\
                --register-unsafely-without-email --server \(host.pebble.directoryURL) --dns-rfc2136 \\
                --dns-rfc2136-credentials /root/secrets.ini --dns-rfc2136-propagation-seconds 1 -d '*.\(Self.name)'
            """)
    }
}

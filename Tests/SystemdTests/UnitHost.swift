import FoundationEssentials
import Rig
import Testing

/// A host run by systemd with certctl and its units, an nginx of its own, and a CA in reach.
///
/// certctl is the package that `CERTCTL_DEB` names, installed as an operator would; without one it is what was built with the
/// tests, and the repository's units.
struct UnitHost {
    let host: SystemdHost
    let pebble: Pebble
    /// Where the host's nginx serves TLS.
    let tlsPort: Int

    /// The package to try, where there is one.
    static let package = environmentVariable("CERTCTL_DEB")

    /// How long the CA's certificates are valid, in seconds.
    private static let lifetime = 10_000_000

    /// More hosts than this at once only make each other slow on a small machine.
    private static let gate = Gate(places: 2)

    /// - Parameter dnsPort: the port on 127.0.0.1 of the DNS that the CA asks; nil is one that has an address for every name.
    static func with(dnsPort: Int? = nil, _ body: (UnitHost) async throws -> Void) async throws {
        await gate.enter()
        defer { gate.leave() }
        try await TemporaryDirectory.with { directory in
            var options = Pebble.Options()
            options.validity = .seconds(lifetime)
            options.dnsPort = dnsPort
            try FileManager.default.createDirectory(atPath: "\(directory)/pebble", withIntermediateDirectories: true)
            try await Pebble.with("\(directory)/pebble", options: options) { pebble in
                try await SystemdHost.with(mounts: try await mounts()) { host in
                    let host = UnitHost(host: host, pebble: pebble, tlsPort: Ports.free())
                    try await host.install()
                    try await host.prepare()
                    do {
                        try await body(host)
                    } catch {
                        throw RigError("\(error)\n\(try await host.journalTail())")
                    }
                    if environmentVariable("CERTCTL_KEEP") == "1" { print(try await host.journalTail()) }
                }
            }
        }
    }

    // MARK: certctl

    /// What a host without a package has from this machine: the program, and the Swift libraries where they are here.
    private static func mounts() async throws -> [(source: String, place: String)] {
        guard package == nil else { return [] }
        let program = BuiltProgram.certctl
        let libraries = try await check("ldd", [program]).split(separator: "\n").compactMap { line -> String? in
            let words = line.split(separator: " ")
            guard let path = words.dropFirst(2).first, path.hasPrefix("/"), !path.hasPrefix("/lib/"),
                !path.hasPrefix("/usr/lib/")
            else { return nil }
            return path.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
        }
        return [(program, "/usr/bin/certctl")] + Set(libraries).map { ($0, $0) }
    }

    private func install() async throws {
        if let package = Self.package {
            try await host.copy(package, to: "/root/certctl.deb")
            try await host.shell("cd /root && apt-get install --quiet --quiet --yes ./certctl.deb")
        } else {
            try await host.copy("\(BuiltProgram.repository)/systemd/.", to: "/usr/lib/systemd/system")
            try await host.shell("mkdir -p /usr/share/certctl")
            try await host.copy("\(BuiltProgram.repository)/hooks", to: "/usr/share/certctl/hooks")
            try await host.shell("systemctl daemon-reload")
        }
    }

    // MARK: what a host has before certctl comes

    private func prepare() async throws {
        try await host.copy(pebble.caBundle, to: "/etc/ssl/test-ca.pem")
        try await host.write(
            "ca_bundle = /etc/ssl/test-ca.pem\nverify = 127.0.0.1:\(tlsPort)\nverify_timeout = 60\n",
            to: "/etc/certctl/certctl.conf")
        try await host.shell("mkdir -p /var/www/certbot")
        try await serve([])
        try await host.shell("systemctl start nginx")
    }

    /// Has nginx serve these lineages, and challenges from a webroot, once it is started or reloaded.
    func serve(_ names: [String], webroot: String = "/var/www/certbot") async throws {
        let servers = names.map { name in
            """
            server {
                listen 127.0.0.1:\(tlsPort) ssl;
                server_name \(name);
                ssl_certificate /etc/letsencrypt/live/\(name)/fullchain.pem;
                ssl_certificate_key /etc/letsencrypt/live/\(name)/privkey.pem;
                return 204;
            }

            """
        }
        try await host.write(
            """
            user www-data;
            worker_processes 1;
            pid /run/nginx.pid;
            events { worker_connections 64; }
            http {
                server {
                    listen 127.0.0.1:\(pebble.httpPort);
                    location /.well-known/acme-challenge/ { root "\(webroot)"; }
                }
                \(servers.joined())
            }

            """, to: "/etc/nginx/nginx.conf")
    }

    /// Has certbot make a lineage, which nginx serves then; a post hook reloads it.
    func lineage(_ name: String, webroot: String = "/var/www/certbot") async throws {
        try await hook("post", "reload", "systemctl reload nginx")
        try await serve([], webroot: webroot)
        try await host.shell(
            """
            mkdir -p "\(webroot)"
            systemctl reload nginx
            REQUESTS_CA_BUNDLE=/etc/ssl/test-ca.pem certbot certonly --non-interactive --quiet --agree-tos \
                --register-unsafely-without-email --server \(pebble.directoryURL) --webroot -w "\(webroot)" -d \(name)
            """)
        try await serve([name], webroot: webroot)
        try await host.shell("systemctl reload nginx")
    }

    /// Makes a lineage due, now and always.
    func makeDue(_ name: String) async throws {
        try await host.shell(
            "sed -i '1i renew_before_expiry = \(Self.lifetime - 2) seconds' /etc/letsencrypt/renewal/\(name).conf; sleep 3"
        )
    }

    /// Makes a lineage due when its time has come, as it was.
    func makeNotDue(_ name: String) async throws {
        try await host.shell("sed -i '/^renew_before_expiry/d' /etc/letsencrypt/renewal/\(name).conf")
    }

    /// Puts a hook into the tree.
    func hook(_ kind: String, _ name: String, _ body: String) async throws {
        try await host.write(
            "#!/bin/sh\nset -eu\n\(body)\n", to: "/etc/letsencrypt/renewal-hooks/\(kind)/\(name)", mode: "755")
    }

    /// Adds to a unit.
    func dropIn(_ unit: String, _ name: String, _ text: String) async throws {
        try await host.write(text, to: "/etc/systemd/system/\(unit).d/\(name).conf")
        try await host.shell("systemctl daemon-reload")
    }

    // MARK: what is seen

    /// Starts the service and waits for its end; gives systemctl's exit code.
    @discardableResult
    func run() async throws -> Int32 { try await host.exec("systemctl", ["start", "certctl.service"]).status }

    /// Starts the service, which has to succeed.
    func succeeds() async throws {
        guard try await run() != 0 else { return }
        throw RigError("certctl.service failed: \(try await journal())")
    }

    /// One property of a unit.
    func property(_ name: String, of unit: String = "certctl.service") async throws -> String {
        String(try await host.shell("systemctl show --value --property=\(name) \(unit)").dropLast())
    }

    /// The version that live/ shows.
    func version(_ name: String) async throws -> String {
        let link = try await host.shell("readlink /etc/letsencrypt/live/\(name)/cert.pem")
        return link.filter(\.isNumber)
    }

    func servedSerial(_ name: String) async throws -> String {
        try await serial(ofPEM: Nginx.servedLeaf(port: tlsPort, name: name))
    }

    func installedSerial(_ name: String) async throws -> String {
        try await serial(ofPEM: host.shell("cat /etc/letsencrypt/live/\(name)/cert.pem"))
    }

    /// An entry of the journal.
    struct Entry: Decodable, Equatable {
        let priority: String
        let message: String
        let identifier: String

        enum CodingKeys: String, CodingKey {
            case priority = "PRIORITY"
            case message = "MESSAGE"
            case identifier = "SYSLOG_IDENTIFIER"
        }
    }

    /// What certctl and its hooks have put into the journal, in order.
    func journal(of unit: String = "certctl.service") async throws -> [Entry] {
        let text = try await host.shell("journalctl --sync; journalctl --unit=\(unit) --output=json --no-pager")
        return try text.split(separator: "\n").map { try JSONDecoder().decode(Entry.self, from: Data($0.utf8)) }
            .filter { $0.identifier == "certctl" }
    }

    /// The end of the whole journal, for whoever has to find out what went wrong.
    private func journalTail() async throws -> String {
        try await host.shell("journalctl --sync; journalctl --no-pager --lines=120 --output=short-precise")
    }

    /// What systemd itself has put into the journal.
    func systemdsJournal() async throws -> String {
        try await host.shell("journalctl --identifier=systemd --output=cat --no-pager")
    }
}

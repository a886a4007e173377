import FoundationEssentials
import Glibc

/// A real nginx that answers http-01 from a webroot and serves certificates.
///
/// Its configuration, logs, pid file and temporary files are all in one directory.
package struct Nginx: Sendable {
    /// A server with a certificate; the paths are read anew by every reload.
    package typealias Site = (names: [String], certificate: String, key: String)

    /// Where HTTP is served: the challenges of the webroot, and 404 for the rest.
    package let httpPort: Int
    /// Where TLS is served; a name that no site has is refused with the alert `unrecognized_name`.
    package let tlsPort: Int
    package let webroot: String
    package let directory: String
    package let daemon: Daemon

    /// Runs an nginx with all its files in `directory`, which has to exist and be readable for nginx's workers.
    ///
    /// `httpPort` is the one that Pebble asks.
    package static func with<R: Sendable>(
        _ directory: String, httpPort: Int, webroot: String, tlsSites: [Site] = [], _ body: (Nginx) async throws -> R
    ) async throws -> R {
        try Parts.require(["nginx", "openssl", "setpriv"])
        let tlsPort = Ports.free()
        try write(configuration(directory, httpPort, tlsPort, webroot, tlsSites), in: directory)
        // The master has to end its workers: SIGKILL would leave them behind with the ports.
        return try await Daemon.with(
            "nginx", options(directory), log: "\(directory)/nginx.log", ready: .ports([httpPort, tlsPort]),
            lastSignal: .terminate
        ) { daemon in
            try await body(
                Nginx(httpPort: httpPort, tlsPort: tlsPort, webroot: webroot, directory: directory, daemon: daemon))
        }
    }

    /// Serves these sites from now on and no others.
    ///
    /// Throws what nginx says when it does not accept a certificate; it goes on as before then.
    package func serve(_ sites: [Site]) async throws {
        try Self.write(Self.configuration(directory, httpPort, tlsPort, webroot, sites), in: directory)
        try await reload()
    }

    /// Has nginx read its configuration and certificates again, and waits until the old workers are gone.
    package func reload() async throws {
        let old = workers()
        _ = try await check("nginx", Self.options(directory) + ["-s", "reload"])
        let deadline = ContinuousClock.now + .seconds(180)
        while old.contains(where: Daemon.isRunning) {
            guard ContinuousClock.now < deadline else {
                throw RigError("nginx: the workers from before the reload still run; its log:\n\(daemon.output())")
            }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    /// A shell line that reloads this nginx, for a hook. Like any `nginx -s reload` it does not wait.
    package var reloadCommand: String {
        (["PATH=\"$PATH:/usr/sbin\" nginx"] + Self.options(directory).map(shellQuoted) + ["-s reload"])
            .joined(separator: " ")
    }

    /// The leaf certificate, as PEM, that a client gets which asks for `name`.
    package func servedLeaf(name: String) async throws -> String {
        try await Self.servedLeaf(port: tlsPort, name: name)
    }

    /// The leaf certificate, as PEM, that a client gets which asks for `name` on a port of 127.0.0.1.
    package static func servedLeaf(port: Int, name: String) async throws -> String {
        let output = try await sh("openssl", ["s_client", "-connect", "127.0.0.1:\(port)", "-servername", name])
        let (begin, end) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----\n")
        guard let start = output.stdout.firstRange(of: begin), let stop = output.stdout.firstRange(of: end) else {
            throw RigError("nginx: no certificate is served for \(name) on port \(port):\n\(output.stderr)")
        }
        return String(output.stdout[start.lowerBound..<stop.upperBound])
    }

    /// The serial number of the served leaf, in upper-case hexadecimal as `openssl x509 -serial` writes it.
    package func servedSerial(name: String) async throws -> String {
        try await serial(ofPEM: servedLeaf(name: name))
    }

    /// The requests nginx has answered, in the format `METHOD /path status`.
    package func requests() -> [String] {
        (contents(ofFile: "\(directory)/access.log") ?? "").split(separator: "\n").map(String.init)
    }

    /// The processes that answer clients.
    package func workers() -> [Int32] {
        let children = contents(ofFile: "/proc/\(daemon.pid)/task/\(daemon.pid)/children") ?? ""
        return children.split(separator: " ").compactMap { Int32($0) }
    }

    private static func options(_ directory: String) -> [String] {
        ["-p", directory, "-c", "\(directory)/nginx.conf", "-e", "\(directory)/error.log"]
    }

    private static func write(_ configuration: String, in directory: String) throws {
        try configuration.write(toFile: "\(directory)/nginx.conf", atomically: true, encoding: .utf8)
    }

    private static func configuration(
        _ directory: String, _ httpPort: Int, _ tlsPort: Int, _ webroot: String, _ sites: [Site]
    ) -> String {
        let servers = sites.map { site in
            """
                server {
                    listen 127.0.0.1:\(tlsPort) ssl;
                    server_name \(site.names.joined(separator: " "));
                    ssl_certificate "\(site.certificate)";
                    ssl_certificate_key "\(site.key)";
                    location / { return 200 "served\\n"; }
                }

            """
        }
        return """
            daemon off;
            \(geteuid() == 0 ? "user www-data;" : "")
            worker_processes 1;
            worker_shutdown_timeout 5s;
            pid "\(directory)/nginx.pid";
            error_log "\(directory)/error.log" info;
            events { worker_connections 256; }
            http {
                log_format rig '$request_method $uri $status';
                access_log "\(directory)/access.log" rig;
                client_body_temp_path "\(directory)/body";
                proxy_temp_path "\(directory)/proxy";
                fastcgi_temp_path "\(directory)/fastcgi";
                uwsgi_temp_path "\(directory)/uwsgi";
                scgi_temp_path "\(directory)/scgi";
                server_names_hash_bucket_size 256;
                server {
                    listen 127.0.0.1:\(httpPort) default_server;
                    location /.well-known/acme-challenge/ { root "\(webroot)"; default_type text/plain; }
                    location / { return 404; }
                }
                server {
                    listen 127.0.0.1:\(tlsPort) ssl default_server;
                    ssl_reject_handshake on;
                }
            \(servers.joined())}

            """
    }
}

/// The serial number of the first certificate of a PEM text, as `openssl x509 -serial` writes it.
package func serial(ofPEM pem: String) async throws -> String {
    let line = try await check("openssl", ["x509", "-noout", "-serial"], input: pem)
    return String(line.drop { $0 != "=" }.dropFirst().prefix { $0 != "\n" })
}

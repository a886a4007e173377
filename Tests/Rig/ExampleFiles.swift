import FoundationEssentials

/// The files of `docs/example`, changed as far as it takes to run them on loopback ports.
enum ExampleFiles {
    /// Writes the stack's copy of the example, Compose's override and the app.
    static func write(for stack: DockerStack) throws {
        let appPort = Ports.free()
        try FileManager.default.createDirectory(
            atPath: "\(stack.example)/nginx/first", withIntermediateDirectories: true)
        let http = ("listen 80 ", "listen 127.0.0.1:\(stack.httpPort) ")
        try copy("docker-compose.prod.yml", to: stack.example, replacing: [])
        try copy("nginx/first/http.conf", to: stack.example, replacing: [http])
        try copy(
            "nginx/production.conf", to: stack.example,
            replacing: [
                http, ("listen 443 ssl", "listen 127.0.0.1:\(stack.tlsPort) ssl"),
                ("http://app:8080", "http://127.0.0.1:\(appPort)"),
                // Debian 12's nginx is older than the directive.
                ("    http2 on;\n", ""),
            ])
        try app(port: appPort).write(toFile: "\(stack.directory)/app.conf", atomically: false, encoding: .utf8)
        try override(stack).write(toFile: "\(stack.directory)/override.yml", atomically: false, encoding: .utf8)
    }

    private static var source: String {
        "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/docs/example"
    }

    private static func copy(_ name: String, to directory: String, replacing words: [(String, String)]) throws {
        var text = try String(contentsOfFile: "\(source)/\(name)", encoding: .utf8)
        for (old, new) in words {
            guard text.contains(old) else { throw RigError("docs/example/\(name): there is no \"\(old)\"") }
            text = text.replacing(old, with: new)
        }
        try text.write(toFile: "\(directory)/\(name)", atomically: false, encoding: .utf8)
    }

    /// The engine has no network of its own, so the containers use the host's.
    private static func override(_ stack: DockerStack) -> String {
        """
        services:
          nginx:
            network_mode: host
            networks: !reset null
            ports: !reset null
            pull_policy: never
            stop_signal: SIGQUIT
            healthcheck:
              test: ["CMD", "curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:\(stack.httpPort)/healthz"]
              interval: 1s
          app:
            network_mode: host
            networks: !reset null
            pull_policy: never
            command: ["nginx", "-c", "/app.conf", "-g", "daemon off;"]
            volumes: ["\(stack.directory)/app.conf:/app.conf:ro"]

        """
    }

    /// An app that says what it was asked.
    private static func app(port: Int) -> String {
        """
        user www-data;
        worker_processes 1;
        events {}
        http {
            access_log off;
            server {
                listen 127.0.0.1:\(port);
                location / { return 200 "app: $host $http_x_forwarded_proto $uri\\n"; }
            }
        }

        """
    }
}

import FoundationEssentials
import Rig
import Testing

@Suite(.docker)
struct DockerTests {
    @Test func `the example serves http, then https, and nothing of its project is left afterwards`() async throws {
        let (engine, project, directory) = try await Rig.withDockerStack { stack in
            let redirect = try await check(
                "curl", ["-sS", "-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:\(stack.httpPort)/"])
            #expect(redirect == "503", "there is no https yet")
            let first = ["NGINX_CONF": "\(stack.example)/nginx/first"]
            let healthy = try await stack.compose(
                ["up", "--detach", "--wait", "--wait-timeout", "300"], environment: first)
            #expect(healthy.status == 0, "\(healthy)")

            let serial = try await placeSelfSigned(["example.com", "www.example.com"], inTree: stack.tree)
            try await stack.serveHTTPS()
            #expect(try await stack.servedSerial(name: "www.example.com") == serial)
            #expect(try await stack.servedSerial(name: "example.com") == serial)
            await #expect(throws: RigError.self) { try await stack.servedSerial(name: "other.example") }
            return (stack.engine, stack.project, stack.directory)
        }
        #expect(try await engine.docker(["ps", "-aq", "--filter", "name=\(project)"]).stdout == "")
        #expect(try await sh("test", ["-e", directory]).status == 1)
    }

    @Test func `the example redirects, proxies and sends the security headers`() async throws {
        try await Rig.withDockerStack { stack in
            _ = try await placeSelfSigned(["example.com", "www.example.com"], inTree: stack.tree)
            try "challenge".write(toFile: stack.webroot + "/x", atomically: false, encoding: .utf8)
            _ = try await check("mkdir", ["-p", "\(stack.webroot)/.well-known/acme-challenge"])
            _ = try await check("mv", ["\(stack.webroot)/x", "\(stack.webroot)/.well-known/acme-challenge/token"])
            try await stack.serveHTTPS()

            func get(_ scheme: String, _ name: String, _ path: String, _ extra: [String] = []) async throws -> String {
                let port = scheme == "http" ? stack.httpPort : stack.tlsPort
                return try await check(
                    "curl",
                    ["-sSik", "--connect-to", "::127.0.0.1:\(port)"] + extra + ["\(scheme)://\(name)\(path)"])
            }
            #expect(try await get("http", "example.com", "/.well-known/acme-challenge/token").hasSuffix("challenge"))
            let http = try await get("http", "example.com", "/a?b=c")
            #expect(http.hasPrefix("HTTP/1.1 301 ") && http.contains("Location: https://www.example.com/a?b=c\r\n"))
            #expect(!http.contains("Strict-Transport-Security"))
            let apex = try await get("https", "example.com", "/a?b=c")
            #expect(apex.hasPrefix("HTTP/1.1 301 ") && apex.contains("Location: https://www.example.com/a?b=c\r\n"))
            #expect(apex.contains("Strict-Transport-Security: max-age=31536000\r\n"))
            let www = try await get("https", "www.example.com", "/a")
            #expect(www.hasSuffix("app: www.example.com https /a\n"))
            for header in [
                "Strict-Transport-Security", "X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy",
                "Permissions-Policy", "Content-Security-Policy",
            ] {
                #expect(www.contains("\r\n\(header): "), "\(header)")
            }
            let refused = try await sh(
                "curl",
                [
                    "-sSk", "--tls-max", "1.1", "--ciphers", "DEFAULT:@SECLEVEL=0", "--connect-to",
                    "::127.0.0.1:\(stack.tlsPort)", "https://www.example.com/",
                ])
            #expect(refused.status == 35, "TLS 1.1 has no place here")
        }
    }

    @Test(.parts("certbot")) func `certbot gets a certificate through the container`() async throws {
        try await Rig.withDockerStack { stack in
            let certbot = Certbot(tree: stack.tree, pebble: stack.pebble)
            try await certbot.certonly(names: ["example.com", "www.example.com"], webroot: stack.webroot)
            try await stack.serveHTTPS()
            let disk = try #require(contents(ofFile: "\(stack.tree)/live/example.com/cert.pem"))
            #expect(try await stack.servedSerial(name: "www.example.com") == serial(ofPEM: disk))
        }
    }

    @Test func `the example as it is mounts the host's certificates read-only and publishes both ports`() async throws {
        let directory = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/docs/example"
        let engine = try await DockerEngine.shared()
        let output = try await engine.docker(
            ["compose", "-f", "\(directory)/docker-compose.prod.yml", "config", "--format", "json"])
        #expect(output.status == 0 && output.stderr == "", "\(output)")
        let stack = try JSONDecoder().decode(Example.self, from: Data(output.stdout.utf8))
        let nginx = try #require(stack.services["nginx"])
        let mounts = [
            Example.Mount(source: "\(directory)/nginx", target: "/etc/nginx/conf.d", readOnly: true),
            Example.Mount(source: "/etc/letsencrypt", target: "/etc/letsencrypt", readOnly: true),
            Example.Mount(source: "/var/www/certbot", target: "/var/www/certbot", readOnly: true),
        ]
        #expect(nginx.volumes == mounts)
        #expect(nginx.ports?.map(\.published) == ["80", "443"])
        let app = try #require(stack.services["app"])
        #expect(app.ports == nil && app.volumes == nil)
    }

    private struct Example: Decodable {
        struct Service: Decodable {
            let volumes: [Mount]?
            let ports: [Port]?
        }
        struct Mount: Decodable, Equatable {
            let source: String
            let target: String
            let readOnly: Bool

            enum CodingKeys: String, CodingKey {
                case source, target
                case readOnly = "read_only"
            }
        }
        struct Port: Decodable { let published: String }
        let services: [String: Service]
    }

    @Test func `a stack can be stopped and started`() async throws {
        try await Rig.withDockerStack { stack in
            let serial = try await placeSelfSigned(["example.com", "www.example.com"], inTree: stack.tree)
            try await stack.serveHTTPS()
            try await stack.stop()
            #expect(try await stack.container() == nil)
            #expect(!Ports.accepts(stack.tlsPort))
            try await stack.start()
            #expect(try await stack.servedSerial(name: "example.com") == serial)
            #expect(try await stack.logs().contains("start worker process"))
        }
    }
}

@Suite(.docker)
struct DockerEngineTests {
    @Test func `an engine leaves no process, mount or directory, even when it is killed`() async throws {
        try await TemporaryDirectory.with { directory in
            let place = "\(directory)/engine"
            let script = """
                mkfifo input
                \(shellQuoted(DockerEngine.script)) "$1" <input 2>log & runner=$!
                exec 9>input
                while [ ! -e "$1/ready" ]; do kill -0 $runner || exit 1; sleep 0.1; done
                export DOCKER_HOST="unix://$1/engine.sock" DOCKER_CONFIG="$1/config"
                docker run -d --network host \(DockerEngine.image) sleep 86399 >container
                kill -KILL "$(cat "$1/engine.pid")"
                exec 9>&-
                wait $runner
                """
            let output = try await sh(
                "sh", ["-euc", script, "sh", place], environment: ["HOME": environmentVariable("HOME") ?? "/root"],
                directory: directory)
            #expect(output.stderr == "")
            #expect(try await sh("test", ["-e", place]).status == 1)
            #expect(try #require(contents(ofFile: "/proc/self/mountinfo")).contains(place) == false)
            let processes = try await check("ps", ["-eo", "args"])
            #expect(!processes.contains(place))
            #expect(!processes.contains("sleep 86399"))
        }
    }
}

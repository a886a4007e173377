import FoundationEssentials
import Rig
import Testing

/// Certificates for IP addresses (RFC 8738).
@Suite(.stack, .parts("python3"))
struct AddressTests {
    @Test func `addresses of both families are proven by http-01, and renewed`() async throws {
        try await Rig.withStack { stack in
            let port = "\(stack.nginx.httpPort)"
            let connect = "import socket, sys; socket.create_connection(('::1', int(sys.argv[1])))"
            // nginx of the rig listens on 127.0.0.1.
            try await Daemon.with(
                "python3", ["-m", "http.server", port, "--bind", "::1", "--directory", stack.webroot],
                log: "\(stack.directory)/http6.log",
                ready: .predicate { try await sh("python3", ["-c", connect, port]).status == 0 }
            ) { server in
                var certctl = Certctl(stack)
                certctl.settings = "\(stack.directory)/certctl.conf"
                try "verify = none\n".write(
                    toFile: "\(stack.directory)/certctl.conf", atomically: true, encoding: .utf8)
                let issued = try await certctl.issue(
                    "-d", "127.0.0.1", "-d", "::1", "--server", stack.pebble.directoryURL, "--webroot", stack.webroot,
                    "--agree-tos")
                #expect(issued.status == 0, "\(issued.stderr)")
                #expect(try await certctl.lineage("127.0.0.1").domains == ["127.0.0.1", "::1"])
                let text = try await check(
                    "openssl",
                    ["x509", "-in", "\(stack.tree)/live/127.0.0.1/cert.pem", "-noout", "-ext", "subjectAltName"])
                #expect(text.contains("IP Address:127.0.0.1") && text.contains("IP Address:0:0:0:0:0:0:0:1"), "\(text)")
                #expect(server.output().contains("GET /.well-known/acme-challenge/"))
                let renewed = try await certctl.renew("--force", "--yes", "127.0.0.1")
                #expect(renewed.status == 0, "\(renewed.stderr)")
                #expect(try await certctl.lineage("127.0.0.1").version == 2)
            }
        }
    }
}

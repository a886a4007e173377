import FoundationEssentials
import Glibc
import Rig
import Testing

/// An nginx behind a load balancer, which expects the PROXY protocol on its ports for http and TLS.
@Suite(.stack, .parts("python3"))
struct ProxyProtocolTests {
    @Test func `doctor names it, and with the setting a renewal is verified through it`() async throws {
        try await DoctorHost.with { host in
            let stack = host.stack
            let (http, tls) = (stack.nginx.httpPort, stack.nginx.tlsPort)
            let settings = "\(stack.directory)/certctl.conf"
            let plain = string(settings)
            func write(_ text: String, _ path: String = settings) throws {
                try text.write(toFile: path, atomically: false, encoding: .utf8)
            }
            for name in ["example.org.", "www.example.org."] {
                try await stack.pebble.dns("add-a", "{\"host\": \"\(name)\", \"addresses\": [\"127.0.0.2\"]}")
            }
            let onHTTP = ("listen 127.0.0.1:\(http) default", "listen 127.0.0.1:\(http) proxy_protocol default")
            func expecting(tls isExpected: Bool) async throws {
                try await host.nginx {
                    let conf = $0.replacing(onHTTP.0, with: onHTTP.1)
                    return isExpected
                        ? conf.replacing(
                            "listen 127.0.0.1:\(tls) ssl", with: "listen 127.0.0.1:\(tls) ssl proxy_protocol")
                        : conf
                }
            }
            try await expecting(tls: true)
            try await Daemon.with(
                "python3", ["-c", LoadBalancer.program, "\(http)"], log: "\(stack.directory)/balancer.log",
                ready: .predicate {
                    try await sh("curl", ["-sS", "-o", "/dev/null", "http://127.0.0.2:\(http)/"]).status == 0
                }
            ) { _ in
                let seen = try await host.diagnosed()
                seen.expectCause(
                    "proxy-protocol", remedy: "set proxy_protocol = \(tls) in certctl.conf", action: "operator",
                    evidence: "to the PROXY protocol it answers")
                #expect(
                    seen.document.causes == ["proxy-protocol"], "port 80 is asked as its server wants: \(seen.text)")
                #expect(!seen.found("warning").contains("challenge-unreachable"), "\(seen.text)")

                try await host.follow("nginx expects the PROXY protocol") {
                    try write(plain + "proxy_protocol = \(tls)\n")
                }
                let renewed = try await host.certctl.renew("--force", "--yes")
                #expect(renewed.status == 0, "\(renewed.stdout)\(renewed.stderr)")
                let entry = try await host.certctl.lineage("example.org")
                #expect((entry.version, entry.stage) == (2, "verified"), "\(entry)")

                // A certificate's own setting.
                try write(plain)
                let conf = "\(stack.tree)/renewal/example.org.conf"
                let own = string(conf)
                try write(own + "[certctl]\nproxy_protocol = 127.0.0.1:\(tls)\n", conf)
                try await host.diagnosed().expectWell()
                #expect(try await host.certctl.renew("--force", "--yes").status == 0)

                // The load balancer is gone, and the setting is not.
                try await expecting(tls: false)
                try await host.diagnosed().expectCause(
                    "proxy-protocol", remedy: "take 127.0.0.1:\(tls) out of proxy_protocol", action: "operator")
                try await host.follow("the PROXY protocol is spoken where it is not expected") { try write(own, conf) }

                try write(plain + "proxy_protocol = web.example:https\n")
                let refused = try await host.certctl.status()
                #expect(
                    refused.status == 78 && refused.stderr.contains("proxy_protocol = web.example:https is neither"))
            }
        }
    }
}

/// A load balancer on 127.0.0.2 before an nginx on 127.0.0.1.
private enum LoadBalancer {
    static let program = """
        import socket, sys, threading
        port = int(sys.argv[1])
        def pump(source, target):
            try:
                while data := source.recv(65536): target.sendall(data)
            except OSError: pass
            try: target.shutdown(socket.SHUT_WR)
            except OSError: pass
        def relay(client):
            server = socket.create_connection(("127.0.0.1", port))
            server.sendall(b"PROXY TCP4 192.0.2.1 192.0.2.2 5555 80\\r\\n")
            threading.Thread(target=pump, args=(server, client), daemon=True).start()
            pump(client, server)
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.2", port))
        listener.listen(64)
        while True:
            client, _ = listener.accept()
            threading.Thread(target=relay, args=(client,), daemon=True).start()

        """
}

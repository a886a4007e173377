import Deployment
import Setup
import Testing

/// The services that hooks are about.
struct HookServiceTests {
    @Test(arguments: [
        ("systemctl stop nginx", [HookService(.systemd, "nginx")]),
        (
            "sudo -n /usr/bin/systemctl --quiet reload nginx.service haproxy",
            [
                HookService(.systemd, "nginx.service"), HookService(.systemd, "haproxy"),
            ]
        ),
        ("service apache2 stop 2>&1 || true", [HookService(.sysV, "apache2")]),
        ("/etc/init.d/lighttpd restart", [HookService(.sysV, "lighttpd")]),
        ("docker stop 'web-1' && docker start web-1", [HookService(.docker, "web-1")]),
        (
            "LC_ALL=C systemctl restart postfix; systemctl start dovecot",
            [
                HookService(.systemd, "postfix"), HookService(.systemd, "dovecot"),
            ]
        ),
        ("systemctl status nginx", []), ("systemctl stop $SERVICE", []), ("echo systemctl stop nginx", []),
        ("docker exec web nginx -s reload", []), ("", []),
    ])
    func `a hook's line names its services`(line: String, services: [HookService]) {
        #expect(HookService.named(in: line) == services)
    }

    @Test func `those that systemd does not know are missing`() async throws {
        struct Known: CommandRunner {
            func run(_ command: Command, timeout: Duration) async -> CommandOutcome {
                let isKnown = command.arguments.last == "nginx.service"
                return CommandOutcome(.exited(0), output: "LoadState=\(isKnown ? "loaded" : "not-found")\n")
            }
        }
        let services = [
            HookService(.systemd, "nginx"), HookService(.systemd, "apache2"), HookService(.sysV, "no-such-service"),
            HookService(.docker, "web"),
        ]
        let missing = try await HookService.missing(services, Systemd(runner: Known()))
        #expect(missing == [HookService(.systemd, "apache2"), HookService(.sysV, "no-such-service")])
    }
}

import FoundationEssentials
import Rig
import Testing

/// Faults of units, made on a host that systemd runs: each is named in doctor's first line, and what doctor prints leads to green.
@Suite(.systemdHost)
struct UnitFaultTests {
    private static let timer = "certctl.timer"
    private static let service = "certctl.service"

    @Test func `a timer or a service that is masked, stopped, disabled or broken`() async throws {
        try await host { host, robot in
            for (fault, script, first, remedy) in [
                ("the timer is masked", "systemctl mask --now certctl.timer", "the timer is off", "systemctl unmask"),
                ("the timer is stopped", "systemctl stop certctl.timer", "the timer is off", "systemctl enable --now"),
                (
                    "the timer is disabled", "systemctl disable --now certctl.timer", "the timer is off",
                    "systemctl enable --now"
                ),
            ] {
                try await host.host.shell(script)
                try await robot.follow(fault).expect("timer-disabled", first: first, remedy: remedy)
            }

            try await host.host.shell("systemctl mask certctl.service")
            try await robot.follow("the service is masked").expect(
                "timer-failing", first: "certctl.service is masked", remedy: "run: systemctl unmask certctl.service")

            try await host.dropIn(Self.timer, "broken", "[Timer]\nOnActiveSec=\nOnCalendar=\nOnCalendar=sometimes\n")
            try await host.host.shell("systemctl stop certctl.timer")
            try await robot.follow("a drop-in takes the timer its times") {
                try await host.host.shell(
                    "rm /etc/systemd/system/certctl.timer.d/broken.conf; systemctl daemon-reload; systemctl enable --now certctl.timer"
                )
            }.expect(
                "timer-disabled", first: "certctl.timer cannot be loaded",
                remedy: "correct /etc/systemd/system/certctl.timer.d/broken.conf")
        }
    }

    @Test func `a drop-in that keeps the service from being started`() async throws {
        try await host { host, robot in
            for (fault, text, first, place) in [
                (
                    "a program that is missing", "ExecStart=\nExecStart=/usr/local/bin/certctl renew --quiet",
                    "(EXEC)", "broken.conf:3 (\"ExecStart=/usr/local/bin/certctl renew --quiet\")"
                ),
                (
                    "a relative path", "ExecStart=\nExecStart=./certctl renew", "cannot be loaded", "broken.conf:3"
                ),
                (
                    "a writable path that is missing", "ReadWritePaths=/srv/nowhere", "(NAMESPACE)",
                    "broken.conf:2 (\"ReadWritePaths=/srv/nowhere\")"
                ),
                ("a user that is missing", "User=nosuch", "(USER)", "broken.conf:2 (\"User=nosuch\")"),
                (
                    "an environment file that is missing", "EnvironmentFile=/etc/nosuch.env", "cannot start",
                    "broken.conf:2 (\"EnvironmentFile=/etc/nosuch.env\")"
                ),
                (
                    "an option that does not exist", "ExecStart=\nExecStart=/usr/bin/certctl renew --silent",
                    "has a wrong command line", "journalctl -u certctl.service"
                ),
                (
                    "settings that are missing",
                    "ExecStart=\nExecStart=/usr/bin/certctl renew --quiet --config /etc/certctl/nosuch.conf",
                    "cannot work with its settings", "journalctl -u certctl.service"
                ),
            ] {
                try await host.dropIn(Self.service, "broken", "[Service]\n\(text)\n")
                _ = try await host.run()
                try await robot.follow("a drop-in gives the service \(fault)") {
                    try await host.host.shell(
                        "rm /etc/systemd/system/certctl.service.d/broken.conf; systemctl daemon-reload; systemctl reset-failed certctl.service; systemctl restart certctl.service"
                    )
                }.expect("timer-failing", first: first, remedy: place)
            }
        }
    }

    @Test func `a sandbox that keeps a renewal from writing`() async throws {
        try await host { host, robot in
            for (fault, text, path, line) in [
                (
                    "the config directory", "ReadOnlyPaths=/etc/letsencrypt", "/etc/letsencrypt",
                    "closed.conf:2 (\"ReadOnlyPaths=/etc/letsencrypt\")"
                ),
                (
                    "all that the unit opens", "ReadWritePaths=", "/etc/letsencrypt",
                    "closed.conf:2 (\"ReadWritePaths=\")"
                ),
                (
                    "the state directory", "StateDirectory=", "/var/lib/certctl", "closed.conf:2 (\"StateDirectory=\")"
                ),
            ] {
                try await host.dropIn(Self.service, "closed", "[Service]\n\(text)\n")
                _ = try await host.run()
                try await robot.follow("a drop-in closes \(fault)") {
                    try await host.host.shell(
                        "rm /etc/systemd/system/certctl.service.d/closed.conf; systemctl daemon-reload; systemctl reset-failed certctl.service; systemctl restart certctl.service"
                    )
                }.expect("sandbox-outdated", first: "does not let it write to \(path)", remedy: line)
            }

            // The setting is there, and the drop-in that setup would write is not.
            try await host.host.shell(
                "mkdir -p '/srv/web root'; sed -i 's,^webroot_path = .*,webroot_path = \"/srv/web root\"\\,,; s,/var/www/certbot,/srv/web root,' /etc/letsencrypt/renewal/www.example.test.conf"
            )
            try await host.serve(["www.example.test"], webroot: "/srv/web root")
            try await host.host.shell("systemctl reload nginx")
            try await robot.follow("the sandbox lacks a webroot").expect(
                "sandbox-outdated", first: "does not let it write to /srv/web root", remedy: "run: certctl setup --yes")
        }
    }

    @Test func `a service that has reached its start limit, and one whose run hangs with the lock`() async throws {
        try await host { host, robot in
            try await host.hook("post", "broken", "exit 1")
            try await host.makeDue("www.example.test")
            try await host.host.shell("for i in 1 2 3 4 5 6; do systemctl restart certctl.service || true; done")
            #expect(try await host.property("ActiveState") == "failed")
            try await robot.follow("the service has reached its start limit, for a hook") {
                try await host.host.shell("rm /etc/letsencrypt/renewal-hooks/post/broken; certctl deploy")
                try await host.makeNotDue("www.example.test")
            }
            try await host.host.shell("systemctl reset-failed certctl.service; systemctl restart certctl.service")

            // What it failed for is gone, and nothing but the unit remembers it.
            try await host.dropIn(Self.service, "broken", "[Service]\nExecStart=\nExecStart=/bin/false\n")
            try await host.host.shell("for i in 1 2 3 4 5 6; do systemctl restart certctl.service || true; done")
            try await host.host.shell("rm /etc/systemd/system/certctl.service.d/broken.conf; systemctl daemon-reload")
            try await robot.follow("the service has reached its start limit, and the cause is gone") {
                try await host.host.shell("systemctl reset-failed certctl.service; systemctl restart certctl.service")
            }

            try await host.hook("post", "slow", "sleep 600")
            try await host.makeDue("www.example.test")
            try await host.host.shell("systemctl start --no-block certctl.service")
            try await host.host.eventually("systemctl list-units --plain --no-legend 'certctl-hook-*' | grep slow")
            try await host.host.shell("systemctl kill --kill-whom=main --signal=STOP certctl.service")
            try await host.makeNotDue("www.example.test")
            try await robot.follow("a run of the service is stopped") {
                try await host.host.shell(
                    "rm /etc/letsencrypt/renewal-hooks/post/slow; certctl deploy; systemctl reset-failed certctl.service; systemctl restart certctl.service"
                )
            }.expect(
                "lock-held", first: "(certctl) is stopped", remedy: "run: systemctl stop certctl.service",
                evidence: "of certctl.service")
        }
    }

    @Test func `a Docker Engine that hangs, that has lost its socket, and that does not start`() async throws {
        try await host { host, robot in
            let engine = """
                use IO::Socket::UNIX;
                unlink "/run/docker.sock";
                my $listening = IO::Socket::UNIX->new(Local => "/run/docker.sock", Listen => 8) or die;
                while (my $client = $listening->accept) {
                    while (<$client>) { last if /^\\r?$/ }
                    print $client "HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\n[]";
                    close $client;
                }
                """
            try await host.host.write(engine, to: "/usr/local/bin/engine.pl")
            try await host.host.write(
                "[Unit]\nStartLimitBurst=2\n[Service]\nExecStart=/usr/bin/perl /usr/local/bin/engine.pl\nTimeoutStopSec=5\n",
                to: "/etc/systemd/system/docker.service")
            try await host.host.shell(
                "[ -e /var/run ] || ln -s /run /var/run; systemctl daemon-reload; systemctl start docker; for i in 1 2 3 4 5 6 7 8 9; do [ -S /run/docker.sock ] || sleep 0.3; done"
            )
            try await host.host.shell("systemctl stop docker")
            try await robot.follow("Docker is stopped, and its socket is left").expect(
                "docker-unreachable", first: "Docker does not answer", remedy: "run: systemctl start docker")

            try await host.host.shell("systemctl stop docker; mv /usr/local/bin/engine.pl /usr/local/bin/away.pl")
            try await robot.follow("Docker does not start", person: false) {
                try await host.host.shell(
                    "mv /usr/local/bin/away.pl /usr/local/bin/engine.pl; systemctl reset-failed docker; systemctl start docker; sleep 1"
                )
            }.expect("docker-unreachable", first: "Docker does not answer", remedy: "run: systemctl start docker")

            try await host.host.shell("systemctl kill --signal=STOP docker")
            let seen = try await robot.follow("Docker hangs a short while after its start") {
                try await host.host.shell("systemctl restart docker; sleep 1")
            }
            seen.expect("docker-unreachable", first: "Docker hangs", remedy: "then: systemctl restart docker")
        }
    }

    /// A host whose certificate is well, with the timer on and certbot's off.
    private func host(_ body: (UnitHost, UnitRobot) async throws -> Void) async throws {
        try await UnitHost.with { host in
            try await host.lineage("www.example.test")
            try await host.host.shell(
                "echo 'http_port = \(host.pebble.httpPort)' >>/etc/certctl/certctl.conf; echo '127.0.0.1 www.example.test' >>/etc/hosts; systemctl disable --now certbot.timer; systemctl enable --now certctl.timer; systemctl start certctl.service"
            )
            let robot = UnitRobot(host: host.host)
            let well = try await host.host.exec("certctl", ["doctor"])
            #expect(well.status == 0, "\(well.stdout)")
            try await body(host, robot)
        }
    }
}

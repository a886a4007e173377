import Rig
import Testing

/// Who is told of a run that could not speak for itself.
@Suite(.systemdHost)
struct NotifyTests {
    private let name = "www.example.test"

    @Test func `a run that cannot speak is told of, and one that has spoken is not`() async throws {
        try await UnitHost.with { host in
            try await host.lineage(name)
            try await host.hook("failure", "tell", "echo \"$CERTCTL_STAGE|$CERTCTL_LINEAGE|$CERTCTL_ERROR\" >> /told")
            try await host.hook("failure", "backup~", "echo backup >> /told")
            let notify = "certctl-notify@certctl.service"

            // Settings that cannot be read: the same would come of another start.
            try await host.host.shell(
                "cp /etc/certctl/certctl.conf /root; echo 'hook_timeout = soon' >> /etc/certctl/certctl.conf")
            #expect(try await host.run() == 1)
            try await host.host.eventually("test -e /told; systemctl show --value -p SubState \(notify) | grep -q dead")
            #expect(try await host.property("SubState") == "failed")
            let message =
                "certctl.service exited with 78 (systemd says: exit-code), and nothing is renewed until a run succeeds"
            #expect(try await host.host.shell("cat /told; rm /told") == "run||\(message)\n")
            #expect(
                try await host.journal(of: notify) == [
                    .init(priority: "3", message: "\(message); next: journalctl --unit=certctl", identifier: "certctl")
                ])
            #expect(try await host.journal().map(\.priority) == ["3"])
            try await host.host.shell("cp /root/certctl.conf /etc/certctl")

            // A run that is killed, for which systemd does not come back either: it was out of memory.
            try await host.hook("pre", "hangs", "touch /begun; sleep 8006")
            try await host.makeDue(name)
            try await host.host.shell("systemctl start --no-block certctl.service")
            try await host.host.eventually("test -e /begun")
            try await host.host.shell("systemctl kill --signal=SIGKILL certctl.service")
            try await host.host.eventually("test -e /told; systemctl show --value -p SubState \(notify) | grep -q dead")
            #expect(
                try await host.host.shell("cat /told; rm /told").hasPrefix(
                    "run||certctl.service was killed by signal 9 "))
            try await host.host.shell("rm /etc/letsencrypt/renewal-hooks/pre/hangs")
            try await host.makeNotDue(name)

            // A run out of time ends as one that has failed, and starts so far apart are never too many.
            try await host.dropIn(
                "certctl.service", "time", "[Service]\nTimeoutStartSec=3s\nRestartSec=1h\n")
            try await host.hook("pre", "hangs", "sleep 8006")
            try await host.makeDue(name)
            try await host.host.shell("systemctl reset-failed certctl; systemctl start --no-block certctl.service")
            try await host.host.eventually(
                "grep -q '^run' /told; systemctl show --value -p SubState \(notify) | grep -q dead")
            #expect(
                try await host.host.shell("cat /told; rm /told").contains(
                    "run||certctl.service timed out (systemd says: timeout), and"))
            try await host.host.shell(
                """
                systemctl stop certctl; rm /etc/letsencrypt/renewal-hooks/pre/hangs
                rm /etc/systemd/system/certctl.service.d/time.conf; systemctl daemon-reload
                """)
            try await host.makeNotDue(name)
            try await host.host.shell("systemctl reset-failed certctl || true")
            try await host.succeeds()
            try await host.host.shell("rm -f /told")

            // One that fails and says so, until systemd starts it no more: its lineage's hooks speak, once.
            try await host.hook("deploy", "fails", "echo ran >> /ran; exit 1")
            try await host.dropIn("certctl.service", "test", "[Service]\nRestartSec=100ms\n")
            try await host.makeDue(name)
            try await host.host.shell("systemctl reset-failed certctl || true")
            #expect(try await host.run() == 1)
            try await host.makeNotDue(name)
            try await host.host.eventually(
                "systemctl is-failed --quiet certctl; systemctl show --value -p NRestarts certctl | grep -q 5")
            #expect(try await host.property("NRestarts") == "5")
            try await host.host.eventually("systemctl show --value -p Result \(notify) | grep -q exec-condition")
            let told = try await host.host.shell("cat /told").split(separator: "\n")
            #expect(
                told.count == 1 && told[0].hasPrefix("deployed|\(name)|") || told[0].hasPrefix("installed|\(name)|"),
                "\(told)")
            #expect(try await host.journal(of: notify).count == 3)
            #expect(try await host.host.shell("grep -c ran /ran") == "5\n")

            // And when it works again, recovered hooks do.
            try await host.hook("recovered", "tell", "echo \"$CERTCTL_LINEAGE\" > /recovered")
            try await host.hook("deploy", "fails", "true")
            try await host.host.shell("systemctl reset-failed certctl")
            try await host.succeeds()
            #expect(try await host.host.shell("cat /recovered") == "\(name)\n")
            #expect(try await host.host.shell("systemctl --failed --no-legend --plain") == "")
        }
    }

    @Test func `a lock that is held is no failure`() async throws {
        try await UnitHost.with { host in
            try await host.lineage(name)
            try await host.host.write(
                """
                import fcntl, time
                file = open("/etc/letsencrypt/.certbot.lock", "w")
                fcntl.lockf(file, fcntl.LOCK_EX)
                open("/held", "w")
                time.sleep(600)
                """, to: "/root/hold.py")
            try await host.host.shell("python3 /root/hold.py >/dev/null 2>&1 &")
            try await host.host.eventually("test -e /held")
            try await host.succeeds()
            #expect(try await host.property("SubState") == "dead")
            let journal = try await host.journal()
            #expect(
                journal.count == 1 && journal[0].priority == "3" && journal[0].message.contains("is locked by"),
                "\(journal)")
        }
    }
}

import Rig
import Testing

/// The package on a host, from its installation to its purge.
@Suite(
    .enabled(if: UnitHost.package != nil, "no package to install: make deb, then make test-deb"), .systemdHost)
struct PackageHostTests {
    private let name = "www.example.test"

    @Test func `a host is set up with the package, and is certbot's again when it is purged`() async throws {
        try await UnitHost.with { host in
            try await host.lineage(name)
            // Nothing is turned on before an operator says so, and nothing needs more than the binary.
            #expect(try await host.host.exec("systemctl", ["is-enabled", "certctl.timer"]).stdout == "disabled\n")
            #expect(
                try await host.host.shell("systemd-analyze verify --man=no certctl.service certctl.timer 2>&1") == "")
            #expect(try await host.host.exec("ldd", ["/usr/bin/certctl"]).stdout.contains("swift") == false)
            try await host.host.shell("certctl setup --yes")
            try await host.makeDue(name)
            try await host.dropIn(
                "certctl.timer", "soon", "[Timer]\nOnActiveSec=1s\nAccuracySec=1s\nRandomizedDelaySec=0\n")
            try await host.host.shell("systemctl restart certctl.timer")
            try await host.host.eventually(
                "test -n \"$(systemctl show --value -p InactiveEnterTimestamp certctl.service)\"")
            #expect(try await host.version(name) == "2")
            #expect(try await host.installedSerial(name) == host.servedSerial(name))

            // The next run's hook fails, and so does the unit; the lineage's failure hooks say so.
            try await host.hook("failure", "tell", "echo \"$CERTCTL_STAGE $CERTCTL_LINEAGE\" >> /told")
            try await host.hook("deploy", "fails", "exit 7")
            #expect(try await host.run() == 1)
            #expect(try await host.property("Result") == "exit-code")
            #expect(try await host.host.shell("cat /told").hasSuffix(" \(name)\n"))
            // And one that cannot say anything has the notification say it.
            try await host.host.shell(
                "rm /told; systemctl stop certctl.service; echo 'hook_timeout = soon' >> /etc/certctl/certctl.conf")
            #expect(try await host.run() == 1)
            try await host.host.eventually("grep '^run $' /told")

            let tree =
                "cd /etc/letsencrypt; find . ! -name .certbot.lock -printf '%p %m %U %G %l\\n' | sort; cat live/*/*.pem"
            let before = try await host.host.shell(tree)
            try await host.host.shell("DEBIAN_FRONTEND=noninteractive apt-get purge --quiet --quiet --yes certctl 2>&1")
            #expect(try await host.host.shell(tree) == before)
            for gone in [
                "/usr/bin/certctl", "/var/lib/certctl", "/etc/certctl", "/usr/lib/systemd/system/certctl.timer",
            ] {
                #expect(try await host.host.exec("test", ["-e", gone]).status == 1, "\(gone)")
            }
            #expect(try await host.host.shell("systemctl list-timers --all --no-legend 'certctl*'") == "")
            let certificates = try await host.host.shell("certbot certificates 2>/dev/null")
            #expect(certificates.contains("Domains: \(name)"))
        }
    }

    @Test func `an upgrade while a run is at work leaves the run, the timer and the settings alone`() async throws {
        try await UnitHost.with { host in
            try await host.lineage(name)
            try await host.host.shell("certctl setup --yes")
            try await host.makeDue(name)
            try await host.hook("deploy", "slow", "touch /runs; while [ ! -e /go ]; do sleep 0.1; done")
            let settings = try await host.host.shell("cat /etc/certctl/certctl.conf")
            try await host.host.shell("systemctl start --no-block certctl.service")
            try await host.host.eventually("test -e /runs")
            // The same package under a higher version: what dpkg does is what counts.
            try await host.host.shell(
                """
                cd /root; dpkg-deb --raw-extract certctl.deb newer; sed -i 's/^Version: .*/&+1/' newer/DEBIAN/control
                dpkg-deb --build newer newer.deb >/dev/null
                apt-get install --quiet --quiet --yes ./newer.deb 2>&1
                """)
            #expect(try await host.property("ActiveState") == "activating", "the run goes on")
            #expect(try await host.host.shell("systemctl is-active certctl.timer") == "active\n")
            #expect(try await host.host.shell("systemctl is-enabled certctl.timer") == "enabled\n")
            try await host.host.shell("touch /go")
            try await host.host.eventually(
                "! systemctl is-active --quiet certctl.service && test ! -e /etc/letsencrypt/.certbot.lock")
            #expect(try await host.property("Result") == "success")
            #expect(try await host.version(name) == "2")
            #expect(try await host.installedSerial(name) == host.servedSerial(name))
            #expect(try await host.host.shell("cat /etc/certctl/certctl.conf") == settings)
            #expect(try await host.host.shell("dpkg-query -W -f '${Version}' certctl").hasSuffix("+1"))
            // And what is there now takes up what was left.
            try await host.makeNotDue(name)
            try await host.succeeds()
            #expect(try await host.host.shell("certctl status --format json").contains("\"verified\""))
        }
    }
}

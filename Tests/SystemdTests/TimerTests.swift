import Rig
import Testing

/// The main job as the timer has it done: certctl confined, its hooks not.
@Suite(.systemdHost)
struct TimerTests {
    private let name = "www.example.test"

    @Test func `the timer renews a certbot tree, and hooks do outside of the sandbox what they do in a shell`()
        async throws
    {
        try await UnitHost.with { host in
            try await host.lineage(name)
            // What hooks of real hosts do: write elsewhere, read what is only root's, reload a service.
            try await host.host.shell(
                """
                useradd --create-home deploy
                install -o deploy -m 600 /dev/null /home/deploy/.env
                echo TOKEN=secret > /home/deploy/.env
                mkdir -p /etc/haproxy/certs
                """)
            try await host.hook(
                "deploy", "haproxy",
                """
                cat "$RENEWED_LINEAGE/fullchain.pem" "$RENEWED_LINEAGE/privkey.pem" > "/etc/haproxy/certs/$RENEWED_DOMAINS.pem"
                . /home/deploy/.env
                echo "$TOKEN $HOME $PWD $CERTCTL_CONFIG_DIR $CERTCTL_STATE_DIR" > /etc/haproxy/said
                """)
            // setup brings its own.
            try await host.host.shell("rm /etc/letsencrypt/renewal-hooks/post/*")
            let setup = try await host.host.shell("certctl setup --yes 2>&1")
            #expect(setup.contains("certbot.timer") && setup.contains("renewal-hooks/post/reload-nginx"), "\(setup)")
            #expect(try await host.host.exec("systemctl", ["is-enabled", "certbot.timer"]).stdout == "disabled\n")
            #expect(
                try await host.host.shell("systemctl is-enabled certctl.timer; systemctl is-active certctl.timer")
                    == "enabled\nactive\n")
            #expect(try await host.property("InactiveEnterTimestamp") == "", "it waits for its moment")
            // After a boot it comes soon, and has not come at once.
            #expect(try await host.property("TimersMonotonic", of: "certctl.timer").contains("OnActiveUSec=5min"))
            let before = try await host.servedSerial(name)
            #expect(try await host.installedSerial(name) == before)
            try await host.makeDue(name)

            // The timer's own moment is hours away.
            try await host.dropIn(
                "certctl.timer", "soon", "[Timer]\nOnActiveSec=1s\nAccuracySec=1s\nRandomizedDelaySec=0\n")
            try await host.host.shell("systemctl restart certctl.timer")
            try await host.host.eventually(
                "test -n \"$(systemctl show --value -p InactiveEnterTimestamp certctl.service)\"")

            #expect(try await host.property("Result") == "success")
            #expect(try await host.property("TriggeredBy") == "certctl.timer")
            let installed = try await host.installedSerial(name)
            #expect(installed != before)
            #expect(try await host.servedSerial(name) == installed)
            #expect(
                try await host.host.shell("cat /etc/haproxy/said")
                    == "secret /root / /etc/letsencrypt /var/lib/certctl\n")
            let bundle = try await host.host.shell("cat /etc/haproxy/certs/\(name).pem")
            #expect(try await serial(ofPEM: bundle) == installed)
            #expect(bundle.contains("PRIVATE KEY"))

            // A quiet run says nothing where nothing failed, and systemd names the hooks.
            #expect(try await host.journal() == [])
            let log = try await host.systemdsJournal()
            #expect(log.contains("certctl: deploy hook haproxy") && log.contains("certctl: post hook reload-nginx"))
            #expect(
                try await host.host.shell(
                    "systemctl --failed --no-legend --plain; systemctl --all list-units --no-legend 'certctl-hook-*'")
                    == "")

            // The books and what everybody may read.
            #expect(
                try await host.host.shell("stat -c '%a %U' /var/lib/certctl /run/certctl") == "700 root\n755 root\n")
            let history = try await host.host.shell("certctl history")
            #expect(
                history.contains("timer") && history.contains("verified") && !history.contains("manual"), "\(history)"
            )
            #expect(
                try await host.host.shell(
                    "setpriv --reuid=nobody --clear-groups certctl status --format json; stat -c %a /run/certctl/status.json"
                ).hasSuffix("644\n"))
            // certbot takes over again.
            let certificates = try await host.host.shell("certbot certificates 2>/dev/null")
            #expect(certificates.contains("Domains: \(name)") && !certificates.contains("INVALID"))
        }
    }

    @Test func `the units are sound, and systemd rates the exposure 2.1 at most`() async throws {
        try await UnitHost.with { host in
            let units = "certctl.service certctl.timer certctl-notify@certctl.service"
            #expect(try await host.host.shell("systemd-analyze verify --man=no \(units) 2>&1") == "")
            for place in ["certctl.service", "--offline=true /usr/lib/systemd/system/certctl.service"] {
                let rating = try await host.host.shell("systemd-analyze security --no-pager \(place) | tail -n 1")
                let number = try #require(rating.split(separator: " ").compactMap { Double($0) }.first, "\(rating)")
                #expect(number <= 2.1, "\(rating)")
            }
            // Each example says at its head where it goes.
            try await host.host.copy("\(BuiltProgram.repository)/systemd/examples", to: "/root/examples")
            try await host.host.shell(
                """
                for file in /root/examples/*.conf; do
                    place=$(sed -n '1s/^# //p' "$file")
                    mkdir -p "${place%/*}" /srv/certificates
                    cp "$file" "$place"
                done
                printf '[Service]\\nType=oneshot\\nExecStart=true\\n' > /etc/systemd/system/certctl-hook-x.service
                systemctl daemon-reload
                """)
            #expect(
                try await host.host.shell("systemd-analyze verify --man=no \(units) certctl-hook-x.service 2>&1") == "")
            #expect(
                try await host.host.shell(
                    "systemctl show --value -p DropInPaths \(units) certctl-hook-x | grep -c conf") == "3\n")
            #expect(try await host.property("FixedRandomDelay", of: "certctl.timer") == "yes")
            #expect(try await host.property("Persistent", of: "certctl.timer") == "yes")
        }
    }
}

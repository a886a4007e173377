import FoundationEssentials
import Rig
import Testing

/// `certctl setup` on hosts with systemd, cron and Debian's certbot, and back.
@Suite(.systemdHost)
struct SetupHostTests {
    /// Runs `body` on a host whose certificates certbot got from a CA; their renewal config names its nginx plugin; certctl is in /usr/local/bin.
    private func withCertbotHost(_ body: (SystemdHost, Pebble) async throws -> Void) async throws {
        // The binary of the tests is not a release: it needs the toolchain's libraries where they are here.
        let libraries = try await check(
            "sh", ["-c", "ldd \"$1\" | sed -n 's,.* => \\(/.*\\)/libswiftCore.so .*,\\1,p'", "sh", Certctl.path]
        )
        .split(separator: "\n").map { (source: String($0), place: String($0)) }
        try await TemporaryDirectory.with { directory in
            try await Pebble.with(directory) { pebble in
                try await SystemdHost.with(mounts: libraries) { host in
                    try await host.copy(Certctl.path, to: "/usr/local/bin/certctl")
                    try await host.copy(pebble.caBundle, to: "/srv/ca.pem")
                    try await host.shell(
                        """
                        chown root: /usr/local/bin/certctl
                        REQUESTS_CA_BUNDLE=/srv/ca.pem certbot certonly --standalone --http-01-port \(pebble.httpPort) -n \
                            -d a.example -d www.a.example --server \(pebble.directoryURL) --agree-tos \
                            --register-unsafely-without-email --quiet
                        sed -i -e 's/^authenticator = standalone/authenticator = nginx/' -e '/^http01_port/d' \
                            /etc/letsencrypt/renewal/a.example.conf
                        mkdir -p '/srv/my web' /etc/letsencrypt/renewal-hooks/deploy
                        printf '#!/bin/sh\\nsystemctl reload nginx\\n' >/etc/letsencrypt/renewal-hooks/deploy/nginx
                        chmod 755 /etc/letsencrypt/renewal-hooks/deploy/nginx
                        printf '17 3 * * * certbot renew -q\\n@daily true\\n' | crontab -
                        """)
                    try await body(host, pebble)
                }
            }
        }
    }

    /// What setup could change: files, what is enabled, what runs, root's crontab.
    private func picture(_ host: SystemdHost) async throws -> String {
        try await host.shell(
            """
            find /etc /usr/local /var/lib/certctl /var/spool/cron -printf '%p %y %m %U %G %l\\n' 2>/dev/null | sort
            find /etc -type f -exec sha256sum {} + | sort -k 2
            for unit in certbot.timer certctl.timer certctl.service; do
                echo "$unit $(systemctl is-enabled $unit 2>&1) $(systemctl is-active $unit)"
            done
            crontab -l
            """)
    }

    private func expectPicture(of host: SystemdHost, _ before: String) async throws {
        let (old, new) = (lines(before), lines(try await picture(host)))
        let changes = new.difference(from: old).map { "\($0)" }
        #expect(changes.isEmpty, "\(changes.joined(separator: "\n"))")
    }

    private func lines(_ text: String) -> [Substring] { text.split(separator: "\n") }

    @Test func `setup takes certbot's place, a second time there is nothing to do, and undo brings all back`()
        async throws
    {
        try await withCertbotHost { host, _ in
            let before = try await picture(host)
            let unasked = try await host.exec("certctl", ["setup"])
            #expect(unasked.status == 64 && unasked.stderr.contains("certctl setup --yes"), "\(unasked.stderr)")
            let dry = try await host.exec("certctl", ["setup", "--dry-run", "--diff", "--webroot", "/srv/my web"])
            #expect(dry.status == 0 && dry.stdout.contains("nothing was changed: this is a dry run"), "\(dry)")
            #expect(dry.stdout.contains("\n--- /dev/null\n+++ /etc/systemd/system/certctl.service\n@@ -0,0 +1,"))
            #expect(dry.stdout.contains("\n--- root's crontab\n+++ root's crontab\n"), "\(dry.stdout)")
            #expect(!dry.stdout.contains("[y/N]"))
            try await expectPicture(of: host, before)

            let stranger = try await host.exec(
                "setpriv", ["--reuid=65534", "--clear-groups", "certctl", "setup", "--yes"])
            #expect(stranger.status == 78 && stranger.stderr.contains("run it as root"), "\(stranger.stderr)")

            // certbot at work: nothing is changed beside it.
            try await host.write(
                """
                import fcntl, os, time
                lock = open("/etc/letsencrypt/.certbot.lock", "w")
                fcntl.lockf(lock, fcntl.LOCK_EX)
                open("/run/held", "w").close()
                while os.path.exists("/run/held"): time.sleep(0.05)
                os.unlink("/etc/letsencrypt/.certbot.lock")

                """, to: "/srv/hold.py")
            try await host.shell("systemd-run --quiet --unit=hold python3 /srv/hold.py")
            try await host.eventually("test -e /run/held")
            let locked = try await host.exec("certctl", ["setup", "--yes"])
            #expect(locked.status == 75 && locked.stderr.contains("is locked by"), "\(locked.stderr)")
            try await host.shell("rm /run/held")
            try await host.eventually("test ! -e /etc/letsencrypt/.certbot.lock")
            try await expectPicture(of: host, before)

            let setup = try await host.exec(
                "certctl", ["setup", "--yes", "--webroot", "/srv/my web", "--replace-hook"])
            #expect(setup.status == 0, "\(setup.stdout)\(setup.stderr)")
            #expect(
                try await host.shell("systemctl is-enabled certctl.timer; systemctl is-active certctl.timer")
                    == "enabled\nactive\n")
            #expect(try await host.exec("systemctl", ["is-enabled", "certbot.timer"]).stdout == "disabled\n")
            #expect(try await host.exec("systemctl", ["is-active", "certbot.timer"]).stdout == "inactive\n")
            #expect(try await host.shell("crontab -l") == "#certctl setup# 17 3 * * * certbot renew -q\n@daily true\n")
            #expect(try await host.exec("test", ["-e", "/etc/cron.d/certbot"]).status == 1)
            #expect(try await host.shell("ls /etc/letsencrypt/renewal-hooks/*").contains("reload-nginx"))
            #expect(try await host.exec("test", ["-e", "/etc/letsencrypt/renewal-hooks/deploy/nginx"]).status == 1)
            let writable = try await host.shell("systemctl show --property=ReadWritePaths certctl.service")
            #expect(writable.contains("/srv/my web"), "\(writable)")
            try await host.shell(
                "systemd-analyze verify --man=no /etc/systemd/system/certctl.service /etc/systemd/system/certctl.timer")

            let again = try await host.exec("certctl", ["setup", "--yes"])
            #expect(again.status == 0 && again.stdout.hasPrefix("nothing to do"), "\(again.stdout)\(again.stderr)")

            let undo = try await host.exec("certctl", ["setup", "--undo", "--yes"])
            #expect(undo.status == 0, "\(undo.stdout)\(undo.stderr)")
            try await expectPicture(of: host, before)
            let nothing = try await host.exec("certctl", ["setup", "--undo", "--yes"])
            #expect(nothing.status == 0 && nothing.stdout.hasPrefix("nothing to do"), "\(nothing.stdout)")
        }
    }

    @Test func `the service that was set up runs, and the moved lineage renews by its webroot`() async throws {
        try await withCertbotHost { host, pebble in
            try await host.write(
                """
                pid /run/test-nginx.pid;
                events {}
                http { server { listen 127.0.0.1:\(pebble.httpPort); root "/srv/my web"; } }

                """, to: "/srv/nginx.conf")
            // A hook that needs no nginx of the host's service: what reloads it is tried elsewhere.
            try await host.shell("nginx -c /srv/nginx.conf; rm /etc/letsencrypt/renewal-hooks/deploy/nginx")
            try await host.write(
                "#!/bin/sh\n# reloads the test's nginx\nnginx -c /srv/nginx.conf -s reload\n",
                to: "/etc/letsencrypt/renewal-hooks/post/reload", mode: "755")
            try await host.write("verify = none\nca_bundle = /srv/ca.pem\n", to: "/etc/certctl/certctl.conf")
            try await host.shell("certctl setup --yes --webroot '/srv/my web'")
            // Due, so that the service renews by itself, from inside its sandbox.
            try await host.shell(
                #"""
                cd /etc/letsencrypt
                moment() { date -d "$(openssl x509 -noout "-$1" -in live/a.example/cert.pem | cut -d= -f2)" +%s; }
                span=$(($(moment enddate) - $(moment startdate) - 1))
                sed -i "s/^# renew_before_expiry.*/renew_before_expiry = $span seconds/" renewal/a.example.conf
                """#)
            try await host.eventually("certctl status | grep -q ' due '")
            let serial = "openssl x509 -noout -serial -in /etc/letsencrypt/live/a.example/cert.pem"
            let first = try await host.shell(serial)
            let started = try await host.exec("systemctl", ["start", "certctl.service"], timeout: .seconds(300))
            let journal = try await host.shell("journalctl --no-pager -u certctl.service")
            #expect(started.status == 0, "\(journal)")
            #expect(try await host.shell(serial) != first, "\(journal)")

            // A new webroot is the service's, too.
            let issued = try await host.exec(
                "sh",
                [
                    "-c",
                    "ln -s '/srv/my web' /srv/other && certctl issue -d b.example --webroot /srv/other --agree-tos --server \(pebble.directoryURL)",
                ])
            #expect(issued.status == 0, "\(issued.stderr)")
            #expect(
                try await host.shell("systemctl show --property=ReadWritePaths certctl.service").contains("/srv/other"))
            // One in a home, where the service sees nothing that is not bound.
            try await host.shell(
                "sed -i 's|/srv/other|/home/deploy/my: web|' /etc/letsencrypt/renewal/b.example.conf; certctl setup --yes"
            )
            let bound = try await host.shell("systemctl show --property=BindPaths certctl.service")
            #expect(bound.contains("/home/deploy/my: web") || bound.contains("/home/deploy/my\\: web"), "\(bound)")
            try await host.shell("certctl setup --undo --yes; test ! -e /etc/systemd/system/certctl.service.d")
        }
    }

    @Test func `on a terminal it asks, for each lineage and each hook and for all of it`() async throws {
        try await withCertbotHost { host, _ in
            let before = try await picture(host)
            func converse(_ answers: String, _ command: String) async throws -> Output {
                try await host.exec("script", ["-qec", command, "/dev/null"], input: answers)
            }
            let no = try await converse("\n\nn\n", "certctl setup")
            #expect(no.status == 1 && no.stdout.contains("nothing was done"), "\(no.stdout)")
            #expect(no.stdout.contains("a.example is renewed by certbot's nginx plugin"), "\(no.stdout)")
            #expect(no.stdout.contains("Put certctl's reload-nginx in its place?"), "\(no.stdout)")
            #expect(no.stdout.contains("certbot's schedule stays on"), "\(no.stdout)")
            try await expectPicture(of: host, before)

            let yes = try await converse("/srv/my web\ny\ny\n", "certctl setup")
            #expect(yes.status == 0, "\(yes.stdout)")
            #expect(try await host.exec("systemctl", ["is-enabled", "certbot.timer"]).stdout == "disabled\n")
            #expect(try await host.shell("certctl status").contains("ok"))
            let undo = try await converse("y\n", "certctl setup --undo")
            #expect(undo.status == 0, "\(undo.stdout)")
            try await expectPicture(of: host, before)
        }
    }
}

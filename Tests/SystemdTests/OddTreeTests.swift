import Rig
import Testing

/// Trees that differ from what certbot makes, in the sandbox.
@Suite(.systemdHost)
struct OddTreeTests {
    private let name = "www.example.test"

    @Test func `owners, groups and modes stay what the operator made of them`() async throws {
        try await UnitHost.with { host in
            try await host.lineage(name)
            try await host.host.shell(
                """
                groupadd --system ssl-cert
                useradd --create-home deploy
                cd /etc/letsencrypt
                chgrp ssl-cert archive live archive/\(name) live/\(name) archive/\(name)/privkey1.pem
                chmod 750 archive live
                chmod 640 archive/\(name)/privkey1.pem
                chmod 2755 live/\(name)
                chown deploy renewal/\(name).conf
                chown -R deploy:www-data /var/www/certbot
                chmod 750 /var/www/certbot
                """)
            let inode = try await host.host.shell("stat -c %i /etc/letsencrypt/live/\(name)")
            try await host.makeDue(name)
            try await host.succeeds()
            let tree = try await host.host.shell(
                "cd /etc/letsencrypt; stat -L -c '%a %U %G' live/\(name) live/\(name)/privkey.pem renewal/\(name).conf; readlink live/\(name)/privkey.pem"
            )
            #expect(
                tree == "2755 root ssl-cert\n640 root ssl-cert\n644 deploy root\n../../archive/\(name)/privkey2.pem\n")
            // A setgid directory cannot be made in the sandbox, so it stays.
            #expect(try await host.host.shell("stat -c %i /etc/letsencrypt/live/\(name)") == inode)
        }
    }

    @Test func `live directories are exchanged, but for one that a container has mounted`() async throws {
        try await UnitHost.with { host in
            try await host.lineage(name)
            func inode() async throws -> String {
                try await host.host.shell("stat -c %i /etc/letsencrypt/live/\(name)")
            }
            try await host.makeDue(name)
            let first = try await inode()
            try await host.succeeds()
            let second = try await inode()
            #expect(second != first)
            #expect(try await host.version(name) == "2")

            // Another mount namespace with more rights than certctl has, as a container's processes are.
            try await host.host.shell(
                """
                mkdir -p /mnt/live
                unshare --mount sh -c 'mount --bind /etc/letsencrypt/live/\(name) /mnt/live; touch /mounted; exec sleep 8007' \
                    >/dev/null 2>&1 &
                """)
            try await host.host.eventually("test -e /mounted")
            try await host.host.shell("sleep 2")
            try await host.succeeds()
            #expect(try await inode() == second)
            #expect(try await host.version(name) == "3")
            let seen = try await host.host.shell(
                "nsenter --mount --target \"$(pgrep -f '^sleep 8007')\" readlink /mnt/live/cert.pem")
            #expect(seen == "../../archive/\(name)/cert3.pem\n")
        }
    }

    @Test(arguments: [("/srv/my web", "ReadWritePaths"), ("/home/deploy/web", "BindPaths")])
    func `a webroot elsewhere is written to where a drop-in says so, and named where none does`(
        webroot: String, directive: String
    ) async throws {
        try await UnitHost.with { host in
            try await host.host.shell("useradd --create-home deploy; chmod 755 /home/deploy")
            try await host.lineage(name, webroot: webroot)
            try await host.makeDue(name)
            #expect(try await host.run() == 1)
            let journal = try await host.journal()
            #expect(journal.contains { $0.message.contains(webroot) }, "\(journal)")
            #expect(try await host.version(name) == "1")
            try await host.host.shell("systemctl stop certctl; rm -r /var/lib/certctl/*")
            try await host.dropIn(
                "certctl.service", "webroots", "[Service]\n\(directive)=\"-\(webroot)\" -/not/there\n")
            try await host.succeeds()
            #expect(try await host.version(name) == "2")
        }
    }

    @Test func `a host without a tree has nothing to renew, which is told`() async throws {
        try await UnitHost.with { host in
            try await host.host.shell("rm -rf /etc/letsencrypt /var/www/certbot")
            #expect(try await host.run() == 1)
            #expect(try await host.property("ExecMainStatus") == "78")
            let journal = try await host.journal()
            #expect(journal.map(\.priority) == ["3"] && journal[0].message.contains("/etc/letsencrypt"), "\(journal)")
        }
    }
}

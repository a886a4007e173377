import Deployment
import FoundationEssentials
import Glibc
import Lineages
import Rig
import Setup
import Testing

/// What the service's sandbox is opened for.
@Suite(.parts("openssl"))
struct WebrootDropInTests {
    private func dropIn(_ host: TestHost) throws -> WebrootDropIn {
        WebrootDropIn(try Tree(host.tree).lineages(), treePath: "/etc/letsencrypt", statePath: "/var/lib/certctl")
    }

    @Test func `every webroot of the tree is in it, and what the tree has elsewhere`() async throws {
        try await TestHost.with { host in
            try await host.lineage(
                "a.example",
                "authenticator = webroot\nwebroot_path = /srv/one, /srv/last\n[[webroot_map]]\na.example = /srv/map")
            try await host.lineage("n.example", "authenticator = nginx\nwebroot_path = /srv/not-used,")
            try host.makeDirectory("srv/web/.well-known")
            try host.makeDirectory("srv/elsewhere")
            try FileManager.default.createSymbolicLink(
                atPath: "\(host.root)/srv/web/.well-known/acme-challenge",
                withDestinationPath: "\(host.root)/srv/elsewhere")
            try await host.lineage("l.example", "authenticator = webroot\nwebroot_path = \(host.root)/srv/web,")
            let paths = try dropIn(host).paths
            #expect(
                Set(["/srv/map", "/srv/last", "\(host.root)/srv/web", "\(host.root)/srv/elsewhere"]).isSubset(of: paths)
            )
            #expect(paths.contains("/var/www/certbot"))
            #expect(!paths.contains("/srv/not-used") && !paths.contains("/etc/letsencrypt"))
            #expect(paths.contains("\(host.tree)/archive/a.example"), "it is outside of /etc/letsencrypt")
        }
    }

    @Test(.enabled(if: geteuid() == 0, "gives a link to another user: run as root"))
    func `a link that a webroot's owner has planted opens nothing`() async throws {
        try await TestHost.with { host in
            try host.makeDirectory("srv/web/.well-known")
            try host.makeDirectory("srv/elsewhere")
            let link = "\(host.root)/srv/web/.well-known/acme-challenge"
            try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "\(host.root)/srv/elsewhere")
            try #require(lchown(link, 33, 33) == 0)
            try await host.lineage("l.example", "authenticator = webroot\nwebroot_path = \(host.root)/srv/web,")
            let paths = try dropIn(host).paths
            #expect(paths.contains("\(host.root)/srv/web") && !paths.contains("\(host.root)/srv/elsewhere"))
        }
    }

    @Test func `a webroot in a home is bound, since the service sees no homes`() async throws {
        try await TestHost.with { host in
            try await host.lineage("a.example", "authenticator = webroot\nwebroot_path = /home/deploy/web root,")
            #expect(try dropIn(host).text.contains("\nBindPaths=\"-/home/deploy/web root\"\n"))
        }
    }

    @Test func `paths are quoted as systemd reads them`() {
        #expect(UnitSyntax.word("/srv/my web") == #""/srv/my web""#)
        #expect(UnitSyntax.word(#"/a"b\c%d"#) == #""/a\"b\\c%%d""#)
        #expect(UnitSyntax.word("/srv/bücher") == "\"/srv/bücher\"")
        #expect(UnitSyntax.word("/srv/a\nb") == nil)
    }

    @Test func `the directories of a run's reports are opened, and never the whole system`() throws {
        let reports = ["/run/certctl/status.json", "/var/lib/prometheus/node-exporter/certctl.prom", "/c.prom"]
        let dropIn = WebrootDropIn(
            [], treePath: "/etc/letsencrypt", statePath: "/var/lib/certctl", reports: reports)
        #expect(dropIn.paths == ["/var/lib/prometheus/node-exporter", "/var/www/certbot"])
    }

    @Test(.systemdHost) func `systemd opens what it says, whatever is in a path`() async throws {
        let paths = [#"/srv/q"b\c%d $HOME ü"#, "/srv/it's; #x", "/srv/ends\\", #"/home/me/a: "b\c%h"#, "/root/www"]
        let dropIn = WebrootDropIn([], treePath: "/etc/letsencrypt", statePath: "/var/lib/certctl", adding: paths)
        try await SystemdHost.with { host in
            let words = paths.map(shellQuoted).joined(separator: " ")
            try await host.write(
                "#!/bin/sh\nset -eu\nfor path in \(words); do : >\"$path/file\"; done\nif (: >/srv/file) 2>/dev/null; then exit 9; fi\n",
                to: "/srv/probe", mode: "755")
            try await host.write(
                "[Service]\nType=oneshot\nExecStart=/srv/probe\nProtectSystem=strict\nProtectHome=tmpfs\n",
                to: "/etc/systemd/system/probe.service")
            try await host.write(dropIn.text, to: "/etc/systemd/system/probe.service.d/webroots.conf")
            try await host.shell("mkdir -p \(words); systemctl daemon-reload")
            let started = try await host.exec("systemctl", ["start", "probe.service"])
            let journal = try await host.shell("journalctl --no-pager -u probe.service")
            #expect(started.status == 0, "\(journal)")
            for path in paths { #expect(try await host.exec("test", ["-e", "\(path)/file"]).status == 0, "\(path)") }
            // None of them there: the service starts all the same.
            try await host.shell("rm -r \(words); printf '#!/bin/sh\\n' >/srv/probe; systemctl start probe.service")
        }
    }

    @Test func `a new webroot is added where setup has put the drop-in, and undo still takes it away`() async throws {
        try await TestHost.with { host in
            let place = "etc/systemd/system/certctl.service.d/webroots.conf"
            func current() throws -> WebrootDropIn {
                WebrootDropIn(try Tree(host.tree).lineages(), treePath: host.tree, statePath: host.state)
            }
            #expect(try await !current().refresh(on: host.host, stateDirectory: host.state))
            #expect(host.text(place) == nil)
            try await host.setUp()
            #expect(try current().isCurrent(on: host.host))
            try await host.lineage("a.example", "authenticator = webroot\nwebroot_path = /srv/my web,")
            #expect(try !current().isCurrent(on: host.host))
            #expect(try await current().refresh(on: host.host, stateDirectory: host.state))
            #expect(host.text(place)?.contains(#"ReadWritePaths="-/srv/my web""#) == true)
            #expect(try await !current().refresh(on: host.host, stateDirectory: host.state))
            // Another tree's webroots are not this service's.
            let other = WebrootDropIn([], treePath: "/srv/other", statePath: "/srv/state")
            #expect(try await !other.refresh(on: host.host, stateDirectory: "/srv/state"))
            #expect(try await host.undo() == [])
            #expect(host.text(place) == nil)
        }
    }
}

/// The right to listen on a low port, which only some hosts need.
struct PortDropInTests {
    @Test func `the service may listen on port 80 only as long as a lineage is proven by standalone`() async throws {
        try await TestHost.with { host in
            let path = "etc/systemd/system/certctl.service.d/standalone.conf"
            try await host.lineage("w.example", "authenticator = webroot\nwebroot_path = /srv/web,")
            try await host.lineage("s.example", "authenticator = standalone\nhttp01_port = 8080")
            _ = try await host.setUp()
            #expect(host.text(path) == nil)
            try await host.lineage("t.example", "authenticator = standalone")
            _ = try await host.setUp()
            #expect(host.text(path)?.contains("\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE\n") == true)
            try FileManager.default.removeItem(atPath: "\(host.root)/etc/letsencrypt/renewal/t.example.conf")
            _ = try await host.setUp()
            #expect(host.text(path) == nil)
        }
    }
}

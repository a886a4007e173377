import FoundationEssentials
import Lineages
import Rig
import Setup
import Testing

/// Certctl set up on hosts as certbot leaves them, and taken back.
@Suite(.parts("openssl"))
struct SetupTests {
    private static let cronLine = "0 */12 * * * root test -x /usr/bin/certbot && certbot -q renew"
    private static let webroot = "authenticator = webroot\nserver = https://ca.example/dir\nwebroot_path = /srv/my web,"

    /// A host with all that setup knows of.
    private func fullHost(_ host: TestHost) async throws {
        host.programs.add(unit: "certbot.timer")
        host.programs.add(unit: "snap.certbot.renew.timer", .init(isEnabled: true, isActive: false))
        try host.set(crontab: "MAILTO=root\n5 4 * * * certbot renew --quiet\n0 1 * * * /usr/bin/backup\n")
        try host.write("etc/cron.d/certbot", "SHELL=/bin/sh\n\(SetupTests.cronLine)\n", mode: 0o640)
        try host.write("etc/cron.d/jobs", "0 1 * * * root backup\n0 2 * * * root certbot-auto renew # weekly\n")
        try host.write("etc/cron.daily/certbot", "#!/bin/sh\nset -e\nexec /usr/bin/certbot renew -n\n", mode: 0o755)
        try await host.lineage("a.example", SetupTests.webroot)
        try await host.lineage(
            "n.example", "authenticator = nginx # as before\ninstaller = nginx\nserver = https://ca.example/dir")
    }

    @Test func `a host of certbot's is set up, a second time nothing is to do, and undo brings all back`() async throws
    {
        try await TestHost.with { host in
            try await fullHost(host)
            let before = try await host.snapshot()
            let www = "\(host.root)/www"
            let plan = try await host.setUp { $0.webroots = ["n.example": www] }
            #expect(!plan.steps.isEmpty)

            #expect(host.programs.units["certctl.timer"] == .init(isEnabled: true, isActive: true))
            #expect(host.programs.units["certbot.timer"] == .init(isEnabled: false, isActive: false))
            #expect(host.programs.units["snap.certbot.renew.timer"] == .init(isEnabled: false, isActive: false))
            #expect(host.crontabText?.contains("\n#certctl setup# 5 4 * * * certbot") == true)
            #expect(host.text("etc/cron.d/certbot") == nil)
            #expect(
                host.text("etc/cron.d/jobs")
                    == "0 1 * * * root backup\n#certctl setup# 0 2 * * * root certbot-auto renew # weekly\n")
            #expect(try FileSystem.status("\(host.root)/etc/cron.daily/certbot")?.mode == 0o644)
            #expect(try FileSystem.status("\(host.tree)/renewal-hooks/post/reload-nginx")?.mode == 0o755)
            let service = try #require(host.text("etc/systemd/system/certctl.service"))
            #expect(service.contains("ExecStart=\(TestHost.binary) renew") && !service.contains("/usr/bin/certctl"))
            let moved = try Tree(host.tree).lineage("n.example")
            #expect(moved.reasonUnmanaged == nil && moved.options?.lastWebroot == www)
            #expect(moved.options?.webroots["n.example"] == www)
            #expect(host.text("etc/letsencrypt/renewal/n.example.conf")?.contains("webroot # as before") == true)
            #expect(try FileSystem.status("\(host.state)/setup.json")?.mode == 0o600)

            let again = try await host.plan()
            #expect(again.steps.isEmpty, "\(again.steps.map(\.title))")
            #expect(try await host.undo() == [])
            #expect(try await host.snapshot() == before)
        }
    }

    @Test func `what the operator had is never taken away`() async throws {
        try await TestHost.with { host in
            try host.write("etc/systemd/system/certctl.service", "[Service]\nExecStart=/opt/mine\n")
            try host.write("etc/systemd/system/certctl.timer", "[Timer]\nOnCalendar=daily\n")
            host.programs.add(unit: "certctl.timer")
            try host.hook("post", "reload", "nginx -t && nginx -s reload")
            let before = host.text("etc/systemd/system/certctl.service")
            let plan = try await host.setUp()
            #expect(host.text("etc/systemd/system/certctl.service") == before)
            #expect(host.text("etc/letsencrypt/renewal-hooks/post/reload-nginx") == nil)
            #expect(plan.remarks.contains { $0.contains("post/reload reloads nginx: nginx -t && nginx -s reload") })
            #expect(try await host.undo() == [])
            #expect(host.text("etc/systemd/system/certctl.service") == before)
            #expect(host.programs.units["certctl.timer"] == .init(isEnabled: true, isActive: true))
        }
    }

    @Test func `a hook that was added later is replaced when that is asked for, and only then`() async throws {
        try await TestHost.with { host in
            try await host.setUp()
            try host.hook("deploy", "mine", "docker restart nginx")
            let plan = try await host.plan()
            #expect(plan.steps.isEmpty && plan.remarks.contains { $0.contains("deploy/mine") })
            try await host.setUp { $0.replacesHook = true }
            #expect(host.text("etc/letsencrypt/renewal-hooks/deploy/mine") == nil)
            #expect(host.text("etc/letsencrypt/renewal-hooks/post/reload-nginx") != nil)
            #expect(try await host.undo() == [])
            #expect(host.text("etc/letsencrypt/renewal-hooks/deploy/mine") != nil)
        }
    }

    @Test func `a hook of every conf's is enough, and one of a single conf is not`() async throws {
        try await TestHost.with { host in
            let own = "\(SetupTests.webroot)\nrenew_hook = systemctl reload nginx"
            try await host.lineage("a.example", own)
            #expect(try await host.plan().remarks.contains { $0.contains("a.example.conf reloads nginx: systemctl") })
            #expect(try await !host.plan().steps.contains { $0.title.contains("reload-nginx") })
            try await host.lineage("b.example", SetupTests.webroot)
            #expect(try await host.plan().steps.contains { $0.title.contains("reload-nginx") })
        }
    }

    @Test func `a file of another kind is not in the way of the hook without being asked about`() async throws {
        try await TestHost.with { host in
            try host.hook("post", "reload-nginx", "true")
            #expect(try await host.plan().remarks.contains { $0.contains("post/reload-nginx is there") })
            try await host.setUp { $0.replacesHook = true }
            #expect(host.text("etc/letsencrypt/renewal-hooks/post/reload-nginx")?.contains("certctl") == true)
            #expect(try await host.undo() == [])
            #expect(host.text("etc/letsencrypt/renewal-hooks/post/reload-nginx") == "#!/bin/sh\ntrue\n")
        }
    }

    @Test func `a timer of the operator's own that has certbot renew is turned off`() async throws {
        try await TestHost.with { host in
            try host.write("etc/systemd/system/tls.service", "[Service]\nExecStart=/usr/bin/certbot -q renew\n")
            host.programs.add(unit: "tls.timer")
            try await host.setUp()
            #expect(host.programs.units["tls.timer"] == .init(isEnabled: false, isActive: false))
            #expect(try await host.undo() == [])
            #expect(host.programs.units["tls.timer"] == .init())
        }
    }

    @Test func `with units of a package none are written`() async throws {
        try await TestHost.with { host in
            try host.makeDirectory("usr/lib/systemd/system")
            for unit in ShippedFile.units { try host.write("usr/lib/systemd/system/\(unit.name)", "[Unit]\n") }
            try await host.setUp()
            let units = try FileManager.default.contentsOfDirectory(atPath: "\(host.root)/etc/systemd/system")
            #expect(units == ["certctl.service.d"])
        }
    }

    @Test func `units of setup's give way to those of a package`() async throws {
        try await TestHost.with { host in
            try await host.setUp()
            try host.makeDirectory("usr/lib/systemd/system")
            for unit in ShippedFile.units { try host.write("usr/lib/systemd/system/\(unit.name)", "[Unit]\n") }
            try await host.setUp()
            #expect(host.text("etc/systemd/system/certctl.service") == nil)
            #expect(try await host.undo() == [])
            #expect(host.text("etc/systemd/system/certctl.service") == nil)
        }
    }

    @Test func `lineages that certbot alone renews keep its schedule on, and setup says which`() async throws {
        try await TestHost.with { host in
            host.programs.add(unit: "certbot.timer")
            try await host.lineage("d.example", "authenticator = manual\nserver = https://ca.example/dir")
            let plan = try await host.setUp()
            #expect(host.programs.units["certbot.timer"] == .init(isEnabled: true, isActive: true))
            #expect(plan.remarks.contains { $0.contains("d.example") && $0.contains("manual_auth_hook") })
            #expect(host.programs.units["certctl.timer"]?.isActive == true)
        }
    }

    @Test func `a lineage of the nginx plugin is named where no webroot is given`() async throws {
        try await TestHost.with { host in
            try await host.lineage("n.example", "authenticator = nginx\nserver = https://ca.example/dir")
            let conf = host.text("etc/letsencrypt/renewal/n.example.conf")
            let plan = try await host.setUp()
            #expect(plan.remarks.contains { $0.contains("n.example") && $0.contains("--webroot DIR") })
            #expect(host.text("etc/letsencrypt/renewal/n.example.conf") == conf)
            await #expect(throws: SetupFailure.self) {
                _ = try await host.plan { $0.webroots = ["n.example": "\(host.root)/nowhere"] }
            }
        }
    }

    @Test func `a standalone lineage stays as it is, whatever webroot is given for it`() async throws {
        try await TestHost.with { host in
            try await host.lineage("s.example", "authenticator = standalone\nserver = https://ca.example/dir")
            let conf = host.text("etc/letsencrypt/renewal/s.example.conf")
            #expect(WebrootMove.candidates(among: try Tree(host.tree).lineages()).isEmpty)
            let plan = try await host.setUp { $0.webroots = ["s.example": "\(host.root)/www"] }
            #expect(!plan.remarks.contains { $0.contains("s.example") }, "\(plan.remarks)")
            #expect(host.text("etc/letsencrypt/renewal/s.example.conf") == conf)
        }
    }

    @Test func `a conf that certbot has rewritten since gets its authenticator back, and keeps the rest`() async throws
    {
        try await TestHost.with { host in
            try await host.lineage(
                "n.example", "authenticator = nginx\ninstaller = nginx\nserver = https://ca.example/dir")
            try await host.setUp { $0.webroots = ["n.example": "\(host.root)/www"] }
            let path = "etc/letsencrypt/renewal/n.example.conf"
            let changed = try #require(host.text(path)).replacing("version = 2.1.0", with: "version = 5.8.0")
            try host.write(path, changed)
            #expect(try await host.undo() == [])
            let text = try #require(host.text(path))
            #expect(text.contains("version = 5.8.0") && text.contains("authenticator = nginx"))
            #expect(text.contains("installer = nginx") && !text.contains("webroot"))
        }
    }

    @Test func `what others changed after setup is left, named, and its former content kept`() async throws {
        try await TestHost.with { host in
            try host.hook("deploy", "reload", "systemctl reload nginx")
            try await host.setUp { $0.replacesHook = true }
            #expect(host.text("etc/letsencrypt/renewal-hooks/deploy/reload") == nil)
            try host.write("etc/letsencrypt/renewal-hooks/post/reload-nginx", "#!/bin/sh\ntrue\n", mode: 0o755)
            try host.hook("deploy", "reload", "echo another")
            let left = try await host.undo()
            #expect(left.count == 2)
            let kept = try #require(left.first { $0.contains("deploy/reload") })
            let copy = try #require(kept.split(separator: " ").last.map(String.init))
            #expect(contents(ofFile: copy)?.contains("systemctl reload nginx") == true)
            // Once the operator has made room, it is put back.
            try host.remove("etc/letsencrypt/renewal-hooks/deploy/reload")
            _ = try await host.undo()
            #expect(host.text("etc/letsencrypt/renewal-hooks/deploy/reload")?.contains("systemctl reload") == true)
        }
    }

    @Test func `a crontab that was edited since loses the marks only`() async throws {
        try await TestHost.with { host in
            try host.set(crontab: "5 4 * * * certbot renew\n")
            try await host.setUp()
            try host.set(crontab: (host.crontabText ?? "") + "0 1 * * * backup\n")
            #expect(try await host.undo() == [])
            #expect(host.crontabText == "5 4 * * * certbot renew\n0 1 * * * backup\n")
        }
    }

    @Test(arguments: [
        "*/5 * * * * /usr/local/bin/backup-db; certbot renew -q", "@daily backup-db && certbot renew",
    ])
    func `a line that does other jobs, too, stays as it is, and setup says so`(job: String) async throws {
        try await TestHost.with { host in
            try host.set(crontab: "\(job)\n5 4 * * * certbot renew\n")
            let system = job.replacing(" /usr", with: " root /usr").replacing("@daily ", with: "@daily root ")
            try host.write("etc/cron.d/jobs", "\(system)\n")
            try host.write("etc/cron.d/more", "\(system)\n0 2 * * * root sleep 9; certbot renew\n")
            try host.write("etc/cron.daily/jobs", "#!/bin/sh\nbackup-db; certbot renew\n", mode: 0o755)
            try host.write(
                "etc/systemd/system/night.service", "[Service]\nExecStart=/opt/backup-db\nExecStart=certbot renew\n")
            host.programs.add(unit: "night.timer")
            let plan = try await host.setUp()
            #expect(host.crontabText == "\(job)\n#certctl setup# 5 4 * * * certbot renew\n")
            #expect(host.text("etc/cron.d/jobs") == "\(system)\n")
            #expect(
                host.text("etc/cron.d/more") == "\(system)\n#certctl setup# 0 2 * * * root sleep 9; certbot renew\n")
            #expect(try FileSystem.status("\(host.root)/etc/cron.daily/jobs")?.mode == 0o755)
            #expect(host.programs.units["night.timer"] == .init())
            for place in ["root's crontab", "cron.d/jobs", "cron.d/more", "cron.daily/jobs", "night.service"] {
                #expect(plan.remarks.count { $0.contains("\(place) runs certbot among other things") } == 1, "\(place)")
            }
            #expect(plan.remarks.count { $0.hasSuffix("take certbot out of this line: \(job)") } == 1)
        }
    }

    @Test func `a crontab that is not UTF-8 is left alone to the byte, and setup says so`() async throws {
        try await TestHost.with { host in
            let crontab = Array("# t\u{0}te\n5 4 * * * certbot renew\n".utf8).map { $0 == 0 ? 0xEA : $0 }
            try host.set(crontab: crontab)
            let plan = try await host.setUp()
            #expect(host.crontab == crontab)
            #expect(plan.remarks.contains { $0.contains("root's crontab runs certbot, and is not UTF-8") })
            #expect(try await host.undo() == [])
            #expect(host.crontab == crontab)
        }
    }

    @Test func `what became of a crontab and a cron file since loses the marks only, to the byte`() async throws {
        try await TestHost.with { host in
            let line = Array("5 4 * * * certbot renew\n".utf8)
            let job = Array("0 2 * * * root certbot renew\n0 1 * * * root backup\n".utf8)
            try host.set(crontab: line)
            try NewFile("\(host.root)/etc/cron.d/jobs", job, mode: 0o644).commit()
            try await host.setUp()
            try host.set(crontab: try #require(host.crontab) + [0x23, 0xEA, 0x0A])
            let marked = try FileSystem.read("\(host.root)/etc/cron.d/jobs")
            try NewFile("\(host.root)/etc/cron.d/jobs", marked + [0x23, 0xEA, 0x0A], mode: 0o644).commit()
            #expect(try await host.undo() == [])
            #expect(host.crontab == line + [0x23, 0xEA, 0x0A])
            #expect(try FileSystem.read("\(host.root)/etc/cron.d/jobs") == job + [0x23, 0xEA, 0x0A])
        }
    }

    @Test func `what crontab says beside the text does not get into it`() async throws {
        try await TestHost.with { host in
            try host.set(crontab: "5 4 * * * certbot renew\n")
            try host.write("spool.warning", "crontab: warning: the clock is wrong\n")
            try await host.setUp()
            #expect(host.crontabText == "#certctl setup# 5 4 * * * certbot renew\n")
            #expect(try await host.undo() == [])
            #expect(host.crontabText == "5 4 * * * certbot renew\n")
            try host.write("usr/bin/crontab", "#!/bin/sh\necho 5 4\necho you may not use it >&2\nexit 1\n", mode: 0o755)
            await #expect(throws: SetupFailure("crontab -l exited with 1: you may not use it")) {
                _ = try await host.plan()
            }
        }
    }

    @Test func `of lines that end as on Windows one is turned off, too, and not the one before`() async throws {
        try await TestHost.with { host in
            try host.set(crontab: "0 1 * * * backup\r\n5 4 * * * certbot renew\r\n")
            try await host.setUp()
            #expect(host.crontabText == "0 1 * * * backup\r\n#certctl setup# 5 4 * * * certbot renew\r\n")
        }
    }

    @Test func `a step that fails is named, and what was done before it can be undone`() async throws {
        try await TestHost.with { host in
            host.programs.add(unit: "certbot.timer")
            let before = try await host.snapshot()
            host.programs.fail("disable --now certbot.timer")
            await #expect {
                try await host.setUp()
            } throws: {
                "\($0)".contains("disable and stop certbot.timer: systemctl disable --now certbot.timer exited with 1")
                    && "\($0)".contains("Connection timed out")
            }
            #expect(host.programs.units["certctl.timer"]?.isActive == true)
            #expect(try await host.undo() == [])
            #expect(try await host.snapshot() == before)
        }
    }

    @Test func `a host that has changed since the plan was made is not touched`() async throws {
        try await TestHost.with { host in
            try host.write("etc/cron.d/jobs", "0 1 * * * root backup\n0 2 * * * root certbot renew\n")
            let plan = try await host.plan()
            try host.write("etc/cron.d/jobs", "0 2 * * * root certbot renew\n0 1 * * * root new\n")
            var run = try SetupRun(on: host.host, statePath: host.state)
            await #expect(throws: SetupFailure.self) { try await run.carryOut(plan) }
            #expect(host.text("etc/cron.d/jobs") == "0 2 * * * root certbot renew\n0 1 * * * root new\n")
        }
    }

    @Test func `without systemd cron starts certctl, at a minute of this host's`() async throws {
        try await TestHost.with(systemd: false) { host in
            try host.write("etc/cron.d/certbot", "\(SetupTests.cronLine)\n")
            try await host.setUp()
            let text = try #require(host.text("etc/cron.d/certctl"))
            #expect(text.contains(" */4 * * * root \(TestHost.binary) renew --quiet\n"))
            #expect(host.text("etc/cron.d/certbot") == nil)
            #expect(try await host.plan().steps.isEmpty)
            #expect(try await host.undo() == [])
            #expect(host.text("etc/cron.d/certctl") == nil)
            #expect(host.text("etc/cron.d/certbot") == "\(SetupTests.cronLine)\n")
        }
    }

    @Test func `with neither systemd nor cron certbot goes on, and the line to schedule is shown`() async throws {
        try await TestHost.with(systemd: false) { host in
            try host.set(crontab: "5 4 * * * certbot renew\n")
            try host.remove("etc/cron.d")
            let plan = try await host.setUp()
            #expect(plan.remarks.contains { $0.contains("*/4 * * * root \(TestHost.binary) renew --quiet") })
            #expect(host.crontabText == "5 4 * * * certbot renew\n")
        }
    }

    @Test func `a container of certbot's that mounts the tree is named`() async throws {
        try await TestHost.with { host in
            host.programs.set(containers: [
                "/web-certbot-1\tcertbot/certbot:latest /bin/sh -c\t\(host.tree)\t/srv/x",
                "/other\tcertbot/certbot \t/srv/letsencrypt", "/web-nginx-1\tnginx:1.28 nginx\t\(host.tree)",
            ])
            let plan = try await host.plan()
            #expect(plan.remarks.count { $0.contains("the container ") } == 1)
            #expect(plan.remarks.contains { $0.contains("docker stop web-certbot-1") })
        }
    }

    @Test(.docker) func `of real containers certbot's is named, with an image of that name or a command`() async throws
    {
        let engine = try await DockerEngine.shared()
        try await TestHost.with { host in
            let names = ["image", "command", "neither", "elsewhere"].map {
                "certctl-\($0)-\(UInt32.random(in: 0 ... .max))"
            }
            let (image, plain) = ("certctl-test/certbot:v5", DockerEngine.image)
            #expect(try await engine.docker(["tag", plain, image]).status == 0)
            let place = ["--volume", "\(host.tree):/etc/letsencrypt"]
            for (name, words) in zip(
                names,
                [
                    place + [image, "sleep", "600"], place + [plain, "sh", "-c", "sleep 600; certbot renew"],
                    place + [plain, "sleep", "600"], ["--volume", "/srv:/srv", image, "sleep", "600"],
                ])
            {
                let run = ["run", "--detach", "--network", "host", "--entrypoint", "", "--name", name] + words
                let output = try await engine.docker(run)
                #expect(output.status == 0, "\(output.stderr)")
            }
            let outcome: Result<SetupPlan, any Error>
            do {
                let runner = RealDocker(programs: host.programs, engine: engine)
                outcome = .success(
                    try await SetupPlan(host.request(), on: SetupHost(root: host.root, runner: runner)))
            } catch {
                outcome = .failure(error)
            }
            _ = try await Task { try await engine.docker(["rm", "--force", "--volumes"] + names) }.value
            let remarks = try outcome.get().remarks
            let named = names.map { name in remarks.contains { $0.contains("docker stop \(name)") } }
            #expect(named == [true, true, false, false], "\(remarks)")
        }
    }

    @Test func `other directories are told to the service`() async throws {
        try await TestHost.with { host in
            try await host.setUp { $0.arguments = ["--config-dir", "/srv/a b%c", "--state-dir", "/srv/$state"] }
            let text = try #require(host.text("etc/systemd/system/certctl.service.d/options.conf"))
            #expect(text.contains(#" "--config-dir" "/srv/a b%%c" "--state-dir" "/srv/$$state""#))
            #expect(text.contains("\nExecStart=\nExecStart=\(TestHost.binary) renew"))
            let notify = try #require(host.text("etc/systemd/system/certctl-notify@.service.d/options.conf"))
            #expect(
                notify.contains("Environment=\"CERTCTL_CONFIG_DIR=\(host.tree)\" \"CERTCTL_STATE_DIR=\(host.state)\""))
            // Called without them, it goes back to the usual ones.
            try await host.setUp()
            #expect(host.text("etc/systemd/system/certctl.service.d/options.conf") == nil)
        }
    }

    @Test(arguments: [
        "/usr/local/.build/debug/certctl", "/home/me/certctl", "/tmp/certctl", "/usr/bin/certctl (deleted)",
    ])
    func `a binary that the service could not start is refused`(path: String) async throws {
        #expect(BinaryCheck.reasonAgainst(path) != nil)
        try await TestHost.with { host in
            await #expect(throws: SetupFailure.self) { _ = try await host.plan { $0.binary = path } }
            // With units of a package nothing depends on it.
            try host.makeDirectory("usr/lib/systemd/system")
            for unit in ShippedFile.units { try host.write("usr/lib/systemd/system/\(unit.name)", "[Unit]\n") }
            _ = try await host.plan { $0.binary = path }
        }
    }

    @Test func `a binary of root's that only root can write is taken`() {
        #expect(BinaryCheck.reasonAgainst(TestHost.binary) == nil)
    }

    @Test func `the units and hooks in the binary are those of the repository`() throws {
        let repository = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let units = try FileManager.default.contentsOfDirectory(atPath: "\(repository)/systemd").filter {
            $0.hasSuffix(".service") || $0.hasSuffix(".timer")
        }
        #expect(ShippedFile.units.map(\.name).sorted() == units.sorted())
        for unit in ShippedFile.units {
            #expect(try FileSystem.read("\(repository)/systemd/\(unit.name)") == unit.bytes, "\(unit.name)")
        }
        #expect(try FileSystem.read("\(repository)/hooks/reload-nginx") == ShippedFile.reloadNginx.bytes)
    }
}

extension TestHost {
    func remove(_ path: String) throws { try FileManager.default.removeItem(atPath: "\(root)/\(path)") }
}

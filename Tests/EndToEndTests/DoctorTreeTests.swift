import FoundationEssentials
import Glibc
import Rig
import Testing

/// Faults of the tree and of the host's disks, made for real; no server of any kind runs.
@Suite(.parts("openssl", "setpriv", "unshare"))
struct DoctorTreeTests {
    @Test func `each way in which a lineage is broken has its name, and the others are looked at all the same`()
        async throws
    {
        try await withForge { forge, certctl in
            let tree = forge.tree
            func archive(_ name: String, _ file: String) -> String { "\(tree)/archive/\(name)/\(file)1.pem" }
            func link(_ name: String, _ file: String) -> String { "\(tree)/live/\(name)/\(file).pem" }
            let kinds = [
                "conf-unreadable", "conf-malformed", "conf-incomplete", "option-invalid", "option-ignored",
                "renew-before-expiry", "must-staple", "live-missing", "live-not-a-link", "live-inconsistent",
                "unreadable",
                "newer-version", "certificate-malformed", "key-malformed", "key-mismatch", "fullchain-mismatch",
            ]
            for kind in kinds {
                let isOfMany = ["conf-malformed", "key-mismatch"].contains(kind)
                try await forge.lineage("\(kind).example", names: isOfMany ? (1...5).map { "n\($0).example" } : nil)
            }
            try await forge.lineage("wild.example", names: ["wild.example", "*.wild.example"])
            try await forge.lineage("good.example")
            try await forge.lineage("chain-incomplete.example", chain: [])
            try await forge.lineage("chain-gap.example", chain: ["root"])
            try await forge.lineage("chain-expired.example", issuer: "old", chain: ["old"])
            try await forge.lineage("expired.example", from: "20240101000000Z", to: "20240301000000Z")
            try await forge.lineage("not-yet-valid.example", from: "20380101000000Z")

            try remove("\(tree)/renewal/conf-unreadable.example.conf")
            try FileManager.default.createDirectory(
                atPath: "\(tree)/renewal/conf-unreadable.example.conf", withIntermediateDirectories: false)
            try write("no key and no section\n", "\(tree)/renewal/conf-malformed.example.conf")
            try write("version = 2.1.0\n", "\(tree)/renewal/conf-incomplete.example.conf")
            try forge.conf("option-invalid.example", "autorenew = maybe")
            try forge.conf("option-ignored.example", "deploy_hook = true")
            try write(
                "renew_before_expiry = soon\n" + string("\(tree)/renewal/renew-before-expiry.example.conf"),
                "\(tree)/renewal/renew-before-expiry.example.conf")
            try forge.conf("must-staple.example", "must_staple = True")
            try remove(link("live-missing.example", "chain"))
            try remove(link("live-not-a-link.example", "cert"))
            try FileManager.default.copyItem(
                atPath: archive("live-not-a-link.example", "cert"), toPath: link("live-not-a-link.example", "cert"))
            try FileManager.default.copyItem(
                atPath: archive("live-inconsistent.example", "cert"),
                toPath: "\(tree)/archive/live-inconsistent.example/cert2.pem")
            try relink(link("live-inconsistent.example", "cert"), "../../archive/live-inconsistent.example/cert2.pem")
            try remove(archive("unreadable.example", "fullchain"))
            try FileManager.default.createDirectory(
                atPath: archive("unreadable.example", "fullchain"), withIntermediateDirectories: false)
            for file in ["cert", "privkey", "chain", "fullchain"] {
                try FileManager.default.copyItem(
                    atPath: archive("newer-version.example", file),
                    toPath: "\(tree)/archive/newer-version.example/\(file)2.pem")
            }
            try write("no certificate\n", archive("certificate-malformed.example", "cert"))
            try write("no key\n", archive("key-malformed.example", "privkey"))
            for name in ["key-mismatch.example", "wild.example"] {
                try write(string(archive("good.example", "privkey")), archive(name, "privkey"))
            }
            try write(string(archive("good.example", "fullchain")), archive("fullchain-mismatch.example", "fullchain"))

            let seen = try await certctl.diagnosed()
            #expect(seen.status == 1)
            let warnings: Set = ["option-ignored", "renew-before-expiry", "newer-version"]
            for kind in kinds + ["chain-incomplete", "chain-expired", "expired", "not-yet-valid"] {
                let check = seen.checks(kind).first { $0.lineage == "\(kind).example" }
                #expect(
                    check?.verdict == (warnings.contains(kind) ? "warning" : "failure"), "\(kind): \(seen.checks(kind))"
                )
            }
            #expect(
                seen.checks("chain-incomplete").contains {
                    $0.lineage == "chain-gap.example" && $0.verdict == "failure"
                })
            // What is to be pasted has no blank to fill in, and names all that the certificate has.
            for command in seen.document.checks.compactMap(\.command) {
                #expect(!command.contains(/\b(NAME|DIR|ID|LINEAGE)\b|…/) && !command.hasPrefix("mv "), "\(command)")
            }
            #expect(seen.text.hasSuffix("\nmore: certctl explain \(seen.document.causes[0])\n"))
            let many = (1...5).map { "-d n\($0).example" }.joined(separator: " ")
            func remedy(_ id: String, _ name: String) -> String? {
                seen.checks(id).first { $0.lineage == name && $0.verdict == "failure" }?.remedy
            }
            #expect(
                remedy("key-mismatch", "key-mismatch.example") == "certctl issue --name key-mismatch.example \(many)")
            let malformed = remedy("conf-malformed", "conf-malformed.example")
            #expect(malformed?.contains("certctl issue --name conf-malformed.example \(many), and") == true)
            #expect(malformed?.hasPrefix("restore \(tree)/renewal/conf-malformed.example.conf from a backup") == true)
            #expect(remedy("key-mismatch", "wild.example")?.contains("needs dns-01") == true)

            let files: Set = Set(kinds + ["chain-incomplete", "chain-expired", "expired", "not-yet-valid"])
            let faults = seen.document.checks.filter {
                $0.lineage == "good.example" && ["failure", "warning"].contains($0.verdict) && files.contains($0.id)
            }
            #expect(faults.isEmpty, "\(faults)")

            // One alone: its cause in the first line, the remedy in the second, and what a job does about it.
            let expired = try #require(seen.checks("expired").first { $0.verdict == "failure" })
            #expect((expired.command, expired.action) == ("certctl renew expired.example", "renew"))
            #expect(
                seen.checks("expired").first { $0.verdict == "failure" }?.causedBy != "clock-wrong",
                "it is behind, if anything")
            // What keeps a renewal from its work comes before what it would mend.
            let alone = try await certctl.diagnosed("expired.example").checks("expired").first
            #expect(alone?.causedBy == "account-missing", "\(String(describing: alone))")
            // So does what an order needs: without a webroot the new certificate could not be issued.
            let mismatch = try await certctl.diagnosed("key-mismatch.example")
            mismatch.expectCause("webroot-missing", remedy: "mkdir -p \(tree)-webroot", action: "operator")
            #expect(mismatch.document.causes.contains("key-mismatch"), "\(mismatch.text)")
            // A certificate of the future is this host's clock's word against the CA's.
            let future = try await certctl.diagnosed("not-yet-valid.example")
            future.expectCause("clock-wrong", evidence: "is behind the certificate of not-yet-valid.example")
            #expect(future.checks("not-yet-valid").first?.causedBy == "clock-wrong")
            #expect(try await certctl.doctor(["nosuch.example"]).status == 64)
        }
    }

    @Test func `a tree that is missing, empty or unreadable is named, and the exit code is that of the other commands`()
        async throws
    {
        try await withForge { forge, certctl in
            let empty = try await certctl.diagnosed()
            empty.expectWell()
            #expect(empty.found("warning").contains("no-lineage"))
            var lost = certctl
            lost = Certctl(tree: "\(forge.tree)/nowhere", state: certctl.state)
            lost.settings = certctl.settings
            lost.environment = certctl.environment
            let missing = try await lost.diagnosed()
            #expect(missing.status == 78 && missing.document.causes == ["tree-missing"])
            #expect(missing.lines[0].hasSuffix("[tree-missing]"), "\(missing.text)")
            #expect(missing.checks("served-stale").first?.verdict == "skipped")

            try write("deploy-hook = a\nrenew-hook = b\n", "\(forge.tree)/cli.ini")
            let defaults = try await certctl.diagnosed()
            #expect(defaults.status == 78 && defaults.document.causes == ["defaults-malformed"], "\(defaults.text)")
            try remove("\(forge.tree)/cli.ini")

            guard geteuid() == 0 else { return }
            try await forge.lineage("good.example")
            chmod("\(forge.tree)/archive/good.example/privkey1.pem", 0o600)
            var user = certctl
            user.prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
            let limited = try await user.diagnosed()
            #expect(limited.checks("key-mismatch").first?.verdict == "skipped", "\(limited.text)")
            #expect(limited.checks("disk-full").contains { $0.verdict == "skipped" && $0.evidence.contains("root") })
            chmod("\(forge.tree)/renewal", 0o700)
            let unreadable = try await user.diagnosed()
            #expect(unreadable.status == 78 && unreadable.document.causes == ["tree-unreadable"], "\(unreadable.text)")
        }
    }

    @Test(.enabled(if: geteuid() == 0, "mounts file systems: run as root"))
    func `a full disk and a read-only one are named, and are the cause of a webroot that takes no file`() async throws {
        try await withForge { forge, certctl in
            try await forge.lineage("good.example")
            let webroot = "\(forge.tree)-webroot"
            try FileManager.default.createDirectory(atPath: webroot, withIntermediateDirectories: true)
            let well = try await certctl.diagnosed()
            #expect(well.checks("disk-full").allSatisfy { $0.verdict == "ok" }, "\(well.text)")
            #expect(well.checks("webroot-not-writable").allSatisfy { $0.verdict == "ok" })

            func mounting(_ script: String) async throws -> Diagnosed {
                var inside = certctl
                inside.prefix = ["unshare", "--mount", "sh", "-ec", "\(script); exec \"$@\"", "sh"]
                return try await inside.diagnosed()
            }
            let (tree, state) = (shellQuoted(forge.tree), shellQuoted(certctl.state))
            try FileManager.default.createDirectory(atPath: certctl.state, withIntermediateDirectories: true)
            let full = try await mounting("mount -t tmpfs -o size=64k tmpfs \(state)")
            #expect(full.document.causes.contains("disk-full"), "\(full.text)")
            let readOnly = try await mounting("mount --bind \(tree) \(tree); mount -o remount,bind,ro \(tree)")
            #expect(readOnly.document.causes.contains("disk-read-only"), "\(readOnly.text)")
            let quoted = shellQuoted(webroot)
            let refused = try await mounting("mount --bind \(quoted) \(quoted); mount -o remount,bind,ro \(quoted)")
            #expect(refused.document.causes.contains("webroot-not-writable"), "\(refused.text)")
            #expect(refused.checks("webroot-not-writable").first?.evidence.contains("Read-only") == true)
            #expect(try await check("find", [webroot]) == "\(webroot)\n")
        }
    }

    @Test(.enabled(if: geteuid() == 0, "gives a link to another user: run as root"))
    func `what the webroot's owner has put in the way of challenges is named, and left alone`() async throws {
        try await withForge { forge, certctl in
            try await forge.lineage("good.example")
            let (webroot, secret) = ("\(forge.tree)-webroot", "\(forge.tree)-secret")
            let link = "\(webroot)/.well-known"
            try await check("mkdir", ["-m", "700", webroot, secret])
            try await check("ln", ["-s", secret, link])
            try await check("chown", ["-h", "33:33", webroot, link])
            let planted = try await certctl.diagnosed()
            let found = try #require(planted.checks("webroot-not-writable").first)
            #expect(found.verdict == "failure" && found.evidence.contains("\(link): it is a link that uid 33 owns"))
            #expect(found.remedy?.contains("chown -h root \(link)") == true && found.command == nil, "\(planted.text)")
            #expect(try await check("stat", ["-c", "%u %a %h", secret]) == "0 700 2\n")

            try remove(link)
            try await check("mkfifo", [link])
            let fifo = try await certctl.diagnosed().checks("webroot-not-writable").first
            #expect(fifo?.evidence.hasSuffix("\(link): it is not a directory") == true)
        }
    }

    /// strace makes certctl slow at the moment when it has made a directory and not looked at it yet.
    @Test(
        .enabled(if: geteuid() == 0, "would give a directory to another user: run as root"), .parts("strace"),
        arguments: ["link", "directory"])
    func `what is put in the place of a directory while it is made keeps its owner and mode`(kind: String) async throws
    {
        try await withForge { forge, certctl in
            try await forge.lineage("good.example")
            let webroot = "\(forge.tree)-webroot"
            // Root's, and the webroot's owner may give it another name.
            let secret = "\(webroot)/private"
            try await check("mkdir", ["-m", "700", webroot, secret])
            try write("key", "\(secret)/key")
            try await check("chown", ["33:33", webroot])
            let held = open(secret, O_RDONLY | O_DIRECTORY)
            defer { close(held) }
            let intruder = Task.detached {
                while !Task.isCancelled {
                    let names = (try? FileManager.default.contentsOfDirectory(atPath: webroot)) ?? []
                    guard let name = names.first(where: { $0.hasPrefix(".") }) else {
                        try? await Task.sleep(for: .milliseconds(1))
                        continue
                    }
                    let path = "\(webroot)/\(name)"
                    rename(path, "\(webroot)/stolen")
                    if kind == "link" {
                        symlink(secret, path)
                        lchown(path, 33, 33)
                    } else {
                        rename(secret, path)
                    }
                    return true
                }
                return false
            }
            var slow = certctl
            slow.prefix = [
                "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=mkdir,mkdirat", "-e",
                "inject=mkdir,mkdirat:delay_exit=300000",
            ]
            let diagnosed = try await slow.diagnosed()
            intruder.cancel()
            #expect(await intruder.value)
            var status = stat()
            #expect(fstat(held, &status) == 0 && status.st_uid == 0 && status.st_mode & 0o7777 == 0o700)
            // It is asked twice, and the second time all is well.
            #expect(diagnosed.text.contains("takes no challenge files") == (kind == "directory"), "\(diagnosed.text)")
        }
    }

    @Test(.parts("python3"))
    func `a thousand certificates with the same faults are a few paragraphs`() async throws {
        try await withForge { forge, certctl in
            let directory = "/" + forge.tree.split(separator: "/").dropLast().joined(separator: "/")
            try await check("\(BuiltProgram.repository)/Tests/benchmark-tree", ["\(directory)/many", "1000"])
            var many = Certctl(tree: "\(directory)/many/letsencrypt", state: certctl.state)
            (many.settings, many.environment) = (certctl.settings, certctl.environment)
            let doctor = try await many.doctor(["--resolver", "127.0.0.1:1"])
            #expect(doctor.status == 1)
            let lines = doctor.stdout.split(separator: "\n")
            #expect(lines.count < 60, "\(doctor.stdout)")
            #expect(lines[0].contains("host00000.bench.example and 999 more"), "\(doctor.stdout)")
        }
    }

    @Test func `hooks that cannot run are named, with what keeps them from it`() async throws {
        try await withForge { forge, certctl in
            try await forge.lineage("good.example")
            let none = try await certctl.diagnosed()
            #expect(
                none.found("warning").contains("hook-missing") == false,
                "nobody serves it here: nothing has to be reloaded")
            let hooks = "\(forge.tree)/renewal-hooks/deploy"
            try FileManager.default.createDirectory(atPath: hooks, withIntermediateDirectories: true)
            for (name, text, mode) in [
                ("fine", "#!/bin/sh\n", 0o755), ("plain", "#!/bin/sh\n", 0o644), ("README", "the hooks\n", 0o644),
                ("lost", "#!/nosuch/interpreter\n", 0o755),
                ("windows", "#!/bin/sh\r\nexit 0\r\n", 0o755), ("env", "#!/usr/bin/env nosuch-program\n", 0o755),
                (".gitkeep", "", 0o644),
            ] {
                try write(text, "\(hooks)/\(name)")
                chmod("\(hooks)/\(name)", mode_t(mode))
            }
            try relink("\(hooks)/dangling", "/nosuch/hook")
            try forge.conf("good.example", "renew_hook = /nosuch/own-hook --now")
            let seen = try await certctl.diagnosed()
            func evidence(_ id: String) -> String {
                seen.checks(id).filter { $0.verdict == "failure" }.map(\.evidence).joined(separator: "\n")
            }
            #expect(evidence("hook-bad-interpreter").contains("/nosuch/interpreter is not there"))
            #expect(evidence("hook-bad-interpreter").contains("CR LF"))
            #expect(evidence("hook-bad-interpreter").contains("nosuch-program is not in the path"))
            #expect(evidence("hook-missing").contains("dangling is a link to nothing"))
            #expect(evidence("hook-missing").contains("/nosuch/own-hook is not there"))
            let plain = seen.checks("hook-not-executable").filter { $0.lineage == nil && $0.verdict != "ok" }
            #expect(plain.map(\.verdict) == ["warning", "warning"] && plain.allSatisfy { $0.action == "none" })
            #expect(plain.map(\.command) == [nil, "chmod +x \(hooks)/plain"], "only a script may be meant to run")

            try write("#!/bin/sh\n", "\(forge.tree)/own-hook")
            try forge.conf("good.example", "renew_hook = \(forge.tree)/own-hook --now")
            let own = try await certctl.diagnosed().checks("hook-not-executable").filter { $0.verdict == "failure" }
            #expect(own.map(\.command) == ["chmod +x \(forge.tree)/own-hook"], "a conf's hook is meant to run")
        }
    }

    /// A host with a tree of forged lineages and nothing that serves them: no Docker, no timer, and a DNS that refuses.
    private func withForge(_ body: (LineageForge, Certctl) async throws -> Void) async throws {
        try await TemporaryDirectory.with { directory in
            let tree = "\(directory)/letsencrypt"
            try FileManager.default.createDirectory(atPath: "\(tree)/renewal", withIntermediateDirectories: true)
            let forge = try await LineageForge(tree: tree, directory: "\(directory)/forge")
            var certctl = Certctl(tree: tree, state: "\(directory)/state")
            certctl.settings = "\(directory)/certctl.conf"
            certctl.isWithoutNetwork = true
            // An engine of the machine's has no say here.
            certctl.environment["DOCKER_HOST"] = "ssh://nowhere.invalid"
            try write(doctorSettings(http: Ports.free(), tls: nil), "\(directory)/certctl.conf")
            try await body(forge, certctl)
        }
    }

    private func write(_ text: String, _ path: String) throws {
        try text.write(toFile: path, atomically: false, encoding: .utf8)
    }

    private func remove(_ path: String) throws { try FileManager.default.removeItem(atPath: path) }

    private func relink(_ path: String, _ text: String) throws {
        unlink(path)
        guard symlink(text, path) == 0 else { throw RigError("symlink \(path)") }
    }
}

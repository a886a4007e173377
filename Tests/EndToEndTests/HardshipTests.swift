import FoundationEssentials
import Glibc
import Rig
import Testing

/// A hostile host and a tired operator.
@Suite(.stack)
struct HardshipTests {
    @Test func `a host that never had a tree gets one`() async throws {
        try await Rig.withStack { stack in
            try FileManager.default.removeItem(atPath: stack.tree)
            let issued = try await issue(stack, "-d", "a.example", "--agree-tos")
            #expect(issued.status == 0, "\(issued.stderr)")
            #expect(try await Certctl(stack).lineage("a.example").state == "ok")
        }
    }

    @Test func `paths that are typed from the working directory are absolute in the conf`() async throws {
        try await Rig.withStack { stack in
            let place = ["--config-dir", "./letsencrypt/../letsencrypt//", "--state-dir", "state"]
            let issued = try await sh(
                Certctl.path,
                ["issue"] + place + [
                    "--ca-bundle", stack.pebble.caBundle, "--server", stack.pebble.directoryURL, "--webroot",
                    "webroot/", "-d", "a.example", "--agree-tos",
                ], directory: stack.directory)
            #expect(issued.status == 0, "\(issued.stderr)")
            let conf = string("\(stack.tree)/renewal/a.example.conf")
            #expect(conf.contains("cert = \(stack.tree)/live/a.example/cert.pem\n"), "\(conf)")
            #expect(conf.contains("webroot_path = \(stack.webroot),\n"), "\(conf)")
            #expect(conf.contains("a.example = \(stack.webroot)\n"), "\(conf)")
            #expect(try await Certctl(stack).renew("--force").status == 0)
        }
    }

    @Test(arguments: ["--config-dir", "--state-dir", "--config"])
    func `an empty path, as from an unset variable, is a usage error`(option: String) async throws {
        #expect(try await sh(Certctl.path, ["status", option, ""]).status == 64)
    }

    @Test func `a switch that cannot be completed fails the run and keeps no other lineage from its renewal`()
        async throws
    {
        try await Rig.withStack { stack in
            let certctl = Certctl(stack)
            #expect(try await issue(stack, "-d", "a.example", "--agree-tos").status == 0)
            try "torn".write(toFile: "\(certctl.state)/switches/b.json", atomically: true, encoding: .utf8)
            let renewal = try await certctl.renew("--force")
            #expect(renewal.status == 1)
            #expect(renewal.stderr.contains("\(certctl.state)/switches/b.json"))
            #expect(renewal.stdout.contains("a.example: version 2 is installed"), "\(renewal.stderr)")
        }
    }

    @Test(arguments: ["<&- >&- 2>&-", ">&-", "2>&-", "| true", "2>&1 >&- | true", ">/dev/full 2>&1"])
    func `closed and broken streams change nothing about the work`(streams: String) async throws {
        try await Rig.withStack { stack in
            let certctl = Certctl(stack)
            #expect(try await issue(stack, "-d", "a.example", "--agree-tos").status == 0)
            try addHook("deploy", "10-talks", stack, "echo out; echo err >&2")
            let command =
                [
                    Certctl.path, "renew", "--force", "--verbose", "--config-dir", stack.tree, "--state-dir",
                    certctl.state, "--ca-bundle", stack.pebble.caBundle,
                ]
                .map(shellQuoted).joined(separator: " ")
            _ = try await sh("sh", ["-c", "\(command) \(streams); :"])
            let entry = try await certctl.lineage("a.example")
            #expect(entry.version == 2)
            #expect(entry.problems.isEmpty)
            #expect(try takeHookLog(stack).count == 1)
            try await eventually("the lock is gone") {
                !FileManager.default.fileExists(atPath: "\(stack.tree)/.certbot.lock")
            }
        }
    }

    @Test func `what a hook or a conf says cannot steer the terminal, and each line has its priority`() async throws {
        try await Rig.withStack { stack in
            let certctl = Certctl(stack)
            #expect(try await issue(stack, "-d", "a.example", "--agree-tos").status == 0)
            let escape = "\u{1B}]0;owned\u{07}"
            try addHook("deploy", "10-bad\u{1B}[31m", stack, #"printf 'one\033[2Jtwo\r\nthree\a\rfour\n'; exit 1"#)
            let conf = "\(stack.tree)/renewal/a.example.conf"
            try ("renew_before_expiry = 1\(escape)\n" + string(conf))
                .write(toFile: conf, atomically: true, encoding: .utf8)
            let table = try await certctl.status()
            let renewal = try await certctl.renew("--force", "--verbose")
            #expect(renewal.status == 1)
            #expect(renewal.stderr.contains("    one?[2Jtwo\n    three?\n    four\n"), "\(renewal.stderr)")
            for text in [table.stdout, table.stderr, renewal.stdout, renewal.stderr] {
                #expect(!text.unicodeScalars.contains { $0.value < 32 && $0 != "\n" }, "\(text)")
            }
            // As systemd does: the variable names the device and inode of the stream.
            let command = [
                Certctl.path, "renew", "--force", "--config-dir", stack.tree, "--state-dir", certctl.state,
                "--ca-bundle", stack.pebble.caBundle,
            ]
            let log = "\(stack.directory)/journal"
            _ = try await sh(
                "sh",
                [
                    "-c",
                    "exec 2> \(shellQuoted(log)); export JOURNAL_STREAM=$(stat -Lc %d:%i /dev/stderr); "
                        + command.map(shellQuoted).joined(separator: " "),
                ])
            let lines = string(log).split(separator: "\n")
            #expect(lines.count > 4)
            #expect(lines.allSatisfy { $0.hasPrefix("<") && $0.dropFirst(2).hasPrefix(">") }, "\(lines)")
        }
    }

    @Test func `cli.ini can keep the directory's hooks from running`() async throws {
        try await Rig.withStack { stack in
            try addHook("post", "10-post", stack)
            try "no-directory-hooks = true\n"
                .write(toFile: "\(stack.tree)/cli.ini", atomically: true, encoding: .utf8)
            #expect(try await issue(stack, "-d", "a.example", "--agree-tos").status == 0)
            #expect(try takeHookLog(stack).isEmpty)
        }
    }

    @Test func `what does not run of the hook directories is named once, and not at all with --quiet`() async throws {
        try await Rig.withStack { stack in
            for name in ["20-plain", "30-backup~", ".gitkeep"] { try addHook("deploy", name, stack) }
            let hooks = "\(stack.tree)/renewal-hooks/deploy"
            try await check("chmod", ["-x", "\(hooks)/20-plain", "\(hooks)/.gitkeep"])
            try await check("mkdir", ["\(hooks)/40-more"])
            let issued = try await issue(stack, "-d", "a.example", "--agree-tos")
            #expect(issued.status == 0, "\(issued.stderr)")
            let warnings = issued.stderr.split(separator: "\n").filter { $0.contains("does not run") }
            #expect(
                warnings == [
                    "\(hooks)/20-plain does not run: it is not executable",
                    "\(hooks)/40-more does not run: it is a directory",
                ])
            #expect(try await Certctl(stack).renew("--quiet").stderr.isEmpty)
        }
    }

    @Test(arguments: ["True", "yes", "1", "true"])
    func `agreement to the terms in cli.ini is taken in every spelling of certbot's`(word: String) async throws {
        try await Rig.withStack { stack in
            try "agree-tos = \(word)\n".write(toFile: "\(stack.tree)/cli.ini", atomically: true, encoding: .utf8)
            let issued = try await issue(stack, "-d", "a.example")
            #expect(issued.status == 0, "\(issued.stderr)")
        }
    }

    @Test func `a line of cli.ini that cannot be read is named as what to mend`() async throws {
        try await TemporaryDirectory.with { directory in
            let certctl = Certctl(tree: directory, state: "\(directory)/state")
            try "max-log-backups = 0\n= 1\n".write(toFile: "\(directory)/cli.ini", atomically: true, encoding: .utf8)
            for output in [try await certctl.status(), try await certctl.renew()] {
                #expect(output.status == 78)
                #expect(output.stderr.contains("\(directory)/cli.ini: line 2"), "\(output.stderr)")
                #expect(output.stderr.contains("next: fix that line"), "\(output.stderr)")
            }
        }
    }

    @Test func `a CA that is down is for the operator to try again when it was asked by name`() async throws {
        try await TemporaryDirectory.with { directory in
            let certctl = Certctl(tree: "\(directory)/tree", state: "\(directory)/state")
            let server = "https://127.0.0.1:\(Ports.free())/dir"
            let issued = try await certctl.issue(
                "-d", "a.example", "--agree-tos", "--server", server, "--webroot", directory)
            #expect(issued.status == 75, "\(issued.stderr)")
            #expect(
                issued.stderr.contains("next: see that this host reaches the CA, then: the same certctl issue"),
                "\(issued.stderr)")
        }
    }

    @Test(.enabled(if: geteuid() == 0, "needs root, to mount a small file system"), arguments: ["archive", "state"])
    func `a full disk is told before anything is ordered`(place: String) async throws {
        try await Rig.withStack { stack in
            let certctl = Certctl(stack)
            #expect(try await issue(stack, "-d", "a.example", "--agree-tos").status == 0)
            let directory = place == "state" ? certctl.state : "\(stack.tree)/archive"
            let script = """
                cp -a "$1" "$1.kept"; mount -t tmpfs -o size=1m none "$1"; cp -a "$1.kept/." "$1"
                head -c 2m /dev/zero > "$1/ballast" || true
                """
            try await check("sh", ["-c", script, "sh", directory])
            let orders = stack.pebble.requestCount("/order-plz")
            let renewal = try await certctl.renew("--force")
            let entry = try await certctl.lineage("a.example")
            try await check("umount", [directory])
            #expect(renewal.status == (place == "state" ? 78 : 1))
            #expect(renewal.stderr.contains("\(directory)"), "\(renewal.stderr)")
            #expect(renewal.stderr.contains("No space left on device"), "\(renewal.stderr)")
            #expect(stack.pebble.requestCount("/order-plz") == orders)
            #expect(entry.version == 1)
        }
    }

    @Test func `a copy of a conf is told, and does not renew the certificate once more`() async throws {
        try await Rig.withStack { stack in
            let certctl = Certctl(stack)
            #expect(try await issue(stack, "-d", "a.example", "--agree-tos").status == 0)
            // Before it in the order in which confs are taken.
            let (conf, copy) = ("\(stack.tree)/renewal/a.example.conf", "\(stack.tree)/renewal/a-copy.conf")
            try FileManager.default.copyItem(atPath: conf, toPath: copy)
            #expect(try await certctl.lineage("a.example").state == "ok")
            let orders = stack.pebble.requestCount("/order-plz")
            let renewal = try await certctl.renew("--force")
            #expect(renewal.status == 0)
            #expect(
                renewal.stderr.contains("a-copy: left alone: its renewal config leads to the certificate of a.example"))
            #expect(renewal.stdout.contains("a.example: version 2 is installed"))
            #expect(stack.pebble.requestCount("/order-plz") == orders + 1)
        }
    }

    @Test func `no certificate is issued into the files of another lineage`() async throws {
        try await Rig.withStack { stack in
            let certctl = Certctl(stack)
            #expect(try await issue(stack, "-d", "one.example", "--agree-tos").status == 0)
            let (conf, renewal) = ("\(stack.tree)/renewal/one.example.conf", "\(stack.tree)/renewal")
            let (before, orders) = (
                try await certctl.lineage("one.example").serial, stack.pebble.requestCount("/order-plz")
            )
            // A copy; one that has links of its own and the archive of another; one whose directories another conf has.
            try FileManager.default.copyItem(atPath: conf, toPath: "\(renewal)/six.example.conf")
            try string(conf).replacing("/live/one.example/", with: "/live/seven.example/")
                .write(toFile: "\(renewal)/seven.example.conf", atomically: true, encoding: .utf8)
            for name in ["six.example", "seven.example"] {
                let refused = try await issue(stack, "--name", name, "-d", name)
                #expect(refused.status == 1, "\(refused.stdout)")
                #expect(refused.stderr.contains("/one.example belongs to one.example"), "\(refused.stderr)")
                #expect(refused.stderr.contains("next: move renewal/\(name).conf away"), "\(refused.stderr)")
            }
            // The one that the directories are named after is left to work with them.
            let again = try await issue(stack, "--name", "one.example", "-d", "one.example")
            #expect(again.status == 0 && again.stdout.contains("has a certificate"), "\(again.stderr)")
            // And a name that has no conf, while its directories are another conf's.
            try FileManager.default.removeItem(atPath: "\(renewal)/seven.example.conf")
            try FileManager.default.removeItem(atPath: conf)
            let taken = try await issue(stack, "--name", "one.example", "-d", "two.example")
            #expect(taken.status == 1 && taken.stderr.contains("belongs to six.example"), "\(taken.stderr)")
            #expect(taken.stderr.contains("choose another --name"), "\(taken.stderr)")
            #expect(try await certctl.lineage("six.example").serial == before)
            #expect(stack.pebble.requestCount("/order-plz") == orders)
        }
    }

    @Test func `of two lineages with the same names the one that is named after them is meant`() async throws {
        try await Rig.withStack { stack in
            #expect(try await issue(stack, "-d", "a.example", "--agree-tos", "--name", "a.example-0001").status == 0)
            #expect(try await issue(stack, "-d", "a.example", "--name", "a.example").status == 0)
            let again = try await issue(stack, "-d", "a.example", "--key-type", "p384")
            #expect(again.stdout.contains("a.example: version 2 is installed"), "\(again.stdout)\(again.stderr)")
        }
    }

    @Test func `old challenge files of runs that were killed go, others stay`() async throws {
        try await Rig.withStack { stack in
            #expect(try await issue(stack, "-d", "a.example", "--agree-tos").status == 0)
            let directory = "\(stack.webroot)/.well-known/acme-challenge"
            let jwk = "\(stack.directory)/thumbprint.py"
            try """
            import base64, hashlib, json, sys
            key = json.load(open(sys.argv[1]))
            text = json.dumps({k: key[k] for k in ("e", "kty", "n")}, sort_keys=True, separators=(",", ":"))
            print(base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode())
            """.write(toFile: jwk, atomically: true, encoding: .utf8)
            let script = """
                thumbprint=$(python3 "$2" "$(find "$3/accounts" -name private_key.json)")
                mkdir -p "$1"; cd "$1"
                for name in old new; do printf %s "$name.$thumbprint" > $name; done
                printf %s other.xyz > other; : > .half.certctl-new; mkdir directory
                touch -d '2 hours ago' old other .half.certctl-new
                """
            try await check("sh", ["-ec", script, "sh", directory, jwk, stack.tree])
            #expect(try await issue(stack, "-d", "b.example").status == 0)
            #expect(try await check("ls", ["-A", directory]) == "directory\nnew\nother\n")
        }
    }

    private func issue(_ stack: Stack, _ arguments: String...) async throws -> Output {
        try await Certctl(stack).issue(
            ["--server", stack.pebble.directoryURL, "--webroot", stack.webroot] + arguments)
    }
}

import FoundationEssentials
import Glibc
import Rig
import Testing

/// `certctl repair`: as an operator runs it, and killed at every change that it makes.
@Suite(.parts("openssl", "strace"))
struct RepairCommandTests {
    /// A tree with the certificates a.example, of two versions, and b.example.
    private static func withTree(
        _ damage: String = "", _ body: (Certctl, String) async throws -> Void
    ) async throws {
        try await TemporaryDirectory.with { directory in
            let ca = try await DatedCA(in: directory)
            let settings = "\(directory)/certctl.conf"
            try "verify = none\n".write(toFile: settings, atomically: true, encoding: .utf8)
            var certctl = Certctl(tree: "\(directory)/letsencrypt", state: "\(directory)/state")
            certctl.settings = settings
            try await ca.addLineage(
                "a.example", names: ["a.example", "www.a.example"], from: "-3 days", tree: certctl.tree)
            try await ca.addLineage("b.example", tree: certctl.tree)
            let leaf = try await ca.leaf(["a.example", "www.a.example"], from: "-1 days")
            try await check(
                "sh",
                [
                    "-ec",
                    """
                    cd archive/a.example
                    cp "$1" cert2.pem; cp chain1.pem chain2.pem; cp privkey1.pem privkey2.pem; cat "$1" chain1.pem > fullchain2.pem
                    cd ../..
                    for k in privkey cert chain fullchain; do ln -sfn ../../archive/a.example/${k}2.pem live/a.example/$k.pem; done
                    L=live/a.example A=archive/a.example
                    \(damage)
                    """, "sh", leaf,
                ], directory: certctl.tree)
            try await body(certctl, directory)
        }
    }

    private static let inPlace =
        "for k in privkey cert chain fullchain; do cp --remove-destination $A/${k}2.pem $L/$k.pem; rm $A/${k}2.pem; done"

    /// Everything at once: files that are in no version, paths of before, previous symlinks, a damaged version.
    private static let wreck = """
        \(inPlace)
        sed -i "s,$PWD,/nowhere/letsencrypt," renewal/a.example.conf
        ln -s ../../archive/a.example/cert9.pem $L/previous_cert.pem
        mkfifo $A/chain7.pem
        """

    @Test func `it says what it does, does it, and puts it back`() async throws {
        try await Self.withTree(Self.wreck) { certctl, directory in
            let before = try await snapshot(of: certctl.tree)
            let shown = try await certctl.repair("--dry-run", "a.example")
            #expect(shown.status == 0, "\(shown.stderr)")
            #expect(
                shown.stdout.contains("a.example: would add the files in live/ to the archive as version 8\n"),
                "\(shown.stdout)")
            #expect(shown.stdout.contains("  -fullchain = /nowhere/letsencrypt/live/a.example/fullchain.pem\n"))
            #expect(shown.stdout.contains("  +fullchain = \(certctl.tree)/live/a.example/fullchain.pem\n"))
            #expect(try await snapshot(of: certctl.tree) == before)
            #expect(!FileManager.default.fileExists(atPath: certctl.state))

            let repaired = try await certctl.repair()
            #expect(repaired.status == 0, "\(repaired.stderr)")
            #expect(
                repaired.stdout.contains(
                    "a.example: repaired (certctl repair --undo a.example puts it back); next: certctl deploy a.example\n"
                ), "\(repaired.stdout)")
            let entry = try await certctl.lineage("a.example")
            #expect((entry.state, entry.version) == ("ok", 8))
            #expect(entry.problems.isEmpty, "\(entry.problems)")
            #expect(try await certctl.repair().stdout == "nothing to repair\n")

            let undone = try await certctl.repair("--undo", "a.example")
            #expect(undone.status == 0, "\(undone.stderr)")
            #expect(try await snapshot(of: certctl.tree) == before)
            let again = try await certctl.repair("--undo", "a.example")
            #expect(again.status == 1 && again.stderr.contains("none is recorded"), "\(again.stderr)")
        }
    }

    /// Calls that change files, and at which of them the repair is killed: each until it gets to its end.
    @Test(arguments: ["renameat2", "rename", "mkdir", "symlink", "unlink", "fsync", "write"])
    func `killed at any change, it is completed by the next one or undone`(call: String) async throws {
        try await Self.withTree(Self.wreck) { certctl, directory in
            let original = "\(directory)/original"
            try await check("cp", ["-a", certctl.tree, original])
            let before = try await snapshot(of: certctl.tree)
            var moment = 1
            while true {
                var wasKilled = false
                for undo in [false, true] {
                    try await check(
                        "sh",
                        ["-ec", #"rm -rf "$1" "$3"; cp -a "$2" "$1""#, "sh", certctl.tree, original, certctl.state])
                    var killed = certctl
                    killed.prefix = [
                        "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=\(call)", "-e",
                        "inject=\(call):signal=SIGKILL:when=\(moment)",
                    ]
                    wasKilled = try await killed.repair("a.example").status == 137
                    let next = try await certctl.repair(undo ? ["--undo", "a.example"] : ["a.example"])
                    try? FileManager.default.removeItem(atPath: "\(certctl.tree)/.certbot.lock")
                    if undo {
                        // Killed before anything was changed, there is nothing to undo.
                        #expect(next.status == 0 || next.stderr.contains("none is recorded"), "\(next.stderr)")
                        #expect(try await snapshot(of: certctl.tree) == before, "\(call) \(moment)")
                    } else {
                        #expect(next.status == 0, "\(call) \(moment): \(next.stderr)")
                        let entry = try await certctl.lineage("a.example")
                        #expect(entry.state == "ok" && entry.problems.isEmpty, "\(call) \(moment): \(entry.problems)")
                        let left = try await check(
                            "find",
                            [
                                certctl.tree, certctl.state, "-name", "*certctl*", "-o", "-path", "*/switches/*", "-o",
                                "-name", "previous_*",
                            ])
                        #expect(left.isEmpty, "\(call) \(moment): \(left)")
                    }
                }
                guard wasKilled else { break }
                moment += 1
            }
        }
    }

    @Test(arguments: [
        (
            ": > renewal/a.example.conf",
            "mv TREE/renewal/a.example.conf TREE/renewal/a.example.conf.lost && certctl issue --config-dir TREE --name a.example -d a.example -d www.a.example"
        ),
        ("rm $A/privkey*", "certctl issue --config-dir TREE --name a.example -d a.example -d www.a.example"),
        (
            """
            for k in cert chain fullchain; do ln -sfn ../../archive/b.example/${k}1.pem $L/$k.pem; done; rm $A/privkey*
            openssl genpkey -algorithm RSA -out ../foreign.pem 2>/dev/null; ln -sfn ../../../foreign.pem $L/privkey.pem
            """,
            "certctl issue --config-dir TREE --name a.example -d a.example -d www.a.example"
        ),
        ("echo 'server = x' >> renewal/a.example.conf", "editor +13 TREE/renewal/a.example.conf"),
    ])
    func `where nothing on the disk helps, it says what does, and doctor says the same`(
        damage: String, next: String
    ) async throws {
        try await Self.withTree(damage) { certctl, _ in
            let before = try await snapshot(of: certctl.tree)
            let refused = try await certctl.repair("a.example")
            let expected = next.replacing("TREE", with: certctl.tree)
            #expect(refused.status == 1, "\(refused.stdout)")
            #expect(refused.stderr.hasSuffix("  next: \(expected)\n"), "\(refused.stderr)")
            #expect(try await snapshot(of: certctl.tree) == before)
            var quick = certctl
            quick.isWithoutNetwork = true
            // Without its conf no certificate is known: a person has to see that the command goes through.
            if expected.hasPrefix("mv ") { return }
            // What an order needs, and this host does not have, comes before the order.
            let text = try await quick.diagnosed().text
            let said = expected.replacing(" --config-dir \(certctl.tree)", with: "")
            #expect(text.split(separator: "\n").contains { $0.hasSuffix(said) }, "\(text)")
        }
    }

    @Test func `a certificate of a tree that was moved is not installed elsewhere, and repair is the way`() async throws
    {
        try await Self.withTree { certctl, directory in
            let moved = "\(directory)/moved"
            try await check("mv", [certctl.tree, moved])
            var elsewhere = Certctl(tree: moved, state: certctl.state)
            elsewhere.settings = certctl.settings
            let webroot = "\(directory)/webroot"
            try FileManager.default.createDirectory(atPath: webroot, withIntermediateDirectories: false)
            let issued = try await elsewhere.issue(
                "--name", "a.example", "-d", "a.example", "--webroot", webroot, "--server", "http://127.0.0.1:9/dir")
            #expect(issued.status == 1, "\(issued.stdout)")
            #expect(issued.stderr.contains("which does not exist and is not in \(moved)"), "\(issued.stderr)")
            #expect(issued.stderr.contains("next: certctl repair a.example"), "\(issued.stderr)")
            #expect(!FileManager.default.fileExists(atPath: certctl.tree))
            #expect(try await elsewhere.lineage("a.example").problems.first?.code == "moved-tree")
            #expect(try await elsewhere.repair().status == 0)
            for name in ["a.example", "b.example"] {
                #expect(try await elsewhere.lineage(name).state == "ok")
            }
        }
    }

    @Test(.enabled(if: geteuid() == 0, "mounts: run as root"))
    func `a tree that another process sees at the path of its confs is explained`() async throws {
        try await Self.withTree(#"sed -i "s,$PWD,/mnt/letsencrypt," renewal/*.conf"#) { certctl, directory in
            // As in a container: a mount namespace of its own, with the tree at another path.
            let before = try await snapshot(of: certctl.tree)
            let started = "\(directory)/started"
            let script = """
                mount -t tmpfs tmpfs /mnt; mkdir /mnt/letsencrypt; mount --bind "$1" /mnt/letsencrypt; touch "$2"
                n=0; while [ -e "$2" ] && [ $n -lt 600 ]; do sleep 0.1; n=$((n + 1)); done
                """
            let process = Task { try await sh("unshare", ["-m", "sh", "-ec", script, "sh", certctl.tree, started]) }
            try await eventually("the mount") { FileManager.default.fileExists(atPath: started) }
            let refused = try await certctl.repair("a.example")
            try FileManager.default.removeItem(atPath: started)
            _ = try await process.value
            #expect(refused.status == 1, "\(refused.stdout)")
            #expect(refused.stderr.contains("is mounted at /mnt/letsencrypt"), "\(refused.stderr)")
            #expect(try await snapshot(of: certctl.tree) == before)
        }
    }

    @Test func `a newer certificate that is served is not lost to an older one on the disk`() async throws {
        try await Self.withTree("cp $A/fullchain2.pem $A/privkey2.pem ..; rm $A/*2.pem") { certctl, directory in
            let port = Ports.free()
            try "verify = 127.0.0.1:\(port)\n".write(
                toFile: "\(directory)/certctl.conf", atomically: true, encoding: .utf8)
            let server = Task {
                try await sh(
                    "timeout",
                    [
                        "60", "openssl", "s_server", "-accept", "127.0.0.1:\(port)", "-cert", "fullchain2.pem", "-key",
                        "privkey2.pem", "-quiet", "-naccept", "6",
                    ], directory: directory)
            }
            defer { server.cancel() }
            try await eventually("the server") {
                try await sh(
                    "sh", ["-c", "openssl s_client -connect 127.0.0.1:\(port) </dev/null 2>&1 | grep -q CONNECTED"]
                ).status == 0
            }
            let refused = try await certctl.repair("a.example")
            #expect(refused.status == 1, "\(refused.stdout)")
            #expect(
                refused.stderr.contains("127.0.0.1:\(port) serves a newer certificate than any on the disk"),
                "\(refused.stderr)")
        }
    }

    @Test func `options in the wrong place are named by status, doctor and hooks list, and never used or deleted`()
        async throws
    {
        try await Self.withTree(
            """
            printf '[[webroot_map]]\\na.example = /w\\nwww.a.example = /w\\nrenew_hook = /usr/bin/reload-it\\npost-hok = x\\n' >> renewal/a.example.conf
            """
        ) { certctl, _ in
            let messages = [
                "line 18: renew_hook in [[webroot_map]] is ignored: move it into [renewalparams], above [[webroot_map]]",
                "line 19: post-hok is no option and is ignored: is post_hook meant?",
            ]
            let entry = try await certctl.lineage("a.example")
            #expect(entry.state == "ok")
            let line = entry.problems.first?.message.prefix { $0 != ":" }
            #expect(
                entry.problems.map(\.message).map { $0.drop { $0 != ":" } } == messages.map { $0.drop { $0 != ":" } },
                "\(entry.problems) \(line ?? "")")
            #expect(entry.problems.map(\.code) == ["option-misplaced", "option-misspelled"])
            let listed = try await certctl.hooksList("a.example")
            #expect(listed.stdout.contains("renew_hook in [[webroot_map]] is ignored"), "\(listed.stdout)")
            var quick = certctl
            quick.isWithoutNetwork = true
            #expect(
                try await quick.diagnosed().found("warning").isSuperset(of: ["option-misplaced", "option-misspelled"]))
        }
    }
}

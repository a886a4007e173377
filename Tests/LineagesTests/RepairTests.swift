import FoundationEssentials
import Glibc
import Lineages
import PKI
import Rig
import Testing

/// Every damage that trees are found with, made for real, is repaired from what is on the disk.
@Suite(.parts("openssl", "certbot"))
struct RepairTests {
    /// A damage of the certificate `one`, whose versions 1 and 2 are in the archive and whose version 2 is live.
    struct Damage: Sendable, CustomTestStringConvertible {
        let testDescription: String
        /// Run in the config directory.
        let script: String
        /// The version that is live after the repair.
        let version: Int
        /// The version whose certificate that is.
        var isOf = 2

        init(_ name: String, version: Int = 2, isOf: Int = 2, _ script: String) {
            (testDescription, self.script, self.version, self.isOf) = (name, script, version, isOf)
        }
    }

    /// `each` gives the four kinds to a command, as `$k`.
    private static let preamble = """
        each() { for k in privkey cert chain fullchain; do eval "$1"; done; }
        L=live/one A=archive/one

        """

    static let damages: [Damage] = [
        Damage(
            "files in place of symlinks, with the same bytes in the archive",
            "each 'cp --remove-destination $A/${k}2.pem $L/$k.pem'"),
        Damage(
            "files in place of symlinks that are in no version",
            "each 'cp --remove-destination $A/${k}2.pem $L/$k.pem; rm $A/${k}2.pem'"),
        Damage(
            "files in place of symlinks, and other lines' ends",
            "each 'sed s/$/\\r/ $A/${k}2.pem > x; rm $L/$k.pem; mv x $L/$k.pem'"),
        Damage(
            "files in place of symlinks, and no archive", version: 1,
            "each 'cp --remove-destination $A/${k}2.pem $L/$k.pem'; rm -r $A"),
        Damage("one file in place of a symlink", "cp --remove-destination $A/cert2.pem $L/cert.pem"),
        Damage(
            "a key and a fullchain alone in live", version: 3,
            "each 'cp --remove-destination $A/${k}2.pem $L/$k.pem; rm $A/${k}2.pem'; rm $L/cert.pem $L/chain.pem; touch $A/cert2.pem"
        ),
        Damage("one missing symlink", "rm $L/chain.pem"),
        Damage("all symlinks missing", "rm $L/*.pem"),
        Damage("no directory in live", "rm -r $L"),
        Damage("a dangling symlink", "ln -sfn ../../archive/one/privkey9.pem $L/privkey.pem"),
        Damage("four dangling symlinks", "each 'ln -sfn ../../archive/one/${k}9.pem $L/$k.pem'"),
        Damage("symlinks to a directory that is gone", "each 'ln -sfn /nowhere/archive/one/${k}2.pem $L/$k.pem'"),
        Damage(
            "mixed versions",
            "ln -sfn ../../archive/one/cert1.pem $L/cert.pem; ln -sfn ../../archive/one/privkey1.pem $L/privkey.pem"),
        Damage("a symlink to another kind", "ln -sfn ../../archive/one/chain2.pem $L/cert.pem"),
        Damage("symlinks into another certificate's archive", "each 'ln -sfn ../../archive/two/${k}1.pem $L/$k.pem'"),
        Damage(
            "one symlink into another certificate's archive", "ln -sfn ../../archive/two/privkey1.pem $L/privkey.pem"),
        Damage(
            "its own files in another directory of the archive", version: 2, isOf: 2,
            "mkdir archive/one-0001; each 'mv $A/${k}2.pem archive/one-0001/${k}1.pem; ln -sfn ../../archive/one-0001/${k}1.pem $L/$k.pem'"
        ),
        Damage("a complete set of previous symlinks", "each 'ln -s ../../archive/one/${k}1.pem $L/previous_$k.pem'"),
        Damage("a dangling previous symlink", "ln -s ../../archive/one/cert9.pem $L/previous_cert.pem"),
        Damage(
            "an update of certbot's that was cut short",
            "each 'ln -s ../../archive/one/${k}1.pem $L/previous_$k.pem'; rm $L/cert.pem"),
        Damage("a named pipe in live", "rm $L/privkey.pem; mkfifo $L/privkey.pem"),
        Damage("a named pipe in the archive", "mkfifo $A/cert3.pem"),
        Damage("a newer version of empty files", "each 'touch $A/${k}3.pem'"),
        Damage(
            "a newer version of empty files that is live",
            "each 'touch $A/${k}3.pem; ln -sfn ../../archive/one/${k}3.pem $L/$k.pem'"),
        Damage(
            "a newer version with a key that does not fit",
            "each 'cp $A/${k}2.pem $A/${k}3.pem'; cp archive/two/privkey1.pem $A/privkey3.pem"),
        Damage("a key that does not fit", version: 1, isOf: 1, "cp archive/two/privkey1.pem $A/privkey2.pem"),
        Damage(
            "an encrypted key", version: 1, isOf: 1,
            "openssl ec -aes128 -passout pass:x -in $A/privkey2.pem -out x 2>/dev/null; mv x $A/privkey2.pem"),
        Damage(
            "a key that is an RSA key of no use", version: 1, isOf: 1,
            "openssl genrsa -out $A/privkey2.pem 1024 2>/dev/null"),
        Damage(
            "the keys of two versions swapped", version: 3,
            "mv $A/privkey1.pem x; mv $A/privkey2.pem $A/privkey1.pem; mv x $A/privkey2.pem"),
        Damage("a truncated certificate", version: 3, "truncate -s 100 $A/cert2.pem"),
        Damage("a truncated fullchain", version: 3, "truncate -s 100 $A/fullchain2.pem"),
        Damage(
            "another certificate's fullchain", version: 3,
            "cp archive/two/fullchain1.pem $A/fullchain2.pem; rm $A/chain2.pem; cp ../ca.pem $A/chain2.pem; cat $A/cert2.pem $A/chain2.pem > $L/combined.pem"
        ),
        Damage("a file of a version missing", version: 3, "rm $A/chain2.pem"),
        Damage(
            "a dummy certificate that nginx was to start with",
            "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -keyout k.pem -out c.pem -subj /CN=localhost 2>/dev/null; rm $L/*.pem; cp k.pem $L/privkey.pem; cp c.pem $L/fullchain.pem; cp c.pem $L/cert.pem; cp c.pem $L/chain.pem; rm k.pem c.pem"
        ),
        Damage("paths to where the directory was", "sed -i \"s,$PWD,/nowhere/letsencrypt,\" renewal/one.conf"),
        Damage(
            "paths and symlinks to where the directory was",
            "sed -i \"s,$PWD,/nowhere/letsencrypt,\" renewal/one.conf; each 'ln -sfn /nowhere/letsencrypt/archive/one/${k}2.pem $L/$k.pem'"
        ),
        Damage("a renewal config without some paths", "sed -i '/^fullchain/d; /^chain/d' renewal/one.conf"),
        Damage("an empty renewal config with a copy", "cp renewal/one.conf renewal/one.conf.bak; : > renewal/one.conf"),
        Damage(
            "a truncated renewal config, and certbot's new one",
            "cp renewal/one.conf renewal/one.conf.new; truncate -s 30 renewal/one.conf"),
        Damage(
            "a named pipe in place of the renewal config, with a copy",
            "mv renewal/one.conf renewal/one.conf~; mkfifo renewal/one.conf"),
        Damage("a comment in Latin-1", "printf '# f\\374r uns\\n' >> renewal/one.conf"),
    ]

    /// Makes the tree, damages it, and gives the leaves of both versions.
    private static func with(
        _ damage: Damage, _ body: (TestTree, [Int: Certificate]) async throws -> Void
    ) async throws {
        try await TestTree.with { tree in
            let first = try await tree.add("one", conf: tree.conf("one", params: params))
            try await tree.add("two", conf: tree.conf("two", params: params))
            // Certificates of one second are of one age.
            while Date.now.timeIntervalSince(first.leaf.notBefore) < 1 { try await Task.sleep(for: .milliseconds(50)) }
            let second = try await tree.issue(["one"])
            try tree.archive(second, "one", 2)
            try await tree.shell(
                "cd letsencrypt/live/one; for k in privkey cert chain fullchain; do ln -sfn ../../archive/one/${k}2.pem $k.pem; done"
            )
            try await tree.shell("cd letsencrypt; " + preamble + damage.script)
            try await body(tree, [1: first.leaf, 2: second.leaf])
        }
    }

    private static let params = """
        authenticator = webroot
        server = https://ca.example/dir
        account = x
        webroot_path = /var/www/certbot,

        """

    @Test(arguments: damages)
    func `a damage is repaired so that certbot accepts it, and the undoing restores it`(damage: Damage) async throws {
        try await Self.with(damage) { tree, leaves in
            let before = try await tree.digest()
            let plan = try tree.tree().repairPlan(for: "one", at: Date.now)
            #expect(plan.refusal == nil, "\(String(describing: plan.refusal))")
            #expect(!plan.edits.isEmpty)
            #expect(try await tree.digest() == before, "a plan writes nothing")

            let repair = Repair(stateDirectory: tree.state)
            try repair.apply(plan)
            let lineage = try tree.lineage("one")
            #expect(lineage.problems.isEmpty, "\(lineage.problems)")
            #expect(lineage.version == damage.version)
            #expect(lineage.certificate == leaves[damage.isOf])
            #expect(try tree.lineage("two").problems.isEmpty)
            #expect(try await tree.listing().filter { $0.contains("certctl") } == [])
            #expect(try FileSystem.entries(of: "\(tree.state)").filter { $0 != "repairs" && $0 != "switches" } == [])
            #expect(try tree.tree().repairPlan(for: "one", at: Date.now).isEmpty, "a second repair has nothing to do")

            #expect(try repair.undo("one") != nil)
            #expect(try await tree.digest() == before)
            #expect(try RepairRecord.names(in: tree.state) == [])

            try repair.apply(plan)
            try await isTakenByCertbot(tree)
        }
    }

    /// certbot reads it, wants to install nothing else, and can switch to a successor.
    private func isTakenByCertbot(_ tree: TestTree) async throws {
        let listed = try await tree.shell(
            "certbot certificates --config-dir letsencrypt --work-dir w --logs-dir l 2>&1 || :")
        #expect(
            listed.contains("Certificate Name: one\n")
                && (listed.contains("Domains: one\n") || listed.contains("Identifiers: one\n")), "\(listed)")
        #expect(!listed.contains("could not be parsed") && !listed.contains("error"), "\(listed)")
        let update = try await tree.shell(
            "exec $(sed -n '1s/^#!//p' \"$(command -v certbot)\") -c '\(Self.relink)' letsencrypt")
        #expect(update.hasSuffix("ok\n"), "\(update)")
    }

    /// What certbot's next renewal does with links: those that are to be updated, and the successor of the live version.
    private static let relink = """
        import sys, argparse, os
        from certbot._internal import constants, storage
        from certbot import configuration
        root = os.path.abspath(sys.argv[1])
        values = dict(constants.CLI_DEFAULTS)
        values.update(config_dir=root, work_dir=root + "/../w", logs_dir=root + "/../l")
        config = configuration.NamespaceConfig(argparse.Namespace(**values))
        cert = storage.RenewableCert(root + "/renewal/one.conf", config)
        now = cert.current_version("cert")
        assert not cert.has_pending_deployment(), "certbot would install another version"
        new = cert.next_free_version()
        for kind in ("cert", "privkey", "chain", "fullchain"):
            open(cert.version(kind, new), "wb").write(open(cert.version(kind, now), "rb").read())
        cert.update_all_links_to(new)
        assert cert.current_version("privkey") == new
        print("ok")
        """

    @Test(arguments: [
        "each 'ln -sfn $PWD/archive/one/${k}2.pem $L/$k.pem'", "rm $A/*1.pem",
        "cp $A/cert2.pem $A/cert3.pem; cp $A/privkey2.pem $A/privkey3.pem",
        "each 'mv $A/${k}1.pem $A/${k}7.pem; rm $A/${k}2.pem; ln -sfn ../../archive/one/${k}7.pem $L/$k.pem'",
        "each 'cp $A/${k}1.pem $A/${k}3.pem; ln -sfn ../../archive/one/${k}3.pem $L/$k.pem'",
        "sed -i 's/$/\\r/' renewal/one.conf",
        "printf '\\357\\273\\277' > x; cat renewal/one.conf >> x; mv x renewal/one.conf",
        "mv renewal/one.conf x.conf; ln -s ../x.conf renewal/one.conf",
        "chmod 644 $A/privkey2.pem; touch $L/combined.pem",
        "cp renewal/one.conf renewal/one.conf.bak; echo 'renew_hook = true' >> renewal/one.conf",
        "cp $A/cert2.pem $A/fullchain2.pem; : > $A/chain2.pem",
        "(echo Bag Attributes; cat $A/cert2.pem) > x; mv x $A/cert2.pem",
    ])
    func `what is unusual and works is left as it is`(script: String) async throws {
        try await Self.with(Damage("none", script)) { tree, _ in
            #expect(try tree.lineage("one").fatalProblem == nil)
            let plan = try tree.tree().repairPlan(for: "one", at: Date.now)
            #expect(plan.isEmpty, "\(plan.steps) \(String(describing: plan.refusal))")
        }
    }

    @Test func `a version that is not served any more is never chosen before a newer one that is`() async throws {
        try await Self.with(Damage("key", "cp archive/two/privkey1.pem $A/privkey2.pem")) { tree, leaves in
            let served = try #require(leaves[2])
            try #require(served.notBefore > leaves[1]?.notBefore ?? .distantFuture)
            let plan = try tree.tree().repairPlan(
                for: "one", served: [RepairPlan.Served(endpoint: "127.0.0.1:443", leaf: served)], at: Date.now)
            #expect(plan.edits.isEmpty)
            #expect(plan.refusal == .olderThanServed(endpoint: "127.0.0.1:443"))
            #expect(plan.refusal?.remedy == .issue)
        }
    }

    @Test func `a certificate that may not be installed again is not`() async throws {
        try await Self.with(Damage("all", "rm $L/*.pem")) { tree, leaves in
            let barred = try #require(leaves[2]).sha256()
            let plan = try tree.tree().repairPlan(for: "one", barred: [barred], at: Date.now)
            #expect(plan.version == 1)
        }
    }

    @Test func `of versions that have expired the newest is taken, and one that has not comes before them`()
        async throws
    {
        try await Self.with(Damage("all", "rm $L/*.pem")) { tree, _ in
            let later = Date.now.addingTimeInterval(40 * 86_400)
            let plan = try tree.tree().repairPlan(for: "one", at: later)
            #expect(plan.version == 2)
        }
    }

    @Test func `a renewal config that a container sees at another path is explained and left alone`() async throws {
        try await Self.with(Damage("moved", "sed -i \"s,$PWD,/nowhere/letsencrypt,\" renewal/one.conf")) { tree, _ in
            let plan = try tree.tree().repairPlan(for: "one", views: ["/nowhere/letsencrypt"], at: Date.now)
            #expect(plan.edits.isEmpty)
            #expect(plan.refusal == .seenElsewhere(place: "/nowhere/letsencrypt", tree: tree.path))
        }
    }

    @Test func `paths to a place that exists are left alone`() async throws {
        try await Self.with(
            Damage(
                "copied",
                "mkdir ../old; sed -i \"s,$PWD,$PWD/../old,\" renewal/one.conf; sed -i \"s,$PWD/../old,$(cd ..; pwd)/old,\" renewal/one.conf"
            )
        ) { tree, _ in
            let plan = try tree.tree().repairPlan(for: "one", at: Date.now)
            #expect(plan.edits.isEmpty)
            #expect(plan.refusal == .placeExists(place: "\(tree.directory)/old", tree: tree.path))
        }
    }

    @Test(arguments: [
        ("cp renewal/one.conf x; cat x >> renewal/one.conf", "is there twice"), (": > renewal/one.conf", "is lost"),
        ("rm renewal/one.conf; mkdir renewal/one.conf", "not a regular file"),
        ("rm $A/*; rm $L/*.pem", "no version"), ("rm $A/privkey*", "no version"),
        ("rm $L/cert.pem; mkdir $L/cert.pem", "not what belongs there"),
    ])
    func `what nothing on the disk helps with is refused, and nothing is changed`(script: String, reason: String)
        async throws
    {
        try await Self.with(Damage("refused", script)) { tree, _ in
            let plan = try tree.tree().repairPlan(for: "one", at: Date.now)
            #expect(plan.edits.isEmpty)
            #expect(plan.refusal.map { "\($0)".contains(reason) } == true, "\(String(describing: plan.refusal))")
        }
    }

    @Test func `a duplicate key is a person's task, at its line`() async throws {
        try await Self.with(Damage("twice", "echo 'server = x' > y; sed -i '/renewalparams/r y' renewal/one.conf")) {
            tree, _ in
            let plan = try tree.tree().repairPlan(for: "one", at: Date.now)
            guard case .editor(_, let line) = plan.refusal?.remedy else {
                Issue.record("\(String(describing: plan.refusal))")
                return
            }
            let lines = try text("\(tree.path)/renewal/one.conf").split(
                separator: "\n", omittingEmptySubsequences: false)
            #expect(lines[try #require(line) - 1].hasPrefix("server"))
            #expect(try tree.lineage("one").fatalProblem?.line == line)
        }
    }

    @Test func `an undoing is refused where somebody has changed a file since`() async throws {
        try await Self.with(Damage("all", "rm $L/*.pem")) { tree, _ in
            let repair = Repair(stateDirectory: tree.state)
            try repair.apply(try tree.tree().repairPlan(for: "one", at: Date.now))
            try await tree.shell("ln -sfn ../../archive/one/cert1.pem letsencrypt/live/one/cert.pem")
            let after = try await tree.digest()
            let error = try #require(throws: FileError.self) { try repair.undo("one") }
            #expect("\(error)".contains("has been changed since the repair"))
            #expect(try await tree.digest() == after)
        }
    }

    @Test(.enabled(if: isRoot, "needs root"))
    func `a repair that a full disk cuts short puts back what it changed`() async throws {
        try await Self.with(Damage("files", "each 'cp --remove-destination $A/${k}2.pem $L/$k.pem; rm $A/${k}2.pem'")) {
            tree, _ in
            try await tree.shell("mkdir tiny; mount -t tmpfs -o size=256k,mode=755 tmpfs tiny")
            do {
                try await tree.shell(
                    "cp -a letsencrypt/. tiny/; sed -i 's,/letsencrypt/,/tiny/,' tiny/renewal/*.conf; cat /dev/zero > tiny/filler 2>/dev/null || :"
                )
                let small = TestTree(path: "\(tree.directory)/tiny", directory: tree.directory)
                let before = try await small.digest()
                let plan = try small.tree().repairPlan(for: "one", at: Date.now)
                let error = #expect(throws: FileError.self) { try Repair(stateDirectory: tree.state).apply(plan) }
                #expect(error?.code == ENOSPC, "\(String(describing: error))")
                #expect(try await small.digest() == before)
            } catch {
                try await tree.shell("umount tiny")
                throw error
            }
            try await tree.shell("umount tiny")
        }
    }
}

extension TestTree {
    /// Every name below the tree with its kind, mode, owner, text or content.
    func digest() async throws -> String {
        try await shell(
            """
            cd \(FileSystem.name(of: path)); find . -printf '%p %y %m %U %G %l\\n' | LC_ALL=C sort
            find . -type f ! -name filler -exec sha256sum {} + | LC_ALL=C sort
            """)
    }
}

import FoundationEssentials
import Glibc
import Lineages
import PKI
import Rig
import Testing

/// Every damage that trees are found with, made for real, is repaired from what is on the disk.
@Suite(.parts("openssl", "certbot"))
struct RepairTests {
    /// Makes the tree, damages it, and gives the leaves of both versions.
    private static func with(
        _ damage: TreeDamage, _ body: (TestTree, [Int: Certificate]) async throws -> Void
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
            try await tree.shell("cd letsencrypt; " + damage.command)
            try await body(tree, [1: first.leaf, 2: second.leaf])
        }
    }

    private static let params = """
        authenticator = webroot
        server = https://ca.example/dir
        account = x
        webroot_path = /var/www/certbot,

        """

    @Test(arguments: TreeDamage.all)
    func `a damage is repaired so that certbot accepts it, and the undoing restores it`(damage: TreeDamage) async throws
    {
        try await Self.with(damage) { tree, leaves in
            let before = try await tree.digest()
            let plan = try tree.tree().repairPlan(for: "one", at: Date.now)
            #expect(plan.refusal == nil, "\(String(describing: plan.refusal))")
            #expect(plan.hasChanges)
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
        try await Self.with(TreeDamage("none", script)) { tree, _ in
            #expect(try tree.lineage("one").fatalProblem == nil)
            let plan = try tree.tree().repairPlan(for: "one", at: Date.now)
            #expect(plan.isEmpty, "\(plan.steps) \(String(describing: plan.refusal))")
        }
    }

    @Test func `a version that is not served any more is never chosen before a newer one that is`() async throws {
        try await Self.with(TreeDamage("key", "cp archive/two/privkey1.pem $A/privkey2.pem")) { tree, leaves in
            let served = try #require(leaves[2])
            try #require(served.notBefore > leaves[1]?.notBefore ?? .distantFuture)
            let plan = try tree.tree().repairPlan(
                for: "one", served: [RepairPlan.Served(endpoint: "127.0.0.1:443", leaf: served)], at: Date.now)
            #expect(!plan.hasChanges)
            #expect(plan.refusal == .olderThanServed(endpoint: "127.0.0.1:443"))
            #expect(plan.refusal?.remedy == .issue)
        }
    }

    @Test func `a certificate that may not be installed again is not`() async throws {
        try await Self.with(TreeDamage("all", "rm $L/*.pem")) { tree, leaves in
            let barred = try #require(leaves[2]).sha256()
            let plan = try tree.tree().repairPlan(for: "one", barred: [barred], at: Date.now)
            #expect(plan.version == 1)
        }
    }

    @Test func `of versions that have expired the newest is taken, and one that has not comes before them`()
        async throws
    {
        try await Self.with(TreeDamage("all", "rm $L/*.pem")) { tree, _ in
            let later = Date.now.addingTimeInterval(40 * 86_400)
            let plan = try tree.tree().repairPlan(for: "one", at: later)
            #expect(plan.version == 2)
        }
    }

    @Test func `a renewal config that a container sees at another path is explained and left alone`() async throws {
        try await Self.with(TreeDamage("moved", "sed -i \"s,$PWD,/nowhere/letsencrypt,\" renewal/one.conf")) {
            tree, _ in
            let plan = try tree.tree().repairPlan(for: "one", views: ["/nowhere/letsencrypt"], at: Date.now)
            #expect(!plan.hasChanges)
            #expect(plan.refusal == .seenElsewhere(place: "/nowhere/letsencrypt", tree: tree.path))
        }
    }

    @Test func `paths to a place that exists are left alone`() async throws {
        try await Self.with(
            TreeDamage(
                "copied",
                "mkdir ../old; sed -i \"s,$PWD,$PWD/../old,\" renewal/one.conf; sed -i \"s,$PWD/../old,$(cd ..; pwd)/old,\" renewal/one.conf"
            )
        ) { tree, _ in
            let plan = try tree.tree().repairPlan(for: "one", at: Date.now)
            #expect(!plan.hasChanges)
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
        try await Self.with(TreeDamage("refused", script)) { tree, _ in
            let plan = try tree.tree().repairPlan(for: "one", at: Date.now)
            #expect(!plan.hasChanges)
            #expect(plan.refusal.map { "\($0)".contains(reason) } == true, "\(String(describing: plan.refusal))")
        }
    }

    @Test func `of several directories that may be a renamed archive a person chooses`() async throws {
        try await Self.with(TreeDamage("two", "mv $A archive/first; cp -a archive/first archive/second")) { tree, _ in
            let plan = try tree.tree().repairPlan(for: "one", at: Date.now)
            #expect(!plan.hasChanges)
            let both = ["first", "second"].map { "\(tree.path)/archive/\($0)" }
            #expect(plan.refusal == .archiveUnknown(both, should: "\(tree.path)/archive/one"))
            guard case .person = plan.refusal?.remedy else {
                Issue.record("\(String(describing: plan.refusal?.remedy))")
                return
            }
        }
    }

    @Test(arguments: ["mv $A archive/two-old; mv archive/two $A; mv archive/two-old archive/two", "rm -r $A"])
    func `another certificate's archive is never taken for one that is missing`(script: String) async throws {
        try await Self.with(TreeDamage("other", "\(script); rm -rf $A")) { tree, _ in
            let plan = try tree.tree().repairPlan(for: "one", at: Date.now)
            #expect(plan.move == nil && plan.refusal == .nothingFit, "\(plan.steps)")
        }
    }

    @Test func `a renamed archive that somebody has renamed since is not renamed again`() async throws {
        try await Self.with(TreeDamage("renamed", "mv $A archive/other")) { tree, _ in
            let repair = Repair(stateDirectory: tree.state)
            try repair.apply(try tree.tree().repairPlan(for: "one", at: Date.now))
            try await tree.shell("cd letsencrypt/archive; cp -a one other")
            #expect(throws: FileError.self) { try repair.undo("one") }
            #expect(try tree.lineage("one").problems.isEmpty)
        }
    }

    @Test func `a duplicate key is a person's task, at its line`() async throws {
        try await Self.with(TreeDamage("twice", "echo 'server = x' > y; sed -i '/renewalparams/r y' renewal/one.conf"))
        {
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
        try await Self.with(TreeDamage("all", "rm $L/*.pem")) { tree, _ in
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
        try await Self.with(
            TreeDamage("files", "each 'cp --remove-destination $A/${k}2.pem $L/$k.pem; rm $A/${k}2.pem'")
        ) {
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

import FoundationEssentials
import Lineages
import PKI
import Rig
import Testing

/// Whose files a conf leads to: those of its own tree, wherever they are, or another tree's.
@Suite(.parts("openssl"))
struct TreeBoundsTests {
    /// A way to lay out a tree that certbot works with, as a script in the directory above it.
    struct Layout: Sendable, CustomTestStringConvertible {
        let name: String
        let script: String
        /// The tree's name in that directory.
        var path = "letsencrypt"
        var testDescription: String { name }
    }

    private static let toDisk = """
        mkdir disk; for part in live archive; do mv letsencrypt/$part disk; ln -s ../disk/$part letsencrypt/$part; done
        """

    private static let legitimate = [
        Layout(name: "plain", script: ":"),
        Layout(name: "the tree is a link", script: "mv letsencrypt real; ln -s real letsencrypt"),
        Layout(
            name: "the tree is called by what its link leads to", script: "mv letsencrypt real; ln -s real letsencrypt",
            path: "real"),
        Layout(name: "live and archive are links to a disk", script: toDisk),
        Layout(
            name: "and the confs name the disk",
            script: toDisk
                + "\nsed -i \"s,$PWD/letsencrypt/\\(live\\|archive\\),$PWD/disk/\\1,\" letsencrypt/renewal/one.conf"),
        Layout(
            name: "live and archive are links into an old copy of the tree",
            script: """
                cp -a letsencrypt old; cd letsencrypt; rm -r live archive; ln -s ../old/live live; ln -s ../old/archive archive
                """),
        Layout(
            name: "one lineage's archive is a link",
            script: "mkdir disk; cd letsencrypt/archive; mv one ../../disk; ln -s ../../disk/one one"),
        Layout(
            name: "archive_dir is elsewhere",
            script: """
                mkdir -p disk/archive disk/renewal; mv letsencrypt/archive/one disk/archive
                ln -s "$PWD/disk/archive/one" letsencrypt/archive/one
                sed -i "s,^archive_dir.*,archive_dir = $PWD/disk/archive/one," letsencrypt/renewal/one.conf
                """),
        Layout(
            name: "another spelling",
            script: "sed -i 's,/letsencrypt/,/./letsencrypt/live/..//,' letsencrypt/renewal/one.conf"),
        Layout(
            name: "every part is a link to one of another directory",
            script: "mkdir farm; for part in live archive renewal; do ln -s ../letsencrypt/$part farm; done",
            path: "farm"),
        Layout(name: "a copy that leads to it", script: "cp -a letsencrypt copy"),
    ]

    @Test(arguments: legitimate)
    func `what is laid out in an unusual way is the tree's own`(layout: Layout) async throws {
        try await TestTree.with { tree in
            try await tree.add("one")
            try await tree.shell(layout.script)
            let lineage = try Tree("\(tree.directory)/\(layout.path)").lineage("one")
            #expect(lineage.problems.isEmpty && lineage.version == 1, "\(lineage.problems)")
        }
    }

    @Test(.enabled(if: isRoot, "needs root, to mount"))
    func `a tree that is mounted a second time is the same tree`() async throws {
        try await TestTree.with { tree in
            try await tree.add("one")
            let other = "\(tree.directory)/other"
            try await tree.shell("mkdir other; mount --bind letsencrypt other")
            let lineage = try Tree(other).lineage("one")
            try StateOwner.claim(tree.directory, for: tree.tree())
            let isOwn = try StateOwner.check(tree.directory, for: Tree(other))
            try await tree.shell("umount other")
            #expect(lineage.problems.isEmpty, "\(lineage.problems)")
            #expect(isOwn)
        }
    }

    private static let foreign = [
        Layout(name: "a copy", script: "cp -a letsencrypt copy"),
        Layout(
            name: "a copy of a tree that is a link",
            script: "mv letsencrypt real; ln -s real letsencrypt; cp -a real copy"),
        Layout(name: "a copy of a tree on a disk", script: toDisk + "\ncp -a letsencrypt copy"),
        Layout(
            name: "a copy under another name", script: "cp -a letsencrypt copy; cd copy/renewal; mv one.conf two.conf"),
        Layout(
            name: "a copy of one whose conf is damaged",
            script: "cp -a letsencrypt copy; : > letsencrypt/renewal/one.conf"),
        Layout(
            name: "links of its own, the archive of another",
            script: "cp -a letsencrypt copy; sed -i '/archive_dir/!s,/letsencrypt/,/copy/,' copy/renewal/one.conf"),
        Layout(
            name: "live and archive are links into another tree",
            script: """
                mkdir copy; cp -a letsencrypt/renewal copy; sed -i 's,/letsencrypt/,/copy/,' copy/renewal/one.conf
                for part in live archive; do ln -s ../letsencrypt/$part copy; done
                """),
    ]

    @Test(arguments: foreign)
    func `the files of another tree are told, and the lineage is read all the same`(layout: Layout) async throws {
        try await TestTree.with { tree in
            try await tree.add("one")
            try await tree.shell(layout.script)
            let copy = try Tree("\(tree.directory)/copy")
            let lineage = try #require(try copy.lineages().first)
            #expect(lineage.fatalProblem?.code == .anotherTree, "\(lineage.problems)")
            #expect(lineage.fatalProblem?.message.hasSuffix("which is in the config directory \(tree.path)") == true)
            #expect(lineage.certificate != nil)
        }
    }
}

/// Whose a state directory is.
struct StateOwnerTests {
    @Test func `the first tree has it, by whatever path, and no other one`() async throws {
        try await TemporaryDirectory.with { directory in
            try await check("sh", ["-c", "mkdir one two state; ln -s one link"], directory: directory)
            let (one, two) = (try Tree("\(directory)/one"), try Tree("\(directory)/two"))
            let state = "\(directory)/state"
            #expect(try !StateOwner.check(state, for: one))
            try StateOwner.claim(state, for: Tree("\(directory)/link"))
            #expect(try text("\(state)/tree") == "\(directory)/one\n")
            for tree in [one, try Tree("\(directory)/link"), try Tree("\(directory)/./one/")] {
                try StateOwner.claim(state, for: tree)
            }
            let failure = #expect(throws: StateOwner.Failure.self) { try StateOwner.claim(state, for: two) }
            #expect(
                failure?.description
                    == "\(state) keeps the state of \(directory)/one, and not of \(directory)/two")
            // The tree was moved: there is none any more whose books these could be.
            try await check("mv", ["\(directory)/one", "\(directory)/three"])
            let three = try Tree("\(directory)/three")
            try StateOwner.claim(state, for: three)
            #expect(try text("\(state)/tree") == "\(directory)/three\n")
            #expect(try StateOwner.check(state, for: three))
        }
    }
}

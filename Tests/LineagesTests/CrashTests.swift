import FoundationEssentials
import Glibc
import Lineages
import PKI
import Rig
import Testing

@Suite(.parts("openssl"))
struct CrashTests {
    /// The journal of a switch link by link to version 2, as a run that was killed leaves it.
    private func journal(_ tree: TestTree, before: Int = 1) throws -> String {
        let steps = PEMKind.allCases.map { kind in
            let text = { (version: Int) in "../../archive/one/\(kind.rawValue)\(version).pem" }
            return #"{"link":"\#(tree.live("one", kind))","text":"\#(text(2))","before":"\#(text(before))"}"#
        }
        try FileSystem.makeDirectories("\(tree.state)/switches", mode: 0o700)
        let path = "\(tree.state)/switches/one.json"
        try write(path, #"{"archive":"\#(tree.path)/archive/one","steps":[\#(steps.joined(separator: ","))]}"#)
        return path
    }

    @Test(arguments: 0...4)
    func `a switch that was cut short after any link is completed`(switched: Int) async throws {
        try await TestTree.with { tree in
            try await tree.add("one")
            try tree.archive(try await tree.issue(["one"]), "one", 2)
            let path = try journal(tree)
            for kind in PEMKind.allCases.prefix(switched) {
                try await tree.shell(
                    "cd letsencrypt/live/one; ln -sfn ../../archive/one/\(kind.rawValue)2.pem \(kind.rawValue).pem")
            }
            // A temporary link of the next step may be there, too.
            try FileSystem.makeLink("\(tree.path)/live/one/.chain.pem.certctl-new", to: "nowhere")
            #expect(try SwitchJournal.completeAll(in: tree.state) == ["one"])
            let lineage = try tree.lineage("one")
            #expect(lineage.version == 2 && lineage.problems.isEmpty)
            #expect(try FileSystem.status(path) == nil)
            if switched < 3 {
                #expect(try FileSystem.status("\(tree.path)/live/one/.chain.pem.certctl-new") == nil)
            }
            #expect(try SwitchJournal.completeAll(in: tree.state) == [])
        }
    }

    @Test func `a switch that somebody overtook is dropped`() async throws {
        try await TestTree.with { tree in
            let set = try await tree.add("one")
            for version in 2...3 { try tree.archive(set, "one", version) }
            let path = try journal(tree)
            for kind in PEMKind.allCases {
                try await tree.shell(
                    "cd letsencrypt/live/one; ln -sfn ../../archive/one/\(kind.rawValue)3.pem \(kind.rawValue).pem")
            }
            #expect(try SwitchJournal.completeAll(in: tree.state) == [])
            #expect(try tree.lineage("one").version == 3)
            #expect(try FileSystem.status(path) == nil)
        }
    }

    @Test func `a switch to files that are gone is dropped`() async throws {
        try await TestTree.with { tree in
            try await tree.add("one")
            _ = try journal(tree)
            #expect(try SwitchJournal.completeAll(in: tree.state) == [])
            #expect(try tree.lineage("one").version == 1)
        }
    }

    @Test func `a switch in a directory that is gone is dropped, and does not stand in the way for ever`() async throws
    {
        try await TestTree.with { tree in
            try await tree.add("one")
            try tree.archive(try await tree.issue(["one"]), "one", 2)
            let path = try journal(tree)
            // As a switch notes it that found no links.
            try write(path, text(path).replacing(/,"before":"[^"]*"/, with: ""))
            try await tree.shell("rm -r letsencrypt/live/one")
            #expect(try SwitchJournal.completeAll(in: tree.state) == [])
            #expect(try FileSystem.status(path) == nil)
        }
    }

    @Test(arguments: ["", "{", "[]", "null", #"{"steps":1}"#])
    func `a journal that is none is an error that names it, and the others are completed`(torn: String) async throws {
        try await TestTree.with { tree in
            try await tree.add("one")
            try tree.archive(try await tree.issue(["one"]), "one", 2)
            _ = try journal(tree)
            try write("\(tree.state)/switches/a.json", torn)
            let error = try #require(throws: FileError.self) { try SwitchJournal.completeAll(in: tree.state) }
            #expect("\(error)".hasPrefix("cannot read \(tree.state)/switches/a.json: "))
            #expect(try tree.lineage("one").version == 2)
        }
    }

    @Test func `what a killed exchange left is cleaned, before it and after it`() async throws {
        try await TestTree.with { tree in
            try await tree.add("one")
            let leftover = "\(tree.path)/live/.certctl-live-one"
            try await tree.shell("mkdir \(leftover); ln -s nowhere \(leftover)/cert.pem; echo > \(leftover)/README")
            try await tree.shell("touch letsencrypt/archive/one/.privkey2.pem.certctl-new")
            #expect(try tree.installation("one").install(try await tree.issue(["one"])) == 2)
            #expect(try await tree.listing().filter { $0.hasSuffix("certctl-new") } == [])
            #expect(try tree.lineage("one").version == 2)
            #expect(try FileSystem.linkText("\(leftover)/cert.pem") == "../../archive/one/cert1.pem")
            _ = try SwitchJournal.completeAll(in: tree.state)
            #expect(try FileSystem.status(leftover) == nil)
        }
    }

    @Test func `a foreign file in the place for the exchange is kept, and the links are switched one by one`()
        async throws
    {
        try await TestTree.with { tree in
            try await tree.add("one")
            try await tree.shell(
                "mkdir letsencrypt/live/.certctl-live-one; echo mine > letsencrypt/live/.certctl-live-one/x")
            #expect(try tree.installation("one").install(try await tree.issue(["one"])) == 2)
            #expect(try tree.lineage("one").version == 2)
            #expect(try text("\(tree.path)/live/.certctl-live-one/x") == "mine\n")
        }
    }

    @Test(.enabled(if: isRoot, "needs root"))
    func `on a full disk nothing is left behind and live is as it was`() async throws {
        try await TestTree.with { tree in
            try await tree.add("one")
            let set = try await tree.issue(["one"], type: .rsa(bits: 4096))
            try await tree.shell("mkdir tiny; mount -t tmpfs -o size=256k,mode=755 tmpfs tiny")
            let outcome = await Result(of: {
                try await tree.shell(
                    "cp -a letsencrypt/. tiny/; sed -i 's,/letsencrypt/,/tiny/,' tiny/renewal/one.conf")
                let small = TestTree(path: "\(tree.directory)/tiny", directory: tree.directory)
                let conf = ("\(small.path)/renewal/one.conf", try read("\(small.path)/renewal/one.conf"))
                _ = try? await small.shell("cat /dev/zero > tiny/filler 2>/dev/null")
                // Pages that are freed one by one: each time the disk is full a step later.
                var outcomes: [Bool] = []
                for pages in 0...12 {
                    _ = try? await small.shell(
                        "cat /dev/zero >> tiny/filler 2>/dev/null || :; truncate -s -\(pages * 4096) tiny/filler")
                    let before = try await small.shell("cd tiny; find . | sort")
                    do {
                        _ = try small.installation("one").install(set, conf: conf)
                        outcomes.append(true)
                        break
                    } catch let error as FileError {
                        outcomes.append(false)
                        #expect(error.code == ENOSPC, "\(error)")
                        #expect(try await small.shell("cd tiny; find . | sort") == before)
                        #expect(try Tree(small.path).lineage("one").version == 1)
                    }
                }
                let lineage = try Tree(small.path).lineage("one")
                #expect(lineage.version == 2 && lineage.problems.isEmpty, "\(lineage.problems)")
                return outcomes
            })
            try await tree.shell("umount tiny")
            let outcomes = try outcome.get()
            #expect(outcomes.first == false && outcomes.last == true, "\(outcomes)")
        }
    }

    @Test(.enabled(if: isRoot, "needs root"))
    func `a read-only tree is an error that says so, and can still be read`() async throws {
        try await TestTree.with { tree in
            try await tree.add("one")
            let set = try await tree.issue(["one"])
            try await tree.shell("mount --bind letsencrypt letsencrypt; mount -o remount,ro,bind letsencrypt")
            let outcome = Result(catching: {
                #expect(try tree.lineage("one").problems.isEmpty)
                let error = try #require(throws: FileError.self) { try tree.installation("one").install(set) }
                #expect("\(error)".hasSuffix(": Read-only file system"), "\(error)")
                #expect(try tree.lineage("one").version == 1)
                _ = try #require(throws: TreeLock.Failure.self) { _ = try TreeLock(configDirectory: tree.path) }
            })
            try await tree.shell("umount letsencrypt")
            try outcome.get()
        }
    }
}

extension Result where Failure == any Error {
    fileprivate init(of body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}

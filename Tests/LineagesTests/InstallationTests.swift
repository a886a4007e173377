import FoundationEssentials
import Glibc
import Lineages
import PKI
import Rig
import Synchronization
import Testing

@Suite(.parts("openssl"))
struct InstallationTests {
    /// Whether the lineage shows a set, all of it, by relative links, and has nothing wrong.
    private func expectLive(
        _ set: CertificateSet, _ version: Int, in tree: TestTree, location: SourceLocation = #_sourceLocation
    ) throws {
        let lineage = try tree.lineage("one")
        #expect(lineage.problems.isEmpty, "\(lineage.problems)", sourceLocation: location)
        #expect(lineage.version == version, sourceLocation: location)
        for kind in PEMKind.allCases {
            #expect(try read(tree.live("one", kind)) == set.bytes(kind), sourceLocation: location)
        }
    }

    private func inode(_ path: String) -> UInt64 {
        var status = stat()
        return stat(path, &status) == 0 ? UInt64(status.st_ino) : 0
    }

    @Test func `a set becomes the next version, all four links at once, and nothing else changes`() async throws {
        try await TestTree.with { tree in
            try await tree.add("one")
            let before = try await tree.listing()
            let old = inode("\(tree.path)/live/one")
            let set = try await tree.issue(["one"])
            #expect(try tree.installation("one").install(set) == 2)
            try expectLive(set, 2, in: tree)
            #expect(inode("\(tree.path)/live/one") != old, "it was exchanged")
            #expect(set.bytes(.fullchain) == set.bytes(.cert) + set.bytes(.chain))
            #expect(try SwitchJournal.completeAll(in: tree.state) == [], "an exchange leaves only tidying up")
            let new = PEMKind.allCases.map { "./archive/one/\($0.rawValue)2.pem" }
            #expect(try await tree.listing() == (before + new).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) })
            #expect(try FileSystem.entries(of: "\(tree.state)/switches") == [])
        }
    }

    @Test func `a set that is archived already is not archived again`() async throws {
        try await TestTree.with { tree in
            try await tree.add("one")
            let set = try await tree.issue(["one"])
            try tree.archive(set, "one", 2)
            #expect(try tree.installation("one").install(set) == 2)
            try expectLive(set, 2, in: tree)
            #expect(try tree.installation("one").install(set) == 2)
            #expect(try Archive(directory: tree.paths("one").archive).next == 3)
        }
    }

    @Test func `the next number is above every half and every gap`() async throws {
        try await TestTree.with { tree in
            try await tree.add("one")
            try await tree.shell("cd letsencrypt/archive/one; cp chain1.pem chain7.pem; touch .cert9.pem.certctl-new")
            let set = try await tree.issue(["one"])
            #expect(try tree.installation("one").install(set) == 8)
            try expectLive(set, 8, in: tree)
            #expect(try FileSystem.status("\(tree.path)/archive/one/.cert9.pem.certctl-new") == nil)
        }
    }

    @Test(
        .enabled(if: isRoot, "needs root"), arguments: [(0o640, 0o640), (0o644, 0o644), (0o777, 0o674), (0o400, 0o600)])
    func `a key keeps its group and what certbot keeps of its mode`(old: Int, new: Int) async throws {
        try await TestTree.with { tree in
            try await tree.add("one")
            try await tree.shell(
                "cd letsencrypt/archive/one; chgrp 65534 privkey1.pem; chmod \(String(old, radix: 8)) privkey1.pem")
            _ = try tree.installation("one").install(try await tree.issue(["one"]))
            let status = try #require(try FileSystem.status("\(tree.path)/archive/one/privkey2.pem"))
            #expect(Int(status.mode) == new && status.group == 65534 && status.owner == 0)
            #expect(try FileSystem.status("\(tree.path)/archive/one/cert2.pem")?.mode == 0o644)
        }
    }

    @Test(.enabled(if: isRoot, "needs root"))
    func `directory, README and conf keep owner, group and mode`() async throws {
        try await TestTree.with { tree in
            try await tree.add("one")
            let conf = "\(tree.path)/renewal/one.conf"
            try await tree.shell(
                """
                cd letsencrypt; chown 65534:65534 live/one renewal/one.conf; chmod 2750 live/one; chmod 640 renewal/one.conf
                echo mine > live/one/README; chmod 600 live/one/README; mv renewal/one.conf ../real; ln -s ../../real renewal/one.conf
                """)
            let bytes = try read(conf) + Array("# more\n".utf8)
            _ = try tree.installation("one").install(try await tree.issue(["one"]), conf: (conf, bytes))
            let live = try #require(try FileSystem.status("\(tree.path)/live/one"))
            #expect(live.mode == 0o2750 && live.owner == 65534 && live.group == 65534)
            #expect(try text("\(tree.path)/live/one/README") == "mine\n")
            #expect(try FileSystem.status("\(tree.path)/live/one/README")?.mode == 0o600)
            #expect(try FileSystem.status(conf)?.kind == .link)
            let target = try #require(try FileSystem.status("\(tree.directory)/real"))
            #expect(target.mode == 0o640 && target.owner == 65534 && target.group == 65534)
            #expect(try read(conf) == bytes)
        }
    }

    /// A tree in which live/NAME cannot be exchanged: what makes it so.
    static let pinned = [
        "an operator's file": "echo > live/one/dhparam.pem",
        "a subdirectory": "mkdir live/one/more",
        "a symlinked directory": "mv live/one live/real; ln -s real live/one",
        "a symlinked directory elsewhere": "mkdir ../else; mv live/one ../else/; ln -s ../../else/one live/one",
        "a link of the operator's": "ln -s cert.pem live/one/server.crt",
        "a file in place of a link": "cp -L live/one/cert.pem x; mv x live/one/cert.pem",
    ]

    @Test(arguments: pinned.keys.sorted())
    func `where an exchange would lose something the links are switched one by one`(case name: String) async throws {
        try await TestTree.with { tree in
            try await tree.add("one")
            try await tree.shell("cd letsencrypt; \(try #require(Self.pinned[name]))")
            let kind = try #require(try FileSystem.status("\(tree.path)/live/one")).kind
            let (old, entries) = (inode("\(tree.path)/live/one"), try FileSystem.entries(of: "\(tree.path)/live/one"))
            let before = try await tree.listing()
            let set = try await tree.issue(["one"])
            #expect(try tree.installation("one").install(set) == 2)
            try expectLive(set, 2, in: tree)
            #expect(inode("\(tree.path)/live/one") == old)
            #expect(try FileSystem.status("\(tree.path)/live/one")?.kind == kind)
            #expect(try FileSystem.entries(of: "\(tree.path)/live/one") == entries)
            #expect(try SwitchJournal.completeAll(in: tree.state) == [])
            let kept = name == "a file in place of a link" ? ["./archive/one/replaced-by-cert2.pem"] : []
            let new = PEMKind.allCases.map { "./archive/one/\($0.rawValue)2.pem" } + kept
            #expect(try await tree.listing() == (before + new).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) })
        }
    }

    @Test func `an attribute of the directory's keeps it in its place`() async throws {
        try await TestTree.with { tree in
            try await tree.add("one")
            let script = "import os, sys; os.setxattr(sys.argv[1], 'user.mine', b'1')"
            // Not every file system has them.
            guard try await sh("python3", ["-c", script, "\(tree.path)/live/one"]).status == 0 else { return }
            let old = inode("\(tree.path)/live/one")
            let set = try await tree.issue(["one"])
            #expect(try tree.installation("one").install(set) == 2)
            try expectLive(set, 2, in: tree)
            #expect(inode("\(tree.path)/live/one") == old)
        }
    }

    @Test func `absolute links stay absolute, and leftovers of certbot's are gone`() async throws {
        try await TestTree.with { tree in
            try await tree.add("one")
            try await tree.shell(
                """
                cd letsencrypt/live/one
                for k in cert privkey chain fullchain; do
                    ln -sfn \(tree.path)/archive/one/${k}1.pem $k.pem; ln -s nowhere previous_$k.pem
                done
                """)
            let set = try await tree.issue(["one"])
            #expect(try tree.installation("one").install(set) == 2)
            try expectLive(set, 2, in: tree)
            #expect(try tree.links("one") == PEMKind.allCases.map { "\(tree.path)/archive/one/\($0.rawValue)2.pem" })
            #expect(try FileSystem.entries(of: "\(tree.path)/live/one").count == 5)
        }
    }

    @Test func `missing, dangling and foreign links are made good`() async throws {
        try await TestTree.with { tree in
            try await tree.add("one")
            try await tree.add("two")
            try await tree.shell(
                """
                cd letsencrypt/live/one; rm cert.pem; ln -sfn nowhere chain.pem
                ln -sfn ../../archive/two/fullchain1.pem fullchain.pem
                """)
            let set = try await tree.issue(["one"])
            #expect(try tree.installation("one").install(set) == 2)
            try expectLive(set, 2, in: tree)
            #expect(try tree.lineage("two").problems.isEmpty)
        }
    }

    @Test(arguments: ["live", "archive", "live archive"])
    func `a lineage that lost its directories gets them back`(lost: String) async throws {
        try await TestTree.with { tree in
            try await tree.add("one")
            try await tree.shell("cd letsencrypt; for part in \(lost); do rm -r $part/one; done")
            let set = try await tree.issue(["one"])
            let version = try tree.installation("one").install(set)
            #expect(version == (lost == "live" ? 2 : 1))
            try expectLive(set, version, in: tree)
            let modes = try await tree.shell("cd letsencrypt; stat -c %a live live/one archive archive/one")
            #expect(modes == "700\n755\n700\n755\n")
        }
    }

    @Test func `five whole versions before the live one are kept, and no key that one of them needs`() async throws {
        try await TestTree.with { tree in
            let first = try await tree.add("one")
            for version in 2...9 where version != 4 { try tree.archive(first, "one", version) }
            try await tree.shell(
                "cd letsencrypt/archive/one; rm chain8.pem; ln -sf privkey2.pem privkey6.pem; ln -sf privkey6.pem privkey7.pem"
            )
            let set = try await tree.issue(["one"])
            #expect(try tree.installation("one").install(set) == 10)
            let archive = try Archive(directory: tree.paths("one").archive)
            // Whole ones before 10: 1, 2, 3, 5, 6, 7, 9. Kept: 3, 5, 6, 7, 9 and the half of 8, and the key in 2.
            #expect(archive.versions.keys.sorted() == [2, 3, 5, 6, 7, 8, 9, 10])
            #expect(archive.versions[2] == [.privkey])
            #expect(try read(archive.path(.privkey, 7)) == first.bytes(.privkey))
            try expectLive(set, 10, in: tree)
        }
    }

    @Test func `a reader never misses a file, and by an open directory sees one version`() async throws {
        try await TestTree.with { tree in
            let first = try await tree.add("one")
            var sets = [first]
            for _ in 0..<4 { sets.append(try await tree.issue(["one"])) }
            let pairs = Set(sets.map { [$0.bytes(.cert), $0.bytes(.privkey)] })
            let live = "\(tree.path)/live/one"
            let tally = Tally()
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    while !tally.isDone.load(ordering: .relaxed) {
                        let directory = open(live, O_RDONLY | O_DIRECTORY)
                        if directory < 0 {
                            tally.misses.add(1, ordering: .relaxed)
                            continue
                        }
                        // Long enough for the directory to be exchanged under it now and then.
                        for _ in 0..<20 {
                            let pair = ["cert.pem", "privkey.pem"].map { contents(at: directory, $0) }
                            if pair.contains([]) { tally.misses.add(1, ordering: .relaxed) }
                            if !pairs.contains(pair) { tally.mixed.add(1, ordering: .relaxed) }
                        }
                        close(directory)
                        for kind in PEMKind.allCases
                        where contents(at: AT_FDCWD, "\(live)/\(kind.rawValue).pem").isEmpty {
                            tally.misses.add(1, ordering: .relaxed)
                        }
                        tally.reads.add(1, ordering: .relaxed)
                        await Task.yield()
                    }
                }
                for round in 0..<12 {
                    let before = tally.reads.load(ordering: .relaxed)
                    while tally.reads.load(ordering: .relaxed) == before { await Task.yield() }
                    _ = try tree.installation("one").install(sets[round % sets.count])
                }
                tally.isDone.store(true, ordering: .relaxed)
                try await group.waitForAll()
            }
            #expect(tally.misses.load(ordering: .relaxed) == 0)
            #expect(tally.mixed.load(ordering: .relaxed) == 0)
            #expect(tally.reads.load(ordering: .relaxed) >= 12)
        }
    }

    @Test func `a new lineage has the directories, modes and conf that certbot would have made`() async throws {
        try await TestTree.with { tree in
            try await tree.shell("rm -r letsencrypt")
            try FileSystem.makeDirectories(tree.path, mode: 0o755)
            let set = try await tree.issue(["one"], type: .ec(.p384))
            let lineage = try NewLineage(name: "one", in: tree.tree())
            try lineage.makeDirectories()
            try lineage.makeDirectories()
            let settings = NewLineage.Settings(
                server: "https://ca.example/dir", account: "0123", keyType: .ec(.p384),
                proof: ProofSettings([.webroot], webroots: [(try #require(SubjectName("one")), "/srv/a, b")]))
            let path = try tree.tree().confPath("one")
            let installation = Installation(paths: lineage.paths, stateDirectory: tree.state)
            #expect(try installation.install(set, conf: (path, lineage.conf(settings).bytes)) == 1)
            try expectLive(set, 1, in: tree)
            #expect(try tree.links("one") == PEMKind.allCases.map { "../../archive/one/\($0.rawValue)1.pem" })
            let options = try #require(try tree.lineage("one").options)
            #expect(options.keyType == .ec(.p384) && options.account == "0123" && options.lastWebroot == "/srv/a, b")
            let modes = try [
                "live", "archive", "renewal", "live/one", "archive/one", "renewal/one.conf", "archive/one/privkey1.pem",
            ]
            .map { try FileSystem.status("\(tree.path)/\($0)")?.mode }
            #expect(modes == [0o700, 0o700, 0o755, 0o755, 0o755, 0o644, 0o600])
        }
    }

    @Test(arguments: ["", ".", "..", ".x", "a/b", "a\nb", "a\0b"])
    func `what cannot be a directory's name is no lineage's`(name: String) throws {
        let tree = try Tree("/nonexistent")
        #expect(throws: LineageProblem.self) { try NewLineage(name: name, in: tree) }
    }
}

private final class Tally: Sendable {
    let isDone = Atomic(false)
    let misses = Atomic(0)
    let mixed = Atomic(0)
    let reads = Atomic(0)
}

/// What a file holds, opened beside a directory's descriptor; empty when it cannot be opened.
private func contents(at directory: Int32, _ name: String) -> [UInt8] {
    let descriptor = openat(directory, name, O_RDONLY)
    guard descriptor >= 0 else { return [] }
    defer { close(descriptor) }
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    let count = read(descriptor, &buffer, buffer.count)
    return Array(buffer.prefix(max(count, 0)))
}

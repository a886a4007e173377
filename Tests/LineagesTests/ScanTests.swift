import FoundationEssentials
import Glibc
import Lineages
import PKI
import Rig
import Testing

@Suite(.parts("openssl"))
struct ScanTests {
    @Test func `a sound lineage has its certificate, version and paths, and no problem`() async throws {
        try await TestTree.with { tree in
            let set = try await tree.add("one.example", names: ["one.example", "www.one.example"])
            let lineage = try tree.lineage("one.example")
            #expect(lineage.problems.isEmpty, "\(lineage.problems)")
            #expect(lineage.certificate == set.leaf)
            #expect(lineage.version == 1)
            #expect(lineage.reasonUnmanaged == nil)
            #expect(lineage.paths?.live == "\(tree.path)/live/one.example")
        }
    }

    /// A way to spoil the lineage `bad`: a shell script in the tree, and the code of what is then found.
    struct Damage: Sendable, CustomTestStringConvertible {
        let name: String
        let script: String
        let code: LineageProblem.Code?
        var isFatal = true
        var testDescription: String { name }
    }

    static let damages: [Damage] = [
        Damage(name: "empty conf", script: ": > renewal/bad.conf", code: .confMalformed),
        Damage(name: "conf of white space", script: "printf '\\n \\n' > renewal/bad.conf", code: .confMalformed),
        Damage(
            name: "truncated conf", script: "head -c 60 renewal/bad.conf > x; mv x renewal/bad.conf",
            code: .confIncomplete),
        Damage(name: "conf with CRLF", script: "sed -i 's/$/\\r/' renewal/bad.conf", code: nil),
        Damage(name: "conf with BOM", script: "sed -i '1s/^/\\xef\\xbb\\xbf/' renewal/bad.conf", code: nil),
        Damage(name: "Latin-1", script: "printf '# caf\\351\\n' >> renewal/bad.conf", code: .confMalformed),
        Damage(name: "no renewalparams", script: "sed -i '/renewalparams/,$d' renewal/bad.conf", code: .confIncomplete),
        Damage(name: "no cert line", script: "sed -i '/^cert/d' renewal/bad.conf", code: .confIncomplete),
        Damage(name: "relative path", script: "sed -i 's,^cert = /,cert = ,' renewal/bad.conf", code: .confIncomplete),
        Damage(
            name: "relative archive", script: "sed -i 's,^archive_dir = /,archive_dir = ,' renewal/bad.conf",
            code: .confIncomplete),
        Damage(name: "autorenew = maybe", script: "echo autorenew = maybe >> renewal/bad.conf", code: .optionInvalid),
        Damage(
            name: "junk in rsa_key_size", script: "echo rsa_key_size = big >> renewal/bad.conf", code: .optionInvalid),
        Damage(name: "unknown key_type", script: "echo key_type = dsa >> renewal/bad.conf", code: .optionInvalid),
        Damage(
            name: "hook with a comma", script: "echo pre_hook = echo a, b >> renewal/bad.conf", code: .optionInvalid),
        Damage(
            name: "junk renew_before_expiry", script: "sed -i '1i renew_before_expiry = soon' renewal/bad.conf",
            code: .renewBeforeExpiry, isFatal: false),
        Damage(name: "future version", script: "sed -i 's/^version.*/version = 99.junk/' renewal/bad.conf", code: nil),
        Damage(name: "conf is a link", script: "mv renewal/bad.conf x; ln -s ../x renewal/bad.conf", code: nil),
        Damage(
            name: "conf is a dangling link", script: "rm renewal/bad.conf; ln -s nowhere renewal/bad.conf",
            code: .confUnreadable),
        Damage(
            name: "conf is a directory", script: "rm renewal/bad.conf; mkdir renewal/bad.conf", code: .confUnreadable),
        Damage(name: "conf is a FIFO", script: "rm renewal/bad.conf; mkfifo renewal/bad.conf", code: .confUnreadable),
        Damage(
            name: "a huge conf", script: "head -c 2000000 /dev/zero | tr '\\0' '#' >> renewal/bad.conf",
            code: .confUnreadable),
        Damage(
            name: "live is regular files", script: "cp -L live/bad/cert.pem x; mv x live/bad/cert.pem",
            code: .liveNotALink),
        Damage(
            name: "absolute links",
            script:
                "for k in cert privkey chain fullchain; do ln -sfn $PWD/archive/bad/${k}1.pem live/bad/$k.pem; done",
            code: nil),
        Damage(
            name: "a link into another lineage", script: "ln -sfn ../../archive/good/cert1.pem live/bad/cert.pem",
            code: .liveInconsistent),
        Damage(
            name: "a link to another kind", script: "ln -sfn ../../archive/bad/fullchain1.pem live/bad/cert.pem",
            code: .liveInconsistent),
        Damage(name: "a dangling link", script: "rm archive/bad/chain1.pem", code: .liveMissing),
        Damage(name: "a missing link", script: "rm live/bad/privkey.pem", code: .liveMissing),
        Damage(name: "a missing live directory", script: "rm -r live/bad", code: .liveMissing),
        Damage(name: "a missing archive", script: "rm -r archive/bad", code: .liveMissing),
        Damage(
            name: "mixed versions",
            script:
                "cp archive/bad/chain1.pem archive/bad/chain2.pem; ln -sfn ../../archive/bad/chain2.pem live/bad/chain.pem",
            code: .liveInconsistent),
        Damage(
            name: "a loop of links", script: "ln -sfn cert.pem live/bad/cert.pem", code: .unreadable),
        Damage(
            name: "previous_* left over", script: "ln -s nowhere live/bad/previous_cert.pem", code: nil),
        Damage(
            name: "half of the next version", script: "cp archive/bad/privkey1.pem archive/bad/privkey2.pem", code: nil),
        Damage(
            name: "a whole newer version",
            script: "for k in cert privkey chain fullchain; do cp archive/bad/${k}1.pem archive/bad/${k}7.pem; done",
            code: .newerVersion, isFatal: false),
        Damage(
            name: "an absurd number", script: "touch archive/bad/cert9223372036854775807.pem archive/bad/cert.pem",
            code: nil),
        Damage(name: "an empty certificate", script: ": > archive/bad/cert1.pem", code: .certificateMalformed),
        Damage(name: "an empty fullchain", script: ": > archive/bad/fullchain1.pem", code: .certificateMalformed),
        Damage(name: "an empty key", script: ": > archive/bad/privkey1.pem", code: .keyMalformed),
        Damage(
            name: "a certificate cut short",
            script: "head -c 300 archive/bad/cert1.pem > x; mv x archive/bad/cert1.pem", code: .certificateMalformed),
        Damage(
            name: "an empty chain",
            script: ": > archive/bad/chain1.pem; cp archive/bad/cert1.pem archive/bad/fullchain1.pem",
            code: nil),
        Damage(
            name: "several certificates in cert.pem",
            script: "cat archive/good/cert1.pem >> archive/bad/cert1.pem", code: nil),
        Damage(
            name: "PEM with CRLF, BOM, Bag Attributes and no last newline",
            script: """
                for k in cert privkey chain fullchain; do
                    { printf '\\357\\273\\277Bag Attributes\\r\\n  localKeyID: 01\\r\\n'; sed 's/$/\\r/' archive/bad/${k}1.pem; } |
                        head -c -2 > x; cat x > archive/bad/${k}1.pem
                done
                """,
            code: nil),
        Damage(
            name: "another's key", script: "cp archive/good/privkey1.pem archive/bad/privkey1.pem", code: .keyMismatch),
        Damage(
            name: "an encrypted key",
            script:
                "openssl pkcs8 -topk8 -passout pass:x -in archive/bad/privkey1.pem -out x; mv x archive/bad/privkey1.pem",
            code: .keyMalformed),
        Damage(
            name: "another's fullchain", script: "cp archive/good/fullchain1.pem archive/bad/fullchain1.pem",
            code: .fullchainMismatch),
        Damage(
            name: "a key that is a FIFO", script: "rm archive/bad/privkey1.pem; mkfifo archive/bad/privkey1.pem",
            code: .unreadable),
    ]

    @Test(arguments: damages)
    func `damage to one lineage is one row, and the others are as they were`(damage: Damage) async throws {
        try await TestTree.with { tree in
            try await tree.add("good")
            try await tree.add("bad")
            try await tree.shell("cd letsencrypt; \(damage.script)")
            let lineages = try tree.tree().lineages()
            #expect(lineages.map(\.name) == ["bad", "good"])
            let (bad, good) = (lineages[0], lineages[1])
            #expect(good.problems.isEmpty && good.version == 1)
            if let code = damage.code {
                let first = try #require(bad.problems.first)
                #expect(first.code == code, "\(bad.problems)")
                #expect(Set(bad.problems.map(\.message)).count == bad.problems.count, "nothing is said twice")
                #expect(first.isFatal == damage.isFatal)
                #expect(!first.message.contains("\n"))
            } else {
                #expect(bad.problems.isEmpty, "\(bad.problems)")
                #expect(bad.version == 1 && bad.certificate != nil)
            }
        }
    }

    @Test func `only confs that certbot takes are lineages, in byte order`() async throws {
        try await TestTree.with { tree in
            for name in [
                "b.conf", "a.conf", "B.conf", "a-0001.conf", ".hidden.conf", ".conf", "x.conf.bak", "x.conf~",
                "x.conf.new",
            ] {
                try write("\(tree.path)/renewal/\(name)", "")
            }
            #expect(try tree.tree().lineages().map(\.name) == ["B", "a-0001", "a", "b"])
        }
    }

    @Test func `a conf without an authenticator, with another one, or of a wildcard is not managed, and says why`()
        async throws
    {
        try await TestTree.with { tree in
            try await tree.add("none", conf: tree.conf("none", params: "server = https://ca.example/dir"))
            try await tree.add("other", conf: tree.conf("other", params: "authenticator = nginx"))
            try await tree.add("wild", names: ["*.wild.example"])
            let reasons = try tree.tree().lineages().map(\.reasonUnmanaged)
            #expect(reasons.count == 3)
            #expect(reasons[0] == "its renewal config names no authenticator")
            #expect(reasons[1]?.hasPrefix("authenticator nginx") == true)
            #expect(reasons[2]?.contains("dns-01") == true)
        }
    }

    @Test func `a tree without renewal has no lineages, and one that is not there is a failure`() async throws {
        try await TemporaryDirectory.with { directory in
            #expect(try Tree(directory + "/").lineages().isEmpty)
            let failure = try #require(throws: Tree.Failure.self) { try Tree("\(directory)/none").lineages() }
            #expect("\(failure)" == "cannot read \(directory)/none: there is no such directory")
        }
    }

    @Test func `a broken cli dot ini is a failure that names its line`() async throws {
        try await TestTree.with { tree in
            try write("\(tree.path)/cli.ini", "server = https://a.example\n= what\n")
            let failure = try #require(throws: Tree.Failure.self) { try Tree(tree.path) }
            #expect("\(failure)".hasPrefix("\(tree.path)/cli.ini: line 2:"))
        }
    }

    @Test(.enabled(if: isRoot, "needs root"), .parts("setpriv", "python3"))
    func `whoever may not read a tree is told so, once a lineage`() async throws {
        try await TestTree.with { tree in
            try await tree.add("one")
            try await tree.add("two")
            try await asNobody {
                let lineages = try tree.tree().lineages()
                #expect(lineages.map { $0.problems.map(\.code) } == [[.unreadable], [.unreadable]])
                #expect(lineages[0].fatalProblem?.message.contains("Permission denied") == true)
            }
            try await tree.shell("chmod 755 letsencrypt/live letsencrypt/archive")
            try await asNobody {
                let lineage = try tree.lineage("one")
                #expect(lineage.problems.isEmpty, "a key that one may not read is no problem: \(lineage.problems)")
                #expect(lineage.version == 1)
            }
            try await tree.shell("chmod 700 letsencrypt/renewal")
            try await asNobody {
                let failure = #expect(throws: Tree.Failure.self) { try tree.tree().lineages() }
                #expect(failure?.isPermission == true)
            }
        }
    }
}

/// Runs a closure in a thread whose file system identity is nobody's: setfsuid(2) is the thread's own.
func asNobody(_ body: @escaping @Sendable () throws -> Void) async throws {
    try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        let box = ThreadBody {
            _ = setfsgid(65534)
            _ = setfsuid(65534)
            continuation.resume(with: Result(catching: body))
        }
        var thread = pthread_t()
        let raw = Unmanaged.passRetained(box).toOpaque()
        pthread_create(
            &thread, nil,
            { pointer in
                Unmanaged<ThreadBody>.fromOpaque(pointer!).takeRetainedValue().run()
                return nil
            }, raw)
        pthread_detach(thread)
    }
}

private final class ThreadBody: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

@_silgen_name("setfsuid") private func setfsuid(_ id: UInt32) -> Int32
@_silgen_name("setfsgid") private func setfsgid(_ id: UInt32) -> Int32

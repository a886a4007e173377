import ACME
import Challenges
import FoundationEssentials
import Glibc
import Lineages
import PKI
import Rig
import Testing

/// What root puts into a webroot that may be another user's.
@Suite(.timeLimit(.minutes(5)))
struct WebrootSolverTests {
    private static let name = SubjectName("a.example")!
    /// Who owns the webroot; it is not root.
    private static let owner: uid_t = 33
    static let parts = [".well-known", ".well-known/acme-challenge"]

    /// A challenge with that token.
    private static func challenge(_ token: String = "token") -> PendingChallenge {
        PendingChallenge(
            name: name, identifierValue: "a.example", type: "http-01", token: token,
            keyAuthorization: "\(token).thumbprint")
    }

    /// A webroot of another user, and a directory that only root may enter, with a file in it.
    private struct Site {
        let webroot: String
        let secret: String
        let challenges: String

        static func with(_ body: (Site) async throws -> Void) async throws {
            try await TemporaryDirectory.with { directory in
                let site = Site(
                    webroot: "\(directory)/webroot", secret: "\(directory)/secret",
                    challenges: "\(directory)/webroot/.well-known/acme-challenge")
                try site.make(site.webroot, owner: WebrootSolverTests.owner)
                try site.make(site.secret, mode: 0o700)
                try "key".write(toFile: "\(site.secret)/key", atomically: false, encoding: .utf8)
                try await body(site)
                #expect(site.isSecretUntouched)
            }
        }

        var responder: WebrootSolver {
            get throws { try WebrootSolver(webroots: [name: webroot], names: [name]) }
        }

        /// Whether the secret directory has the owner, mode and content that it had.
        var isSecretUntouched: Bool {
            guard let status = try? FileSystem.status(secret) else { return false }
            return status.owner == geteuid() && status.mode == 0o700 && (try? FileSystem.entries(of: secret)) == ["key"]
                && (try? FileSystem.read("\(secret)/key")) == Array("key".utf8)
        }

        func make(_ path: String, owner: uid_t? = nil, mode: mode_t = 0o755) throws {
            try #require(mkdir(path, 0o700) == 0 && chmod(path, mode) == 0)
            if let owner, geteuid() == 0 { try #require(chown(path, owner, owner) == 0) }
        }

        /// A link in the webroot, with the directories above it.
        func link(_ name: String, to text: String, owner: uid_t? = nil) throws {
            if name.contains("/") { try make("\(webroot)/.well-known", owner: WebrootSolverTests.owner) }
            let path = "\(webroot)/\(name)"
            try #require(symlink(text, path) == 0)
            if let owner { try #require(lchown(path, owner, owner) == 0) }
        }

        func present(_ responder: WebrootSolver, _ token: String = "token") async throws {
            try await responder.present([WebrootSolverTests.challenge(token)])
        }

        func status(_ path: String) throws -> FileSystem.Status { try #require(try FileSystem.status(path)) }

        /// Everything that is in the webroot.
        var contents: [String] { (try? FileManager.default.subpathsOfDirectory(atPath: webroot))?.sorted() ?? [] }
    }

    @Test func `an answer and what is made for it are the webroot's owner's to read, and go again`() async throws {
        try await Site.with { site in
            let responder = try site.responder
            #expect(site.contents == [], "to look is not to write")
            try await site.present(responder)
            let owner = try site.status(site.webroot)
            for part in Self.parts {
                let status = try site.status("\(site.webroot)/\(part)")
                #expect(status.mode == 0o755 && (status.owner, status.group) == (owner.owner, owner.group), "\(part)")
            }
            #expect(try site.status("\(site.challenges)/token").mode == 0o644)
            #expect(try FileSystem.read("\(site.challenges)/token") == Array("token.thumbprint".utf8))
            await responder.cleanUp([Self.challenge("token")])
            #expect(site.contents == [])
        }
    }

    @Test func `directories that are there keep their owner and mode, and stay`() async throws {
        try await Site.with { site in
            try site.make("\(site.webroot)/.well-known", owner: 1234, mode: 0o711)
            try site.make(site.challenges, owner: 1235, mode: 0o2775)
            let responder = try site.responder
            try await site.present(responder)
            await responder.cleanUp([Self.challenge("token")])
            #expect(site.contents == Self.parts)
            #expect(try site.status("\(site.webroot)/.well-known").mode == 0o711)
            #expect(try site.status(site.challenges).mode == 0o2775)
            guard geteuid() == 0 else { return }
            #expect(try site.status("\(site.webroot)/.well-known").owner == 1234)
            #expect(try site.status(site.challenges).owner == 1235)
        }
    }

    @Test func `a directory that another user's is made in is that user's, whoever has the webroot`() async throws {
        try await Site.with { site in
            try site.make("\(site.webroot)/.well-known")
            try await site.present(try site.responder)
            #expect(try site.status(site.challenges).owner == geteuid())
        }
    }

    @Test(.enabled(if: geteuid() == 0, "gives a link to another user: run as root"), arguments: parts)
    func `a link that the webroot's owner has planted is refused, and nothing happens where it leads`(
        part: String
    ) async throws {
        try await Site.with { site in
            let responder = try site.responder
            try site.link(part, to: site.secret, owner: Self.owner)
            let before = site.contents
            let path = "\(site.webroot)/\(part)"
            let words = "cannot enter \(path): it is a link that uid 33 owns, to a directory that uid 0 owns"
            let late = await #expect(throws: ChallengeFailure.self) { try await site.present(responder) }
            #expect(late?.reason == words && late?.names == ["a.example"])
            await responder.cleanUp([Self.challenge("key")])
            #expect(site.contents == before)

            let early = #expect(throws: WebrootSolver.Failure.self) { try site.responder }
            #expect(early?.description == "webroot \(site.webroot) takes no challenge files: \(words)")
            #expect(early?.advice?.contains("chown -h root \(path)") == true)
        }
    }

    @Test(.enabled(if: geteuid() == 0, "gives a link to another user: run as root"))
    func `a way that root has linked is refused where the webroot's owner can lead it elsewhere`() async throws {
        try await Site.with { site in
            try site.link("place", to: site.secret, owner: Self.owner)
            try site.link(".well-known", to: "./place")
            let failure = #expect(throws: WebrootSolver.Failure.self) { try site.responder }
            #expect(failure?.description.contains("\(site.webroot)/./place: it is a link that uid 33 owns") == true)
        }
    }

    @Test(arguments: parts, ["file", "FIFO"])
    func `what is no directory is told by its path, and nothing is made or waited for`(
        part: String, kind: String
    ) async throws {
        try await Site.with { site in
            let responder = try site.responder
            if part.contains("/") { try site.make("\(site.webroot)/.well-known") }
            let path = "\(site.webroot)/\(part)"
            try #require((kind == "FIFO" ? mkfifo(path, 0o666) : mknod(path, S_IFREG | 0o777, 0)) == 0)
            let before = site.contents
            let late = await #expect(throws: ChallengeFailure.self) { try await site.present(responder) }
            #expect(late?.reason == "cannot enter \(path): it is not a directory")
            await responder.cleanUp([Self.challenge("token")])
            #expect(site.contents == before)
            let early = #expect(throws: WebrootSolver.Failure.self) { try site.responder }
            #expect(early?.description.hasSuffix("\(path): it is not a directory") == true)
        }
    }

    @Test func `a link to nothing and a circle of links are told`() async throws {
        try await Site.with { site in
            try site.link(".well-known", to: "nowhere/at/all")
            let failure = #expect(throws: WebrootSolver.Failure.self) { try site.responder }
            #expect(failure?.description.hasSuffix("it is a link to nowhere/at/all, which is not there") == true)
            try FileSystem.remove("\(site.webroot)/.well-known")
            try site.link(".well-known", to: "./.well-known/x")
            #expect(throws: WebrootSolver.Failure.self) { try site.responder }
        }
    }

    /// Who owns the link, and who what it leads to.
    @Test(
        .enabled(if: geteuid() == 0, "gives links to other users: run as root"), arguments: parts,
        [(0, 0), (0, 33), (33, 33)] as [(uid_t, uid_t)])
    func `a link that root made is followed, and one that leads to what its owner has as well`(
        part: String, owners: (link: uid_t, target: uid_t)
    ) async throws {
        try await Site.with { site in
            let directory = try #require(FileSystem.directory(of: site.webroot))
            try site.make("\(directory)/shared", owner: owners.target)
            // On its way a link of root's, and a way up.
            try #require(symlink("shared", "\(directory)/alias") == 0)
            try site.link(part, to: "\(directory)/webroot/../alias/", owner: owners.link)
            let responder = try site.responder
            try await site.present(responder)
            let place = part.contains("/") ? "\(directory)/shared" : "\(directory)/shared/acme-challenge"
            #expect(try FileSystem.read("\(place)/token") == Array("token.thumbprint".utf8))
            #expect(try site.status(place).owner == owners.target)
            await responder.cleanUp([Self.challenge("token")])
            #expect(try FileSystem.entries(of: "\(directory)/shared") == [])
            #expect(try site.status("\(site.webroot)/\(part)").kind == .link)
        }
    }

    @Test func `the webroot itself may be a link`() async throws {
        try await Site.with { site in
            let link = "\(site.webroot)-link"
            try #require(symlink("webroot", link) == 0)
            if geteuid() == 0 { try #require(lchown(link, Self.owner, Self.owner) == 0) }
            let responder = try WebrootSolver(webroots: [Self.name: link], names: [Self.name])
            try await site.present(responder)
            #expect(try FileSystem.read("\(site.challenges)/token") == Array("token.thumbprint".utf8))
            await responder.cleanUp([Self.challenge("token")])
            #expect(site.contents == [])
        }
    }

    @Test func `links and a FIFO that stand where the file or its half comes are replaced`() async throws {
        try await Site.with { site in
            try site.make("\(site.webroot)/.well-known", owner: Self.owner)
            try site.make(site.challenges, owner: Self.owner)
            for name in ["token", ".token.certctl-new"] {
                try #require(symlink("\(site.secret)/key", "\(site.challenges)/\(name)") == 0)
            }
            try #require(mkfifo("\(site.challenges)/.pipe.certctl-new", 0o666) == 0)
            for token in ["token", "pipe"] {
                try await site.present(try site.responder, token)
                #expect(try site.status("\(site.challenges)/\(token)").kind == .file)
                #expect(try FileSystem.read("\(site.challenges)/\(token)") == Array("\(token).thumbprint".utf8))
            }
            #expect(try FileSystem.entries(of: site.challenges) == ["pipe", "token"])
        }
    }

    @Test(.enabled(if: geteuid() == 0, "gives links to another user: run as root"))
    func `a link that takes the place of a directory at any moment leads nowhere`() async throws {
        try await Site.with { site in
            let responder = try site.responder
            let intruder = Task.detached { await Self.intrude(site.webroot, linkTo: site.secret) }
            for _ in 0..<400 where site.isSecretUntouched {
                try? await site.present(responder)
                await responder.cleanUp([Self.challenge("token")])
            }
            intruder.cancel()
            await intruder.value
        }
    }

    /// Puts links in the place of what comes into a webroot, until the task is cancelled.
    private static func intrude(_ webroot: String, linkTo target: String) async {
        var turn = 0
        while !Task.isCancelled {
            for name in (try? FileSystem.entries(of: webroot)) ?? [] where name.hasPrefix(".") {
                turn += 1
                let path = "\(webroot)/\(name)"
                guard rename(path, "\(webroot)/stolen\(turn)") == 0 else { continue }
                // It is that user's from the moment it is there.
                symlink(target, "\(webroot)/link")
                lchown("\(webroot)/link", owner, owner)
                rename("\(webroot)/link", path)
                usleep(100)
                unlink(path)
            }
            await Task.yield()
        }
    }

    @Test func `lineages that share a webroot do not get into each other's way`() async throws {
        try await Site.with { site in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for lineage in 0..<4 {
                    let responder = try site.responder
                    group.addTask {
                        for turn in 0..<50 {
                            let token = "token\(lineage)x\(turn)"
                            try await site.present(responder, token)
                            let path = "\(site.challenges)/\(token)"
                            #expect(try FileSystem.read(path) == Array("\(token).thumbprint".utf8))
                            await responder.cleanUp([Self.challenge(token)])
                        }
                    }
                }
                try await group.waitForAll()
            }
            // A directory whose maker was done before the last file in it was gone may be left.
            #expect(Set(site.contents).isSubset(of: Self.parts))
        }
    }
}

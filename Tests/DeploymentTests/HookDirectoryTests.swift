import Deployment
import FoundationEssentials
import Glibc
import Testing

struct HookDirectoryTests {
    let scratch: Scratch
    let directory: HookDirectory

    init() throws {
        scratch = try Scratch()
        directory = HookDirectory(configDirectory: scratch.path)
    }

    @Test func `hooks come in the order of their bytes`() async throws {
        let names = [".dotfile", "10-last", "9-first", "B", "a", "reload.sh.bak", "z", "é"]
        for name in names.reversed() { try await scratch.file("renewal-hooks/deploy/\(name)") }
        let listing = directory.list(.deploy)
        #expect(listing.hooks.map(\.name) == names)
        #expect(listing.hooks.first?.source == .directory(path: scratch.path("renewal-hooks/deploy/.dotfile")))
        #expect(listing.skipped.isEmpty && listing.unreadable == nil)
        #expect(directory.list(.pre) == HookDirectory.Listing())
    }

    @Test func `what is no hook is skipped with its reason`() async throws {
        try await scratch.file("renewal-hooks/post/README", mode: "644")
        try await scratch.file("renewal-hooks/post/old~")
        try await scratch.file("renewal-hooks/post/folder/hook")
        try await scratch.file("elsewhere/hook")
        for (name, target) in [("gone", "nowhere"), ("linked", "../../elsewhere/hook"), ("loop", "loop")] {
            #expect(symlink(target, scratch.path("renewal-hooks/post/\(name)")) == 0)
        }
        #expect(mkfifo(scratch.path("renewal-hooks/post/pipe"), 0o755) == 0)
        let latin1 = Array(scratch.path("renewal-hooks/post/").utf8) + [0x67, 0xFC, 0]
        let descriptor = latin1.withUnsafeBufferPointer {
            $0.withMemoryRebound(to: CChar.self) { open($0.baseAddress!, O_CREAT | O_WRONLY, 0o755) }
        }
        try #require(descriptor >= 0)
        close(descriptor)

        let listing = directory.list(.post)
        #expect(listing.hooks.map(\.name) == ["linked"])
        #expect(
            listing.skipped.map { "\($0.name) \($0.reason)" } == [
                "README is not executable", "folder is a directory", "gone is a link to nothing",
                "g\u{FFFD} has a name that is not UTF-8",
                "loop cannot be looked at: Too many levels of symbolic links",
                "old~ is a backup: its name ends in ~", "pipe is not a regular file",
            ])
    }

    @Test func `a directory that cannot be read is told`() async throws {
        try await scratch.file("renewal-hooks/pre")
        let listing = directory.list(.pre)
        #expect(listing.hooks.isEmpty)
        #expect(
            listing.unreadable.map { "\($0)" }
                == "cannot read the hooks in \(directory.path(of: .pre)): Not a directory")
    }

    @Test func `the path of a directory is plain and absolute`() {
        #expect(
            HookDirectory(configDirectory: "/etc/letsencrypt//").path(of: .pre) == "/etc/letsencrypt/renewal-hooks/pre")
        let here = FileManager.default.currentDirectoryPath
        #expect(HookDirectory(configDirectory: "tree/").path(of: .post) == "\(here)/tree/renewal-hooks/post")
    }
}

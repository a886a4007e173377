import Challenges
import FoundationEssentials
import Glibc
import Lineages
import Renewal
import Rig
import Testing

@testable import Diagnosis

struct ProbeFileTests {
    @Test func `a file goes with the directories made for it, and with no others`() async throws {
        try await TemporaryDirectory.with { webroot in
            let file = ProbeFile(webroot: webroot)
            try file.write()
            #expect(contents(ofFile: file.path) == file.content)
            file.remove()
            #expect(try FileManager.default.contentsOfDirectory(atPath: webroot).isEmpty)

            try FileManager.default.createDirectory(
                atPath: "\(webroot)/.well-known", withIntermediateDirectories: false)
            let second = ProbeFile(webroot: webroot)
            try second.write()
            second.remove()
            second.remove()
            #expect(try FileManager.default.contentsOfDirectory(atPath: webroot) == [".well-known"])

            // Somebody's challenge that came meanwhile keeps the directories.
            let third = ProbeFile(webroot: webroot)
            try third.write()
            try "x".write(toFile: "\(webroot)/.well-known/acme-challenge/token", atomically: false, encoding: .utf8)
            third.remove()
            #expect(contents(ofFile: "\(webroot)/.well-known/acme-challenge/token") == "x")
        }
    }

    @Test func `a directory that cannot be made is told, and leaves nothing`() async throws {
        try await TemporaryDirectory.with { webroot in
            try "x".write(toFile: "\(webroot)/.well-known", atomically: false, encoding: .utf8)
            #expect(throws: (any Error).self) { try ProbeFile(webroot: webroot).write() }
            #expect(try FileManager.default.contentsOfDirectory(atPath: webroot) == [".well-known"])
        }
    }

    @Test(
        .enabled(if: geteuid() == 0, "gives a link to another user: run as root"),
        arguments: [".well-known", ".well-known/acme-challenge"])
    func `a link that the webroot's owner has planted is refused, and nothing happens where it leads`(
        part: String
    ) async throws {
        try await TemporaryDirectory.with { directory in
            let (webroot, secret) = ("\(directory)/webroot", "\(directory)/secret")
            for path in [webroot, secret] { try #require(mkdir(path, 0o700) == 0) }
            if part.contains("/") { try #require(mkdir("\(webroot)/.well-known", 0o755) == 0) }
            try #require(symlink(secret, "\(webroot)/\(part)") == 0)
            for path in [webroot, "\(webroot)/\(part)"] { try #require(lchown(path, 33, 33) == 0) }
            let before = try FileManager.default.subpathsOfDirectory(atPath: directory)
            let file = ProbeFile(webroot: webroot)
            let error = #expect(throws: FileError.self) { try file.write() }
            #expect(error?.cause == "it is a link that uid 33 owns, to a directory that uid 0 owns")
            file.remove()
            #expect(try FileManager.default.subpathsOfDirectory(atPath: directory) == before)
            let status = try #require(try FileSystem.status(secret))
            #expect(status.owner == 0 && status.mode == 0o700)
        }
    }

    @Test func `a path that not everybody may read has its obstacle`() async throws {
        try await TemporaryDirectory.with { webroot in
            let file = ProbeFile(webroot: webroot)
            try file.write()
            defer { file.remove() }
            #expect(ProbeFile.obstacle(onWayTo: file.path) == nil)
            try FileManager.default.setAttributes([.posixPermissions: 0o750], ofItemAtPath: "\(webroot)/.well-known")
            #expect(ProbeFile.obstacle(onWayTo: file.path)?.hasSuffix(".well-known has mode 750") == true)
        }
    }
}

struct OffThreadTests {
    @Test func `work that is done in time is had, and work that hangs is left to itself`() async {
        #expect(await OffThread.value(within: .seconds(30)) { 7 } == 7)
        let hangs = await OffThread.value(within: .milliseconds(50)) { () -> Int in
            sleep(300)
            return 1
        }
        #expect(hangs == nil)
        #expect(await timed(.milliseconds(50)) { try? await Task.sleep(for: .seconds(60)) } == nil)
    }

    @Test func `results are in the order of what they are of`() async {
        let results = await sideBySide(Array(0..<40), most: 7) { number in
            try? await Task.sleep(for: .milliseconds(number % 5))
            return number * 2
        }
        #expect(results == (0..<40).map { $0 * 2 })
    }
}

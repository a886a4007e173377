import FoundationEssentials
import Lineages
import PKI
import Rig
import Testing

/// Directories that other mount namespaces hold, as a container does that mounts live/NAME singly.
@Suite(.parts("openssl", "unshare"), .enabled(if: isRoot, "needs root"), .timeLimit(.minutes(20)))
struct MountTests {
    private func install(_ tree: TestTree) async throws -> (before: String, after: String) {
        let before = try await tree.shell("stat -c %i letsencrypt/live/one")
        let set = try await tree.issue(["one"])
        #expect(try tree.installation("one").install(set) == 2)
        let lineage = try tree.lineage("one")
        #expect(lineage.version == 2 && lineage.problems.isEmpty, "\(lineage.problems)")
        return (before, try await tree.shell("stat -c %i letsencrypt/live/one"))
    }

    @Test(arguments: [false, true])
    func `a directory that another namespace mounts singly stays, and the mount shows the new version`(
        isBehindLink: Bool
    ) async throws {
        try await TestTree.with { tree in
            try await tree.add("one")
            try await tree.shell("mkdir mnt mnt/live mnt/archive mnt/live/one")
            var path = tree.path
            if isBehindLink {
                try await tree.shell(
                    "ln -s letsencrypt link; sed -i 's,/letsencrypt/,/link/,' letsencrypt/renewal/one.conf")
                path = "\(tree.directory)/link"
            }
            let script = """
                set -e
                mount --bind letsencrypt/live/one mnt/live/one; mount --bind letsencrypt/archive mnt/archive
                : > ready; while [ ! -e go ]; do sleep 0.1; done
                readlink mnt/live/one/cert.pem > seen; : > done; exec sleep 600
                """
            try await Daemon.with(
                "unshare", ["-m", "sh", "-c", "cd \(tree.directory); \(script)"], log: "\(tree.directory)/log",
                ready: .predicate { FileManager.default.fileExists(atPath: "\(tree.directory)/ready") }
            ) { _ in
                let other = TestTree(path: path, directory: tree.directory)
                let (before, after) = try await install(other)
                #expect(before == after, "its inode is what the other namespace holds")
                try write("\(tree.directory)/go", "")
                while !FileManager.default.fileExists(atPath: "\(tree.directory)/done") {
                    try await Task.sleep(for: .milliseconds(20))
                }
                #expect(try text("\(tree.directory)/seen") == "../../archive/one/cert2.pem\n")
            }
        }
    }

    @Test func `a mount of the whole tree elsewhere does not keep the directory in its place`() async throws {
        try await TestTree.with { tree in
            try await tree.add("one")
            try await tree.add("two")
            try await tree.shell("mkdir mnt two")
            let script = """
                mount --bind letsencrypt mnt && mount --bind letsencrypt/live/two two && : > ready && exec sleep 600
                """
            try await Daemon.with(
                "unshare", ["-m", "sh", "-c", "cd \(tree.directory); \(script)"], log: "\(tree.directory)/log",
                ready: .predicate { FileManager.default.fileExists(atPath: "\(tree.directory)/ready") }
            ) { _ in
                let (before, after) = try await install(tree)
                #expect(before != after)
            }
        }
    }

    @Test func `a lineage that is a mount point is switched link by link`() async throws {
        try await TestTree.with { tree in
            try await tree.add("one")
            try await tree.shell("mount --bind letsencrypt/live/one letsencrypt/live/one")
            let outcome: Result<(before: String, after: String), any Error>
            do { outcome = .success(try await install(tree)) } catch { outcome = .failure(error) }
            try await tree.shell("umount letsencrypt/live/one")
            let (before, after) = try outcome.get()
            #expect(before == after)
        }
    }

    @Test func `live on a file system of its own is exchanged there`() async throws {
        try await TestTree.with { tree in
            try await tree.add("one")
            try await tree.shell(
                "mv letsencrypt/live x; mkdir letsencrypt/live; mount -t tmpfs tmpfs letsencrypt/live; cp -a x/. letsencrypt/live/"
            )
            let outcome: Result<(before: String, after: String), any Error>
            do { outcome = .success(try await install(tree)) } catch { outcome = .failure(error) }
            try await tree.shell("umount letsencrypt/live")
            let (before, after) = try outcome.get()
            #expect(before != after)
        }
    }
}

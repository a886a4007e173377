import FoundationEssentials
import Glibc
import Lineages
import PKI
import Rig
import Testing

/// Who may read a key: whoever could read the one before.
@Suite(.parts("openssl"), .enabled(if: isRoot, "needs root"))
struct KeyRightsTests {
    private func rights(_ version: Int, in tree: TestTree) throws -> String {
        let status = try #require(try FileSystem.status("\(tree.path)/archive/one/privkey\(version).pem"))
        return "\(status.owner):\(status.group) \(String(status.mode, radix: 8))"
    }

    @Test func `a new key keeps the owner, the group and the mode of the live one`() async throws {
        try await TestTree.with { tree in
            try await tree.add("one")
            try await tree.shell("cd letsencrypt/archive/one; chown 1234:5678 privkey1.pem; chmod 640 privkey1.pem")
            _ = try tree.installation("one").install(try await tree.issue(["one"]))
            #expect(try rights(2, in: tree) == "1234:5678 640")
            // The next follows the one that is live then.
            try await tree.shell("chown 42:43 letsencrypt/archive/one/privkey2.pem")
            _ = try tree.installation("one").install(try await tree.issue(["one"]))
            #expect(try rights(3, in: tree) == "42:43 640")
            #expect(try FileSystem.status("\(tree.path)/archive/one/cert3.pem")?.owner == 0)
        }
    }

    @Test func `going back to a version gives its key the rights that the live one has`() async throws {
        try await TestTree.with { tree in
            try await tree.add("one")
            _ = try tree.installation("one").install(try await tree.issue(["one"]))
            try await tree.shell("cd letsencrypt/archive/one; chown 1234:5678 privkey2.pem; chmod 640 privkey2.pem")
            try tree.installation("one").show(1)
            #expect(try rights(1, in: tree) == "1234:5678 640")
            #expect(try rights(2, in: tree) == "1234:5678 640")
        }
    }

    @Test func `a quarantined set that is installed again gets them, too`() async throws {
        try await TestTree.with { tree in
            try await tree.add("one")
            let set = try await tree.issue(["one"])
            let installation = tree.installation("one")
            #expect(try installation.install(set) == 2)
            try installation.copy(2, to: "\(tree.directory)/held")
            try installation.show(1)
            try installation.removeFromArchive(2, sha256: set.leaf.sha256())
            try await tree.shell("chown 1234:5678 letsencrypt/archive/one/privkey1.pem")
            #expect(try installation.install(set) == 2)
            #expect(try rights(2, in: tree) == "1234:5678 600")
        }
    }

    @Test func `a key that is a link to another version's is that key, and no other link is followed`() async throws {
        try await TestTree.with { tree in
            try await tree.add("one")
            _ = try tree.installation("one").install(try await tree.issue(["one"]))
            // certbot's reuse_key: the same key by a link, all else copied.
            try await tree.shell(
                """
                cd letsencrypt/archive/one
                for kind in cert chain fullchain; do cp ${kind}1.pem ${kind}3.pem; cp ${kind}1.pem ${kind}4.pem; done
                ln -s privkey1.pem privkey3.pem
                echo secret >../../../victim; chmod 600 ../../../victim; ln -s ../../../victim privkey4.pem
                chown 1234:5678 privkey2.pem
                """)
            try tree.installation("one").show(3)
            #expect(try rights(1, in: tree) == "1234:5678 600")
            try tree.installation("one").show(4)
            let victim = try #require(try FileSystem.status("\(tree.directory)/victim"))
            #expect(victim.owner == 0 && victim.group == 0)
        }
    }

    @Test func `a key with a second name elsewhere keeps its owner`() async throws {
        try await TestTree.with { tree in
            try await tree.add("one")
            _ = try tree.installation("one").install(try await tree.issue(["one"]))
            try await tree.shell(
                """
                cd letsencrypt/archive/one; echo secret >../../../victim; chmod 600 ../../../victim
                ln -f ../../../victim privkey1.pem; chown 1234:5678 privkey2.pem
                """)
            try tree.installation("one").show(1)
            #expect(try FileSystem.status("\(tree.directory)/victim")?.owner == 0)
        }
    }
}

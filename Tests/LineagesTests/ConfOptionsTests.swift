import Lineages
import PKI
import Rig
import Testing

/// Options that stand where they mean nothing, and names that are nearly an option's.
@Suite(.parts("openssl"))
struct ConfOptionsTests {
    private static func conf(_ tree: TestTree, _ more: String, top: String = "") -> String {
        top + tree.conf("one", params: "authenticator = webroot\n") + more
    }

    @Test(arguments: [
        (
            "[[webroot_map]]\none = /w\nrenew_hook = /bin/x\n",
            "renew_hook in [[webroot_map]] is ignored: move it into [renewalparams], above [[webroot_map]]"
        ),
        ("[[webroot_map]]\nrenew-hook = /bin/x\n", "renew-hook is no option and is ignored: is renew_hook meant?"),
        (
            "[[webroot_map]]\nrenew_before_expiry = 30 days\n",
            "renew_before_expiry in [[webroot_map]] is ignored: move it above [renewalparams]"
        ),
        (
            "[[webroot_map]]\nautorenew = False\n",
            "autorenew in [[webroot_map]] is ignored: move it into [renewalparams], above [[webroot_map]]"
        ),
        ("[[webroot_map]]\nmy-thing = yes\n", "my-thing in [[webroot_map]] is no name with a webroot, and is ignored"),
        (
            "renew_before_expiry = 30 days\n",
            "renew_before_expiry in [renewalparams] is ignored: move it above [renewalparams]"
        ),
        ("deploy-hook = x\n", "deploy-hook is no option and is ignored: is deploy_hook meant?"),
        ("renew_hok = x\n", "renew_hok is no option and is ignored: is renew_hook meant?"),
        ("Post_Hook = x\n", "Post_Hook is no option and is ignored: is post_hook meant?"),
        ("web_root_path = /w\n", "web_root_path is no option and is ignored: is webroot_path meant?"),
        (
            "[acme_renewal_info]\npre_hook = x\n",
            "pre_hook in [acme_renewal_info] is ignored: move it into [renewalparams]"
        ),
        ("[certctl]\nrenew_hook = x\n", "renew_hook in [certctl] is ignored: move it into [renewalparams]"),
    ])
    func `a key in the wrong place is a remark with its line, and nothing else`(more: String, message: String)
        async throws
    {
        try await TestTree.with { tree in
            try await tree.add("one", conf: Self.conf(tree, more))
            let lineage = try tree.lineage("one")
            let problem = try #require(lineage.problems.first)
            #expect(lineage.problems.count == 1 && !problem.isFatal)
            #expect(problem.message == "line \(problem.line ?? 0): \(message)")
            #expect(lineage.options?.deployHook == nil && lineage.options?.autorenew == true)
            #expect(lineage.options?.webroots.keys.allSatisfy { $0 == "one" } == true)
            #expect(lineage.options?.webroots.values.allSatisfy { $0 == "/w" } == true)
        }
    }

    @Test func `an option above the first section is a remark, too`() async throws {
        try await TestTree.with { tree in
            try await tree.add("one", conf: Self.conf(tree, "", top: "renew_hook = x\n"))
            #expect(try tree.lineage("one").problems.map(\.code) == [.optionMisplaced])
        }
    }

    @Test(arguments: [
        "dns_cloudflare_credentials = /x\n", "certbot_dns_multi:dns_provider = x\n", "pref_challs = http-01,\n",
        "unknown_thing = 1\n",
        "[[webroot_map]]\none = /w\nserver = /w\nmail_x.one = /w\n*.one = /w\n", "[certctl]\nverify = none\n",
        "[acme_renewal_info]\nari_retry_after = 2026-01-01T00:00:00\n",
    ])
    func `what certbot, its plugins and certctl write is no remark`(more: String) async throws {
        try await TestTree.with { tree in
            try await tree.add("one", conf: Self.conf(tree, more))
            let problems = try tree.lineage("one").problems
            #expect(problems.isEmpty, "\(problems)")
        }
    }

    @Test func `a change of the webroots keeps an option that stands among them`() async throws {
        try await TestTree.with { tree in
            let text = Self.conf(tree, "[[webroot_map]]\nold = /w\nrenew_hook = /bin/x\n")
            var conf = try ConfFile(bytes: Array(text.utf8))
            let name = try #require(SubjectName("one"))
            let proof = ProofSettings([.webroot], webroots: [(name, "/v")])
            try NewLineage.Settings(server: "s", account: "a", keyType: .ec(.p256), proof: proof).write(to: &conf)
            let map = ["renewalparams", "webroot_map"]
            #expect(conf.keys(in: map) == ["renew_hook", "one"])
        }
    }

    @Test func `the names of a new certificate are the archive's, then the conf's, and never another's`() async throws {
        try await TestTree.with { tree in
            try await tree.add(
                "one", names: ["one", "www.one"], conf: Self.conf(tree, "[[webroot_map]]\none = /w\nrenew_hook = /x\n"))
            try await tree.add("two")
            try await tree.shell(
                "cd letsencrypt/live/one; for k in cert privkey chain fullchain; do ln -sfn ../../archive/two/${k}1.pem $k.pem; done"
            )
            func names() throws -> [String] {
                try tree.lineage("one").ownNames(in: tree.path).map(\.description).sorted()
            }
            #expect(try names() == ["one", "www.one"])
            try await tree.shell("rm letsencrypt/archive/one/*")
            #expect(try names() == ["one"])
        }
    }
}

import FoundationEssentials
import Lineages
import PKI
import Rig
import Testing

/// Trees that a real certbot made, and takes over again.
@Suite(.stack, .parts("certbot"))
struct CertbotTests {
    @Test func `a tree of certbot's is read, installed into, renewed by certbot, and installed into again`()
        async throws
    {
        try await Rig.withStack { stack in
            let names = ["one.example", "www.one.example"]
            try await stack.certbot.certonly(names: names, webroot: stack.webroot)
            let tree = TestTree(path: stack.tree, directory: stack.directory)
            try await tree.shell(
                "openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj '/CN=test CA' -keyout ca-key.pem -out ca.pem 2>&1"
            )

            let lineage = try tree.lineage("one.example")
            #expect(lineage.problems.isEmpty && lineage.version == 1, "\(lineage.problems)")
            let options = try #require(lineage.options)
            #expect(options.authenticator == "webroot" && options.server == stack.pebble.directoryURL)
            #expect(try options.webroot(for: #require(SubjectName("www.one.example"))) == stack.webroot)
            #expect(options.keyType == .ec(.p256))
            let account = try AccountStore(configDirectory: stack.tree).account(
                for: stack.pebble.directoryURL, id: options.account)
            #expect(account?.id == options.account && account?.key.type == .rsa(bits: 2048))

            for round in 1...2 {
                let now = try tree.lineage("one.example")
                let paths = try #require(now.paths)
                let conf = try #require(now.conf)
                let set = try await tree.issue(names)
                let version = try Installation(paths: paths, stateDirectory: tree.state)
                    .install(set, conf: (now.confPath, conf.bytes))
                #expect(version == 2 * round)
                #expect(try tree.lineage("one.example").certificate == set.leaf)

                let listed = try await stack.certbot.certificates()
                #expect(
                    listed.status == 0 && listed.stdout.contains("Domains: one.example www.one.example"), "\(listed)")
                #expect(listed.stdout.contains("Serial Number: ") && !listed.stdout.contains("invalid"), "\(listed)")
                let renewed = try await stack.certbot.renew(force: true)
                #expect(renewed.status == 0, "\(renewed)")
                let after = try tree.lineage("one.example")
                #expect(after.version == version + 1 && after.problems.isEmpty, "\(after.problems)")
            }
        }
    }

    @Test func `an account of certctl's is certbot's, too, by the id that certbot gives it`() async throws {
        try await Rig.withStack { stack in
            // certbot registers with a key; the same key saved by certctl must have the same id.
            try await stack.certbot.certonly(names: ["one.example"], webroot: stack.webroot)
            let server = stack.pebble.directoryURL
            let theirs = try #require(try AccountStore(configDirectory: stack.tree).account(for: server, id: nil))
            let tree = "\(stack.directory)/other"
            try FileSystem.makeDirectories(tree, mode: 0o755)
            let ours = try AccountStore(configDirectory: tree).save(
                key: theirs.key, url: theirs.url, server: server, creationDate: "2026-11-23T00:00:00Z", host: "here")
            #expect(ours.id == theirs.id)
            let certbot = Certbot(tree: tree, pebble: stack.pebble)
            try await certbot.certonly(names: ["two.example"], webroot: stack.webroot)
            let conf = try text("\(tree)/renewal/two.example.conf")
            #expect(conf.contains("account = \(ours.id)\n"), "\(conf)")
            #expect(try AccountStore(configDirectory: tree).ids(for: server) == [ours.id])
        }
    }

    @Test func `an EC account that certctl wrote is loaded by certbot, by its id`() async throws {
        try await TemporaryDirectory.with { directory in
            let server = "https://ca.example/dir"
            let account = try AccountStore(configDirectory: directory).save(
                key: PrivateKey(generating: .ec(.p256)), url: "https://ca.example/acct/1", server: server,
                creationDate: "2026-11-23T00:00:00Z", host: "here")
            let script = """
                import sys
                from certbot._internal import account, constants
                from certbot import configuration
                import argparse
                values = dict(constants.CLI_DEFAULTS)
                values.update(config_dir=sys.argv[1], work_dir=sys.argv[1] + "/w", logs_dir=sys.argv[1] + "/l", server=sys.argv[2])
                config = configuration.NamespaceConfig(argparse.Namespace(**values))
                print([a.id for a in account.AccountFileStorage(config).find_all()])
                """
            // With the Python that certbot runs in.
            let line = #"exec $(sed -n '1s/^#!//p' "$(command -v certbot)") -c "$@""#
            let output = try await check("sh", ["-ec", line, "sh", script, directory, server])
            #expect(output == "['\(account.id)']\n")
        }
    }

    @Test func `a hook that a comma made a list of fails in certbot, which is why it is refused`() async throws {
        try await Rig.withStack { stack in
            try await stack.certbot.certonly(names: ["one.example"], webroot: stack.webroot)
            let conf = "\(stack.tree)/renewal/one.example.conf"
            try write(
                conf, try text(conf).replacing("[renewalparams]\n", with: "[renewalparams]\npre_hook = echo a, b\n"))
            let renewed = try await stack.certbot.renew(force: true)
            #expect(renewed.status == 1, "\(renewed)")
            let lineage = try Tree(stack.tree).lineage("one.example")
            #expect(lineage.fatalProblem?.code == .optionInvalid)
            #expect(lineage.certificate != nil, "its expiry is watched all the same")
        }
    }
}

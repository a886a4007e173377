import FoundationEssentials
import Rig
import Testing

/// What `certctl issue` is given, refuses, and saves for the renewals to come.
@Suite(.parts("openssl"))
struct IssueOptionsTests {
    @Test(arguments: [
        ("https://www.a.example/path", "is a URL", "-d www.a.example"), ("a.example/x", "has a path", "-d a.example"),
        ("a.example:443", "has a port", "-d a.example"), ("http://a.example:8080/", "is a URL", "-d a.example"),
        ("[::1]:443", "has a port", "-d [::1]"),
        ("bücher.example", "is an international name", "-d xn--bcher-kva.example"),
        ("MÜNCHEN.example", "is an international name", "-d xn--mnchen-3ya.example"),
        ("ドメイン.例え", "is an international name", "-d xn--eckwd4c7c.xn--r8jz45g"),
        ("admin@a.example", "is a mail address", "--email"),
        ("a.example b.example", "has blanks in it", "-d once for each"),
        ("a..example", "is neither a DNS name nor an IP address", "give a name such as"),
    ])
    func `what is no name gets the message that fits`(argument: String, message: String, next: String) async throws {
        try await TemporaryDirectory.with { directory in
            let certctl = Certctl(tree: "\(directory)/tree", state: "\(directory)/state")
            let output = try await certctl.issue("-d", argument)
            #expect(output.status == 64)
            #expect(output.stderr.contains("certctl: \(argument) \(message)"), "\(output.stderr)")
            #expect(output.stderr.contains("next: ") && output.stderr.contains(next), "\(output.stderr)")
        }
    }

    @Test func `an authenticator of cli ini is named before anything is ordered`() async throws {
        try await TemporaryDirectory.with { directory in
            let tree = "\(directory)/tree"
            try FileManager.default.createDirectory(atPath: tree, withIntermediateDirectories: false)
            try "authenticator = nginx\n".write(toFile: "\(tree)/cli.ini", atomically: true, encoding: .utf8)
            let certctl = Certctl(tree: tree, state: "\(directory)/state")
            let output = try await certctl.issue(
                "-d", "a.example", "--webroot", directory, "--server", "http://127.0.0.1:9/dir")
            #expect(output.status == 78, "\(output.stderr)")
            #expect(output.stderr.contains("\(tree)/cli.ini sets authenticator = nginx"), "\(output.stderr)")
            let ca = try await DatedCA(in: directory)
            try await ca.addLineage("b.example", tree: tree)
            let entry = try await certctl.lineage("b.example")
            #expect(
                (entry.state, entry.renewal.reason) == ("unmanaged", "authenticator nginx, which \(tree)/cli.ini sets")
            )
        }
    }

    @Test func `the limit for duplicates holds for issue, too`() async throws {
        try await TemporaryDirectory.with { directory in
            let ca = try await DatedCA(in: directory)
            var certctl = Certctl(tree: "\(directory)/tree", state: "\(directory)/state")
            certctl.settings = "\(directory)/certctl.conf"
            try "verify = none\nduplicate_limit = 2\n".write(
                toFile: certctl.settings ?? "", atomically: true, encoding: .utf8)
            try await ca.addLineage(
                "a.example", tree: certctl.tree, params: "authenticator = webroot\nwebroot_path = \(directory),")
            let arguments = ["-d", "a.example", "--webroot", directory, "--key-type", "p384"]
            let output = try await certctl.issue(arguments)
            #expect(output.status == 1, "\(output.stderr)")
            #expect(
                output.stderr.contains("not ordered: 1 of 2 certificates for exactly these names"), "\(output.stderr)")
            #expect(output.stderr.contains("run it again with --yes"), "\(output.stderr)")
        }
    }

    @Test func `a rollback passes over a version that has expired`() async throws {
        try await TemporaryDirectory.with { directory in
            let ca = try await DatedCA(in: directory)
            var certctl = Certctl(tree: "\(directory)/tree", state: "\(directory)/state")
            certctl.settings = "\(directory)/certctl.conf"
            try "verify = none\n".write(toFile: certctl.settings ?? "", atomically: true, encoding: .utf8)
            try await ca.addLineage("a.example", from: "-10 days", tree: certctl.tree)
            for (version, to) in [(2, "-1 days"), (3, "80 days"), (4, "-2 days")] {
                let leaf = try await ca.leaf(["a.example"], from: "-5 days", to: to)
                try await check(
                    "sh",
                    [
                        "-ec",
                        """
                        cp "$1" cert$2.pem; cp chain1.pem chain$2.pem; cp privkey1.pem privkey$2.pem
                        cat "$1" chain1.pem > fullchain$2.pem; [ $2 = 4 ] && exit
                        for k in privkey cert chain fullchain; do ln -sfn ../../archive/a.example/$k$2.pem ../../live/a.example/$k.pem; done
                        """, "sh", leaf, "\(version)",
                    ], directory: "\(certctl.tree)/archive/a.example")
            }
            let entry = try await certctl.lineage("a.example")
            #expect(entry.problems.isEmpty, "a newer version that has expired is no finding: \(entry.problems)")
            let first = try await check(
                "openssl", ["x509", "-in", "\(certctl.tree)/archive/a.example/cert1.pem", "-noout", "-serial"])
            #expect(try await certctl.rollback("a.example").status == 0)
            let live = try await check(
                "openssl", ["x509", "-in", "\(certctl.tree)/live/a.example/cert.pem", "-noout", "-serial"])
            #expect(live == first)
        }
    }
}

/// The same with a CA.
@Suite(.stack, .parts("certbot"))
struct SavedOptionsTests {
    @Test func `options and cli ini are saved in the conf, as certbot saves them, and read by both`() async throws {
        try await Rig.withStack { stack in
            let certctl = Certctl(stack)
            try await check("mkdir", ["-p", stack.tree])
            try "pre-hook = true\nreuse-key = true\n".write(
                toFile: "\(stack.tree)/cli.ini", atomically: true, encoding: .utf8)
            let place = ["--server", stack.pebble.directoryURL, "--webroot", stack.webroot, "-d", "a.example"]
            let issued = try await certctl.issue(
                place + ["--agree-tos", "--deploy-hook", "echo \"a, b\" # 'c'", "--preferred-chain", "x"])
            #expect(issued.status == 0, "\(issued.stderr)")
            try FileManager.default.removeItem(atPath: "\(stack.tree)/cli.ini")
            let conf = string("\(stack.tree)/renewal/a.example.conf")
            for line in ["pre_hook = true", "reuse_key = True", "preferred_chain = x", "renew_hook = "] {
                #expect(conf.contains("\n\(line)"), "\(conf)")
            }
            let renewed = try await stack.certbot.renew(force: true)
            #expect(renewed.status == 0, "\(renewed.stderr)")
            let after = string("\(stack.tree)/renewal/a.example.conf")
            for line in ["pre_hook = true", "reuse_key = True", "preferred_chain = x"] {
                #expect(after.contains("\n\(line)"), "\(after)")
            }
            #expect(
                after.split(separator: "\n").first { $0.hasPrefix("renew_hook") }
                    == conf.split(separator: "\n").first { $0.hasPrefix("renew_hook") })

            let orders = stack.pebble.requestCount("/order-plz")
            let changed = try await certctl.issue(place + ["--post-hook", "true"])
            #expect(changed.status == 0 && changed.stdout.contains("the options were saved"), "\(changed.stderr)")
            #expect(stack.pebble.requestCount("/order-plz") == orders)
            #expect(string("\(stack.tree)/renewal/a.example.conf").contains("\npost_hook = true\n"))
        }
    }

    @Test func `a deploy hook by its option's name runs`() async throws {
        try await Rig.withStack { stack in
            try await stack.certbot.certonly(names: ["a.example"], webroot: stack.webroot)
            let path = "\(stack.tree)/renewal/a.example.conf"
            let log = "\(stack.directory)/log"
            try string(path).replacing("[renewalparams]\n", with: "[renewalparams]\ndeploy_hook = echo new >> \(log)\n")
                .write(toFile: path, atomically: true, encoding: .utf8)
            let renewed = try await Certctl(stack).renew("--force")
            #expect(renewed.status == 0, "\(renewed.stderr)")
            #expect(string(log) == "new\n")
            #expect(try await Certctl(stack).lineage("a.example").problems.map(\.code) == ["option-ignored"])
            try string(path).replacing("[renewalparams]\n", with: "[renewalparams]\nrenew_hook = echo old >> \(log)\n")
                .write(toFile: path, atomically: true, encoding: .utf8)
            #expect(try await Certctl(stack).renew("--force").status == 0)
            #expect(string(log) == "new\nold\n")
        }
    }

    @Test func `a check does not warn while a healthy renewal is under way`() async throws {
        try await Rig.withStack { stack in
            try await stack.certbot.certonly(names: ["a.example"], webroot: stack.webroot)
            var certctl = Certctl(stack, settings: "\(stack.directory)/certctl.conf")
            try "verify = none\n".write(toFile: certctl.settings ?? "", atomically: true, encoding: .utf8)
            certctl.environment["PATH"] = environmentVariable("PATH")
            try addHook("deploy", "10-slow", stack, "while [ ! -e \(stack.directory)/go ]; do sleep 0.1; done")
            let slow = certctl
            let run = Task { try await slow.renew("--force") }
            try await eventually("the deploy hook") { !string("\(stack.directory)/hooks.log").isEmpty }
            let during = try await certctl.status("--check")
            try "".write(toFile: "\(stack.directory)/go", atomically: true, encoding: .utf8)
            #expect(try await run.value.status == 0)
            #expect(during.status == 0 && during.stdout.hasPrefix("CERTCTL OK"), "\(during.stdout)")
        }
    }
}

import FoundationEssentials
import Rig
import Testing

/// `certctl issue`: a first certificate, and a tree that certbot can work with.
@Suite(.stack, .parts("certbot"))
struct IssueTests {
    @Test func `a first certificate makes the account, the lineage and the conf, which certbot renews`() async throws {
        try await Rig.withStack { stack in
            let certctl = Certctl(stack)
            let issued = try await issue(stack, "-d", "new.example", "-d", "WWW.new.example.", "--agree-tos")
            #expect(issued.status == 0, "\(issued.stderr)")
            #expect(issued.stdout.contains("new.example: version 1 is installed"))
            let entry = try await certctl.lineage("new.example")
            #expect(entry.domains.sorted() == ["new.example", "www.new.example"])
            #expect(entry.keyType == "ECDSA P-256")
            try await stack.nginx.serve([stack.site(["new.example", "www.new.example"], lineage: "new.example")])
            #expect(try await stack.nginx.servedSerial(name: "www.new.example") == entry.serial?.uppercased())

            let modes = try await check(
                "stat",
                ["-c", "%a", "live", "archive", "live/new.example", "archive/new.example/privkey1.pem", "accounts"],
                directory: stack.tree)
            #expect(modes == "700\n700\n755\n600\n700\n")
            let certificates = try await stack.certbot.certificates()
            #expect(certificates.stdout.contains("Certificate Name: new.example"), "\(certificates.stderr)")
            let renewal = try await stack.certbot.renew(force: true)
            #expect(renewal.status == 0, "\(renewal.stdout)\(renewal.stderr)")
            #expect(try await certctl.lineage("new.example").version == 2)
            #expect(try await certctl.renew("--force", "new.example").status == 0)
        }
    }

    @Test func `a tree that is not there is not made for what cannot be done`() async throws {
        try await TemporaryDirectory.with { directory in
            let certctl = Certctl(tree: "\(directory)/etc/tree", state: "\(directory)/state")
            let output = try await certctl.issue("-d", "a.example", "--webroot", "\(directory)/nowhere")
            #expect(output.status == 1)
            #expect(output.stderr.contains("\(directory)/nowhere does not exist"), "\(output.stderr)")
            #expect(try await check("ls", [directory]).isEmpty)
        }
    }

    @Test func `a tree without lineages is told, and nothing fails`() async throws {
        try await TemporaryDirectory.with { directory in
            let certctl = Certctl(tree: directory, state: "\(directory)/state")
            for output in [try await certctl.status(), try await certctl.renew(), try await certctl.deploy()] {
                #expect(output.status == 0)
                #expect(output.stdout.hasPrefix("no certificates in \(directory)"), "\(output.stdout)")
            }
        }
    }

    @Test func `the same names again change nothing, other names need the lineage's name`() async throws {
        try await Rig.withStack { stack in
            let certctl = Certctl(stack)
            #expect(try await issue(stack, "-d", "a.example", "--agree-tos").status == 0)
            let before = try await snapshot(of: stack.tree)
            let again = try await issue(stack, "-d", "a.example")
            #expect(again.status == 0)
            #expect(again.stdout.contains("a.example: has a certificate for these names until"))
            let other = try await issue(stack, "-d", "a.example", "-d", "b.example")
            #expect(other.status == 1)
            #expect(other.stderr.contains("there is a lineage a.example already"))
            #expect(try await snapshot(of: stack.tree) == before)

            let widened = try await issue(
                stack, "--name", "a.example", "-d", "a.example", "-d", "b.example", "--key-type", "rsa")
            #expect(widened.status == 0, "\(widened.stderr)")
            let entry = try await certctl.lineage("a.example")
            #expect(entry.domains.sorted() == ["a.example", "b.example"])
            #expect(entry.keyType == "RSA 2048")
            #expect(entry.version == 2)
            #expect(try await certctl.renew("--force").status == 0)
            #expect(try await certctl.lineage("a.example").keyType == "RSA 2048")
        }
    }

    @Test func `without agreement to the terms nothing is made, and the terms are named`() async throws {
        try await Rig.withStack { stack in
            let issued = try await issue(stack, "-d", "a.example")
            #expect(issued.status == 1)
            #expect(issued.stderr.contains("--agree-tos"))
            #expect(issued.stderr.contains("data:text/plain"), "Pebble's terms of service")
            #expect(try await check("find", ["."], directory: stack.tree) == ".\n")
        }
    }

    @Test func `a dummy certificate in live is replaced, and kept`() async throws {
        try await Rig.withStack { stack in
            let live = "\(stack.tree)/live/dummy.example"
            try FileManager.default.createDirectory(atPath: live, withIntermediateDirectories: true)
            for file in ["fullchain.pem", "privkey.pem"] {
                try "dummy".write(toFile: "\(live)/\(file)", atomically: true, encoding: .utf8)
            }
            let issued = try await issue(stack, "-d", "dummy.example", "--agree-tos")
            #expect(issued.status == 0, "\(issued.stderr)")
            #expect(try await Certctl(stack).lineage("dummy.example").problems.isEmpty)
            #expect(string("\(stack.tree)/archive/dummy.example/replaced-by-fullchain1.pem") == "dummy")
        }
    }

    @Test(arguments: [
        ["-d", "*.example.org"], ["-d", "no such name"], ["-d", ""], ["-d", "a.example", "--key-type", "dsa"], [],
    ])
    func `a wrong command line is a usage error`(arguments: [String]) async throws {
        try await TemporaryDirectory.with { directory in
            let output = try await sh(Certctl.path, ["issue", "--config-dir", directory] + arguments)
            #expect(output.status == 64, "\(output.stderr)")
            #expect(try await check("find", ["."], directory: directory) == ".\n")
        }
    }

    private func issue(_ stack: Stack, _ arguments: String...) async throws -> Output {
        try await sh(
            Certctl.path,
            [
                "issue", "--config-dir", stack.tree, "--state-dir", "\(stack.directory)/state", "--ca-bundle",
                stack.pebble.caBundle, "--server", stack.pebble.directoryURL, "--webroot", stack.webroot,
            ] + arguments)
    }
}

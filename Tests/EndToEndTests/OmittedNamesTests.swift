import FoundationEssentials
import Rig
import Testing

/// `allow_subset_of_names` at a real CA: one of three names is not validated.
@Suite(.parts("pebble", "nginx", "openssl", "certbot"))
struct OmittedNamesTests {
    private func names(_ tree: String) async throws -> Set<String> {
        let output = try await check(
            "openssl", ["x509", "-in", "\(tree)/live/a.example/cert.pem", "-noout", "-ext", "subjectAltName"])
        return Set(output.matches(of: /DNS:([a-z.]+)/).map { String($0.1) })
    }

    @Test func `a name that is not validated is left out, ordered again at each renewal, and can be given up`()
        async throws
    {
        try await Rig.withStack { stack in
            let elsewhere = "\(stack.directory)/elsewhere"
            try FileManager.default.createDirectory(atPath: elsewhere, withIntermediateDirectories: false)
            try await stack.certbot.certonly(
                names: ["a.example", "b.example", "c.example"], webroot: stack.webroot)
            var certctl = Certctl(
                tree: stack.tree, state: "\(stack.directory)/state", caBundle: stack.pebble.caBundle)
            certctl.settings = "\(stack.directory)/certctl.conf"
            try "verify = none\n".write(toFile: certctl.settings ?? "", atomically: true, encoding: .utf8)
            let conf = "\(stack.tree)/renewal/a.example.conf"
            try await check("sed", ["-i", "s,^b.example = .*,b.example = \(elsewhere),", conf])

            let refused = try await certctl.renew("--force", "a.example")
            #expect(refused.status == 1, "every name has to be validated where the conf does not say otherwise")
            try await check("sed", ["-i", "s,^\\[renewalparams\\],&\\nallow_subset_of_names = True,", conf])
            let output = try await certctl.renew("--force", "a.example")
            #expect(output.status == 0, "\(output.stderr)")
            #expect(output.stderr.contains("ordering without b.example: the CA could not validate b.example"))
            #expect(output.stderr.contains("installed without b.example"), "\(output.stderr)")
            #expect(try await names(stack.tree) == ["a.example", "c.example"])
            let entry = try await certctl.lineage("a.example")
            #expect(entry.problems.map(\.code) == ["names-omitted"])
            #expect(try await certctl.status("--check").stdout.hasPrefix("CERTCTL WARNING - a.example: "))
            let history = try await certctl.history("a.example")
            #expect(history.stdout.contains("without b.example"), "\(history.stdout)")

            // certbot takes over, and its next renewal is for the names that are there.
            let certbot = try await stack.certbot.renew(force: true)
            #expect(certbot.status == 0, "\(certbot.stderr)")
            #expect(try await names(stack.tree) == ["a.example", "c.example"])
            try await check("sed", ["-i", "s,^b.example = .*,b.example = \(stack.webroot),", conf])
            let dry = try await certctl.renew("--dry-run", "--server", stack.pebble.directoryURL, "a.example")
            #expect((dry.stdout + dry.stderr).contains("b.example") && dry.status == 0, "\(dry.stdout)\(dry.stderr)")
            #expect(try await certctl.renew("--force", "a.example").status == 0)
            #expect(try await names(stack.tree) == ["a.example", "b.example", "c.example"])
            #expect(try await certctl.lineage("a.example").problems.isEmpty)

            try await check("sed", ["-i", "s,^b.example = .*,b.example = \(elsewhere),", conf])
            #expect(try await certctl.renew("--force", "a.example").status == 0)
            let forgotten = try await certctl.names("a.example", "--remove", "b.example")
            #expect(forgotten.status == 0 && forgotten.stdout.contains("b.example is not ordered any more"))
            #expect(try await certctl.lineage("a.example").problems.isEmpty)
            #expect(try await certctl.renew("--force", "a.example").stderr.contains("b.example") == false)
        }
    }

    @Test func `issue leaves names out where it is told to, and a second time finds the same certificate`() async throws
    {
        try await Rig.withStack { stack in
            var certctl = Certctl(
                tree: stack.tree, state: "\(stack.directory)/state", caBundle: stack.pebble.caBundle)
            certctl.settings = "\(stack.directory)/certctl.conf"
            try "verify = none\n".write(toFile: certctl.settings ?? "", atomically: true, encoding: .utf8)
            try await stack.pebble.dns("set-servfail", #"{"host":"gone.example"}"#)
            let arguments = [
                "-d", "a.example", "-d", "gone.example", "--webroot", stack.webroot, "--server",
                stack.pebble.directoryURL, "--agree-tos",
            ]
            #expect(try await certctl.issue(arguments).status == 1)
            let output = try await certctl.issue(arguments + ["--allow-subset-of-names"])
            #expect(output.status == 0, "\(output.stderr)")
            #expect(output.stderr.contains("without gone.example"), "\(output.stderr)")
            #expect(try await names(stack.tree) == ["a.example"])
            let again = try await certctl.issue(arguments)
            #expect(again.status == 0, "\(again.stderr)")
            #expect(try await certctl.lineage("a.example").problems.map(\.code) == ["names-omitted"])
        }
    }
}

import FoundationEssentials
import Glibc
import Rig
import Testing

/// What `certctl repair` has repaired can be renewed, by certctl and by a current certbot, with a real CA.
@Suite(.stack, .certbotVenv, .parts("certbot"))
struct RepairedRenewalTests {
    @Test func `after each damage that is repaired, both dry runs work`() async throws {
        try await Rig.withStack { stack in
            for (name, force) in [("one", []), ("two", []), ("one", ["--force-renewal"])] {
                try await stack.certbot.certonly(
                    names: ["\(name).example"], webroot: stack.webroot, extra: ["--cert-name", name] + force)
                // Certificates of one second are of one age.
                try await Task.sleep(for: .milliseconds(1100))
            }
            let settings = "\(stack.directory)/certctl.conf"
            try "verify = none\n".write(toFile: settings, atomically: false, encoding: .utf8)
            let certctl = Certctl(stack, settings: settings)
            let (tree, whole) = (stack.tree, "\(stack.directory)/whole")
            try await check("cp", ["-a", tree, whole])
            try await check("cp", ["\(tree)/live/one/chain.pem", "\(stack.directory)/ca.pem"])
            for damage in TreeDamage.all {
                try await check("sh", ["-ec", #"rm -rf "$1" "$3"; cp -a "$2" "$1""#, "sh", tree, whole, certctl.state])
                try await check("sh", ["-ec", damage.command], directory: tree)
                let name = damage.testDescription
                let repaired = try await certctl.repair("one")
                #expect(repaired.status == 0, "\(name): \(repaired.stderr)")
                let own = try await certctl.renew("--dry-run", "one")
                #expect(own.status == 0, "\(name): \(own.stdout)\(own.stderr)")
                let theirs = try await certbot(stack, ["renew", "--dry-run", "--cert-name", "one"])
                #expect(
                    theirs.status == 0 && theirs.stdout.contains("all simulated renewals succeeded"),
                    "\(name): \(theirs.stdout)\(theirs.stderr)")
            }
        }
    }

    @Test(.enabled(if: geteuid() == 0, "gives a key to another user: run as root"))
    func `a key that is taken in gets the owner, group and mode of the one before`() async throws {
        try await Rig.withStack { stack in
            try await stack.certbot.certonly(
                names: ["one.example"], webroot: stack.webroot, extra: ["--cert-name", "one"])
            let (live, archive) = ("\(stack.tree)/live/one", "\(stack.tree)/archive/one")
            try await check("chown", ["33:65534", "\(archive)/privkey1.pem"])
            try await check("chmod", ["640", "\(archive)/privkey1.pem"])
            // As a restore that follows symlinks leaves it: files in their place, and an archive without the newest.
            for kind in ["privkey", "cert", "chain", "fullchain"] {
                try await check(
                    "sh",
                    ["-ec", #"cp -a --remove-destination "$(readlink -f "$1")" "$1""#, "sh", "\(live)/\(kind).pem"])
                try FileManager.default.removeItem(atPath: "\(archive)/\(kind)1.pem")
            }
            let settings = "\(stack.directory)/certctl.conf"
            try "verify = none\n".write(toFile: settings, atomically: false, encoding: .utf8)
            let repaired = try await Certctl(stack, settings: settings).repair("one")
            #expect(repaired.status == 0, "\(repaired.stderr)")
            #expect(try await check("stat", ["-L", "-c", "%u %g %a", "\(live)/privkey.pem"]) == "33 65534 640\n")
            #expect(try await check("readlink", ["\(live)/privkey.pem"]) == "../../archive/one/privkey1.pem\n")
        }
    }

    /// A certbot of the virtual environment. A dry run asks the server that is named, where that is not Let's Encrypt's.
    private func certbot(_ stack: Stack, _ arguments: [String]) async throws -> Output {
        let work = "\(stack.tree)-work"
        return try await sh(
            "\(CertbotVenv.path)/bin/certbot",
            arguments + [
                "--config-dir", stack.tree, "--work-dir", work, "--logs-dir", "\(stack.tree)-logs", "--non-interactive",
                "--no-random-sleep-on-renew", "--server", stack.pebble.directoryURL,
            ],
            environment: [
                "REQUESTS_CA_BUNDLE": stack.pebble.caBundle, "HOME": work, "XDG_CONFIG_HOME": "\(work)/.config",
            ], timeout: .seconds(120))
    }
}

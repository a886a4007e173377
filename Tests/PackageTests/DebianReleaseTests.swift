import FoundationEssentials
import Glibc
import Rig
import Testing

/// The package that `CERTCTL_DEB` names on the Debian releases that it is for, each with its own glibc, OpenSSL and libcurl.
@Suite(
    .enabled(if: environmentVariable("CERTCTL_DEB") != nil, "no package to try: make deb, then make test-deb"),
    .enabled(if: geteuid() == 0, "needs root, to chroot"), .stack, .parts("debootstrap", "mount"), .serialized)
struct DebianReleaseTests {
    private let package = environmentVariable("CERTCTL_DEB") ?? ""

    @Test(arguments: ["bookworm", "trixie"])
    func `it installs, gets a certificate, renews it, and is purged`(release: String) async throws {
        try await Rig.withStack { stack in
            let root = "\(stack.directory)/\(release)"
            let script = "\(BuiltProgram.repository)/Tests/debian-root"
            try await check(script, ["make", release, root])
            do {
                try await use(in: root, stack)
            } catch {
                try await check(script, ["end", root])
                throw error
            }
            try await check(script, ["end", root])
        }
    }

    private func use(in root: String, _ stack: Stack) async throws {
        func inside(_ script: String) async throws -> Output {
            try await sh(
                "chroot", [root, "sh", "-ec", script],
                environment: ["LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"])
        }
        func succeeds(_ script: String) async throws -> String {
            let output = try await inside(script)
            guard output.status == 0 else { throw RigError("\(script)\n\(output.stdout)\(output.stderr)") }
            return output.stdout
        }
        try await check(
            "sh",
            [
                "-ec",
                #"cp "$1" "$2/certctl.deb"; cp "$3" "$2/ca.pem"; mkdir "$2/webroot"; mount --bind "$4" "$2/webroot""#,
                "sh", package, root, stack.pebble.caBundle, stack.webroot,
            ])
        // By apt, so that what it needs comes with it: in Debian 13 some of the libraries have other names.
        _ = try await succeeds("apt-get update -qq; apt-get install -y -qq --no-install-recommends /certctl.deb")
        let version = try await succeeds("certctl --version")
        #expect(version.hasPrefix("certctl "), "\(version)")

        let issued = try await succeeds(
            """
            certctl issue --server \(stack.pebble.directoryURL) --ca-bundle /ca.pem --webroot /webroot --agree-tos \
                -d a.example 2>&1 || test $? = 1
            """)
        // Nobody serves it in there, which is no failure of the release's.
        #expect(try await succeeds("certctl status --format json").contains("\"a.example\""), "\(issued)")
        #expect(try await succeeds("readlink /etc/letsencrypt/live/a.example/cert.pem").hasSuffix("/cert1.pem\n"))
        _ = try await succeeds("certctl renew --force --yes --ca-bundle /ca.pem 2>&1 || test $? = 1")
        #expect(try await succeeds("readlink /etc/letsencrypt/live/a.example/cert.pem").hasSuffix("/cert2.pem\n"))
        #expect(try await inside("certctl history").stdout.contains("installed"))
        _ = try await succeeds("apt-get purge -y -qq certctl; test ! -e /usr/bin/certctl; test ! -e /var/lib/certctl")
        #expect(try await inside("test -e /etc/letsencrypt/live/a.example/cert.pem").status == 0)
    }
}

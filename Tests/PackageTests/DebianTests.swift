import FoundationEssentials
import Rig
import Testing

/// The package that `CERTCTL_DEB` names, which `make test-deb` sets: it is made of the release build.
@Suite(
    .enabled(if: environmentVariable("CERTCTL_DEB") != nil, "no package to look at: make deb, then make test-deb"),
    .parts("dpkg-deb", "lintian", "readelf"))
struct DebianTests {
    private let package = environmentVariable("CERTCTL_DEB") ?? ""

    @Test func `lintian finds neither errors nor warnings`() async throws {
        let output = try await sh(
            "lintian",
            ["--allow-root", "--fail-on", "error,warning", package])
        #expect(output.status == 0, "\(output.stdout)\(output.stderr)")
    }

    @Test func `it says what it needs`() async throws {
        let version = try await check(BuiltProgram.certctl, ["--version"]).split(separator: " ")[1]
        #expect(try await field("Version") == String(version))
        #expect(package.hasSuffix("/certctl_\(version)_\(try await field("Architecture")).deb"))
        let needed = try await field("Depends").split(separator: ", ").map { $0.prefix { $0 != " " } }
        #expect(needed == ["libc6", "libcurl4", "libgcc-s1", "libssl3", "libstdc++6"])
        // Ubuntu 22.04's.
        #expect(try await field("Depends").contains("libc6 (>= 2.35)"))
        #expect(try await field("Depends").contains("libcurl4 (>= 7.81.0)"))
    }

    @Test func `it holds what an operator looks for, with the modes that it has to have`() async throws {
        let list = try await check("dpkg-deb", ["--contents", package])
        var modes: [String: String] = [:]
        for line in list.split(separator: "\n") {
            let parts = line.split(separator: " ", omittingEmptySubsequences: true)
            #expect(parts[1] == "root/root", "\(line)")
            modes[String(parts[5].dropFirst())] = String(parts[0])
        }
        #expect(modes["/usr/bin/certctl"] == "-rwxr-xr-x")
        #expect(modes["/var/lib/certctl/"] == "drwx------")
        #expect(modes["/etc/certctl/certctl.conf"] == "-rw-r--r--")
        #expect(modes["/etc/certctl/notify-webhook.conf"] == "-rw-------")
        for file in [
            "/usr/lib/systemd/system/certctl.service", "/usr/lib/systemd/system/certctl.timer",
            "/usr/share/man/man1/certctl.1.gz", "/usr/share/man/man1/certctl-renew.1.gz",
            "/usr/share/man/man5/certctl.conf.5.gz",
            "/usr/share/bash-completion/completions/certctl", "/usr/share/zsh/vendor-completions/_certctl",
            "/usr/share/fish/vendor_completions.d/certctl.fish", "/usr/share/doc/certctl/copyright",
            "/usr/share/doc/certctl/changelog.gz", "/usr/share/doc/certctl/install.md",
        ] {
            #expect(modes[file] == "-rw-r--r--", "\(file)")
        }
        #expect(modes["/usr/share/certctl/hooks/reload-nginx"] == "-rwxr-xr-x")
        #expect(!modes.keys.contains { $0.hasPrefix("/etc/letsencrypt") || $0.hasPrefix("/etc/systemd") })
        let conffiles = try await check("dpkg-deb", ["--info", package, "conffiles"])
        #expect(
            Set(conffiles.split(separator: "\n").map(String.init))
                == Set(modes.keys.filter { $0.hasPrefix("/etc/") && !$0.hasSuffix("/") }))
    }

    @Test func `the binary is stripped, needs no Swift, knows its commit and not where it was built`() async throws {
        try await TemporaryDirectory.with { directory in
            try await check("dpkg-deb", ["--extract", package, directory])
            let binary = "\(directory)/usr/bin/certctl"
            let linked = try await check("readelf", ["--dynamic", binary])
            #expect(!linked.contains("libswift"))
            let sections = try await check("readelf", ["--sections", "--wide", binary])
            #expect(!sections.contains(".symtab"))
            let version = try await check(binary, ["--version"])
            #expect(
                version.firstMatch(
                    of: /^certctl [0-9.]+ \(commit [0-9a-f]{12}(-dirty)?\), OpenSSL 3\.[0-9.]+, libcurl [0-9.]+\n$/)
                    != nil, "\(version)")
            #expect(!linked.contains("RUNPATH"))
            #expect(try await check("readelf", ["--segments", "--wide", binary]).contains("GNU_RELRO"))
            let traces = try await sh(
                "grep", ["--text", "--count", "--fixed-strings", BuiltProgram.repository, binary])
            #expect(traces.stdout == "0\n")
        }
    }

    @Test func `packing it twice gives the same file`() async throws {
        try await TemporaryDirectory.with { directory in
            try await check("dpkg-deb", ["--extract", package, "\(directory)/tree"])
            let binary = "\(directory)/tree/usr/bin/certctl"
            let date = try await check("stat", ["--format", "%Y", binary])
            // Another time, another umask.
            try await check(
                "sh",
                ["-c", "umask 077; exec \"$@\"", "sh", "\(BuiltProgram.repository)/.debian/build", binary, directory],
                environment: ["SOURCE_DATE_EPOCH": String(date.dropLast())])
            let name = package.split(separator: "/").last ?? ""
            try await check("cmp", [package, "\(directory)/\(name)"])
        }
    }

    @Test func `installing, upgrading, removing and purging leave the tree alone`() async throws {
        try await withDpkg { dpkg in
            let before = try await dpkg.tree()
            #expect(try await dpkg.run("--install", package).contains("run \"certctl setup\"\n"))
            #expect(try await dpkg.tree() == before)
            // As certctl setup leaves it, and a run.
            try dpkg.setUp()
            try "hook_timeout = 7\n".write(
                toFile: "\(dpkg.root)/etc/certctl/certctl.conf", atomically: true, encoding: .utf8)

            let newer = try await repacked(version: "99", in: dpkg.root)
            let upgrade = try await dpkg.run("--force-confold", "--install", newer)
            #expect(!upgrade.contains("certctl setup"))
            #expect(dpkg.exists("etc/systemd/system/timers.target.wants/certctl.timer"))
            #expect(string("\(dpkg.root)/etc/certctl/certctl.conf") == "hook_timeout = 7\n")
            #expect(dpkg.exists("var/lib/certctl/lineages/www.example.org.json"))
            #expect(try await dpkg.tree() == before)

            let removal = try await dpkg.run("--remove", "certctl")
            #expect(removal.contains("\"certctl setup --undo\""))
            #expect(
                removal.contains(
                    "/etc/letsencrypt/renewal-hooks/post/reload-nginx is a symlink to a file of this package"))
            #expect(!dpkg.exists("etc/systemd/system/timers.target.wants/certctl.timer"))
            #expect(!dpkg.exists("etc/cron.d/certctl") && dpkg.exists("etc/cron.d/another"))
            #expect(!dpkg.exists("usr/bin/certctl") && !dpkg.exists("run/certctl"))
            #expect(string("\(dpkg.root)/etc/certctl/certctl.conf") == "hook_timeout = 7\n")
            #expect(dpkg.exists("var/lib/certctl/lineages/www.example.org.json"))
            #expect(try await dpkg.tree() == before)

            try await dpkg.run("--purge", "certctl")
            #expect(!dpkg.exists("var/lib/certctl") && !dpkg.exists("etc/certctl"))
            #expect(!dpkg.exists("etc/systemd/system/certctl.service.d/webroots.conf"))
            #expect(!dpkg.exists("etc/systemd/system/certctl-notify@.service.d"))
            #expect(dpkg.exists("etc/systemd/system/certctl.service.d/local.conf"))
            #expect(try await dpkg.tree() == before)
        }
    }

    @Test func `it can be installed again after it was removed`() async throws {
        try await withDpkg { dpkg in
            try await dpkg.run("--install", package)
            try dpkg.setUp()
            try await dpkg.run("--remove", "certctl")
            // The timer is not enabled any more, and it says so.
            #expect(try await dpkg.run("--install", package).contains("run \"certctl setup\"\n"))
            #expect(dpkg.exists("usr/bin/certctl"))
        }
    }

    private func field(_ name: String) async throws -> String {
        String(try await check("dpkg-deb", ["--field", package, name]).dropLast())
    }

    /// The package with another version.
    private func repacked(version: String, in directory: String) async throws -> String {
        let work = "\(directory)/tmp/certctl"
        try FileManager.default.createDirectory(atPath: "\(directory)/tmp", withIntermediateDirectories: true)
        try await check("dpkg-deb", ["--raw-extract", package, work])
        try await check("sed", ["-i", "s/^Version: .*/Version: \(version)/", "\(work)/DEBIAN/control"])
        try await check("dpkg-deb", ["-Znone", "--build", work, "\(directory)/tmp/certctl.deb"])
        return "\(directory)/tmp/certctl.deb"
    }

    /// A dpkg that knows no package, for a directory with a tree of certbot's in it.
    private func withDpkg(_ body: (Dpkg) async throws -> Void) async throws {
        try await TemporaryDirectory.with { root in
            for directory in ["info", "updates", "triggers"] {
                try FileManager.default.createDirectory(
                    atPath: "\(root)/var/lib/dpkg/\(directory)", withIntermediateDirectories: true)
            }
            let dpkg = Dpkg(root: root)
            try dpkg.write("var/lib/dpkg/status", "")
            try dpkg.write("etc/letsencrypt/renewal/www.example.org.conf", "version = 2.1.0\n")
            try dpkg.write("etc/letsencrypt/archive/www.example.org/privkey1.pem", "a key\n")
            try dpkg.link("etc/letsencrypt/renewal-hooks/post/reload-nginx", "/usr/share/certctl/hooks/reload-nginx")
            try dpkg.write("etc/cron.d/another", "# Somebody else's.\n")
            try dpkg.write("etc/systemd/system/certctl.service.d/local.conf", "# The operator's own.\n[Service]\n")
            try await body(dpkg)
        }
    }
}

/// dpkg at work in a directory: its maintainer scripts get that as `DPKG_ROOT` and keep off the host.
private struct Dpkg: Sendable {
    let root: String

    @discardableResult
    func run(_ arguments: String...) async throws -> String {
        let output = try await sh(
            "dpkg",
            [
                "--root=\(root)", "--log=\(root)/dpkg.log", "--force-script-chrootless", "--force-depends",
                "--force-not-root",
            ]
                + arguments, environment: ["LC_ALL": "C.UTF-8"])
        guard output.status == 0 else { throw RigError("dpkg \(arguments): \(output.stdout)\(output.stderr)") }
        return output.stdout + output.stderr
    }

    /// What `certctl setup` and a first run leave.
    func setUp() throws {
        try link("etc/systemd/system/timers.target.wants/certctl.timer", "/usr/lib/systemd/system/certctl.timer")
        try write(
            "etc/systemd/system/certctl.service.d/webroots.conf",
            "# Written by certctl setup, and anew by certctl issue\n")
        try write("run/certctl/status.json", "{}\n")
        try write("etc/cron.d/certctl", "# Written by certctl setup: systemd does not run here.\n")
        try write("var/lib/certctl/setup.json", "{}\n")
        try write("etc/systemd/system/certctl-notify@.service.d/options.conf", "# Written by certctl setup, which\n")
        try write("var/lib/certctl/lineages/www.example.org.json", "{}\n")
    }

    /// Everything that is in /etc/letsencrypt.
    func tree() async throws -> String {
        try await check(
            "sh",
            [
                "-c", "cd \"$1\" && find . -printf '%p %y %m %T@ %l\\n' | sort && find . -type f -exec sha256sum {} +",
                "sh",
                "\(root)/etc/letsencrypt",
            ])
    }

    /// Whether there is such an entry; a link need not lead anywhere.
    func exists(_ path: String) -> Bool {
        (try? FileManager.default.attributesOfItem(atPath: "\(root)/\(path)")) != nil
    }

    func write(_ path: String, _ text: String) throws {
        try makeDirectory(of: path)
        try text.write(toFile: "\(root)/\(path)", atomically: true, encoding: .utf8)
    }

    func link(_ path: String, _ target: String) throws {
        try makeDirectory(of: path)
        try FileManager.default.createSymbolicLink(atPath: "\(root)/\(path)", withDestinationPath: target)
    }

    private func makeDirectory(of path: String) throws {
        let parent = path.split(separator: "/").dropLast().joined(separator: "/")
        try FileManager.default.createDirectory(atPath: "\(root)/\(parent)", withIntermediateDirectories: true)
    }
}

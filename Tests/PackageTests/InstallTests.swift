import FoundationEssentials
import Lineages
import Renewal
import Rig
import Testing

/// What `make install` puts where, with the certctl that was built with the tests.
@Suite(.parts("make", "python3"))
struct InstallTests {
    @Test func `everything goes below DESTDIR and PREFIX`() async throws {
        try await withInstallation(prefix: "/opt/certctl") { root in
            let there = try await files(root)
            let expected = [
                "bin/certctl", "lib/systemd/system/certctl.service", "lib/systemd/system/certctl.timer",
                "share/bash-completion/completions/certctl", "share/certctl/hooks/notify-webhook",
                "share/certctl/hooks/reload-nginx", "share/certctl/hooks/write-metrics",
                "share/doc/certctl/README.md", "share/doc/certctl/reference/commands.md",
                "share/doc/certctl/example/certctl/certctl.conf", "share/doc/certctl/example/docker-compose.prod.yml",
                "share/fish/vendor_completions.d/certctl.fish", "share/man/man1/certctl-renew.1",
                "share/man/man1/certctl.1", "share/man/man5/certctl.conf.5", "share/zsh/site-functions/_certctl",
            ]
            for file in expected { #expect(there["opt/certctl/\(file)"] != nil, "\(file)") }
            #expect(there.keys.allSatisfy { $0.hasPrefix("opt/certctl/") })
            let programs = there.filter { $0.value == "755" }.keys.sorted()
            #expect(
                programs == ["bin/certctl"].map { "opt/certctl/\($0)" }
                    + ["dns/certbot-plugin", "dns/manual", "notify-webhook", "reload-nginx", "write-metrics"].map {
                        "opt/certctl/share/certctl/hooks/\($0)"
                    })
            #expect(Set(there.values) == ["755", "644"])
        }
    }

    @Test func `units and pages name the places of the prefix`() async throws {
        try await withInstallation(prefix: "/opt/certctl") { root in
            let prefix = "\(root)/opt/certctl"
            let service = string("\(prefix)/lib/systemd/system/certctl.service")
            #expect(service.contains("\nExecStart=/opt/certctl/bin/certctl renew"))
            let page = string("\(prefix)/share/man/man1/certctl.1")
            #expect(page.contains("/opt/certctl/share/doc/certctl"))
            for directory in ["lib/systemd/system", "share/man/man1"] {
                for name in try FileManager.default.contentsOfDirectory(atPath: "\(prefix)/\(directory)") {
                    let text = string("\(prefix)/\(directory)/\(name)")
                    #expect(!text.contains("/usr/bin/certctl") && !text.contains("/usr/share/"), "\(name)")
                }
            }
        }
    }

    @Test func `uninstall takes all of it away again, and nothing else`() async throws {
        try await withInstallation(prefix: "/usr/local") { root in
            try "".write(toFile: "\(root)/usr/local/bin/another", atomically: true, encoding: .utf8)
            try await make("uninstall", root: root, prefix: "/usr/local")
            #expect(try await files(root).keys.sorted() == ["usr/local/bin/another"])
        }
    }

    @Test func `without a release there is a sentence that says what to run`() async throws {
        try await TemporaryDirectory.with { directory in
            let output = try await sh(
                "make",
                [
                    "--no-print-directory", "-C", BuiltProgram.repository, "-s", "install", "DESTDIR=\(directory)/root",
                    "BINARY=\(directory)/certctl",
                ])
            #expect(output.status != 0)
            #expect(output.stderr.hasPrefix("install: \(directory)/certctl or "))
            #expect(output.stderr.contains("does not exist: run make release\n"))
            #expect(!FileManager.default.fileExists(atPath: "\(directory)/root"))
        }
    }

    @Test func `links between the installed pages lead somewhere`() async throws {
        try await withInstallation(prefix: "/usr/local") { root in
            let documents = "\(root)/usr/local/share/doc/certctl"
            for name in try FileManager.default.subpathsOfDirectory(atPath: documents) where name.hasSuffix(".md") {
                let directory = "\(documents)/\(name)".split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
                let parts = string("\(documents)/\(name)").split(separator: "](", omittingEmptySubsequences: false)
                    .dropFirst()
                for target in parts.map({ $0.prefix { $0 != ")" && $0 != "#" && $0 != "\n" } }) {
                    guard !target.isEmpty, !target.hasPrefix("https://") else { continue }
                    #expect(FileManager.default.fileExists(atPath: "\(directory)/\(target)"), "\(name): \(target)")
                }
            }
        }
    }

    @Test func `the settings that are shipped can be turned on as they stand`() async throws {
        try await TemporaryDirectory.with { directory in
            let shipped = string("\(BuiltProgram.repository)/docs/example/certctl/certctl.conf")
            let on = shipped.split(separator: "\n").map {
                $0.hasPrefix("#") && !$0.hasPrefix("# ") ? $0.dropFirst() : $0
            }
            let path = "\(directory)/certctl.conf"
            try on.joined(separator: "\n").write(toFile: path, atomically: true, encoding: .utf8)
            let settings = try HostSettings(path: path)
            #expect(settings.unknownKeys == [])
            // All of them are there to be turned on.
            #expect(Set(settings.conf.keys(in: [])) == HostSettings.knownKeys)
            try shipped.write(toFile: path, atomically: true, encoding: .utf8)
            #expect(try HostSettings(path: path).conf.keys(in: []).isEmpty)
        }
    }

    @Test(arguments: ["reload-nginx", "notify-webhook", "write-metrics"])
    func `a hook's shipped settings are those that its head explains`(hook: String) throws {
        let shipped = string("\(BuiltProgram.repository)/docs/example/certctl/\(hook).conf")
        let keys = shipped.split(separator: "\n").filter { $0.hasPrefix("#") && !$0.hasPrefix("# ") }
            .map { $0.dropFirst().prefix { $0 != " " } }
        // In its head, a setting's line is indented.
        let head = string("\(BuiltProgram.repository)/hooks/\(hook)").split(separator: "\n").prefix {
            $0.hasPrefix("#")
        }
        let explained = head.filter { $0.hasPrefix("#   ") && $0.contains(" = ") }
            .map { $0.dropFirst(4).prefix { $0 != " " } }
        #expect(Set(keys) == Set(explained))
        #expect(!keys.isEmpty)
    }

    /// The files below a directory and their modes.
    private func files(_ root: String) async throws -> [String: String] {
        let list = try await check("find", [root, "-type", "f", "-printf", "%P %m\\n"])
        return Dictionary(
            uniqueKeysWithValues: list.split(separator: "\n").map { line in
                let parts = line.split(separator: " ").map(String.init)
                return (parts[0], parts[1])
            })
    }

    private func withInstallation(prefix: String, _ body: (String) async throws -> Void) async throws {
        try await TemporaryDirectory.with { directory in
            try await make("generated", root: directory, prefix: prefix)
            let root = "\(directory)/root"
            try await make("install", root: root, prefix: prefix, generated: "\(directory)/generated")
            try await body(root)
        }
    }

    private func make(_ target: String, root: String, prefix: String, generated: String? = nil) async throws {
        try await check(
            "make",
            [
                "--no-print-directory", "-C", BuiltProgram.repository, target, "DESTDIR=\(root)", "PREFIX=\(prefix)",
                "BINARY=\(BuiltProgram.certctl)", "GENERATED=\(generated ?? "\(root)/generated")",
            ])
    }
}

import FoundationEssentials
import Renewal
import Rig
import Testing

/// The manual pages, which docs/man/generate makes of what help is made of.
@Suite(.parts("python3", "mandoc", "man"))
struct ManualTests {
    @Test func `every option that help prints is in the command's page, and no other`() async throws {
        try await withPages { pages in
            for command in try await commands() {
                let help = try await check(
                    BuiltProgram.certctl, ["help"] + command.split(separator: " ").map(String.init),
                    environment: ["COLUMNS": "300"])
                // An option's line has two spaces before what it does; that of an argument has them, too.
                let lines = help.split(separator: "\n").filter { $0.hasPrefix("  -") || $0.hasPrefix("  <") }
                // A pair of flags is printed as one: --flag/--no-flag.
                let printed = Set(
                    lines.flatMap { $0.dropFirst(2).prefix { $0 != " " && $0 != "," }.split(separator: "/") }
                        .map(String.init))
                let page = try #require(pages["certctl-\(command.split(separator: " ")[0])"])
                #expect(Set(items(of: page, command: command)) == printed, "certctl \(command)")
            }
        }
    }

    @Test func `every command has a page that certctl(1) leads to`() async throws {
        try await withPages { pages in
            let first = try #require(pages["certctl"])
            let listed = try await commands().map { "certctl-\($0.split(separator: " ")[0])" }
            #expect(Set(pages.keys) == Set(listed + ["certctl", "certctl.conf"]))
            for name in listed {
                #expect(first.contains(".It Xr \(name) 1\n"))
                #expect(pages[name]?.contains("\n.Xr certctl 1 ,\n") == true, "\(name)")
            }
            #expect(first.contains("\n.Xr certctl.conf 5\n"))
        }
    }

    @Test func `mandoc and groff find nothing to warn of`() async throws {
        try await withPages { directory, pages in
            for name in pages.keys {
                let file = "\(directory)/\(name).\(name == "certctl.conf" ? 5 : 1)"
                let lint = try await sh("mandoc", ["-Tlint", "-W", "warning", file])
                #expect(lint.status == 0 && lint.stdout.isEmpty, "\(lint.stdout)")
                let shown = try await sh(
                    "man", ["--warnings", "--local-file", file], environment: ["LC_ALL": "C.UTF-8", "MANWIDTH": "80"])
                #expect(shown.status == 0 && shown.stderr.isEmpty, "\(shown.stderr)")
                #expect(shown.stdout.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(name)")
            }
        }
    }

    @Test func `every host-wide setting is an item of certctl.conf(5)`() async throws {
        try await withPages { pages in
            let page = try #require(pages["certctl.conf"])
            let items = page.split(separator: "\n").filter { $0.hasPrefix(".It Ic ") }.map { String($0.dropFirst(7)) }
            #expect(items.sorted() == HostSettings.knownKeys.sorted())
        }
    }

    @Test func `an option that certctl does not have is refused where a page names it`() async throws {
        try await TemporaryDirectory.with { directory in
            try await check(
                "cp",
                ["-r", "\(BuiltProgram.repository)/docs/man", "\(BuiltProgram.repository)/docs/reference", directory])
            try (string("\(directory)/man/certctl-deploy.mdoc") + ".Dl certctl deploy --yesterday\n")
                .write(toFile: "\(directory)/man/certctl-deploy.mdoc", atomically: true, encoding: .utf8)
            let output = try await sh("\(directory)/man/generate", [BuiltProgram.certctl, "\(directory)/out"])
            #expect(output.status == 1)
            #expect(output.stderr == "docs/man/certctl-deploy.mdoc: certctl-deploy has no option --yesterday\n")
        }
    }

    @Test func `a page without a command is refused`() async throws {
        try await TemporaryDirectory.with { directory in
            try await check(
                "cp",
                ["-r", "\(BuiltProgram.repository)/docs/man", "\(BuiltProgram.repository)/docs/reference", directory])
            try "".write(toFile: "\(directory)/man/certctl-yesterday.mdoc", atomically: true, encoding: .utf8)
            let output = try await sh("\(directory)/man/generate", [BuiltProgram.certctl, "\(directory)/out"])
            #expect(output.status == 1)
            #expect(output.stderr == "docs/man/certctl-yesterday.mdoc: certctl has no such command\n")
        }
    }

    /// The commands that can be called, those of commands with commands of their own as `hooks list`.
    private func commands() async throws -> [String] {
        var commands: [String] = []
        for name in try await subcommands([]) {
            let own = try await subcommands([name])
            commands += own.isEmpty ? [name] : own.map { "\(name) \($0)" }
        }
        return commands
    }

    private func subcommands(_ command: [String]) async throws -> [String] {
        let help = try await check(BuiltProgram.certctl, ["help"] + command, environment: ["COLUMNS": "300"])
        let lines = help.split(separator: "\n", omittingEmptySubsequences: false)
        guard let start = lines.firstIndex(of: "SUBCOMMANDS:") else { return [] }
        return lines[(start + 1)...].prefix { !$0.isEmpty }.compactMap { line in
            line.hasPrefix("  ") ? line.split(separator: " ").first.map(String.init) : nil
        }
    }

    /// What a page lists for a command, in help's spelling: `--force`, `-q`, `<name>`.
    private func items(of page: String, command: String) -> [String] {
        var lines = page.split(separator: "\n")[...]
        if let section = lines.firstIndex(of: ".Ss certctl \(command)") { lines = lines[section...].dropFirst() }
        guard let start = lines.firstIndex(of: ".Sh OPTIONS") ?? (lines.isEmpty ? nil : lines.startIndex) else {
            return []
        }
        let own = lines[start...].dropFirst().prefix { !$0.hasPrefix(".S") }
        return own.filter { $0.hasPrefix(".It ") }.map { line in
            let words = line.split(separator: " ")
            switch words[1] {
            case "Ar": return "<\(words[2])>"
            default: return words[2] == "Fl" ? "--\(words[3])" : "-\(words[2])"
            }
        }
    }

    private func withPages(_ body: ([String: String]) async throws -> Void) async throws {
        try await withPages { _, pages in try await body(pages) }
    }

    private func withPages(_ body: (String, [String: String]) async throws -> Void) async throws {
        try await TemporaryDirectory.with { directory in
            try await check("\(BuiltProgram.repository)/docs/man/generate", [BuiltProgram.certctl, directory])
            var pages: [String: String] = [:]
            for file in try FileManager.default.contentsOfDirectory(atPath: directory) {
                pages[String(file.dropLast(2))] = string("\(directory)/\(file)")
            }
            try await body(directory, pages)
        }
    }
}

func string(_ path: String) -> String { contents(ofFile: path) ?? "" }

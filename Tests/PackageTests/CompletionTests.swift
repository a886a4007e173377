import FoundationEssentials
import Rig
import Testing

/// What shells complete, from the scripts that certctl writes.
struct CompletionTests {
    @Test(.parts("bash")) func `bash completes lineages, files and options`() async throws {
        try await withTree { directory in
            let script = try await script("bash", in: directory)
            try await check("bash", ["-n", script])
            let source = """
                set -u
                source \(shellQuoted(script))
                complete_line() {
                    COMP_LINE=$1 COMP_POINT=${#1}
                    read -ra COMP_WORDS <<<"$1"
                    [[ $1 != *' ' ]] || COMP_WORDS+=('')
                    COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
                    _certctl certctl "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
                    printf '%s\\n' "${COMPREPLY[@]}" | LC_ALL=C sort
                }
                cd \(shellQuoted(directory))
                complete_line "$1"
                """
            try await expectCompletions(directory) { line in
                try await check("bash", ["-c", source, "bash", line], environment: variables(directory))
            }
        }
    }

    @Test(.parts("fish")) func `fish completes lineages, files and options`() async throws {
        try await withTree { directory in
            let script = try await script("fish", in: directory)
            try await check("fish", ["--no-execute", script])
            // Without a terminal fish does not say where the cursor is; it is at the end.
            let source = """
                function commandline
                    if test "$argv[-1]" = -tC; echo 0; else; builtin commandline $argv; end
                end
                source \(shellQuoted(script)); cd \(shellQuoted(directory)); complete -C $argv[1]
                """
            try await expectCompletions(directory) { line in
                let output = try await check(
                    "fish", ["--no-config", "-c", source, line], environment: variables(directory))
                // A completion and what it means have a tab between.
                return output.split(separator: "\n").map { "\($0.prefix { $0 != "\t" })\n" }.sorted().joined()
            }
        }
    }

    @Test(.parts("zsh")) func `zsh can read what is meant for it`() async throws {
        try await withTree { directory in
            let script = try await script("zsh", in: directory)
            try await check("zsh", ["-n", script])
            #expect(string(script).hasPrefix("#compdef certctl\n"))
            // The function is there once compinit's own functions are.
            let loaded = try await check(
                "zsh",
                ["-fc", "fpath=(\(directory) $fpath); autoload -Uz compinit; compinit -u -D; print $_comps[certctl]"],
                environment: variables(directory))
            #expect(loaded == "_certctl\n")
        }
    }

    @Test(arguments: [
        ["certctl", "renew", "--config-dir", "TREE", ""], ["certctl", "renew", "--config-dir=TREE", ""],
        ["certctl", "renew", "--config-dir", "=", "TREE", ""], ["certctl", "renew", "--config-dir", "'TREE'", ""],
    ])
    func `the tree is the one that the command line names`(words: [String]) async throws {
        try await withTree { directory in
            let words = words.map { $0.replacing("TREE", with: "\(directory)/tree") }
            let output = try await check(
                BuiltProgram.certctl,
                ["---completion", "renew", "--", "positional@0", "\(words.count - 1)", "0"] + words)
            #expect(output == "mail.example.org\nwww.example.org\n")
        }
    }

    @Test func `a tree that cannot be read offers nothing`() async throws {
        let words = ["certctl", "renew", "--config-dir", "/nonexistent", ""]
        let output = try await sh(
            BuiltProgram.certctl, ["---completion", "renew", "--", "positional@0", "4", "0"] + words)
        #expect(output.status == 0)
        #expect(output.stdout.isEmpty && output.stderr.isEmpty)
    }

    private func expectCompletions(_ directory: String, of complete: (String) async throws -> String) async throws {
        let tree = "--config-dir \(directory)/tree"
        #expect(try await complete("certctl ro") == "rollback\n")
        #expect(try await complete("certctl renew \(tree) ").contains("mail.example.org\nwww.example.org\n"))
        #expect(try await complete("certctl hooks run \(tree) w") == "www.example.org\n")
        #expect(try await complete("certctl issue \(tree) --name m") == "mail.example.org\n")
        #expect(try await complete("certctl renew --dry") == "--dry-run\n")
        #expect(try await complete("certctl status --format p") == "prometheus\n")
        #expect(try await complete("certctl issue --key-type rsa3") == "rsa3072\n")
        #expect(try await complete("certctl renew --ca-bundle bun") == "bundle.pem\n")
        // A directory, with its slash or without, and no file.
        #expect(try await complete("certctl status --config-dir t").trimmingSlash == "tree")
        #expect(try await complete("certctl status --config-dir bun").trimmingSlash.isEmpty)
    }

    private func script(_ shell: String, in directory: String) async throws -> String {
        let path = "\(directory)/_certctl"
        try await check(BuiltProgram.certctl, ["--generate-completion-script", shell])
            .write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    private func variables(_ directory: String) -> [String: String] {
        ["PATH": "\(directory)/bin:\(environmentVariable("PATH") ?? "/usr/bin:/bin")", "HOME": directory]
    }

    /// A tree with two lineages, a file beside it, and certctl in a `bin` of its own.
    private func withTree(_ body: @Sendable (String) async throws -> Void) async throws {
        try await TemporaryDirectory.with { directory in
            for name in ["tree/renewal", "bin"] {
                try FileManager.default.createDirectory(
                    atPath: "\(directory)/\(name)", withIntermediateDirectories: true)
            }
            for name in [
                "tree/renewal/www.example.org.conf", "tree/renewal/mail.example.org.conf", "tree/renewal/README",
                "bundle.pem",
            ] {
                try "".write(toFile: "\(directory)/\(name)", atomically: true, encoding: .utf8)
            }
            try FileManager.default.createSymbolicLink(
                atPath: "\(directory)/bin/certctl", withDestinationPath: BuiltProgram.certctl)
            try await body(directory)
        }
    }
}

extension String {
    fileprivate var trimmingSlash: String { filter { $0 != "/" && $0 != "\n" } }
}

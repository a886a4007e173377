import FoundationEssentials
import Glibc
import Rig

/// The certctl that was built with the tests, on the tree of a stack.
struct Certctl {
    let tree: String
    let state: String
    let caBundle: String
    /// The file that takes the place of `/etc/certctl/certctl.conf`; nil for that itself.
    var settings: String?
    /// Added to what it is started with, for its hooks.
    var environment: [String: String] = [:]
    /// Whether doctor is to ask a DNS server that is not there.
    var isWithoutNetwork = false
    /// A program with arguments that runs it; empty for none.
    var prefix: [String] = []

    init(_ stack: Stack, settings: String? = nil) {
        (tree, state, caBundle) = (stack.tree, "\(stack.directory)/state", stack.pebble.caBundle)
        self.settings = settings
    }

    init(tree: String, state: String, caBundle: String = "") {
        (self.tree, self.state, self.caBundle) = (tree, state, caBundle)
    }

    static var path: String { BuiltProgram.certctl }

    func status(_ arguments: String...) async throws -> Output { try await run("status", arguments) }

    func renew(_ arguments: String...) async throws -> Output { try await run("renew", ca + arguments) }

    func renew(_ arguments: [String]) async throws -> Output { try await run("renew", ca + arguments) }

    func issue(_ arguments: String...) async throws -> Output { try await run("issue", ca + arguments) }

    func deploy(_ arguments: String...) async throws -> Output { try await run("deploy", arguments) }

    func rollback(_ arguments: String...) async throws -> Output { try await rollback(arguments) }

    func rollback(_ arguments: [String]) async throws -> Output { try await run("rollback", arguments) }

    func repair(_ arguments: String...) async throws -> Output { try await run("repair", arguments) }

    func repair(_ arguments: [String]) async throws -> Output { try await run("repair", arguments) }

    func revoke(_ arguments: String...) async throws -> Output { try await run("revoke", ca + arguments) }

    func names(_ arguments: String...) async throws -> Output { try await run("names", ca + arguments) }

    func delete(_ arguments: String...) async throws -> Output { try await run("delete", arguments) }

    func history(_ arguments: String...) async throws -> Output { try await run("history", arguments) }

    func doctor(_ arguments: [String] = []) async throws -> Output { try await run("doctor", ca + arguments) }

    func issue(_ arguments: [String]) async throws -> Output { try await run("issue", ca + arguments) }

    func hooksRun(_ name: String) async throws -> Output {
        try await run("hooks", ["--keep-environment", name], subcommand: ["run"])
    }

    func hooksList(_ names: String...) async throws -> Output { try await run("hooks", names, subcommand: ["list"]) }

    private var ca: [String] { caBundle.isEmpty ? [] : ["--ca-bundle", caBundle] }

    private func run(
        _ command: String, _ arguments: [String], subcommand: [String] = []
    ) async throws -> Output {
        let words = prefix + commandLine(command, arguments, subcommand: subcommand)
        return try await sh(words[0], Array(words.dropFirst()), environment: variables)
    }

    /// The program and its arguments, for a test that does not wait for its end.
    func commandLine(_ command: String, _ arguments: [String], subcommand: [String] = []) -> [String] {
        let place = ["--config-dir", tree, "--state-dir", state] + (settings.map { ["--config", $0] } ?? [])
        return [Certctl.path, command] + subcommand + place + arguments
    }

    /// HOME is set to nothing that is there: nothing may need it. UTC, for the times that tests compare.
    var variables: [String: String] { ["HOME": "/nonexistent", "TZ": "UTC"].merging(environment) { $1 } }

    /// What `status --format json` says of one lineage.
    func lineage(_ name: String) async throws -> StatusEntry {
        let output = try await status("--format", "json", name)
        let document = try JSONDecoder().decode(StatusDocument.self, from: Data(output.stdout.utf8))
        guard document.schema == 2, let entry = document.lineages.first else {
            throw RigError("no lineage \(name) in: \(output.stdout)\(output.stderr)")
        }
        return entry
    }
}

/// `status --format json`, as a monitoring script reads it.
struct StatusDocument: Decodable {
    let schema: Int
    let lineages: [StatusEntry]
}

struct StatusEntry: Decodable {
    let name: String
    let domains: [String]
    let state: String
    let version: Int?
    let serial: String?
    let sha256: String?
    let issuer: String?
    let keyType: String?
    let notBefore: String?
    let notAfter: String?
    let daysLeft: Double?
    let stage: String?
    let renewal: Renewal
    let problems: [Problem]

    struct Renewal: Decodable {
        let at: String?
        let reason: String
    }

    struct Problem: Decodable {
        let code: String
        let message: String
    }
}

/// Everything that is in a directory: kinds, modes, owners, link texts and contents, to compare before and after.
func snapshot(of directory: String) async throws -> String {
    try await check(
        "sh",
        [
            "-c",
            "cd \"$1\" && find . -printf '%p %y %m %U %G %l\\n' | LC_ALL=C sort"
                + " && find . -type f -exec sha256sum {} + | LC_ALL=C sort", "sh", directory,
        ])
}

/// Puts a hook into the tree of a stack. It leaves a line `NAME VARIABLE…` in `hooks.log` beside the tree.
func addHook(_ kind: String, _ name: String, _ stack: Stack, _ body: String = "") throws {
    try addHook(kind, name, tree: stack.tree, log: "\(stack.directory)/hooks.log", body)
}

/// Puts a hook into a tree. It leaves its line in a file that is named.
func addHook(_ kind: String, _ name: String, tree: String, log: String, _ body: String = "") throws {
    let directory = "\(tree)/renewal-hooks/\(kind)"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    let path = "\(directory)/\(name)"
    let log = shellQuoted(log)
    let script = """
        #!/bin/sh
        set -e
        echo "\(kind)/\(name) [$RENEWED_LINEAGE] [$RENEWED_DOMAINS] [$FAILED_DOMAINS]" >> \(log)
        \(body)

        """
    try script.write(toFile: path, atomically: true, encoding: .utf8)
    guard chmod(path, 0o755) == 0 else { throw RigError("chmod \(path)") }
}

/// The lines that hooks have left, and a clean slate.
func takeHookLog(_ stack: Stack) throws -> [String] { try takeHookLog("\(stack.directory)/hooks.log") }

/// The lines that hooks have left in a file, and a clean slate.
func takeHookLog(_ path: String) throws -> [String] {
    let lines = (contents(ofFile: path) ?? "").split(separator: "\n").map(String.init)
    if !lines.isEmpty { try FileManager.default.removeItem(atPath: path) }
    return lines
}

/// Waits for what a reload brings about a moment later.
func eventually(_ what: String, _ condition: () async throws -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(180)
    while try await !condition() {
        guard ContinuousClock.now < deadline else { throw RigError("not within three minutes: \(what)") }
        try await Task.sleep(for: .milliseconds(100))
    }
}

func string(_ path: String) -> String { contents(ofFile: path) ?? "" }

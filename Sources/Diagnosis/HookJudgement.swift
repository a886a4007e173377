import Deployment
import FoundationEssentials
import Glibc
import Lineages
import Renewal

/// The hooks of a tree and of its lineages, looked at and not run.
enum HookJudgement {
    static let ids: [CheckID] = [.hookMissing, .hookNotExecutable, .hookBadInterpreter]

    /// The hooks of `renewal-hooks/`, which are every lineage's.
    static func findings(_ directory: HookDirectory) -> Findings {
        var findings = Findings()
        for kind in Hook.Kind.allCases {
            let listing = directory.list(kind)
            let place = directory.path(of: kind)
            for skipped in listing.skipped where !skipped.name.hasPrefix(".") && !skipped.name.hasSuffix("~") {
                let path = "\(place)/\(skipped.name)"
                if skipped.reason.contains("link to nothing") {
                    findings.fail(
                        .hookMissing, at: place, "\(path) \(skipped.reason), so it does not run",
                        remedy: "ls -l \(path.shellWord)")
                } else if skipped.reason.contains("executable") {
                    // It may have been switched off, as certbot's are, or be no hook at all.
                    findings.warn(
                        .hookNotExecutable, at: place,
                        "\(path) \(skipped.reason), so it does not run; where it is not meant to, nothing is wrong",
                        remedy: Interpreter.isNamed(in: path) ? "chmod +x \(path.shellWord)" : nil)
                }
            }
            for hook in listing.hooks {
                guard case .directory(let path) = hook.source, let obstacle = Interpreter.obstacle(of: path) else {
                    continue
                }
                findings.fail(
                    .hookBadInterpreter, at: place, "\(path) cannot run: \(obstacle)",
                    remedy: "head -1 \(path.shellWord) | cat -A")
            }
        }
        findings.pass(ids, at: directory.path(of: .deploy).replacing("/deploy", with: ""))
        return findings
    }

    /// A lineage's own hooks, and whether anything at all has nginx take up its certificate.
    ///
    /// - Parameters:
    ///   - isServed: whether a listener is looked at for it.
    ///   - own: the conf's hooks.
    static func findings(
        _ lineage: Lineage, own: HookCommands, directory: HookDirectory, isServed: Bool, state: LineageState?
    ) -> Findings {
        var findings = Findings()
        let name = lineage.name
        let place = "the hooks of \(lineage.confPath)"
        for kind in [Hook.Kind.pre, .deploy, .post] {
            guard let command = own.command(kind), let program = firstPath(of: command) else { continue }
            let status = try? FileSystem.status(program, followingLinks: true)
            if status == nil {
                findings.fail(
                    .hookMissing, name, at: place, "\(kind.rawValue) hook \"\(command)\": \(program) is not there",
                    remedy: "editor \(lineage.confPath.shellWord)")
            } else if unsafe access(program, X_OK) != 0 {
                findings.fail(
                    .hookNotExecutable, name, at: place,
                    "\(kind.rawValue) hook \"\(command)\": \(program) is not executable",
                    remedy: "chmod +x \(program.shellWord)")
            } else if let obstacle = Interpreter.obstacle(of: program) {
                findings.fail(
                    .hookBadInterpreter, name, at: place,
                    "\(kind.rawValue) hook \"\(command)\" cannot run: \(obstacle)",
                    remedy: "head -1 \(program.shellWord) | cat -A")
            }
        }
        let usesDirectory = lineage.options?.directoryHooks ?? true
        let hasDirectoryHook =
            usesDirectory && [Hook.Kind.deploy, .post].contains { !directory.list($0).hooks.isEmpty }
        // One that leads to nothing is a fault of its own.
        let isMeant = [Hook.Kind.deploy, .post].contains { kind in
            directory.list(kind).skipped.contains { $0.reason.contains("link to nothing") }
        }
        if isServed, !isMeant, !hasDirectoryHook, own.command(.deploy) == nil, own.command(.post) == nil {
            findings.warn(
                .hookMissing, name, at: place,
                "no deploy or post hook: after a renewal nothing that certctl knows has nginx take up the new certificate",
                remedy: "certctl setup")
        }
        for hook in state?.host.live.rollout?.failedHooks ?? [] {
            findings.fail(
                .hookFailed, name, at: place,
                "\(hook.cause?.message ?? "\(hook.kind) hook \(hook.identity) failed"), last at \(hook.at.formatted(.iso8601))"
                    + (hook.failures > 1 ? ", \(hook.failures) times" : ""),
                remedy: "certctl deploy \(name.shellWord)", action: .deploy)
        }
        findings.pass(ids + [.hookFailed], name, at: place)
        return findings
    }

    /// The file that a command line begins with, where that is plain to see.
    private static func firstPath(of command: String) -> String? {
        let word = command.prefix { !$0.isWhitespace }
        guard word.hasPrefix("/"), word.allSatisfy({ !"'\"\\$`;&|<>()*?[".contains($0) }) else { return nil }
        return String(word)
    }
}

/// The program that a script's first line names.
enum Interpreter {
    /// Whether the file is a script whose first line names one.
    static func isNamed(in path: String) -> Bool { script(path) != nil }

    private static func script(_ path: String) -> [UInt8]? {
        guard let bytes = try? FileSystem.read(path, limit: 16 << 20), bytes.starts(with: Array("#!".utf8)) else {
            return nil
        }
        return bytes
    }

    /// Why the script cannot be run by it, a predicate; nil where nothing is in the way.
    static func obstacle(of path: String) -> String? {
        guard let bytes = script(path) else { return nil }
        let line = String(decoding: bytes.dropFirst(2).prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
        let words = line.split { $0 == " " || $0 == "\t" }.map(String.init)
        guard let program = words.first else { return "its first line names no interpreter" }
        if program.hasSuffix("\r") || (words.last ?? "").hasSuffix("\r") {
            return "its lines end in CR LF, so that it asks for an interpreter \(program.filter { $0 != "\r" })\\r"
        }
        guard (try? FileSystem.status(program, followingLinks: true)) ?? nil != nil else {
            return "its interpreter \(program) is not there"
        }
        guard unsafe access(program, X_OK) == 0 else { return "its interpreter \(program) is not executable" }
        if FileSystem.name(of: program) == "env", words.count > 1,
            let wanted = words.dropFirst().first(where: { !$0.hasPrefix("-") && !$0.contains("=") }),
            !wanted.contains("/"), !isInPath(wanted)
        {
            return "its interpreter \(wanted) is not in the path of a service"
        }
        return nil
    }

    private static func isInPath(_ program: String) -> Bool {
        ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"].contains {
            unsafe access("\($0)/\(program)", X_OK) == 0
        }
    }
}

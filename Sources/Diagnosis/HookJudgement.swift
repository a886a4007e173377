import Deployment
import FoundationEssentials
import Glibc
import Lineages
import Renewal

/// The hooks of a tree and of its lineages, looked at and not run.
enum HookJudgement {
    static let ids: [CheckID] = [.hooksUnreadable, .hookMissing, .hookNotExecutable, .hookBadInterpreter]

    /// The hooks of `renewal-hooks/`, which are every lineage's.
    ///
    /// - Parameter isStale: whether an endpoint serves what it should not, so that a hook that does not run is why.
    static func findings(_ directory: TreeHooks, isStale: Bool = false) -> Findings {
        var findings = Findings()
        for kind in Hook.Kind.allCases {
            let listing = directory.list(kind)
            let place = directory.path(of: kind)
            if let unreadable = listing.unreadable {
                findings.fail(.hooksUnreadable, at: place, "\(unreadable)", .hooksUnreadable(path: place))
            }
            for skipped in listing.skipped where !skipped.name.hasPrefix(".") && !skipped.name.hasSuffix("~") {
                judge(
                    skipped, kind, at: place, isWhy: isStale && !directory.reloads && [.deploy, .post].contains(kind),
                    &findings)
            }
            for hook in listing.hooks {
                guard case .directory(let path) = hook.source, let obstacle = Interpreter.obstacle(of: path) else {
                    continue
                }
                findings.fail(
                    .hookBadInterpreter, at: place, "\(path) cannot run: \(obstacle)",
                    .hookInterpreter(path: path, obstacle.flaw))
            }
        }
        findings.pass(ids, at: directory.path(of: .deploy).replacing("/deploy", with: ""))
        return findings
    }

    private static func judge(
        _ skipped: HookDirectory.Skipped, _ kind: Hook.Kind, at place: String, isWhy: Bool, _ findings: inout Findings
    ) {
        let path = "\(place)/\(skipped.name)"
        switch skipped.why {
        case .dangling:
            findings.fail(
                .hookMissing, at: place, "\(path) \(skipped.reason), so it does not run", .hookDangling(path: path))
        case .notExecutable where isWhy && Interpreter.isNamed(in: path):
            findings.fail(
                .hookNotExecutable, at: place,
                "\(path) \(skipped.reason), so it does not run, and no other hook reloads nginx",
                .hookNotExecutable(path: path))
        case .notExecutable:
            // It may have been switched off, as certbot's are, or be no hook at all.
            findings.warn(
                .hookNotExecutable, at: place,
                "\(path) \(skipped.reason), so it does not run; where it is not meant to, nothing is wrong",
                Interpreter.isNamed(in: path) ? .hookNotExecutable(path: path) : .hookNoScript)
        case .backup, .unreadable, .directory, .notRegular, .notUTF8: break
        }
    }

    /// A lineage's own hooks, and whether anything at all has nginx take up its certificate.
    ///
    /// - Parameters:
    ///   - isServed: whether an endpoint is looked at for it.
    ///   - isStale: whether one was seen serving something else.
    ///   - own: the renewal config's hooks.
    static func findings(
        _ lineage: Lineage, own: HookCommands, directory: TreeHooks, isServed: Bool, isStale: Bool = false,
        state: LineageState?
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
                    .hookGone(conf: lineage.confPath))
            } else if unsafe access(program, X_OK) != 0 {
                findings.fail(
                    .hookNotExecutable, name, at: place,
                    "\(kind.rawValue) hook \"\(command)\": \(program) is not executable",
                    .hookNotExecutable(path: program))
            } else if let obstacle = Interpreter.obstacle(of: program) {
                findings.fail(
                    .hookBadInterpreter, name, at: place,
                    "\(kind.rawValue) hook \"\(command)\" cannot run: \(obstacle)",
                    .hookInterpreter(path: program, obstacle.flaw))
            }
        }
        // One that is dangling, or a script that may not run, is a fault of its own.
        let hasDirectoryHook =
            directory.isMeantToReload || directory.reloads && lineage.options?.directoryHooks ?? true
        if isServed, !hasDirectoryHook, own.command(.deploy) == nil, own.command(.post) == nil {
            let evidence =
                "no deploy or post hook: after a renewal nothing reloads nginx, so that it goes on with the old certificate"
            if isStale {
                findings.fail(
                    .hookMissing, name, at: place, evidence, .noReload(name: name), title: "no hook reloads nginx")
            } else {
                findings.warn(
                    .hookMissing, name, at: place, evidence, .noReload(name: name), title: "no hook reloads nginx")
            }
        }
        for hook in state?.host.live.rollout?.failedHooks ?? [] {
            findings.fail(
                .hookFailed, name, at: place,
                "\(hook.cause?.message ?? "\(hook.kind) hook \(hook.identity) failed"), last at \(hook.at.formatted(.iso8601))"
                    + (hook.failures > 1 ? ", \(hook.failures) times" : ""),
                .hookFailed(name: name, identity: hook.identity, isRepeated: hook.failures > 1))
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

    /// Why a script cannot be run.
    struct Obstacle: CustomStringConvertible {
        /// A predicate.
        let description: String
        var flaw = ScriptFlaw.interpreter
    }

    /// What keeps the script from being run by it; nil where nothing does.
    static func obstacle(of path: String) -> Obstacle? {
        guard let bytes = script(path) else {
            let start = (try? FileSystem.read(path, limit: 16 << 20))?.prefix(5)
            return start == [0xEF, 0xBB, 0xBF, UInt8(ascii: "#"), UInt8(ascii: "!")]
                ? Obstacle(description: "a byte order mark stands before its #!", flaw: .byteOrderMark) : nil
        }
        let line = String(decoding: bytes.dropFirst(2).prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
        let words = line.split { $0 == " " || $0 == "\t" }.map(String.init)
        guard let program = words.first else { return Obstacle(description: "its first line names no interpreter") }
        if program.hasSuffix("\r") || (words.last ?? "").hasSuffix("\r") {
            return Obstacle(
                description:
                    "its lines end in CR LF, so that it asks for an interpreter \(program.filter { $0 != "\r" })\\r",
                flaw: .carriageReturn)
        }
        guard (try? FileSystem.status(program, followingLinks: true)) ?? nil != nil else {
            return Obstacle(description: "its interpreter \(program) is not there")
        }
        guard unsafe access(program, X_OK) == 0 else {
            return Obstacle(description: "its interpreter \(program) is not executable")
        }
        if FileSystem.name(of: program) == "env", words.count > 1,
            let wanted = words.dropFirst().first(where: { !$0.hasPrefix("-") && !$0.contains("=") }),
            !wanted.contains("/"), !isInPath(wanted)
        {
            return Obstacle(description: "its interpreter \(wanted) is not in the path of a service")
        }
        return nil
    }

    private static func isInPath(_ program: String) -> Bool {
        ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"].contains {
            unsafe access("\($0)/\(program)", X_OK) == 0
        }
    }
}

import Deployment
import FoundationEssentials
import Glibc
import Lineages
import Rig
import Setup
import Synchronization
import Testing

/// A host in a temporary directory: its files are real, its programs are ``HostPrograms``.
struct TestHost: Sendable {
    /// What stands before every path.
    let root: String
    let programs: HostPrograms

    var tree: String { "\(root)/etc/letsencrypt" }
    var state: String { "\(root)/var/lib/certctl" }
    var host: SetupHost { SetupHost(root: root, runner: programs) }
    /// A program of the system that a unit could start; it is never run.
    static let binary = "/usr/bin/env"

    /// Runs `body` on a host with systemd, cron and an empty tree.
    static func with(systemd: Bool = true, _ body: (TestHost) async throws -> Void) async throws {
        try await TemporaryDirectory.with { directory in
            let host = TestHost(root: FileSystem.resolved(directory), programs: HostPrograms())
            for path in ["etc/letsencrypt/renewal", "etc/cron.d", "etc/cron.daily", "usr/bin", "var/lib", "www"] {
                try host.makeDirectory(path)
            }
            for program in ["systemctl", "docker"] { try host.write("usr/bin/\(program)", "") }
            try host.write("usr/bin/crontab", TestHost.crontabProgram, mode: 0o755)
            if systemd {
                try host.makeDirectory("etc/systemd/system")
                try host.makeDirectory("run/systemd/system")
            }
            try await body(host)
        }
    }

    func makeDirectory(_ path: String) throws {
        try FileManager.default.createDirectory(atPath: "\(root)/\(path)", withIntermediateDirectories: true)
    }

    func write(_ path: String, _ text: String, mode: mode_t = 0o644) throws {
        try text.write(toFile: "\(root)/\(path)", atomically: false, encoding: .utf8)
        #expect(chmod("\(root)/\(path)", mode) == 0)
    }

    func text(_ path: String) -> String? { contents(ofFile: "\(root)/\(path)") }

    /// Keeps root's crontab in a file, as cron does, and says so where it is asked to.
    private static let crontabProgram = """
        #!/bin/sh
        spool=$(dirname "$0")/../../spool
        [ ! -e "$spool.warning" ] || cat "$spool.warning" >&2
        case $1 in
        -l) [ -e "$spool" ] || { echo "no crontab for root" >&2; exit 1; }; cat "$spool" ;;
        -r) rm "$spool" ;;
        *) cat "$1" >"$spool" ;;
        esac

        """

    /// Root's crontab; nil for none.
    var crontab: [UInt8]? { try? FileSystem.read("\(root)/spool") }
    var crontabText: String? { text("spool") }

    func set(crontab: String) throws { try write("spool", crontab) }

    func set(crontab: [UInt8]) throws { try NewFile("\(root)/spool", crontab, mode: 0o600).commit() }

    func hook(_ kind: String, _ name: String, _ text: String) throws {
        try makeDirectory("etc/letsencrypt/renewal-hooks/\(kind)")
        try write("etc/letsencrypt/renewal-hooks/\(kind)/\(name)", "#!/bin/sh\n\(text)\n", mode: 0o755)
    }

    /// A lineage of one name with a conf of certbot's.
    func lineage(_ name: String, _ parameters: String) async throws {
        _ = try await placeSelfSigned([name], inTree: tree)
        let links = ["cert", "privkey", "chain", "fullchain"].map { "\($0) = \(tree)/live/\(name)/\($0).pem\n" }
        try write(
            "etc/letsencrypt/renewal/\(name).conf",
            "# renew_before_expiry = 30 days\nversion = 2.1.0\narchive_dir = \(tree)/archive/\(name)\n\(links.joined())\n"
                + "# Options used in the renewal process\n[renewalparams]\n\(parameters)\n")
    }

    func request(_ change: (inout SetupRequest) -> Void = { _ in }) throws -> SetupRequest {
        var request = try SetupRequest(tree: try Tree(tree), treePath: tree, statePath: state, binary: TestHost.binary)
        change(&request)
        return request
    }

    func plan(_ change: (inout SetupRequest) -> Void = { _ in }) async throws -> SetupPlan {
        try await SetupPlan(request(change), on: host)
    }

    /// Plans and does it.
    @discardableResult
    func setUp(_ change: (inout SetupRequest) -> Void = { _ in }) async throws -> SetupPlan {
        let plan = try await plan(change)
        var run = try SetupRun(on: host, statePath: state)
        try await run.carryOut(plan)
        return plan
    }

    /// Takes it back; gives what was left, and why.
    func undo() async throws -> [String] {
        var run = try SetupRun(on: host, statePath: state)
        var left: [String] = []
        let isComplete = try await run.undo { if case .left(let why) = $0 { left.append(why) } }
        #expect(isComplete == left.isEmpty)
        return left
    }

    /// Everything that is in the host's files, and what its programs know.
    func snapshot() async throws -> String {
        let files = try await check(
            "sh",
            [
                "-c",
                "cd \"$1\" && find . -printf '%p %y %m %U %G %l\\n' | LC_ALL=C sort"
                    + " && find . -type f -exec sha256sum {} + | LC_ALL=C sort", "sh", root,
            ])
        return files + programs.snapshot
    }
}

/// The programs of a test's host that keep state outside of its files: systemctl, crontab and docker, as far as setup asks.
final class HostPrograms: CommandRunner {
    struct Unit: Equatable, Sendable {
        var isEnabled = true
        var isActive = true
    }

    private struct State {
        var units: [String: Unit] = [:]
        var containers: [String] = []
        var reloads = 0
        var broken: String?
    }

    private let state = Mutex(State())

    var units: [String: Unit] { state.withLock { $0.units } }
    /// Units that are on: one that is off is as good as gone.
    var snapshot: String {
        state.withLock { state in
            let units = state.units.filter { $0.value.isEnabled || $0.value.isActive }.sorted { $0.key < $1.key }
            return "\(units)"
        }
    }

    func add(unit: String, _ value: Unit = Unit()) { state.withLock { $0.units[unit] = value } }
    /// What docker inspect prints of the running containers.
    func set(containers: [String]) { state.withLock { $0.containers = containers } }
    /// A systemctl command that fails.
    func fail(_ command: String?) { state.withLock { $0.broken = command } }

    func run(_ command: Command, timeout: Duration) async -> CommandOutcome {
        let program = command.executable.split(separator: "/").last.map(String.init) ?? ""
        if ["sh", "crontab"].contains(program) { return await SubprocessRunner().run(command, timeout: timeout) }
        let output = state.withLock { state -> (Int32, String) in
            switch program {
            case "systemctl": HostPrograms.systemctl(command.arguments, &state)
            case "docker": HostPrograms.docker(command.arguments, state)
            default: (127, "no such program: \(program)")
            }
        }
        return CommandOutcome(.exited(output.0), output: output.1)
    }

    private static func systemctl(_ arguments: [String], _ state: inout State) -> (Int32, String) {
        if let broken = state.broken, arguments.joined(separator: " ") == broken {
            return (1, "Failed to do it: Connection timed out")
        }
        let name = arguments.last ?? ""
        switch arguments[0] {
        case "show":
            guard let unit = state.units[name] else { return (0, "LoadState=not-found\nActiveState=inactive") }
            return (
                0,
                "LoadState=loaded\nActiveState=\(unit.isActive ? "active" : "inactive")\n"
                    + "UnitFileState=\(unit.isEnabled ? "enabled" : "disabled")"
            )
        case "daemon-reload":
            state.reloads += 1
            return (0, "")
        case "enable", "disable", "start", "stop":
            let (isOn, isNow) = (["enable", "start"].contains(arguments[0]), arguments.contains("--now"))
            var unit = state.units[name] ?? Unit(isEnabled: false, isActive: false)
            if ["enable", "disable"].contains(arguments[0]) { unit.isEnabled = isOn }
            if ["start", "stop"].contains(arguments[0]) || isNow { unit.isActive = isOn }
            state.units[name] = unit
            return (0, "")
        default: return (1, "Unknown command verb \(arguments[0]).")
        }
    }

    private static func docker(_ arguments: [String], _ state: State) -> (Int32, String) {
        switch arguments[0] {
        case "ps": (0, state.containers.indices.map { "4f1c\($0)\n" }.joined())
        case "inspect": (0, state.containers.joined(separator: "\n"))
        default: (1, "docker: no such command")
        }
    }
}

/// The programs of a test's host, but the real docker, with a real engine.
struct RealDocker: CommandRunner {
    let programs: HostPrograms
    let engine: DockerEngine

    func run(_ command: Command, timeout: Duration) async -> CommandOutcome {
        guard command.executable.hasSuffix("/docker") else { return await programs.run(command, timeout: timeout) }
        let real = Command(
            executable: "/usr/bin/docker", arguments: command.arguments,
            environment: command.environment.merging(engine.environment) { $1 })
        return await SubprocessRunner().run(real, timeout: timeout)
    }
}

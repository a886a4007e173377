import FoundationEssentials
import Glibc
import Rig
import Testing

/// An operator who knows nothing but what doctor says: does its first remedy as printed, and asks again.
///
/// It has to end in green, or with what only a person can do, and may never be told the same twice for the same findings.
struct RobotOperator {
    let certctl: Certctl
    /// What doctor is given besides.
    var arguments: [String] = []
    /// Programs that stand in for the system's, by name: the bodies of shell scripts.
    var programs: [String: String] = [:]

    /// Longer ways than this are no remedy for somebody whose site is down.
    static let mostRounds = 6

    /// Follows doctor from a fault that has been made.
    ///
    /// - Parameters:
    ///   - fault: its name in the table of the faults (`CERTCTL_FAULT_TABLE` names the file).
    ///   - more: what doctor is given besides, for this fault.
    ///   - simulated: beginnings of commands that cannot be run on the test's host: the fixing step is taken in their place.
    ///   - person: whether it ends with a sentence that says what a person has to do.
    ///   - fix: the fault's own fixing step, for a line that begins with `do:`; taken once.
    /// - Returns: what doctor said first.
    @discardableResult
    func follow(
        _ fault: String, _ more: [String] = [], simulated: [String] = [], person: Bool = false,
        sourceLocation: SourceLocation = #_sourceLocation, fix: (() async throws -> Void)? = nil
    ) async throws -> Diagnosed {
        var told: [String] = []
        var log: [String] = []
        var fix = fix
        var first: Diagnosed?
        for round in 0...RobotOperator.mostRounds {
            let seen = try await certctl.diagnosed(arguments + more)
            if first == nil { first = seen }
            let start = first ?? seen
            guard seen.status != 0 else {
                if round == 0 {
                    Issue.record("\(fault): doctor sees no fault\n\(seen.text)", sourceLocation: sourceLocation)
                }
                try note(fault, start, "\(round)")
                return start
            }
            let line = seen.lines.count > 1 ? seen.lines[1] : ""
            let failures = seen.document.checks.filter { $0.verdict == "failure" }
                .map { "\($0.id) \($0.lineage ?? "")" }
            let signature = (Set(failures).sorted() + [line]).joined(separator: "\n")
            log.append("\(seen.lines[0])\n\(line)")
            if told.contains(signature) {
                Issue.record(
                    "\(fault): told the same twice\n\(log.joined(separator: "\n"))\n\(seen.text)",
                    sourceLocation: sourceLocation)
                return start
            }
            told.append(signature)
            if line.hasPrefix("  run: "), case let command = String(line.dropFirst("  run: ".count)),
                !simulated.contains(where: { command.hasPrefix($0) })
            {
                let output = try await run(command)
                log.append("    exit \(output.status): \(output.stdout)\(output.stderr)")
            } else if let step = fix {
                try await step()
                fix = nil
            } else if person {
                try note(fault, start, "a person's task")
                return start
            } else {
                Issue.record(
                    "\(fault): nothing left to do\n\(log.joined(separator: "\n"))\n\(seen.text)",
                    sourceLocation: sourceLocation)
                return start
            }
        }
        Issue.record(
            "\(fault): not green after \(RobotOperator.mostRounds) rounds\n\(log.joined(separator: "\n"))",
            sourceLocation: sourceLocation)
        guard let first else { throw RigError(fault) }
        return first
    }

    /// Runs a line in a shell, where `certctl` works on the test's tree.
    func run(_ command: String) async throws -> Output {
        try await TemporaryDirectory.with { directory in
            var scripts = programs
            scripts["certctl"] = wrapper
            for (name, body) in scripts {
                try "#!/bin/sh\n\(body)\n".write(toFile: "\(directory)/\(name)", atomically: false, encoding: .utf8)
                chmod("\(directory)/\(name)", 0o755)
            }
            let path = "\(directory):\(environmentVariable("PATH") ?? "/usr/bin:/bin"):/usr/sbin:/sbin"
            return try await sh(
                "sh", ["-c", command], environment: certctl.variables.merging(["PATH": path]) { $1 },
                timeout: .seconds(240))
        }
    }

    /// The built program with the options that make it the test's.
    private var wrapper: String {
        let place = ["--config-dir", certctl.tree, "--state-dir", certctl.state]
        let options = (place + (certctl.settings.map { ["--config", $0] } ?? [])).map(shellQuoted)
        let ca = certctl.caBundle.isEmpty ? "" : "--ca-bundle \(shellQuoted(certctl.caBundle))"
        return """
            command=$1; shift
            case $command in
            hooks | account) command="$command $1"; shift ;;
            esac
            case $command in
            renew | issue | account*) set -- \(ca) "$@" ;;
            esac
            exec \(shellQuoted(Certctl.path)) $command \(options.joined(separator: " ")) "$@"
            """
    }

    private func note(_ fault: String, _ first: Diagnosed, _ end: String) throws {
        guard let path = environmentVariable("CERTCTL_FAULT_TABLE") else { return }
        let line = "\(fault) | \(first.lines.first ?? "") | \(first.lines.dropFirst().first ?? "") | \(end)\n"
        let descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw RigError("open \(path)") }
        defer { close(descriptor) }
        _ = Array(line.utf8).withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    }
}

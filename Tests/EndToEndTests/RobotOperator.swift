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
        var first: Diagnosed?
        let loop = RemedyLoop(
            fault, simulated: simulated, endsWithPerson: person, sourceLocation: sourceLocation)
        let end = try await loop.follow(
            ask: {
                let seen = try await certctl.diagnosed(arguments + more)
                first = first ?? seen
                let failures = seen.document.checks.filter { $0.verdict == "failure" }
                return RemedyLoop.Answer(
                    text: seen.text, status: seen.status,
                    failures: Set(failures.map { "\($0.id) \($0.lineage ?? "")" }))
            }, run: run, fix: fix)
        guard let first else { throw RigError(fault) }
        if let end { try note(fault, first, end) }
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

import Subprocess

/// What a program left behind.
package struct Output: Sendable {
    /// The exit status, or 128 + N when signal N ended the program, as a shell says it.
    package let status: Int32
    package let stdout: String
    package let stderr: String
}

/// Runs a program to its end and gives its status and both streams, each of at most 16 MiB.
///
/// The program is looked up in PATH and the sbin directories; `environment` is added to the test's own. A failure is a
/// status and not an error, also that the program does not exist (127, or 126 after a
/// directory of PATH that cannot be searched).
/// Throws when the program was not done in time; it has been killed then.
package func sh(
    _ program: String, _ arguments: [String], environment: [String: String] = [:], directory: String? = nil,
    input: String = "", timeout: Duration = .seconds(900)
) async throws -> Output {
    let place = directory.map { ["-C", $0] } ?? []
    let configuration = Configuration(
        executable: .name("env"), arguments: Arguments(place + [program] + arguments),
        environment: .rig(adding: environment))
    return try await withThrowingTaskGroup(of: Output.self) { group in
        group.addTask {
            let limit = 16 << 20
            let result = try await run(
                configuration, input: .string(input), output: .string(limit: limit), error: .string(limit: limit))
            return Output(
                status: result.terminationStatus.shellStatus, stdout: result.standardOutput,
                stderr: result.standardError)
        }
        group.addTask {
            try await Task.sleep(for: timeout)
            throw RigError("\(([program] + arguments).joined(separator: " ")): not done after \(timeout)")
        }
        defer { group.cancelAll() }
        guard let output = try await group.next() else { throw CancellationError() }
        return output
    }
}

/// Runs a program whose failure is an error that carries what the program said; gives its standard output.
@discardableResult
package func check(
    _ program: String, _ arguments: [String], environment: [String: String] = [:], directory: String? = nil,
    input: String = "", timeout: Duration = .seconds(900)
) async throws -> String {
    let output = try await sh(
        program, arguments, environment: environment, directory: directory, input: input, timeout: timeout)
    guard output.status == 0 else {
        let command = ([program] + arguments).joined(separator: " ")
        throw RigError("\(command): exit status \(output.status)\n\(output.stdout)\(output.stderr)")
    }
    return output.stdout
}

/// A word as a POSIX shell reads it back unchanged.
package func shellQuoted(_ word: String) -> String {
    "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
}

extension Environment {
    /// The test's own environment with the sbin directories in PATH, which a user's PATH on Debian lacks.
    static func rig(adding variables: [String: String]) -> Environment {
        let path = environmentVariable("PATH") ?? "/usr/bin:/bin"
        var all: [Key: String?] = ["PATH": "\(path):/usr/local/sbin:/usr/sbin:/sbin"]
        for (name, value) in variables {
            all[Key(stringLiteral: name)] = value
        }
        return .inherit.updating(all)
    }
}

extension TerminationStatus {
    fileprivate var shellStatus: Int32 {
        switch self {
        case .exited(let code): code
        case .signaled(let signal): 128 + signal
        }
    }
}

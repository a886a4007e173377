/// A program to run: its file, its arguments and its environment.
package struct Command: Hashable, Sendable {
    /// The path of the program's file; never looked up in `PATH`.
    package let executable: String
    /// What follows the program's own name.
    package let arguments: [String]
    /// Added to the inherited environment, where it replaces variables of the same name.
    package var environment: [String: String]
    /// What it is called where systemd lists it.
    package var title: String

    /// A program with its arguments, as execve(2) takes them.
    package init(executable: String, arguments: [String] = [], environment: [String: String] = [:]) {
        self.executable = executable
        self.arguments = arguments
        self.environment = environment
        title = executable
    }

    /// A line for the shell, as certbot runs the hooks of a renewal conf.
    package static func shell(_ line: String) -> Command {
        Command(executable: "/bin/sh", arguments: ["-c", line])
    }

    /// A file to run, also a script without `#!`, as the shell would run it.
    ///
    /// The path is never split or interpreted, whatever is in it. What cannot be run ends with the shell's 126 (not
    /// allowed) or 127 (not there, or its interpreter is not) and a line of the shell that says so.
    package static func program(_ path: String) -> Command {
        // Without a slash exec would search PATH, and a leading "-" is an option to some shells.
        let path = path.hasPrefix("/") ? path : "./" + path
        return Command(executable: "/bin/sh", arguments: ["-c", "exec \"$0\"", path])
    }

    /// A program of which standard output alone is wanted: what it prints on standard error comes behind that where it fails,
    /// and else not at all.
    package static func withoutErrors(
        _ program: String, _ arguments: [String], environment: [String: String] = [:]
    ) -> Command {
        let script = """
            { errors=$("$0" "$@" 2>&1 >&3 3>&-); } 3>&1
            status=$?
            [ "$status" = 0 ] || printf '%s\n' "$errors"
            exit "$status"
            """
        return Command(
            executable: "/bin/sh", arguments: ["-c", script, program] + arguments, environment: environment)
    }
}

/// What runs commands; a test gives its own.
package protocol CommandRunner: Sendable {
    /// Runs a command to its end, and ends it when `timeout` has passed or the calling task is cancelled.
    ///
    /// Every trouble, also that the command could not be started, is an outcome.
    func run(_ command: Command, timeout: Duration) async -> CommandOutcome
}

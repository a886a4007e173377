/// What a program may reach that certctl ships and talks to.
package struct Confinement: Hashable, Sendable {
    /// A file that the program may read: it finds a copy in `$RUNTIME_DIRECTORY`.
    package struct Credential: Hashable, Sendable {
        /// The copy's name.
        package let name: String
        package let path: String
        /// Whether the program runs without it.
        package let isOptional: Bool

        package init(name: String, path: String, isOptional: Bool = false) {
            (self.name, self.path, self.isOptional) = (name, path, isOptional)
        }
    }

    package var credentials: [Credential]
    /// Directories that the program does not see.
    package var hidden: [String]

    package init(credentials: [Credential] = [], hidden: [String] = []) {
        (self.credentials, self.hidden) = (credentials, hidden)
    }
}

/// A command in the form in which it is to be started, and what ends it besides the end of that process.
package struct LaunchedCommand: Sendable {
    package let command: Command
    /// Ends all that the command has started: SIGTERM, and SIGKILL after the grace. Nil where it is the leader of a process
    /// group, and the group is all there is.
    package let end: (@Sendable () async -> Void)?
    /// To be called when the process of `command` has ended.
    package let ended: @Sendable () -> Void

    package init(
        _ command: Command, end: (@Sendable () async -> Void)? = nil, ended: @escaping @Sendable () -> Void = {}
    ) {
        (self.command, self.end, self.ended) = (command, end, ended)
    }
}

/// How programs are started that certctl talks to while they run.
package protocol ProgramLauncher: Sendable {
    /// Whether what it starts may see files that certctl itself does not, as in a service whose homes look empty.
    var isOutside: Bool { get }

    /// - Parameters:
    ///   - confinement: nil for a program that may do what an operator may, such as a hook.
    ///   - limit: after this time the program is ended in any case, also where certctl is not there any more.
    func launch(_ command: Command, confinement: Confinement?, limit: Duration) -> LaunchedCommand
}

/// A child of certctl, which can reach what certctl can.
extension SubprocessRunner: ProgramLauncher {
    package var isOutside: Bool { false }

    package func launch(_ command: Command, confinement: Confinement?, limit: Duration) -> LaunchedCommand {
        LaunchedCommand(command)
    }
}

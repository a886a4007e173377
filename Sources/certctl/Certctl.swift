import ArgumentParser
import Glibc

/// The command as a whole.
struct Certctl: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "certctl",
        abstract: "Keeps the TLS certificates of a host that serves them from Docker.",
        discussion: """
            Works on certbot's tree (/etc/letsencrypt) as it is, renews over ACME with challenges in the webroot, and runs \
            the hooks that reload nginx.
            """,
        version: Version.line,
        subcommands: [
            StatusCommand.self, RenewCommand.self, IssueCommand.self, DeployCommand.self, RollbackCommand.self,
            RepairCommand.self, NamesCommand.self, RevokeCommand.self, DeleteCommand.self, HistoryCommand.self,
            HooksCommand.self, DoctorCommand.self, ExplainCommand.self, SetupCommand.self, AccountCommand.self,
            CompletionCommand.self, VersionCommand.self,
        ])
}

@main
struct Main {
    static func main() async {
        StandardStreams.fill()
        SignalTrap.keepExitCodes()
        var typed: TypedCommand?
        do {
            try requireProc()
            let line = try TypedCommand(Array(CommandLine.arguments.dropFirst()))
            typed = line
            var command = try Certctl.parseAsRoot(line.words)
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let failure as CommandFailure {
            StandardError.write(fault: failure.message, next: failure.next)
            exit(failure.status.rawValue)
        } catch {
            guard let typed else { Certctl.exit(withError: error) }
            typed.end(error)
        }
    }

    /// Swift's runtime has the command line from /proc: without it every command would look like none at all, print the help
    /// and succeed, and a timer would do nothing for ever.
    private static func requireProc() throws(CommandFailure) {
        let path = "/proc/self/cmdline"
        guard unsafe access(path, R_OK) != 0 else { return }
        throw CommandFailure(
            .configuration, "cannot read \(path): \(unsafe String(cString: strerror(errno)))",
            next: "mount -t proc proc /proc, where certctl runs (a chroot, a container)")
    }
}

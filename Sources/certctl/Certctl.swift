import ACME
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
            HistoryCommand.self, HooksCommand.self, DoctorCommand.self, SetupCommand.self, AccountCommand.self,
        ])
}

@main
struct Main {
    static func main() async {
        StandardStreams.fill()
        do {
            var command = try Certctl.parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let failure as CommandFailure {
            StandardError.write(fault: failure.message, next: failure.next)
            exit(failure.status.rawValue)
        } catch {
            Certctl.end(error)
        }
    }
}

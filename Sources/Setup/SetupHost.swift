package import Deployment
import Lineages

/// The host that is set up: where its files are, and what runs its programs.
package struct SetupHost: Sendable {
    /// What stands before every path of the system; empty but in tests.
    let root: String
    let runner: any CommandRunner

    /// How long one of the host's programs may take; `systemctl disable --now` waits for what it stops.
    static let timeout: Duration = .seconds(120)
    /// The environment of programs whose output is read.
    static let environment = ["LC_ALL": "C.UTF-8"]

    package init(root: String = "", runner: any CommandRunner = SubprocessRunner()) {
        (self.root, self.runner) = (root, runner)
    }

    /// A path of the system, like `/etc/cron.d`.
    package func path(_ path: String) -> String { root + path }

    package var systemd: Systemd { Systemd(runner: runner, systemctl: path("/usr/bin/systemctl")) }

    /// Whether systemd runs here (sd_booted(3)), and not only is installed.
    package var runsSystemd: Bool { isDirectory("/run/systemd/system") }

    /// The first of some places where a program is.
    func program(_ places: String...) -> String? {
        places.map(path).first { (try? FileSystem.status($0, followingLinks: true))?.kind == .file }
    }

    func isDirectory(_ path: String) -> Bool {
        (try? FileSystem.status(self.path(path), followingLinks: true))?.kind == .directory
    }

    /// The names in a directory, none where it is not there.
    func entries(_ directory: String) -> [String] { (try? FileSystem.entries(of: path(directory))) ?? [] }

    func run(_ program: String, _ arguments: [String]) async -> CommandOutcome {
        await runner.run(
            Command(executable: program, arguments: arguments, environment: SetupHost.environment),
            timeout: SetupHost.timeout)
    }
}

/// A step of the setup that could not be done: the thing and the cause, then what to do about it.
package struct SetupFailure: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String
    package let next: String?

    package init(_ description: String, next: String? = nil) { (self.description, self.next) = (description, next) }

    init(_ error: FileError) { self.init("\(error)", next: error.isPermission ? "run it as root" : nil) }

    /// Does something with files, whose failures are the setup's.
    static func files<Result: ~Copyable>(
        _ body: () throws(FileError) -> Result
    ) throws(SetupFailure) -> Result {
        do throws(FileError) { return try body() } catch { throw SetupFailure(error) }
    }
}

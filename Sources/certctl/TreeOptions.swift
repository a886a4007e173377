import ArgumentParser
import Glibc
import HTTP
import Lineages
import Renewal

/// Where a command works.
struct TreeOptions: ParsableArguments {
    @Option(
        name: .long, help: ArgumentHelp("The config directory, in certbot's layout.", valueName: "dir"),
        completion: .directory)
    var configDir = OperatorPath.tree

    @Option(
        name: .long, help: ArgumentHelp("Where certctl keeps its own state.", valueName: "dir"),
        completion: .directory)
    var stateDir = OperatorPath.state

    @Option(
        name: .long,
        help: ArgumentHelp("Host-wide settings (default: \(HostSettings.defaultPath)).", valueName: "file"))
    var config: OperatorPath?

    /// The tree with its defaults.
    func tree() throws -> Tree {
        do throws(Tree.Failure) {
            return try openTree()
        } catch {
            throw CommandFailure(error)
        }
    }

    /// The config directory, for a caller that can say more about a failure.
    func openTree() throws(Tree.Failure) -> Tree { try Tree(configDir.text, userDefaults: userDefaults) }

    func settings() throws -> HostSettings {
        do {
            return try HostSettings(path: config?.text)
        } catch {
            throw CommandFailure(.configuration, "\(error)")
        }
    }

    var statePath: String { stateDir.text }

    /// Whether this is the host's own tree and state, which its timer works on.
    var isHostsOwn: Bool { configDir.text == OperatorPath.tree.text && stateDir.text == OperatorPath.state.text }

    /// The report that each run leaves; nil where the host wants none.
    func statusFile(_ settings: HostSettings) -> StatusFile? {
        if settings.statusFile == "none" { return nil }
        return StatusFile(
            setting: settings.statusFile, stateDirectory: statePath, isDefault: stateDir.text == OperatorPath.state.text
        )
    }

    /// The user's own cli.ini, which certbot reads beside that of /etc/letsencrypt. The home directory is the one that the
    /// user database has: a service has no HOME.
    private var userDefaults: String? {
        guard configDir.text == OperatorPath.tree.text, let entry = unsafe getpwuid(geteuid()) else { return nil }
        return unsafe String(cString: entry.pointee.pw_dir) + "/.config/letsencrypt/cli.ini"
    }
}

/// How a command talks to a CA.
struct CAOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp("Verify servers by the CAs in this PEM file, instead of the system's.", valueName: "file"))
    var caBundle: OperatorPath?
}

extension CommandFailure {
    init(_ failure: Tree.Failure) {
        let next: Remedy.Step =
            switch failure {
            case .badDefaults: "fix that line: certbot fails on it as well"
            case .unreadable where failure.isPermission:
                "run it as root, or as a user who may read the config directory"
            case .unreadable: "name it with --config-dir, or order a first certificate with certctl issue NAME"
            }
        self.init(.configuration, "\(failure)", next: next)
    }
}

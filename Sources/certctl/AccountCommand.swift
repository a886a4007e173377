import ACME
import ArgumentParser
import FoundationEssentials
import HTTP
import Lineages
import PKI
import Renewal

/// `certctl account`: what a CA knows this host as.
struct AccountCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "account", abstract: "Show, make and change the accounts that certificates are ordered with.",
        subcommands: [
            AccountList.self, AccountShow.self, AccountRegister.self, AccountUpdate.self, AccountDeactivate.self,
            AccountProfiles.self, AccountThumbprint.self,
        ])
}

/// Which account is meant, and how its CA is reached.
struct AccountOptions: ParsableArguments {
    @OptionGroup var tree: TreeOptions
    @OptionGroup var ca: CAOptions

    @Option(
        name: .long,
        help: ArgumentHelp(
            "The CA's directory (default: that of cli.ini, of the only accounts, or Let's Encrypt).", valueName: "url"))
    var server: String?

    @Option(name: .long, help: ArgumentHelp("The account, where there are several for the CA.", valueName: "id"))
    var account: String?

    @Flag(name: [.short, .long], help: "Show every request to the CA.")
    var verbose = false
}

/// A CA and the accounts that the config directory has for it.
struct AccountPlace {
    let tree: Tree
    let store: AccountStore
    let server: String
    let session: Session

    init(_ options: AccountOptions) throws {
        SignalTrap.outliveOutputs()
        tree = try options.tree.tree()
        store = AccountStore(configDirectory: tree.path)
        server = try AccountPlace.server(options, tree)
        let settings = try options.tree.settings()
        let transport = try RunSetup.transport(caBundle: options.ca.caBundle?.text ?? settings.caBundle)
        let isVerbose = options.verbose
        session = Session(server: server, transport: transport) { exchange in
            if let target = exchange.redirect {
                StandardError.write(line: "\(exchange.url) redirects to \(target): set server to that", .warning)
            }
            if isVerbose { StandardError.write(line: "  \(exchange)", .debug) }
        }
    }

    private static func server(_ options: AccountOptions, _ tree: Tree) throws -> String {
        if let named = options.server ?? tree.defaults.value("server") { return named }
        let servers = try failing { try AccountStore(configDirectory: tree.path).servers() }
        return servers.count == 1 ? servers[0] : RenewalOptions.defaultServer
    }

    /// The account that is meant.
    func account(_ id: String?) throws -> StoredAccount {
        guard let account = try AccountPlace.failing({ try store.account(for: server, id: id) }) else {
            throw CommandFailure(
                .failed, "there is no account for \(server) in \(tree.path)",
                next: "certctl account register --server \(server) makes one")
        }
        return account
    }

    func client(_ account: StoredAccount) -> Client {
        Client(session: session, key: account.key, accountURL: account.url)
    }

    /// Ends the command with what went wrong.
    static func failing<T>(_ body: () throws -> T) throws -> T {
        do { return try body() } catch { throw failure(error) }
    }

    /// Ends the command with what went wrong at the CA.
    static func asking<T>(_ body: () async throws -> T) async throws -> T {
        do { return try await body() } catch { throw failure(error) }
    }

    private static func failure(_ error: any Error) -> CommandFailure {
        switch error {
        case let failure as CommandFailure: failure
        case let failure as Tree.Failure: CommandFailure(failure)
        case let error as ACMEError:
            CommandFailure(error.isTemporary ? .tryLater : .failed, "\(error)")
        default: CommandFailure(.failed, "\(error)")
        }
    }
}

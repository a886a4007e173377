import ACME
import ArgumentParser
import Lineages
import Renewal
import Text

/// `certctl account update`: where the CA may write to.
struct AccountUpdate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "update", abstract: "Change the addresses that the CA may write to.")

    @OptionGroup var options: AccountOptions

    @Option(name: .long, help: "The addresses, with commas between them; they take the place of those that the CA has.")
    var email: String?

    @Flag(name: .long, help: "Take all addresses away.")
    var noEmail = false

    func validate() throws {
        guard (email != nil) != noEmail else { throw ValidationError("give --email or --no-email") }
    }

    func run() async throws {
        let addresses = Contacts.addresses(email ?? "")
        for address in addresses where !Contacts.isAddress(address) {
            throw CommandFailure(.usage, "\(address) is not a mail address", next: "give one as name@example.org")
        }
        guard noEmail || !addresses.isEmpty else {
            throw CommandFailure(.usage, "there is no address in --email", next: "--no-email takes all away")
        }
        let place = try AccountPlace(options)
        let account = try place.account(options.account)
        let object = try await AccountPlace.asking { try await place.client(account).update(contacts: addresses) }
        let kept = object.contact.isEmpty ? "no address" : object.addresses.joined(separator: ", ")
        StandardStreams.print(line: "the CA keeps \(kept.plain) of the account \(account.id.plain)")
        try StandardStreams.finishOutput()
    }
}

/// `certctl account deactivate`: the end of an account.
struct AccountDeactivate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deactivate", abstract: "End an account for good.",
        discussion: """
            Nothing can be ordered or revoked with it afterwards. Certificates that use it are renewed again after certctl \
            account register.
            """)

    @OptionGroup var options: AccountOptions

    @Flag(name: [.short, .long], help: "Do not ask.")
    var yes = false

    func run() async throws {
        let place = try AccountPlace(options)
        let account = try place.account(options.account)
        let lock = try RunLock.take(place.tree, state: options.tree.statePath)
        let (ids, using) = try AccountPlace.failing {
            let ids = try place.store.ids(for: place.server)
            return (
                ids, try place.tree.accountUses().lineages(using: account.id, at: place.server, isOnly: ids.count == 1)
            )
        }
        if !yes { try confirm(account, using, place) }
        try await AccountPlace.asking {
            try await place.client(account).deactivate()
            let path = try place.store.retire(
                account.id, of: place.server, to: "\(options.tree.statePath)/deleted/accounts")
            StandardStreams.print(line: "the account \(account.id.plain) is deactivated, and moved to \(path.plain)")
        }
        withExtendedLifetime(lock) {}
        if !using.isEmpty {
            let register = "run certctl account register --server \(place.server.shellWord)"
            let next = ids.count > 1 ? "set account = ID in their renewal configs, or \(register)" : register
            StandardStreams.print(
                line: "\(using.joined(separator: ", ")) cannot be renewed without an account: \(next)")
        }
        try StandardStreams.finishOutput()
    }

    private func confirm(_ account: StoredAccount, _ using: [String], _ place: AccountPlace) throws {
        guard StandardError.canAsk else {
            throw CommandFailure(
                .usage, "an account is deactivated for good, and there is no terminal to ask at", next: "give --yes")
        }
        let names = using.isEmpty ? "no certificate uses it" : "it is the account of \(using.joined(separator: ", "))"
        guard StandardError.ask("Deactivate \(account.id) at \(place.server) for good (\(names))? [y/N] ") else {
            throw CommandFailure(.failed, "nothing was changed")
        }
    }
}

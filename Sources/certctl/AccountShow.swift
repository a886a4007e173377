import ACME
import ArgumentParser
import Lineages
import PKI
import Text

/// `certctl account show`: an account as its CA has it.
struct AccountShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Ask the CA how an account stands: its status and where the CA writes to.")

    @OptionGroup var options: AccountOptions

    func run() async throws {
        let place = try AccountPlace(options)
        let account = try place.account(options.account)
        let client = place.client(account)
        let thumbprint = try AccountPlace.failing { try client.thumbprint() }
        let (standing, terms) = try await AccountPlace.asking {
            (try await client.standing(), try await place.session.fetchDirectory().meta?.termsOfService)
        }
        var lines = [
            ("CA", place.server), ("account", account.id), ("URL", account.url), ("key", "\(account.key.type)"),
            ("thumbprint", thumbprint),
        ]
        if let made = account.made { lines.append(("made", "\(made.at) on \(made.host)")) }
        switch standing {
        case .valid(let object):
            lines.append(("status", object.status))
            lines.append(
                ("contact", object.contact.isEmpty ? "none kept by the CA" : object.addresses.joined(separator: ", ")))
            if object.isBound { lines.append(("external account", "bound")) }
        case .deactivated: lines.append(("status", "deactivated"))
        case .unknown: lines.append(("status", "unknown to the CA"))
        }
        if let terms { lines.append(("terms", terms)) }
        let width = lines.map(\.0.count).max() ?? 0
        for (name, value) in lines {
            let head = name + String(repeating: " ", count: width - name.count + 2)
            for line in TextLayout.wrapped(head + value, to: Screen.output.width, indent: head.count) { print(line) }
        }
        try StandardStreams.finishOutput()
        switch standing {
        case .valid: return
        case .deactivated, .unknown:
            throw CommandFailure(
                .failed, "the CA does not take the account \(account.id) any more",
                next:
                    "certctl account register --server \(place.server) makes one that its certificates use; then: certctl renew"
            )
        }
    }
}

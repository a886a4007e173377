import ACME
import ArgumentParser
import Lineages
import Text

/// `certctl account show`: an account as its CA has it.
struct AccountShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Ask the CA how an account stands: its status and where the CA writes to.")

    @OptionGroup var options: AccountOptions

    @Option(name: .long, help: "text or json.")
    var format = AccountFormat.text

    func run() async throws {
        let place = try AccountPlace(options)
        let account = try place.account(options.account)
        let client = place.client(account)
        let thumbprint = try AccountPlace.failing { try client.thumbprint() }
        let (standing, terms) = try await AccountPlace.asking {
            (try await client.standing(), try await place.session.fetchDirectory().meta?.termsOfService)
        }
        let shown = AccountDocument.Shown(
            account, at: place.server, thumbprint: thumbprint, standing, terms: terms)
        switch format {
        case .json: try AccountDocument.print(shown)
        case .text: AccountShow.print(shown)
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

    private static func print(_ account: AccountDocument.Shown) {
        var lines = [
            ("CA", account.server), ("account", account.id), ("URL", account.url), ("key", account.keyType),
            ("thumbprint", account.thumbprint),
        ]
        if let madeAt = account.madeAt, let madeOn = account.madeOn { lines.append(("made", "\(madeAt) on \(madeOn)")) }
        lines.append(("status", account.status == "unknown" ? "unknown to the CA" : account.status))
        if let contacts = account.contacts {
            lines.append(("contact", contacts.isEmpty ? "none kept by the CA" : contacts.joined(separator: ", ")))
        }
        if account.isBound == true { lines.append(("external account", "bound")) }
        if let terms = account.termsOfService { lines.append(("terms", terms)) }
        let width = lines.map(\.0.count).max() ?? 0
        for (name, value) in lines {
            let head = name + String(repeating: " ", count: width - name.count + 2)
            for line in TextLayout.wrapped(head + value.plain, to: Screen.output.width, indent: head.count) {
                Swift.print(line)
            }
        }
    }
}

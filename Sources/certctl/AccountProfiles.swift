import ACME
import ArgumentParser
import Challenges
import Text

/// `certctl account profiles`: what kinds of certificates a CA offers.
struct AccountProfiles: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "profiles", abstract: "Show the certificate profiles that the CA offers; no account is needed.")

    @OptionGroup var options: AccountOptions

    @Option(name: .long, help: "text or json.")
    var format = AccountFormat.text

    func run() async throws {
        let place = try AccountPlace(options)
        let profiles = try await AccountPlace.asking { try await place.session.fetchDirectory().meta?.profiles ?? [:] }
        let rows = profiles.sorted { $0.key < $1.key }.map {
            AccountDocument.Profiles.Profile(name: $0.key, description: $0.value)
        }
        switch format {
        case .json: try AccountDocument.print(AccountDocument.Profiles(server: place.server, profiles: rows))
        case .text where rows.isEmpty: StandardStreams.print(line: "\(place.server) offers no profiles")
        case .text:
            let columns = [
                Column("PROFILE") { rows[$0].name.plain },
                Column("DESCRIPTION", canWrap: true) { rows[$0].description.plain },
            ]
            ColumnTable(columns, count: rows.count).write(on: .output) { print($0) }
        }
        try StandardStreams.finishOutput()
    }
}

/// `certctl account thumbprint`: what a web server answers challenges with by itself.
struct AccountThumbprint: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "thumbprint",
        abstract: "Print the thumbprint of the account key, with which a web server answers http-01 by itself.",
        discussion: "The answer to a challenge is TOKEN.THUMBPRINT. The CA is not asked.")

    @Flag(name: .long, help: "Print the location for nginx that answers every challenge with it.")
    var nginx = false

    @OptionGroup var options: AccountOptions

    func run() throws {
        let place = try AccountPlace(options)
        let account = try place.account(options.account)
        let thumbprint = try AccountPlace.failing { try place.client(account).thumbprint() }
        print(nginx ? StatelessSolver.nginxLocation(thumbprint: thumbprint) : thumbprint, terminator: nginx ? "" : "\n")
        try StandardStreams.finishOutput()
    }
}

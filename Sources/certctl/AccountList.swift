import ACME
import ArgumentParser
import Lineages
import Text

/// `certctl account list`: what is in the config directory; no CA is asked.
struct AccountList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Show the accounts of all CAs, without asking these.")

    @OptionGroup var tree: TreeOptions

    @Option(name: .long, help: "text or json.")
    var format = AccountFormat.text

    func run() throws {
        let tree = try tree.tree()
        let rows = try AccountPlace.failing { try AccountList.accounts(of: tree) }
        switch format {
        case .json: try AccountDocument.print(AccountDocument.List(accounts: rows))
        case .text where rows.isEmpty:
            StandardStreams.print(line: "there is no account in \(tree.path.plain): certctl account register makes one")
        case .text: AccountList.printTable(rows)
        }
        try StandardStreams.finishOutput()
    }

    private static func accounts(of tree: Tree) throws -> [AccountDocument.Stored] {
        let store = AccountStore(configDirectory: tree.path)
        let servers = try store.servers()
        let uses = try servers.isEmpty ? [] : tree.accountUses()
        return try servers.flatMap { server in
            let ids = try store.ids(for: server)
            return ids.map { id in
                let (account, problem) = AccountList.account(id, at: server, store)
                return AccountDocument.Stored(
                    server: server, id: id, url: account?.url, madeAt: account?.made?.at,
                    certificates: uses.lineages(using: id, at: server, isOnly: ids.count == 1), problem: problem)
            }
        }
    }

    private static func account(
        _ id: String, at server: String, _ store: AccountStore
    ) -> (account: StoredAccount?, problem: String?) {
        do throws(AccountError) {
            return (try store.account(for: server, id: id), nil)
        } catch {
            return (nil, "\(error)")
        }
    }

    private static func printTable(_ rows: [AccountDocument.Stored]) {
        let columns = [
            Column("CA", canFold: true) { rows[$0].server.line(atMost: 500) },
            Column("ACCOUNT") { rows[$0].id.line(atMost: 100) },
            Column("URL", canFold: true, dropOrder: 2) { row in
                (rows[row].url ?? rows[row].problem.map { "unusable: \($0)" } ?? "").line(atMost: 500)
            },
            Column("MADE", dropOrder: 1) { String((rows[$0].madeAt ?? "").line(atMost: 40).prefix(10)) },
            Column("CERTIFICATES", canWrap: true) { AccountList.text(rows[$0].certificates) },
        ]
        ColumnTable(columns, count: rows.count).write(on: .output) { print($0) }
    }

    private static func text(_ names: [String]) -> String {
        let most = 3
        if names.isEmpty { return "none" }
        return names.prefix(most).map(\.plain).joined(separator: ", ")
            + (names.count > most ? " and \(names.count - most) more" : "")
    }
}

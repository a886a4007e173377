import ACME
import ArgumentParser
import Lineages
import Text

/// `certctl account list`: what is in the config directory; no CA is asked.
struct AccountList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Show the accounts of all CAs, without asking these.")

    @OptionGroup var tree: TreeOptions

    private struct Row {
        let server: String
        let id: String
        let url: String
        let made: String
        let lineages: [String]
    }

    func run() throws {
        let tree = try tree.tree()
        let store = AccountStore(configDirectory: tree.path)
        let rows: [Row] = try AccountPlace.failing {
            let servers = try store.servers()
            let uses = try servers.isEmpty ? [] : tree.accountUses()
            return try servers.flatMap { server in
                let ids = try store.ids(for: server)
                return ids.map { id in
                    let using = uses.lineages(using: id, at: server, isOnly: ids.count == 1)
                    do throws(AccountError) {
                        let account = try store.account(for: server, id: id)
                        return Row(
                            server: server, id: id, url: account?.url ?? "", made: account?.made?.at ?? "",
                            lineages: using)
                    } catch {
                        return Row(server: server, id: id, url: "unusable: \(error)", made: "", lineages: using)
                    }
                }
            }
        }
        guard !rows.isEmpty else {
            StandardStreams.print(line: "there is no account in \(tree.path.plain): certctl account register makes one")
            return try StandardStreams.finishOutput()
        }
        let columns = [
            Column("CA", canFold: true) { rows[$0].server.line(atMost: 500) },
            Column("ACCOUNT") { rows[$0].id.line(atMost: 100) },
            Column("URL", canFold: true, dropOrder: 2) { rows[$0].url.line(atMost: 500) },
            Column("MADE", dropOrder: 1) { String(rows[$0].made.line(atMost: 40).prefix(10)) },
            Column("CERTIFICATES", canWrap: true) { AccountList.text(rows[$0].lineages) },
        ]
        ColumnTable(columns, count: rows.count).write(on: .output) { print($0) }
        try StandardStreams.finishOutput()
    }

    private static func text(_ names: [String]) -> String {
        let most = 3
        if names.isEmpty { return "none" }
        return names.prefix(most).map(\.plain).joined(separator: ", ")
            + (names.count > most ? " and \(names.count - most) more" : "")
    }
}

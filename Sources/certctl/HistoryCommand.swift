import ArgumentParser
import FoundationEssentials
import Lineages
import Renewal

/// `certctl history`: what changed when, and who began it.
struct HistoryCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history", abstract: "Show what was installed, deployed, verified, and what failed.")

    @OptionGroup var tree: TreeOptions

    @Argument(help: ArgumentHelp("The lineage to show (default: all).", valueName: "name"), completion: .lineage)
    var name: String?

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case table, json
    }

    @Option(name: .long, help: "table or json.")
    var format = Format.table

    func run() throws {
        let events: [HistoryEvent]
        do throws(FileError) {
            events = try History(stateDirectory: tree.statePath).events(of: name)
        } catch {
            throw CommandFailure(.configuration, "\(error)", next: error.isPermission ? "run it as root" : nil)
        }
        switch format {
        case .table: print(HistoryCommand.table(events))
        case .json:
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            encoder.dateEncodingStrategy = .iso8601
            print(String(decoding: try encoder.encode(Document(events: events)), as: UTF8.self))
        }
        try StandardStreams.finishOutput()
    }

    private struct Document: Encodable {
        let schema = 1
        let events: [HistoryEvent]
    }

    private static func table(_ events: [HistoryEvent]) -> String {
        guard !events.isEmpty else { return "nothing has happened yet" }
        func serial(_ event: HistoryEvent) -> String {
            let serials = [event.from, event.to].compactMap { $0.map { String($0.suffix(8)) } }
            return serials.isEmpty ? "-" : serials.joined(separator: " → ")
        }
        let table = ColumnTable(
            [
                Column("WHEN") { LocalTime.text(events[$0].at) }, Column("BY") { events[$0].by },
                Column("NAME") { events[$0].lineage }, Column("EVENT") { events[$0].event.rawValue },
                Column("SERIAL") { serial(events[$0]) },
                Column("TOOK") { events[$0].seconds.map { "\(($0 * 10).rounded() / 10) s" } ?? "-" },
                Column("ERROR") { events[$0].error ?? "" },
            ], count: events.count)
        return table.lines(on: Screen(width: nil, hasColour: false, hasUnicode: true)).joined(separator: "\n")
    }
}

import ArgumentParser
import FoundationEssentials
import Lineages
import Renewal

/// `certctl history`: what changed when, and who began it.
struct HistoryCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history", abstract: "Show what was installed, deployed, verified, and what failed.")

    @OptionGroup var tree: TreeOptions

    @Argument(help: ArgumentHelp("The certificate to show (default: all).", valueName: "name"), completion: .lineage)
    var name: String?

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case table, json
    }

    @Option(name: [.customShort("o"), .long, .customLong("output")], help: "table or json.")
    var format = Format.table

    @Flag(name: .long, help: "The same as --format json.")
    var json = false

    mutating func validate() { if json { format = .json } }

    func run() throws {
        let events: [HistoryEvent]
        do throws(FileError) {
            events = try History(stateDirectory: tree.statePath).events(of: name)
        } catch {
            throw CommandFailure(.configuration, "\(error)", next: error.isPermission ? "run it as root" : nil)
        }
        switch format {
        case .table: HistoryCommand.write(events, on: .output)
        case .json:
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            encoder.dateEncodingStrategy = .iso8601
            print(String(decoding: try encoder.encode(Document(generatedAt: Date.now, events: events)), as: UTF8.self))
        }
        try StandardStreams.finishOutput()
    }

    private struct Document: Encodable {
        let schema = 2
        let generatedAt: Date
        let events: [HistoryEvent]
    }

    private static func write(_ events: [HistoryEvent], on screen: Screen) {
        guard !events.isEmpty else { return StandardStreams.print(line: "nothing has happened yet") }
        func serials(_ event: HistoryEvent, _ digits: Int) -> String {
            let serials = [event.from, event.to].compactMap { $0.map { String($0.suffix(digits)) } }
            return serials.isEmpty ? "-" : serials.joined(separator: screen.hasUnicode ? " → " : " > ")
        }
        var columns = [
            Column("WHEN") { LocalTime.text(events[$0].at) }, Column("BY") { events[$0].by.rawValue },
            Column("NAME", canFold: true) { events[$0].lineage },
            Column("EVENT", style: { events[$0].event == .failed ? .bad : nil }) { events[$0].event.rawValue },
            Column("SERIAL", brief: { serials(events[$0], 4) }) { serials(events[$0], 8) },
            Column("TOOK", dropOrder: 1) { events[$0].seconds.map { "\(($0 * 10).rounded() / 10) s" } ?? "-" },
        ]
        // A screen has no room for an error beside the rest: it stands below.
        if screen.width == nil { columns.append(Column("ERROR") { events[$0].error ?? "" }) }
        let table = ColumnTable(columns, count: events.count) { screen.width == nil ? nil : events[$0].error }
        table.write(on: screen) { print($0) }
    }
}

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
    }

    private struct Document: Encodable {
        let schema = 1
        let events: [HistoryEvent]
    }

    private static func table(_ events: [HistoryEvent]) -> String {
        guard !events.isEmpty else { return "nothing has happened yet" }
        var table = TextTable(header: ["WHEN", "BY", "NAME", "EVENT", "SERIAL", "TOOK", "ERROR"])
        for event in events {
            let serial = [event.from, event.to].compactMap { $0.map { String($0.suffix(8)) } }.joined(separator: " → ")
            table.add([
                LocalTime.text(event.at), event.by, event.lineage, event.event.rawValue, serial.isEmpty ? "-" : serial,
                event.seconds.map { "\(($0 * 10).rounded() / 10) s" } ?? "-", event.error ?? "",
            ])
        }
        return table.lines.joined(separator: "\n")
    }
}

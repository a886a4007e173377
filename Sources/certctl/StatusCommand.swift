import ArgumentParser
import FoundationEssentials
import Glibc
import Lineages
import Renewal

/// `certctl status`: a straight line without lock or write, and without network unless it is asked to probe.
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show every lineage: what expires when, and what happens next.")

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case table, json, prometheus
    }

    @OptionGroup var tree: TreeOptions

    @Argument(help: ArgumentHelp("The lineages to show (default: all).", valueName: "name"))
    var names: [String] = []

    @Option(name: .long, help: "table, json or prometheus.")
    var format = Format.table

    @Flag(name: .long, help: "Look at what listeners serve, too.")
    var probe = false

    /// On the main thread: glibc grows the heap of every other one by a page at a time, a system call for each.
    @MainActor func run() async throws {
        let settings = try tree.settings()
        let ledger = Ledger(stateDirectory: tree.statePath)
        let tree = try tree.tree()
        let now = Date.now
        var assessments: [Assessment] = []
        for lineage in try tree.selected(names) {
            let entry: LedgerEntry?
            switch ledger.knowledge(of: lineage.name) {
            case .known(let known): entry = known
            case .unknown: entry = nil
            case .unreadable(let reason):
                entry = nil
                // Whatever is pending would not be seen.
                StandardError.write("certctl: \(lineage.name): what the books say is not known: \(reason)\n")
            }
            let served = probe ? await Verification().look(at: lineage, entry: entry, host: settings.conf) : nil
            assessments.append(Assessment(lineage, entry: entry, served: served, at: now))
        }
        switch format {
        case .table: print(StatusTable(assessments, at: now, tree: tree.path).text)
        case .json: print(try StatusDocument(assessments, at: now).json())
        case .prometheus: print(StatusMetrics(assessments).text)
        }
    }
}

extension Tree {
    /// The lineages that an operator named, in that order, or all.
    func selected(_ names: [String]) throws -> [Lineage] {
        let all: [Lineage]
        do throws(Tree.Failure) {
            all = try lineages(names.isEmpty ? nil : Set(names))
        } catch {
            throw CommandFailure(error)
        }
        guard !names.isEmpty else { return all }
        var selected: [Lineage] = []
        for name in names where !selected.contains(where: { $0.name == name }) {
            guard let lineage = all.first(where: { $0.name == name }) else {
                throw CommandFailure(
                    .usage, "there is no lineage \(name) in \(path)", next: "certctl status shows them all")
            }
            selected.append(lineage)
        }
        return selected
    }
}

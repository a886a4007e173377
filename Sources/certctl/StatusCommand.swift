import ArgumentParser
import FoundationEssentials
import Glibc
import Lineages
import Renewal
import Text

/// `certctl status`: a straight line without lock or write, and without network unless it is asked to probe.
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show every certificate: what expires when, and what happens next.",
        discussion: """
            Exits with 0 whatever the states are; with --check as monitoring plugins do: 0 OK, 1 WARNING, \
            2 CRITICAL, 3 UNKNOWN. A user who may not read the config directory is shown the world-readable report of the last run.
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case table, json, prometheus
    }

    @OptionGroup var tree: TreeOptions

    @Argument(help: ArgumentHelp("The certificates to show (default: all).", valueName: "name"), completion: .lineage)
    var names: [String] = []

    @Option(name: [.customShort("o"), .long, .customLong("output")], help: "table, json or prometheus.")
    var format = Format.table

    @Flag(name: .long, help: "The same as --format json.")
    var json = false

    @Flag(name: .long, help: "Probe the endpoints as well.")
    var probe = false

    @Option(
        name: .long, help: ArgumentHelp("Show the whole decision about one certificate.", valueName: "name"),
        completion: .lineage)
    var explain: String?

    @Flag(name: .long, help: "Show the table again every two seconds.")
    var watch = false

    @Flag(name: .long, help: "Print one line, and exit as a monitoring plugin.")
    var check = false

    @Option(
        name: [.customShort("w"), .long],
        help: ArgumentHelp("With --check: warn when fewer days are left.", valueName: "days"))
    var warning: Double?

    @Option(
        name: [.customShort("c"), .long],
        help: ArgumentHelp("With --check: critical when fewer days are left.", valueName: "days"))
    var critical: Double?

    mutating func validate() throws {
        let modes = [check, watch, explain != nil, format != .table, json].count { $0 }
        guard modes <= 1 else {
            throw ValidationError("--check, --watch, --explain, --format and --json exclude each other")
        }
        if json { format = .json }
        if !check, warning != nil || critical != nil {
            throw ValidationError("--warning and --critical go with --check")
        }
        if watch, !Screen.isTerminal { throw ValidationError("--watch is for a terminal") }
        if explain != nil, !names.isEmpty {
            throw ValidationError("--explain takes one certificate, and no other is shown")
        }
    }

    /// On the main thread: glibc grows the heap of every other one by a page at a time, a system call for each.
    @MainActor func run() async throws {
        if let explain {
            print(try await explanation(of: explain))
            return try StandardStreams.finishOutput()
        }
        if check { return try await runCheck() }
        if watch { return try await redraw() }
        let detail: LineageStatus.Detail = format == .table ? .brief : .full
        let answer = try await StatusSource(tree).report(names, probing: probe, detail: detail)
        let report = answer.report
        for remark in report.remarks + [answer.note].compactMap(\.self) {
            StandardError.write(line: "certctl: \(remark)", .warning)
        }
        switch format {
        case .table: await writeTable(report) { print($0) }
        case .json: try report.writeJSON { print($0, terminator: "") }
        case .prometheus:
            // A state that is not known is no metric.
            if let name = report.lineages.first(where: { answer.hidden.contains($0.name) })?.name {
                throw CommandFailure(
                    .configuration, "\(name): permission denied, and no run has left a report",
                    next: "run it as root, or as a user who may read the config directory")
            }
            StatusMetrics(report).write { print($0) }
        }
        try StandardStreams.finishOutput()
    }

    @MainActor private func writeTable(_ report: StatusReport, _ write: (String) -> Void) async {
        guard !report.lineages.isEmpty else {
            return write(StatusTable.nothing(in: tree.configDir.text))
        }
        let nextStart = await StatusSource(tree).nextStart(report)
        StatusTable(report.lineages, at: report.generatedAt, nextStart: nextStart, screen: .output).write(write)
    }

    @MainActor private func explanation(of name: String) async throws -> String {
        let (settings, ledger, now) = (try tree.settings(), StateStore(stateDirectory: tree.statePath), Date.now)
        let tree = try tree.tree()
        let lineage = try tree.selected([name])[0]
        let state = ledger.state(of: lineage, at: now)
        let served = probe ? await Verification().look(at: lineage, state: state, host: settings.conf) : nil
        let row = LineageStatus(lineage, state: state, served: served, at: now)
        let nextStart = await StatusSource(self.tree).nextStart(StatusReport([row], lastRun: nil, at: now))
        return StatusExplanation(
            lineage, row, tree, state: state, host: settings.conf, at: now, nextStart: nextStart, screen: .output
        ).text
    }

    @MainActor private func runCheck() async throws {
        let result: StatusCheck
        do {
            let answer = try await StatusSource(tree).report(names, probing: probe, detail: .brief)
            result = StatusCheck(
                answer, StatusCheck.Limits(warning: warning, critical: critical), isRunUnderWay: isRunUnderWay,
                at: answer.report.generatedAt)
        } catch let failure as CommandFailure {
            result = StatusCheck(unknown: failure.message)
        }
        print(result.line)
        do {
            try StandardStreams.finishOutput()
        } catch let failure as CommandFailure {
            // A line that cannot be printed is no answer.
            StandardError.write(fault: failure.message, next: failure.next)
            throw ExitCode(StatusCheck.Level.unknown.rawValue)
        }
        if result.level != .ok { throw ExitCode(result.level.rawValue) }
    }

    /// Whether a process holds the tree's lock; false as well if the lock file cannot be read.
    private var isRunUnderWay: Bool {
        let holder = try? FileSystem.lockHolder(of: "\(tree.configDir.text)/\(TreeLock.fileName)")
        return (holder ?? nil) != nil
    }

    @MainActor private func redraw() async throws {
        while true {
            let answer = try await StatusSource(tree).report(names, probing: probe, detail: .brief)
            // Home, the lines each to its end, and nothing below: no flicker as with a cleared screen.
            var screen =
                "\u{1B}[H\(LocalTime.text(answer.report.generatedAt))  \(answer.note ?? "")\u{1B}[K\n\u{1B}[K\n"
            await writeTable(answer.report) { screen += $0 + "\u{1B}[K\n" }
            print(screen + "\u{1B}[J", terminator: "")
            fflush(nil)
            try await Task.sleep(for: .seconds(2))
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
        return try select(names, of: all, by: \.name)
    }

    /// Those of `all` that an operator named, in that order; all where nothing is named.
    func select<T>(_ names: [String], of all: [T], by name: (T) -> String) throws -> [T] {
        guard !names.isEmpty else { return all }
        var selected: [String: T] = [:]
        for item in all { selected[name(item)] = item }
        var seen: Set<String> = []
        return try names.filter { seen.insert($0).inserted }.map { wanted in
            guard let item = selected[wanted] else {
                throw CommandFailure(
                    .usage, "there is no certificate \(wanted) in \(path)", next: "certctl status shows them all")
            }
            return item
        }
    }
}

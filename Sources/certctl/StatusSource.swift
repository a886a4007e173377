import FoundationEssentials
import Glibc
import Lineages
import Renewal
import Scheduling

/// Where `status` has its report from: the tree, or the file that the last run has left for those who may not read the tree.
@MainActor struct StatusSource {
    private let options: TreeOptions

    init(_ options: TreeOptions) { self.options = options }

    /// The report, and what its reader should know of where it is from.
    func report(
        _ names: [String], probing: Bool, detail: LineageStatus.Detail = .full
    ) async throws -> (StatusReport, note: String?) {
        let settings = try options.settings()
        let ledger = Ledger(stateDirectory: options.statePath)
        let now = Date.now
        let wanted = names.isEmpty ? nil : Set(names)
        do {
            let tree = try options.tree()
            var report: StatusReport
            if probing {
                let rows = await probed(try tree.selected(names), ledger, settings.conf, at: now)
                report = StatusReport(rows, lastRun: ledger.lastRun, at: now)
            } else {
                report = try StatusReport(tree, ledger, wanted: wanted, detail: detail, at: now)
            }
            report.lineages = try tree.select(names, of: report.lineages, by: \.name)
            guard geteuid() != 0, report.lineages.contains(where: \.isUnreadable) || ledger.isForbidden else {
                return (report, nil)
            }
            if let left = try left(settings, names, at: now) { return left }
            return (report, nil)
        } catch let failure as Tree.Failure {
            if failure.isPermission, let left = try left(settings, names, at: now) { return left }
            throw CommandFailure(failure)
        } catch let failure as CommandFailure {
            if failure.status == .configuration, geteuid() != 0, let left = try? left(settings, names, at: now) {
                return left
            }
            throw failure
        }
    }

    /// What the last run has left; nil where there is nothing.
    private func left(
        _ settings: HostSettings, _ names: [String], at now: Date
    ) throws -> (StatusReport, note: String?)? {
        guard let file = options.statusFile(settings), var report = try? file.read() else { return nil }
        let age = LocalTime.distance(to: report.generatedAt, from: now)
        for name in names where !report.lineages.contains(where: { $0.name == name }) {
            throw CommandFailure(
                .usage, "there is no lineage \(name) in \(file.path)", next: "certctl status shows them all")
        }
        if !names.isEmpty { report.lineages.removeAll { !names.contains($0.name) } }
        report.refresh(at: now)
        let note = "as the last run left it in \(file.path), \(age)"
        report.generatedAt = now
        return (report, note)
    }

    private func probed(
        _ lineages: [Lineage], _ ledger: Ledger, _ host: ConfFile, at now: Date
    ) async -> [LineageStatus] {
        var rows: [LineageStatus?] = Array(repeating: nil, count: lineages.count)
        await withTaskGroup(of: (Int, LineageStatus).self) { group in
            var next = 0
            func add() {
                guard next < lineages.count else { return }
                let (index, lineage) = (next, lineages[next])
                next += 1
                group.addTask {
                    let entry = ledger.knowledge(of: lineage.name).entry
                    let served = await Verification().look(at: lineage, entry: entry, host: host)
                    return (index, LineageStatus(lineage, entry: entry, served: served, at: now))
                }
            }
            for _ in 0..<StatusSource.mostAtOnce { add() }
            for await (index, row) in group {
                rows[index] = row
                add()
            }
        }
        return rows.compactMap(\.self)
    }

    /// More lineages at once gain nothing: each looks at several listeners.
    private static let mostAtOnce = 4

    /// When the timer starts the next run; nil where no lineage waits for it, or systemd does not say.
    func nextStart(_ report: StatusReport) async -> Date? {
        guard options.isHostsOwn, unsafe access("/run/systemd/system", F_OK) == 0,
            report.lineages.contains(where: { [.due, .pending, .expired, .expiring].contains($0.state) })
        else { return nil }
        return try? await Systemd().state(of: "certctl.timer").nextStart
    }
}

extension LineageStatus {
    /// Whether it is shown as broken because this process lacks the rights to look.
    fileprivate var isUnreadable: Bool {
        problems.contains {
            [LineageProblem.Code.unreadable.rawValue, LineageProblem.Code.confUnreadable.rawValue].contains($0.code)
        }
    }
}

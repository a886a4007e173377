import Challenges
import FoundationEssentials
import Glibc
import Lineages
import Renewal
import Setup

/// Where `status` has its report from: the tree, or the file that the last run has left for those who may not read the tree.
@MainActor struct StatusSource {
    private let options: TreeOptions

    init(_ options: TreeOptions) { self.options = options }

    /// A report, and what its reader should know of it.
    struct Answer {
        var report: StatusReport
        /// Where it is from, if it is what a run has left.
        var note: String?
        /// Names of lineages that look broken because this process lacks the rights to look.
        var hidden: Set<String> = []
    }

    /// The report on these lineages, or on all.
    func report(
        _ names: [String], probing: Bool, detail: LineageStatus.Detail = .full
    ) async throws -> Answer {
        let settings = try options.settings()
        let ledger = StateStore(stateDirectory: options.statePath)
        let now = Date.now
        let wanted = names.isEmpty ? nil : Set(names)
        do {
            let tree = try options.tree()
            var report: StatusReport
            if probing {
                report = await StatusReport(
                    probing: try tree.selected(names), ledger, host: settings.conf, at: now)
            } else {
                report = try StatusReport(tree, ledger, wanted: wanted, detail: detail, at: now)
            }
            report.lineages = try tree.select(names, of: report.lineages, by: \.name)
            let hidden = geteuid() == 0 ? [] : Set(report.lineages.filter(\.isUnreadable).map(\.name))
            if !hidden.isEmpty || geteuid() != 0 && ledger.isForbidden,
                let left = try left(settings, names, at: now)
            {
                return left
            }
            return Answer(report: report, hidden: hidden)
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
    ) throws -> Answer? {
        guard let file = options.statusFile(settings), var report = try? file.read() else { return nil }
        let age = LocalTime.distance(to: report.generatedAt, from: now)
        for name in names where !report.lineages.contains(where: { $0.name == name }) {
            throw CommandFailure(
                .usage, "there is no certificate \(name) in \(file.path)", next: "certctl status shows them all")
        }
        if !names.isEmpty { report.lineages.removeAll { !names.contains($0.name) } }
        report.refresh(at: now)
        let note = "as the last run left it in \(file.path), \(age)"
        report.generatedAt = now
        return Answer(report: report, note: note)
    }

    /// When the timer starts the next run; nil where no lineage waits for it, or systemd does not say.
    func nextStart(_ report: StatusReport) async -> Date? {
        guard options.isHostsOwn, SetupHost().runsSystemd,
            report.lineages.contains(where: { [.due, .pending, .expired, .expiring].contains($0.state) })
        else { return nil }
        guard let timer = try? await Systemd().state(of: "certctl.timer") else { return nil }
        let restart = (try? await Systemd().state(of: "certctl.service"))?.restart
        return [timer.nextStart, restart].compactMap(\.self).min()
    }
}

extension StatusReport {
    /// The report with what listeners are seen serving now.
    init(probing lineages: [Lineage], _ ledger: StateStore, host: ConfFile, at now: Date) async {
        let rows = await sideBySide(lineages, most: StatusReport.mostAtOnce) { lineage in
            let state = ledger.state(of: lineage, at: now)
            let served = await Verification().look(at: lineage, state: state, host: host)
            return LineageStatus(lineage, state: state, served: served, at: now)
        }
        self.init(rows, lastRun: ledger.lastRun, at: now)
    }

    /// More lineages at once gain nothing: each looks at several listeners.
    private static let mostAtOnce = 4
}

extension LineageStatus {
    /// Whether it is shown as broken because this process lacks the rights to look.
    fileprivate var isUnreadable: Bool {
        problems.contains {
            [LineageProblem.Code.unreadable.rawValue, LineageProblem.Code.confUnreadable.rawValue].contains($0.code)
        }
    }
}

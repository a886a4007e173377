import Lineages
import Renewal

/// What each run leaves for others to read: how it ended, the status report, and metrics.
struct RunReports: Sendable {
    let tree: Tree
    let store: StateStore
    let settings: HostSettings
    /// Nil where the host wants none.
    let statusFile: StatusFile?
    let printer: RunPrinter

    /// Leaves all of them.
    ///
    /// - Parameters:
    ///   - known: what the run has read and not changed, which is not read again.
    ///   - isProbing: whether endpoints are probed for the metrics, too; a run that was asked to stop does not.
    func leave(_ lastRun: LastRun, known: [String: StatusReport.Known], isProbing: Bool) async {
        var status: StatusReport?
        do {
            try store.note(lastRun)
            if let statusFile {
                let report = try StatusReport(tree, store, known: known, at: lastRun.at)
                try statusFile.write(report)
                status = report
            }
        } catch {
            printer.warn("the report of this run cannot be left: \(error)")
        }
        guard let path = settings.metricsFile else { return }
        do {
            let report =
                if isProbing {
                    await StatusReport(
                        probing: try tree.mapLineages(known: known.mapValues(\.lineage)) { $0 }, store,
                        host: settings.conf, at: lastRun.at)
                } else {
                    try status ?? StatusReport(tree, store, known: known, at: lastRun.at)
                }
            try StatusMetrics(report).write(to: path)
        } catch {
            // The old ones stay, and go on to say when the last run was.
            printer.fault(
                "the metrics of this run cannot be left in \(path): \(error)",
                next: "certctl doctor shows whether the service may write there; certctl setup lets it")
        }
    }
}

import ArgumentParser
import Diagnosis
import FoundationEssentials
import Lineages
import Renewal
import Text

/// `certctl explain`: the page of one check of doctor, and what the files of this host show of it. Asks nothing of the network.
struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain", abstract: "Explain a check of doctor: its cause and its fix.",
        discussion: """
            CHECK is the name in brackets in the output of doctor. Without one, all checks are listed. Needs no network; \
            whether the fault is here is said where files of this host show it.
            """)

    @OptionGroup var tree: TreeOptions

    @Argument(
        help: ArgumentHelp("The check, such as hook-failed (default: list them all).", valueName: "check"),
        completion: .list(CheckID.allCases.map(\.rawValue)))
    var check: String?

    @Argument(
        help: ArgumentHelp("The certificate it is about (default: all).", valueName: "name"), completion: .lineage)
    var name: String?

    func run() throws {
        SignalTrap.outliveOutputs()
        guard let check else {
            print(ExplainCommand.list)
            try StandardStreams.finishOutput()
            return
        }
        let id = try ExplainCommand.id(check)
        let settings = try tree.settings()
        let host = try host(settings)
        let page = CheckPage(
            id,
            CheckPage.Host(
                name: name ?? (host.lineages.count == 1 ? host.lineages[0].name : nil), tree: host.treePath,
                timer: settings.timer))
        var lines = ["\(id.rawValue): \(id.title)"]
        for paragraph in page.paragraphs {
            lines += [""] + DoctorText.wrapped(paragraph, indent: "", to: Screen.output.width)
        }
        lines += [""] + found(Diagnosis(host).localChecks().filter { $0.id == id })
        print(lines.joined(separator: "\n"))
        try StandardStreams.finishOutput()
    }

    /// What is known of the check on this host.
    private func found(_ checks: [Check]) -> [String] {
        let faults = checks.filter { [.failure, .warning].contains($0.verdict) }
        guard !faults.isEmpty else {
            return checks.contains { $0.verdict == .ok }
                ? ["This host does not have this fault."]
                : ["Whether this host has this fault: certctl doctor\(name.map { " \($0.shellWord)" } ?? "")".plain]
        }
        var lines = ["On this host:"]
        for check in faults {
            let bullet = "  \((check.lineage ?? check.lookedAt).plain): "
            lines += DoctorText.wrapped(check.evidence, indent: "    ", bullet: bullet, to: Screen.output.width)
            if let remedy = check.remedy { lines.append("    \(remedy.line.plain)") }
        }
        return lines
    }

    private func host(_ settings: HostSettings) throws -> Diagnosis.Host {
        var found: (tree: Tree, lineages: [Lineage])?
        var failure: Tree.Failure?
        do throws(Tree.Failure) {
            let tree = try tree.openTree()
            found = (tree, try tree.lineages(name.map { [$0] }))
        } catch {
            failure = error
        }
        if let found, let name, !found.lineages.contains(where: { $0.name == name }) {
            throw CommandFailure(
                .usage, "there is no certificate \(name) in \(found.tree.path)", next: "certctl status shows them all")
        }
        var host = Diagnosis.Host(
            found?.tree, found?.lineages ?? [], path: tree.configDir.text, settings: settings,
            statePath: tree.statePath, transport: try RunSetup.transport(caBundle: settings.caBundle))
        host.treeFailure = failure
        return host
    }

    private static func id(_ text: String) throws -> CheckID {
        if let id = CheckID(rawValue: text) { return id }
        let all = CheckID.allCases.map(\.rawValue)
        let near =
            text.lowercased().nearest(in: all, most: max(2, text.utf8.count / 3))
            ?? all.first { $0.contains(text.lowercased()) }
        throw CommandFailure(
            .usage, "there is no check \(text)",
            next: near.map { "certctl explain \($0)" } ?? "certctl explain lists them all")
    }

    private static var list: String {
        let width = CheckID.allCases.map(\.rawValue.count).max() ?? 0
        return CheckID.allCases.map { id in
            id.rawValue + String(repeating: " ", count: width - id.rawValue.count + 2) + id.title
        }.joined(separator: "\n")
    }
}

import ACME
import ArgumentParser
import Challenges
import FoundationEssentials
import Lineages
import PKI
import Renewal
import Text

/// `certctl repair`: what can be put right from what is on the disk, without a CA.
struct RepairCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "repair", abstract: "Repair certificates from what is on the disk, without asking a CA.",
        discussion: """
            Sets symlinks that are missing, dangling or mixed up, takes files that stand in their place into the archive, \
            removes what an interrupted certbot left, and corrects paths of a directory that was moved. Never chooses an \
            older version than the newest one that can be used, or than the one that is served. Copies are kept for --undo.
            """)

    @OptionGroup var tree: TreeOptions

    @Argument(help: ArgumentHelp("The certificate (default: all).", valueName: "name"), completion: .lineage)
    var name: String?

    @Flag(name: .long, help: "Show what would be changed, and change nothing.")
    var dryRun = false

    @Flag(name: .long, help: "Put back what the last repair changed.")
    var undo = false

    func run() async throws {
        SignalTrap.outliveOutputs()
        let (settings, tree) = (try tree.settings(), try tree.tree())
        // Who only looks needs no right to write.
        if dryRun { return try await plan(tree, settings) }
        let lock = try RunLock.take(tree, state: self.tree.statePath)
        try prepareState(tree)
        do throws(FileError) {
            _ = try SwitchJournal.completeAll(in: self.tree.statePath)
            if !undo { try resume(tree) }
        } catch {
            throw CommandFailure(error)
        }
        if undo { try takeBack(tree) } else { try await plan(tree, settings) }
        withExtendedLifetime(lock) {}
    }

    private func prepareState(_ tree: Tree) throws {
        let path = self.tree.statePath
        do throws(FileError) {
            try FileSystem.makeDirectories(path, mode: 0o755)
        } catch {
            throw CommandFailure(error)
        }
        try RunSetup.owningState { () throws(StateOwner.Failure) in try StateOwner.claim(path, for: tree) }
    }

    // MARK: - Repairing

    private func resume(_ tree: Tree) throws(FileError) {
        let state = self.tree.statePath
        if let name { _ = try Repair(stateDirectory: state).resume(name).map { report(name, $0) } }
        for unfinished in try RepairRecord.unfinished(in: state) where name == nil {
            if let resumption = try Repair(stateDirectory: state).resume(unfinished) { report(unfinished, resumption) }
        }
    }

    private func report(_ unfinished: String, _ resumption: Repair.Resumption) {
        switch resumption {
        case .completed: StandardStreams.print(line: "\(unfinished.plain): completed the repair that was interrupted")
        case .undone: StandardStreams.print(line: "\(unfinished.plain): completed the undoing that was interrupted")
        case .overtaken(let path):
            StandardError.write(
                line: "\(unfinished): the interrupted repair is dropped: \(path) has been changed since", .warning)
        }
    }

    private func plan(_ tree: Tree, _ settings: HostSettings) async throws {
        let views = await RepairViews.all(of: tree.path)
        var (changed, failed) = (0, 0)
        for name in try names(tree) {
            do throws(FileError) {
                let barred = barred(name, tree)
                var plan = try tree.repairPlan(for: name, views: views, barred: barred, at: Date.now)
                if !plan.links.isEmpty || plan.move != nil || plan.refusal == .nothingFit {
                    let served = await RepairViews.served(name, tree, settings)
                    plan = try tree.repairPlan(for: name, views: views, served: served, barred: barred, at: Date.now)
                }
                show(plan)
                if !dryRun {
                    try Repair(stateDirectory: self.tree.statePath).apply(plan)
                    conclude(plan)
                }
                if plan.hasChanges { changed += 1 }
                if let refusal = plan.refusal {
                    failed += 1
                    StandardError.write(
                        fault: "\(name): not repaired: \(refusal)", next: NextStep.after(refusal, lineage: name, tree))
                }
            } catch {
                failed += 1
                let failure = CommandFailure(error)
                StandardError.write(fault: "\(name): not repaired: \(error)", next: failure.next)
            }
        }
        if changed == 0, failed == 0 {
            StandardStreams.print(line: name.map { "\($0): nothing to repair" } ?? "nothing to repair")
        }
        try StandardStreams.finishOutput()
        if failed > 0 { throw ExitCode(ExitStatus.failed.rawValue) }
    }

    /// What is not installed again: revoked, or quarantined.
    private func barred(_ name: String, _ tree: Tree) -> Set<String> {
        let store = StateStore(stateDirectory: self.tree.statePath)
        let archive = tree.lineage(name).paths?.archive ?? "\(tree.path)/archive/\(name)"
        var barred = store.revoked().barred(in: archive)
        if let held = store.knowledge(of: name).state?.host.quarantine { barred.insert(held.sha256) }
        return barred
    }

    /// The certificates to look at. One whose renewal config is lost is known by its directories.
    private func names(_ tree: Tree) throws -> [String] {
        guard let name else {
            do throws(Tree.Failure) {
                return try tree.lineageNames()
            } catch {
                throw CommandFailure(error)
            }
        }
        let traces = [tree.confPath(name), "\(tree.path)/live/\(name)", "\(tree.path)/archive/\(name)"]
        guard !name.contains("/"), !name.isEmpty,
            traces.contains(where: { ((try? FileSystem.status($0)) ?? nil) != nil })
        else {
            throw CommandFailure(
                .usage, "there is no certificate \(name) in \(tree.path)", next: "certctl status shows them all")
        }
        return [name]
    }

    /// Says what is changed, with the lines of the renewal config before it is.
    private func show(_ plan: RepairPlan) {
        for step in plan.steps {
            StandardStreams.print(line: "\(plan.name): \(dryRun ? "would " : "")\(step)")
        }
        for edit in plan.preparations where edit.path.hasSuffix(".conf") {
            guard case .file(let new) = edit.after else { continue }
            var old: [UInt8] = []
            if case .file(let file) = edit.before { old = file.bytes }
            for line in LineDiff.lines(from: old, to: new.bytes) { StandardStreams.print(line: "  \(line)") }
        }
    }

    private func conclude(_ plan: RepairPlan) {
        guard plan.hasChanges else { return }
        let word = plan.name.shellWord
        let deploy = plan.links.isEmpty && plan.move == nil ? "" : "; next: certctl deploy \(word)"
        StandardStreams.print(line: "\(plan.name): repaired (certctl repair --undo \(word) puts it back)\(deploy)")
    }

    // MARK: - Undoing

    private func takeBack(_ tree: Tree) throws {
        let state = self.tree.statePath
        do throws(FileError) {
            var undone = 0
            let recorded = try RepairRecord.names(in: state)
            for name in recorded where self.name == nil || self.name == name {
                guard let record = try Repair(stateDirectory: state).undo(name) else { continue }
                undone += 1
                if let move = record.move {
                    StandardStreams.print(line: "\(name): renamed \(move.to) back to \(move.from)")
                }
                for edit in record.edits { StandardStreams.print(line: "\(name): put back \(edit.path)") }
            }
            guard undone > 0 else {
                throw FileError("undo a repair of", name ?? tree.path, because: "none is recorded in \(state)/repairs")
            }
        } catch {
            throw CommandFailure(.failed, "\(error)", next: error.isPermission ? "run it as root" : nil)
        }
        try StandardStreams.finishOutput()
    }
}

/// What a repair has to know besides the config directory itself.
enum RepairViews {
    private static let probeTimeout: Duration = .seconds(3)

    /// Where running processes and containers, also stopped ones, see the config directory.
    static func all(of tree: String) async -> Set<String> {
        let containers = await ContainerEngine().containers().compactMap { $0.inside(tree) }
        return Mounts.views(of: tree).union(containers).subtracting([tree])
    }

    /// What the endpoints of a certificate serve of it.
    static func served(_ name: String, _ tree: Tree, _ settings: HostSettings) async -> [RepairPlan.Served] {
        let lineage = tree.lineage(name)
        let own = lineage.ownNames(in: tree.path)
        guard let verification = try? VerificationSettings(lineage: lineage.conf, host: settings.conf) else {
            return []
        }
        // Three names tell what the others have.
        let targets = verification.targets(for: own, most: 3).map(\.target)
        return await sideBySide(targets) { target -> RepairPlan.Served? in
            let found = await TLSProbe(timeout: probeTimeout).leaf(
                at: target.endpoint, serverName: target.name,
                hasProxyHeader: verification.proxyProtocol.contains(target.endpoint))
            guard case .leaf(let leaf, _) = found, Set(leaf.names) == Set(own) else { return nil }
            return RepairPlan.Served(endpoint: target.endpoint.description, leaf: leaf)
        }.compactMap(\.self)
    }
}

extension CommandFailure {
    /// A file that cannot be read or written.
    init(_ error: FileError) {
        self.init(.failed, "\(error)", next: error.isPermission ? "run it as root" : nil)
    }
}

import Deployment
import Lineages

/// A hook that reloads nginx already, as it was found.
package struct FoundReload: Equatable, Sendable {
    /// A file of `renewal-hooks/`, `cli.ini` or a conf.
    package let place: String
    /// The line that reloads.
    package let line: String
    /// Whether it is a file that another one can take the place of.
    package let isFile: Bool
    /// Whether it is certctl's own hook.
    package let isShipped: Bool
}

/// The shipped hook in `renewal-hooks/post`, where no other reloads nginx.
package struct HookStep: Sendable {
    private let request: SetupRequest
    private let record: SetupRecord

    private var directory: HookDirectory { HookDirectory(configDirectory: request.treePath) }
    private var path: String { "\(directory.path(of: .post))/\(ShippedFile.reloadNginx.name)" }

    init(_ request: SetupRequest, host: SetupHost, record: SetupRecord) {
        (self.request, self.record) = (request, record)
    }

    /// What reloads nginx when a lineage of a tree was renewed: a hook for all, or hooks of every conf.
    package static func found(_ request: SetupRequest) -> [FoundReload] {
        let directory = HookDirectory(configDirectory: request.treePath)
        var found: [FoundReload] = []
        for kind in [Hook.Kind.deploy, .post] {
            for hook in directory.list(kind).hooks {
                guard let bytes = try? FileSystem.read(hook.identity),
                    let line = reload(in: bytes)
                else { continue }
                let isShipped = bytes == ShippedFile.reloadNginx.bytes
                found.append(FoundReload(place: hook.identity, line: line, isFile: true, isShipped: isShipped))
            }
        }
        guard let tree = request.tree else { return found }
        for key in ["deploy_hook", "post_hook"] {
            if let command = tree.defaults.value(key), let line = ReloadCommand.found(in: command) {
                found.append(FoundReload(place: "cli.ini, \(key)", line: line, isFile: false, isShipped: false))
            }
        }
        let lineages = request.lineages.filter { $0.options != nil && $0.original == nil }
        var own: [FoundReload] = []
        for lineage in lineages {
            let commands = [lineage.options?.deployHook, lineage.options?.postHook].compactMap(\.self)
            guard let line = commands.lazy.compactMap(ReloadCommand.found).first else { continue }
            own.append(FoundReload(place: lineage.confPath, line: line, isFile: false, isShipped: false))
        }
        // One conf's hook is no other lineage's.
        return found + (own.count == lineages.count ? own : [])
    }

    private static func reload(in bytes: [UInt8]) -> String? {
        if bytes == ShippedFile.reloadNginx.bytes { return "certctl's own hook" }
        // Not a program's machine code.
        guard let text = String(validating: bytes, as: UTF8.self) else { return nil }
        return ReloadCommand.found(in: text)
    }

    func add(to plan: inout SetupPlan) throws(SetupFailure) {
        if (try? request.tree?.defaults.flag("no_directory_hooks")) == true {
            plan.remarks.append(
                "cli.ini says no-directory-hooks: nginx is reloaded by the hooks of renewal configs only")
            return
        }
        let found = HookStep.found(request)
        let replaced = request.replacesHook ? found.filter { $0.isFile && !$0.isShipped }.map(\.place) : []
        for reload in found where !replaced.contains(reload.place) && !reload.isShipped && !record.isOurs(reload.place)
        {
            plan.remarks.append(
                "\(reload.place) reloads nginx: \(reload.line)"
                    + (reload.isFile ? " (--replace-hook puts certctl's in its place)" : ""))
        }
        // Where ours reloads, or another's that stays, there is nothing to install.
        let isNeeded = !found.contains { $0.isShipped } && (found.isEmpty || !replaced.isEmpty)
        guard let ours = try ownHook(isNeeded, replaced, &plan), !(ours.isEmpty && replaced.isEmpty) else { return }
        plan.steps.append(
            SetupStep(
                "have nginx reloaded after every run that renewed something: \(path)",
                details: replaced.map { "in the place of \($0), which is kept in \(request.statePath)/setup" },
                replaced.filter { $0 != path }.map { HostAction.remove($0) } + ours))
    }

    /// What brings the shipped hook into its place; nil where an operator's file keeps it from there.
    private func ownHook(
        _ isNeeded: Bool, _ replaced: [String], _ plan: inout SetupPlan
    ) throws(SetupFailure) -> [HostAction]? {
        let (there, bytes) = (try FilePicture(at: path), ShippedFile.reloadNginx.bytes)
        if record.isOurs(path) {
            // Of an earlier version of certctl.
            let old = try read(path)
            return old == bytes ? [] : [.write(path, bytes, mode: 0o755, replacing: old)]
        }
        guard isNeeded else { return [] }
        if there.content == .nothing {
            return [.makeDirectory(directory.path(of: .post)), .write(path, bytes, mode: 0o755, replacing: nil)]
        }
        guard request.replacesHook else {
            plan.remarks.append(
                "\(path) is there, and is not seen to reload nginx (--replace-hook puts certctl's in its place)")
            return nil
        }
        return [.remove(path), .write(path, bytes, mode: 0o755, replacing: nil)]
    }

    private func read(_ path: String) throws(SetupFailure) -> [UInt8] {
        do throws(FileError) { return try FileSystem.read(path) } catch { throw SetupFailure(error) }
    }
}

import ACME
import ArgumentParser
import Deployment
import FoundationEssentials
import Lineages
import Renewal
import Setup
import Text

/// `certctl delete`: a certificate that is not used any more, out of the config directory.
struct DeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Remove a certificate that is not used any more.",
        discussion: """
            Moves its renewal config, its directories in live/ and archive/ and what certctl keeps of it to deleted/ in \
            the state directory. Refuses while a configuration of nginx, on the host or in a container, names its files. \
            The certificate stays valid: it is not revoked.
            """)

    @OptionGroup var tree: TreeOptions

    @Argument(help: ArgumentHelp("The certificate.", valueName: "name"), completion: .lineage)
    var name: String

    @Flag(name: .long, help: "Delete it also while nginx's configuration names it.")
    var force = false

    @Flag(name: .long, help: "Keep no copy.")
    var purge = false

    func run() async throws {
        SignalTrap.outliveOutputs()
        let (settings, tree, state) = (try tree.settings(), try tree.tree(), tree.statePath)
        guard !name.isEmpty, !name.contains("/"), !name.hasPrefix(".") else {
            throw CommandFailure(
                .usage, "\(name.plain) is no certificate's name", next: "certctl status shows them all")
        }
        let lock = try RunLock.take(tree, state: state)
        try prepare(tree, state)
        let deletion = try found(in: tree, state)
        if !force { try await requireUnused(deletion) }
        let destination = "\(state)/deleted/\(name)-\(DeleteCommand.stamp(Date.now))"
        do throws(FileError) {
            try FileSystem.makeDirectories("\(state)/deleted", mode: 0o700)
            try deletion.move(to: destination)
            if purge { try FileTree.remove(destination) }
        } catch {
            throw CommandFailure(
                .failed, "\(name): \(error)",
                next: error.isPermission ? "run it as root" : "certctl delete \(name.shellWord) does the rest")
        }
        StandardStreams.print(
            line: purge ? "\(name): deleted" : "\(name): deleted; its files are in \(destination)")
        for directory in deletion.shared {
            StandardStreams.print(line: "\(directory.plain) stays: another certificate has it, too")
        }
        await refreshDropIn(tree, settings, state)
        withExtendedLifetime(lock) {}
        try StandardStreams.finishOutput()
    }

    private func prepare(_ tree: Tree, _ state: String) throws {
        do throws(FileError) {
            try FileSystem.makeDirectories(state, mode: 0o755)
        } catch {
            throw CommandFailure(error)
        }
        try RunSetup.owningState { () throws(StateOwner.Failure) in try StateOwner.claim(state, for: tree) }
        do throws(FileError) {
            _ = try SwitchJournal.completeAll(in: state)
        } catch {
            throw CommandFailure(error)
        }
    }

    private func found(in tree: Tree, _ state: String) throws -> Deletion {
        do throws(LineageProblem) {
            if let deletion = try Deletion(name, in: tree, stateDirectory: state) { return deletion }
        } catch {
            throw CommandFailure(.failed, "\(name): \(error)", next: NextStep.after(error, lineage: name))
        }
        throw CommandFailure(
            .usage, "there is no certificate \(name) in \(tree.path)", next: "certctl status shows them all")
    }

    private func requireUnused(_ deletion: Deletion) async throws {
        let directories = deletion.parts.filter { $0.target.hasPrefix("live/") || $0.target.hasPrefix("archive/") }
            .map(\.path)
        let uses = await NginxUses(name: name, directories: directories).all()
        guard let first = uses.first else { return }
        let more = uses.count == 1 ? "" : ", and \(uses.count - 1) more"
        throw CommandFailure(
            .failed, "\(name): not deleted: nginx's configuration names it: \(first)\(more)",
            next: "take it out of the configuration and reload nginx; --force deletes it all the same")
    }

    /// `20261127T181308Z`.
    private static func stamp(_ date: Date) -> String {
        let text: String = date.formatted(.iso8601)
        return text.filter { $0.isLetter || $0.isNumber }
    }

    private func refreshDropIn(_ tree: Tree, _ settings: HostSettings, _ state: String) async {
        guard let lineages = try? tree.lineages() else { return }
        let dropIn = WebrootDropIn(lineages, treePath: tree.path, statePath: state, reports: settings.reports)
        _ = try? await dropIn.refresh(stateDirectory: state)
    }
}

/// Where nginx's configurations of this host and its containers name a certificate's files.
struct NginxUses: Sendable {
    let name: String
    /// Its directories in live/ and archive/.
    let directories: [String]
    /// Directories with configurations of the host.
    var hostDirectories = ["/etc/nginx", "/usr/local/nginx/conf", "/usr/local/etc/nginx"]
    /// Programs that may be the host's nginx.
    var programs = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx", "/usr/local/nginx/sbin/nginx"]

    private static let timeout: Duration = .seconds(10)
    /// A configuration has a few hundred files at most.
    private static let mostFiles = 10_000

    /// Each place in a line: what has it, the file and the directive.
    func all() async -> [String] {
        var found: [String] = []
        func add(_ places: [String]) { for place in places where !found.contains(place) { found.append(place) } }
        let engine = ContainerEngine()
        let containers = await engine.containers()
        for container in containers {
            let mounted = container.mounts.map(\.source).filter { source in
                directories.contains { isIn(FileSystem.resolved(source), FileSystem.resolved($0)) }
            }
            add(mounted.map { "container \(container.name) mounts \($0)" })
            if container.isRunning, let lines = await engine.nginxLines(in: container.name, mentioning: "/\(name)/") {
                add(lines.filter(names).map { "container \(container.name), \($0)" })
            }
            for (source, destination) in container.mounts where destination.contains("nginx") {
                add(lines(below: source).map { "container \(container.name), \($0)" })
            }
        }
        if let program = programs.first(where: { ((try? FileSystem.status($0, followingLinks: true)) ?? nil) != nil }) {
            let script = ##""$0" -T 2>/dev/null | grep -F -e "# configuration file " -e "$1""##
            let dump = await SubprocessRunner().run(
                Command.withoutErrors("/bin/sh", ["-c", script, program, "/\(name)/"]), timeout: NginxUses.timeout)
            add(NginxDump.lines(in: dump.output, mentioning: "/\(name)/").filter(names))
        }
        // nginx -T shows nothing of a configuration that it refuses.
        for directory in hostDirectories { add(lines(below: directory)) }
        return found
    }

    private func names(_ line: String) -> Bool { line.contains("live/\(name)/") || line.contains("archive/\(name)/") }

    private func isIn(_ path: String, _ directory: String) -> Bool {
        path == directory || path.hasPrefix(directory + "/")
    }

    /// The lines of the files below a directory that name the certificate.
    private func lines(below path: String) -> [String] {
        var found: [String] = []
        var waiting = [path]
        var count = 0
        while let next = waiting.popLast(), count < NginxUses.mostFiles {
            count += 1
            switch (try? FileSystem.status(next, followingLinks: next == path || next.contains("/sites-enabled/")))?
                .kind
            {
            case .directory: waiting += ((try? FileSystem.entries(of: next)) ?? []).map { "\(next)/\($0)" }
            case .file:
                guard let bytes = try? FileSystem.read(next) else { continue }
                for line in String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline) {
                    let plain = line.drop { $0 == " " || $0 == "\t" }
                    if !plain.hasPrefix("#"), names(String(plain)) { found.append("\(next): \(plain)") }
                }
            default: continue
            }
        }
        return found
    }
}

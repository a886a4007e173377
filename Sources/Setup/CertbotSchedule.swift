import Deployment
import Lineages

/// What has certbot renew on this host: timers, cron, containers.
struct CertbotSchedule {
    private let request: SetupRequest
    private let host: SetupHost
    private let moves: [WebrootMove]

    /// Debian's and Fedora's, snap's.
    private static let timers = ["certbot.timer", "certbot-renew.timer", "snap.certbot.renew.timer"]
    private static let scripts = ["/etc/cron.hourly", "/etc/cron.daily", "/etc/cron.weekly", "/etc/cron.monthly"]

    init(_ request: SetupRequest, host: SetupHost, moves: [WebrootMove]) {
        (self.request, self.host, self.moves) = (request, host, moves)
    }

    /// Adds the steps that turn it off, or a remark why it has to stay on.
    func add(to plan: inout SetupPlan, canGoOff: Bool) async throws(SetupFailure) {
        var found = SetupPlan()
        try await addTimers(to: &found)
        try addCronFiles(to: &found)
        try addScripts(to: &found)
        try await addCrontab(to: &found)
        await addContainers(to: &plan)
        plan.remarks += found.remarks
        guard !found.steps.isEmpty else { return }
        let needed = reasonsToKeep
        if needed.isEmpty, canGoOff {
            plan.steps += found.steps
        } else {
            let why = needed.isEmpty ? "nothing starts certctl yet" : needed.joined(separator: ", ")
            plan.remarks.append(
                "certbot's schedule stays on (\(why)); not done: \(found.steps.map(\.title).joined(separator: "; "))")
        }
    }

    /// The lineages that would expire without certbot.
    private var reasonsToKeep: [String] {
        let moved = Set(moves.map(\.lineage))
        return request.lineages
            .filter { $0.original == nil && !moved.contains($0.name) }
            .compactMap { lineage in
                // A value that certctl does not know may be one that certbot knows.
                let unknown = lineage.fatalProblem?.code == .optionInvalid ? lineage.fatalProblem?.message : nil
                return (lineage.reasonUnmanaged ?? unknown).map { "\(lineage.name) is renewed by certbot only: \($0)" }
            }
    }

    private func addTimers(to plan: inout SetupPlan) async throws(SetupFailure) {
        guard host.runsSystemd else { return }
        for (timer, mixed) in CertbotSchedule.timers.map({ ($0, nil) }) + ownTimers {
            let state = try await host.systemd.known(timer)
            guard state.isThere, state.isEnabled || state.isActive else { continue }
            if let mixed {
                plan.remarks.append(
                    "\(mixed) runs certbot among other things: take it out, setup leaves \(timer) on for the others")
                continue
            }
            plan.steps.append(
                SetupStep(
                    "disable and stop \(timer)", details: ["back: systemctl enable --now \(timer)"], [.disable(timer)]))
        }
    }

    /// The timers of units that an operator wrote to have certbot renew; with the unit's path where it does other things, too.
    private var ownTimers: [(timer: String, mixed: String?)] {
        host.entries(UnitSteps.directory).filter { $0.hasSuffix(".service") }.compactMap { name in
            let path = host.path("\(UnitSteps.directory)/\(name)")
            let timer = String(name.dropLast(".service".count)) + ".timer"
            guard !CertbotSchedule.timers.contains(timer), let bytes = try? FileSystem.read(path) else { return nil }
            let settings = ShellText(String(decoding: bytes, as: UTF8.self)).lines.map { line in
                let parts = line.text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                return (key: parts[0], command: parts.count == 2 ? String(parts[1]) : "")
            }
            guard settings.contains(where: { $0.key.hasPrefix("Exec") && CertbotCommand.isIn($0.command) }) else {
                return nil
            }
            let isAlone = settings.allSatisfy { $0.key != "ExecStart" || CertbotCommand.isAlone(in: $0.command) }
            return (timer, isAlone ? nil : path)
        }
    }

    private func addCronFiles(to plan: inout SetupPlan) throws(SetupFailure) {
        // cron ignores names with other characters, such as backups.
        let names = host.entries("/etc/cron.d").filter { name in
            name.utf8.allSatisfy { $0 == 0x2D || $0 == 0x5F || isLetterOrDigit($0) }
        }
        for file in ["/etc/crontab"] + names.map({ "/etc/cron.d/\($0)" }) {
            let path = FileSystem.resolved(host.path(file))
            guard let bytes = try? FileSystem.read(path), let text = String(validating: bytes, as: UTF8.self) else {
                continue
            }
            let marked = Crontab.Marking(text, namesUser: true)
            plan.remarks += marked.remarks(on: path)
            guard !marked.lines.isEmpty else { continue }
            // A package's file that is taken away stays away; one that is changed makes dpkg ask at every upgrade.
            let others = ShellText(text).lines.filter {
                !CertbotCommand.isIn($0.text) && !CertbotCommand.isIdle($0.text)
            }
            if others.isEmpty, marked.mixed.isEmpty, file != "/etc/crontab", path == host.path(file) {
                plan.steps.append(
                    SetupStep(
                        "take \(path) away",
                        details: marked.lines + ["back: certctl setup --undo, or from \(request.statePath)/setup"],
                        [.remove(path)]))
            } else {
                plan.steps.append(
                    SetupStep(
                        "turn certbot off in \(path)",
                        details: marked.lines.map { "\(Crontab.mark)\($0)" } + ["back: take the mark away"],
                        [
                            .write(
                                path, Array(marked.text.utf8), mode: SetupPlan.mode(of: path), replacing: bytes,
                                merge: .cronMark)
                        ]))
            }
        }
    }

    private func addScripts(to plan: inout SetupPlan) throws(SetupFailure) {
        for directory in CertbotSchedule.scripts {
            for name in host.entries(directory) {
                let path = host.path("\(directory)/\(name)")
                guard let bytes = try? FileSystem.read(path), let text = String(validating: bytes, as: UTF8.self),
                    let mode = (try? FileSystem.status(path, followingLinks: true))?.mode, mode & 0o111 != 0
                else { continue }
                let lines = ShellText(text).lines
                guard lines.contains(where: { CertbotCommand.isIn($0.text) }) else { continue }
                guard lines.allSatisfy({ CertbotCommand.isAlone(in: $0.text) }) else {
                    plan.remarks.append(
                        "\(path) runs certbot among other things: take the line out, setup does not change scripts")
                    continue
                }
                plan.steps.append(
                    SetupStep(
                        "have \(path) not run", details: ["back: chmod a+x \(path)"], [.setMode(path, mode & ~0o111)]))
            }
        }
    }

    private func addCrontab(to plan: inout SetupPlan) async throws(SetupFailure) {
        guard let bytes = try await Crontab(host).read() else { return }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            if CertbotCommand.isIn(String(decoding: bytes, as: UTF8.self)) {
                plan.remarks.append(
                    "root's crontab runs certbot, and is not UTF-8: turn certbot off by hand, with crontab -e")
            }
            return
        }
        let marked = Crontab.Marking(text, namesUser: false)
        plan.remarks += marked.remarks(on: "root's crontab")
        guard !marked.lines.isEmpty else { return }
        plan.steps.append(
            SetupStep(
                "turn certbot off in root's crontab",
                details: marked.lines.map { "\(Crontab.mark)\($0)" } + ["back: crontab -e, and take the mark away"],
                [.installCrontab(marked.text, replacing: text)]))
    }

    /// Containers are not ours to stop: they are named.
    private func addContainers(to plan: inout SetupPlan) async {
        guard let docker = host.program("/usr/bin/docker", "/usr/local/bin/docker", "/snap/bin/docker") else { return }
        let list = await host.run(docker, ["ps", "--quiet"])
        let ids = list.output.split(whereSeparator: \.isWhitespace).map(String.init)
        guard list.succeeded, !ids.isEmpty else { return }
        let format =
            "{{.Name}}\t{{.Config.Image}} {{join .Config.Entrypoint \" \"}} {{join .Config.Cmd \" \"}}"
            + "{{range .Mounts}}\t{{.Source}}{{end}}"
        // One that has ended since makes docker fail, and tells of the others all the same.
        let outcome = await host.run(docker, ["inspect", "--type", "container", "--format", format] + ids)
        for line in outcome.output.split(separator: "\n") {
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            guard fields.count > 2, fields[1].contains("certbot") || fields[1].contains("letsencrypt") else { continue }
            guard fields[2...].contains(where: mountsTree) else { continue }
            let name = fields[0].drop { $0 == "/" }
            plan.remarks.append(
                "the container \(name) (\(fields[1].split(separator: " ").first ?? "")) looks like certbot and mounts the config directory: "
                    + "stop it, and take it out of its compose file (docker stop \(name))")
        }
    }

    private func mountsTree(_ source: String) -> Bool {
        guard !source.isEmpty else { return false }
        let (mount, tree) = (FileSystem.resolved(source), FileSystem.resolved(request.treePath))
        return mount == tree || tree.hasPrefix(mount == "/" ? "/" : mount + "/") || mount.hasPrefix(tree + "/")
    }

    private func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
    }
}

import Deployment
import Lineages

/// certctl's units and their drop-ins, and its timer; a line for cron where there is no systemd.
struct UnitSteps {
    private let request: SetupRequest
    private let host: SetupHost
    private let record: SetupRecord
    private let moves: [WebrootMove]

    /// Where an operator's units are.
    static let directory = "/etc/systemd/system"
    /// Where others put units, in systemd's order.
    private static let others = [
        "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system",
    ]
    private static let timer = "certctl.timer"
    private static let cronFile = "/etc/cron.d/certctl"

    init(_ request: SetupRequest, host: SetupHost, record: SetupRecord, moves: [WebrootMove]) {
        (self.request, self.host, self.record, self.moves) = (request, host, record, moves)
    }

    /// Adds the steps that write files for systemd.
    func addFiles(to plan: inout SetupPlan) throws(SetupFailure) {
        guard host.runsSystemd else { return }
        for unit in ShippedFile.units {
            if let step = try unitStep(unit) { plan.steps.append(step) }
        }
        let webroots = WebrootDropIn(
            request.lineages, treePath: request.treePath, statePath: request.statePath, reports: request.reports,
            adding: moves.map(\.webroot))
        if let step = try dropInStep(
            WebrootDropIn.path, webroots.text, "let the service write to \(webroots.paths.joined(separator: ", "))")
        {
            plan.steps.append(step)
        }
        let port = PortDropIn(request.lineages)
        if let step = try dropInStep(
            PortDropIn.path, port.text,
            "let the service listen on port 80 for \(port.lineages.joined(separator: ", "))")
        {
            plan.steps.append(step)
        }
        for (unit, text) in [("certctl.service", try optionsText()), ("certctl-notify@.service", try notifyText())] {
            if let step = try dropInStep(
                "\(UnitSteps.directory)/\(unit).d/options.conf", text,
                "have \(unit) work with \(request.arguments.joined(separator: " "))")
            {
                plan.steps.append(step)
            }
        }
    }

    /// Adds what starts certctl every few hours. Gives whether something will.
    func addSchedule(to plan: inout SetupPlan) async throws(SetupFailure) -> Bool {
        guard host.runsSystemd else { return try addCron(to: &plan) }
        let state = try await host.systemd.known(UnitSteps.timer)
        if !(state.isEnabled && state.isActive) {
            plan.steps.append(
                SetupStep(
                    "enable and start certctl.timer",
                    details: ["back: systemctl disable --now certctl.timer"], [.enable(UnitSteps.timer)]))
        }
        return true
    }

    private func unitStep(_ unit: ShippedFile) throws(SetupFailure) -> SetupStep? {
        let path = host.path("\(UnitSteps.directory)/\(unit.name)")
        let there = try bytes(path)
        let other = UnitSteps.others.first { isThere("\($0)/\(unit.name)") }
        if let other {
            guard record.isOurs(path) else { return nil }
            return SetupStep(
                "remove \(path)", details: ["\(other)/\(unit.name) is there now"], [.remove(path), .reloadUnits])
        }
        // An operator's own unit is the operator's.
        if there != nil, !record.isOurs(path) { return nil }
        let bytes = unit.naming(binary: try checkedBinary())
        guard bytes != there else { return nil }
        return SetupStep(
            "\(there == nil ? "install" : "renew") \(path)",
            [
                .makeDirectory(host.path(UnitSteps.directory)), .write(path, bytes, mode: 0o644, replacing: there),
                .reloadUnits,
            ])
    }

    private func dropInStep(_ name: String, _ text: String?, _ title: String) throws(SetupFailure) -> SetupStep? {
        let path = host.path(name)
        let there = try bytes(path)
        let wanted = text.map { Array($0.utf8) }
        guard there != wanted else { return nil }
        guard let wanted else {
            guard record.isOurs(path) else { return nil }
            return SetupStep("remove \(path), which nothing needs any more", [.remove(path), .reloadUnits])
        }
        return SetupStep(
            "\(title): \(path)",
            [
                .makeDirectory(FileSystem.directory(of: path) ?? "/"),
                .write(path, wanted, mode: 0o644, replacing: there), .reloadUnits,
            ])
    }

    /// The drop-in that has the service called with other directories; nil where it works on the usual ones.
    private func optionsText() throws(SetupFailure) -> String? {
        guard !request.arguments.isEmpty else { return nil }
        guard let words = request.arguments.map(UnitSyntax.argument) as? [String] else {
            throw SetupFailure("a path with control characters cannot be written in a unit")
        }
        let installed = ([UnitSteps.directory] + UnitSteps.others).lazy
            .map { "\($0)/certctl.service" }.first(where: isThere)
        let text: String
        if let installed, !record.isOurs(host.path(installed)), let bytes = try bytes(host.path(installed)) {
            text = String(decoding: bytes, as: UTF8.self)
        } else {
            text = String(decoding: ShippedFile.units[0].naming(binary: try checkedBinary()), as: UTF8.self)
        }
        guard let start = text.split(separator: "\n").last(where: { $0.hasPrefix("ExecStart=/") }) else {
            throw SetupFailure("certctl.service has no ExecStart= that could be extended")
        }
        return """
            # Written by certctl setup, which was called with these options.
            [Service]
            ExecStart=
            \(start) \(words.joined(separator: " "))
            \(settings)
            """
    }

    /// The settings' file, for a sandbox that does not see homes.
    private var settings: String {
        guard let path = request.settingsPath, UnitSyntax.word(path) != nil else { return "" }
        return UnitSyntax.opening(path, writable: false) + "\n"
    }

    /// The drop-in of the unit that reports runs that exited abnormally, for the failure hooks of another tree.
    private func notifyText() throws(SetupFailure) -> String? {
        guard !request.arguments.isEmpty else { return nil }
        let variables = ["CERTCTL_CONFIG_DIR=\(request.treePath)", "CERTCTL_STATE_DIR=\(request.statePath)"]
        return """
            # Written by certctl setup, which was called with these options.
            [Service]
            Environment=\(variables.compactMap(UnitSyntax.word).joined(separator: " "))

            """
    }

    private func addCron(to plan: inout SetupPlan) throws(SetupFailure) -> Bool {
        let scheduled = ["/etc/crontab"] + host.entries("/etc/cron.d").map { "/etc/cron.d/\($0)" }
        let path = host.path(UnitSteps.cronFile)
        for file in scheduled {
            guard let bytes = try? bytes(host.path(file)) else { continue }
            let lines = ShellText(String(decoding: bytes, as: UTF8.self)).lines
            if lines.contains(where: { $0.names.contains("certctl") && $0.words.contains("renew") }) {
                plan.remarks.append("systemd does not run here, and \(file) starts certctl")
                return true
            }
        }
        let minute = Int.random(in: 0..<60)
        let words = [request.binary, "renew", "--quiet"] + request.arguments
        let line = "\(minute) */4 * * * root \(words.map(UnitSteps.cronWord).joined(separator: " "))"
        guard host.isDirectory("/etc/cron.d"), try bytes(path) == nil else {
            plan.remarks.append(
                "systemd does not run here, nor is there an /etc/cron.d: have something start certctl every few hours, as this line "
                    + "of a crontab would: \(line)")
            return false
        }
        _ = try checkedBinary()
        let text = """
            # Written by certctl setup: systemd does not run here.
            MAILTO=root
            \(line)

            """
        plan.steps.append(
            SetupStep(
                "have cron start certctl, since systemd does not run here: \(path)", details: [line],
                [.write(path, Array(text.utf8), mode: 0o644, replacing: nil)]))
        return true
    }

    /// A word of a crontab's command: a percent sign is a line's end to cron.
    private static func cronWord(_ word: String) -> String {
        let isPlain = word.utf8.allSatisfy { byte in
            byte > 0x2A && byte < 0x3B && byte != 0x2C || byte >= 0x41 && byte <= 0x5A || byte >= 0x61 && byte <= 0x7A
                || byte == 0x5F || byte == 0x2D
        }
        guard !isPlain else { return word }
        let quoted = "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
        return quoted.split(separator: "%", omittingEmptySubsequences: false).joined(separator: "\\%")
    }

    /// The binary, if a service may rest on it.
    private func checkedBinary() throws(SetupFailure) -> String {
        let path = request.binary
        if let reason = BinaryCheck.reasonAgainst(path) {
            throw SetupFailure(
                "the service cannot start \(path): \(reason)",
                next: "install -m 755 \(path) /usr/local/bin/certctl, then run /usr/local/bin/certctl setup")
        }
        return path
    }

    private func isThere(_ path: String) -> Bool { (try? FileSystem.status(host.path(path))) != nil }

    private func bytes(_ path: String) throws(SetupFailure) -> [UInt8]? {
        do throws(FileError) {
            guard try FileSystem.status(path) != nil else { return nil }
            // A mask is a link to /dev/null.
            guard try FileSystem.status(path, followingLinks: true)?.kind == .file else { return [] }
            return try FileSystem.read(path)
        } catch {
            throw SetupFailure(error)
        }
    }
}

/// Whether a program's file can be what root's service starts.
package enum BinaryCheck {
    /// Why not; nil if nothing is against it.
    package static func reasonAgainst(_ path: String) -> String? {
        if path.hasSuffix(" (deleted)") { return "it has been replaced while it ran" }
        let parts = path.split(separator: "/")
        if parts.contains(where: { $0.hasPrefix(".build") }) { return "it is in a build folder" }
        if ["home", "root", "tmp", "run", "dev"].contains(parts.first ?? "") || path.hasPrefix("/var/tmp/") {
            return "the service does not see /\(parts.first ?? "")"
        }
        let isPlain = path.utf8.allSatisfy { (0x2B...0x39).contains($0) || $0 == 0x5F || isLetter($0) }
        guard isPlain, path.hasPrefix("/") else { return "its path has characters that a unit would need quoted" }
        // A user who can replace one of the directories can replace the program.
        var place = path
        while true {
            guard let status = try? FileSystem.status(place, followingLinks: true) else {
                return "\(place) is not there"
            }
            if status.owner != 0 { return "\(place) does not belong to root" }
            if status.mode & 0o022 != 0 { return "\(place) can be written to by others than root" }
            guard let parent = FileSystem.directory(of: place), parent != place else { return nil }
            place = parent
        }
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
    }
}

import Deployment
import FoundationEssentials
import Lineages

/// Makes changes of the host and takes them back, each entered in the record first.
struct HostEditor: Sendable {
    let host: SetupHost
    var record: SetupRecord

    mutating func perform(_ action: HostAction) async throws(SetupFailure) {
        switch action {
        case .makeDirectory(let path): try makeDirectory(path)
        case .write(let path, let bytes, let mode, let expected, let merge):
            try write(path, bytes, mode: mode, replacing: expected, merge: merge)
        case .remove(let path): try remove(path)
        case .setMode(let path, let mode): try setMode(path, mode)
        case .reloadUnits: try await host.systemd.control("daemon-reload")
        case .enable(let unit):
            try record.append(try await unitChange(unit))
            try await host.systemd.control("enable", "--now", unit)
        case .disable(let unit):
            try record.append(try await unitChange(unit))
            try await host.systemd.control("disable", "--now", unit)
        case .installCrontab(let text, let expected):
            let crontab = Crontab(host)
            guard try await crontab.read() == expected.map({ Array($0.utf8) }) else {
                throw SetupFailure.changed("root's crontab")
            }
            try record.append(.crontab(before: expected, after: text))
            try await crontab.install(Array(text.utf8), keep: record.keep)
        }
    }

    private func unitChange(_ unit: String) async throws(SetupFailure) -> HostChange {
        let state = try await host.systemd.known(unit)
        return .unit(name: unit, isEnabled: state.isEnabled, isActive: state.isActive)
    }

    /// Makes a directory and what is missing above it, each an entry.
    private mutating func makeDirectory(_ path: String) throws(SetupFailure) {
        let there = try SetupFailure.files { () throws(FileError) in try FileSystem.status(path, followingLinks: true) }
        guard there == nil else { return }
        if let parent = FileSystem.directory(of: path), parent != path { try makeDirectory(parent) }
        try record.append(.directory(path: path))
        try SetupFailure.files { () throws(FileError) in try FileSystem.makeDirectory(path, mode: 0o755) }
    }

    private mutating func write(
        _ path: String, _ bytes: [UInt8], mode: UInt32, replacing expected: [UInt8]?, merge: Merge?
    ) throws(SetupFailure) {
        var before = try FilePicture(at: path)
        let there = try contents(of: before, at: path)
        guard there == expected else { throw SetupFailure.changed(path) }
        try keep(there, of: &before, at: path)
        let after = try FilePicture(bytes, mode: mode)
        try record.append(.file(path: path, before: before, after: after, merge: merge))
        try SetupFailure.files { () throws(FileError) in
            try NewFile(
                path, bytes, mode: mode, owner: there.map { _ in before.owner }, group: there.map { _ in before.group }
            ).commit()
        }
    }

    private mutating func remove(_ path: String) throws(SetupFailure) {
        var before = try FilePicture(at: path)
        try keep(try contents(of: before, at: path), of: &before, at: path)
        try record.append(.file(path: path, before: before, after: .nothing, merge: nil))
        try SetupFailure.files { () throws(FileError) in
            try FileSystem.remove(path)
            try FileSystem.sync(directory: FileSystem.directory(of: path) ?? ".")
        }
    }

    private mutating func setMode(_ path: String, _ mode: UInt32) throws(SetupFailure) {
        let there = try SetupFailure.files { () throws(FileError) in try FileSystem.status(path, followingLinks: true) }
        guard let there else { throw SetupFailure.changed(path) }
        try record.append(.mode(path: path, before: there.mode, after: mode))
        try SetupFailure.files { () throws(FileError) in try FileSystem.setMode(path, mode) }
    }

    /// What a path shows, also through a link; empty where that is no file (a mask is a link to /dev/null).
    private func contents(of picture: FilePicture, at path: String) throws(SetupFailure) -> [UInt8]? {
        if picture.content == .nothing { return nil }
        return try SetupFailure.files { () throws(FileError) in
            try FileSystem.status(path, followingLinks: true)?.kind == .file ? FileSystem.read(path) : []
        }
    }

    /// Keeps a file's bytes for --undo; the target of a symlink stays where it is.
    private mutating func keep(_ bytes: [UInt8]?, of picture: inout FilePicture, at path: String) throws(SetupFailure) {
        guard let bytes, case .file = picture.content else { return }
        picture.copy = try record.keep(bytes, of: path)
    }
}

extension SetupFailure {
    /// The host is not any more what the plan was made for.
    static func changed(_ what: String) -> SetupFailure {
        SetupFailure("\(what) has changed since the plan was made", next: "run it again")
    }
}

extension Systemd {
    /// Has systemctl change something.
    func control(_ arguments: String...) async throws(SetupFailure) {
        let command = Command(
            executable: systemctl, arguments: arguments, environment: ["LC_ALL": "C.UTF-8"])
        let outcome = await runner.run(command, timeout: SetupHost.timeout)
        guard outcome.succeeded else {
            throw SetupFailure(
                "systemctl \(arguments.joined(separator: " ")) \(outcome)"
                    + (outcome.lastLine.map { ": \($0)" } ?? ""))
        }
    }

    /// The state of a unit, on a host that is known to run systemd.
    func known(_ unit: String) async throws(SetupFailure) -> UnitState {
        do throws(Absent) {
            return try await state(of: unit)
        } catch {
            throw SetupFailure("systemd does not tell about \(unit): \(error)")
        }
    }
}

import Deployment
import FoundationEssentials
import Lineages

/// What became of an entry of the record.
package enum UndoOutcome: Equatable, Sendable {
    /// Put back as it was; what, in words.
    case restored(String)
    /// It was as before already.
    case nothingToDo
    /// Left alone, for this reason, and still in the record.
    case left(String)
}

extension HostEditor {
    /// Takes a change back, if what setup made is still there.
    func undo(_ change: HostChange) async throws(SetupFailure) -> UndoOutcome {
        switch change {
        case .directory(let path): return try removeDirectory(path)
        case .file(let path, let before, let after, let merge):
            let now = try FilePicture(at: path)
            if now.content == before.content { return .nothingToDo }
            if now.content == after.content {
                try put(before, at: path)
                return .restored(before.content == .nothing ? "\(path) is gone" : "\(path) is back as it was")
            }
            if let merge, case .file = now.content { return try self.merge(merge, before, at: path) }
            return .left(
                "\(path) was changed after setup wrote it" + (before.copy.map { "; its former content is \($0)" } ?? "")
            )
        case .mode(let path, let before, let after):
            return try restoreMode(path, before, after)
        case .unit(let name, let isEnabled, let isActive):
            return try await restoreUnit(name, isEnabled, isActive)
        case .crontab(let before, let after): return try await restoreCrontab(before, after)
        }
    }

    private func removeDirectory(_ path: String) throws(SetupFailure) -> UndoOutcome {
        do throws(FileError) {
            guard try FileSystem.status(path) != nil else { return .nothingToDo }
            // Others have put something there: it stays, and is theirs.
            guard try FileSystem.entries(of: path).isEmpty else { return .nothingToDo }
            try FileSystem.removeDirectory(path)
            return .restored("\(path) is gone")
        } catch {
            throw SetupFailure(error)
        }
    }

    private func put(_ picture: FilePicture, at path: String) throws(SetupFailure) {
        do throws(FileError) {
            switch picture.content {
            case .nothing: try FileSystem.remove(path)
            case .link(let text):
                try FileSystem.remove(path)
                try FileSystem.makeLink(path, to: text)
            case .file:
                let bytes = try FileSystem.read(picture.copy ?? path)
                try NewFile(path, bytes, mode: picture.mode, owner: picture.owner, group: picture.group).commit()
            }
            try FileSystem.sync(directory: FileSystem.directory(of: path) ?? ".")
        } catch {
            throw SetupFailure(error)
        }
    }

    private func merge(_ merge: Merge, _ before: FilePicture, at path: String) throws(SetupFailure) -> UndoOutcome {
        do {
            guard let status = try FileSystem.status(path), let copy = before.copy else { return .nothingToDo }
            let now = try FileSystem.read(path)
            let bytes: [UInt8]
            switch merge {
            case .cronMark: bytes = Crontab.unmarking(now)
            case .authenticator:
                bytes = try WebrootMove.takingBack(ConfFile(bytes: now), to: ConfFile(bytes: FileSystem.read(copy)))
            }
            guard bytes != now else { return .nothingToDo }
            try NewFile(path, bytes, mode: status.mode, owner: status.owner, group: status.group).commit()
            return .restored("\(path) is back but for what others changed in it")
        } catch let error as FileError {
            throw SetupFailure(error)
        } catch {
            return .left("\(path) was changed after setup wrote it, and cannot be restored: \(error)")
        }
    }

    private func restoreMode(_ path: String, _ before: UInt32, _ after: UInt32) throws(SetupFailure) -> UndoOutcome {
        do throws(FileError) {
            guard let mode = try FileSystem.status(path, followingLinks: true)?.mode, mode != before else {
                return .nothingToDo
            }
            guard mode == after else { return .left("\(path): its mode was changed after setup set it") }
            try FileSystem.setMode(path, before)
            return .restored("\(path) is executable again")
        } catch {
            throw SetupFailure(error)
        }
    }

    private func restoreUnit(
        _ name: String, _ isEnabled: Bool, _ isActive: Bool
    ) async throws(SetupFailure) -> UndoOutcome {
        guard host.runsSystemd else { return .left("\(name): systemd does not run") }
        let state = try await host.systemd.known(name)
        guard state.isThere else { return .nothingToDo }
        guard state.isEnabled != isEnabled || state.isActive != isActive else { return .nothingToDo }
        if state.isEnabled != isEnabled { try await host.systemd.control(isEnabled ? "enable" : "disable", name) }
        if state.isActive != isActive { try await host.systemd.control(isActive ? "start" : "stop", name) }
        return .restored("\(name) is \(isEnabled ? "on" : "off") again")
    }

    private func restoreCrontab(_ before: String?, _ after: String) async throws(SetupFailure) -> UndoOutcome {
        let crontab = Crontab(host)
        let former = before.map { Array($0.utf8) }
        guard let now = try await crontab.read(), now != former else { return .nothingToDo }
        if now == Array(after.utf8) {
            try await crontab.install(former, keep: record.keep)
        } else {
            let bytes = Crontab.unmarking(now)
            guard bytes != now else { return .nothingToDo }
            try await crontab.install(bytes, keep: record.keep)
        }
        return .restored("root's crontab is back")
    }
}

import CLinux
import Glibc

/// Makes the four links of live/NAME show another version.
///
/// Where live/NAME is a plain directory of links, a prepared one takes its place in a single `RENAME_EXCHANGE`. Otherwise each
/// link is replaced by a rename over the old one, with a journal so that the next run can complete what a crash cut short.
/// No link is ever missing.
struct LiveSwitch {
    let paths: LineagePaths
    let version: Int
    let stateDirectory: String
    /// Whether somebody has a mount of live/NAME itself; nil to look.
    var isMounted: Bool?
    /// What some of the links are to say; for the others it is found out.
    var texts: [PEMKind: String] = [:]
    /// Whether somebody has copies of what stands in place of the links, so that it may go.
    var areCopiesKept = false

    func run() throws(FileError) {
        let targets = try usualTexts().merging(texts) { $1 }
        if try isExchangeable(), try exchange(targets) { return }
        let journal = try SwitchJournal(
            paths, targets: targets, in: stateDirectory, areCopiesKept: areCopiesKept)
        try journal.write()
        try journal.complete()
    }

    /// What each link is to say. The directory part of an old link stays, as certbot keeps it; a new one is relative where
    /// the tree is laid out as usual.
    private func usualTexts() throws(FileError) -> [PEMKind: String] {
        var texts: [PEMKind: String] = [:]
        for kind in PEMKind.allCases {
            let file = "\(kind.rawValue)\(version).pem"
            let link = paths.link(kind)
            if try FileSystem.status(link)?.kind == .link,
                case let old = try FileSystem.linkText(link), let directory = FileSystem.directory(of: old),
                leadsToArchive(directory, from: link)
            {
                texts[kind] = "\(directory)/\(file)"
            } else {
                let relative = "../../archive/\(FileSystem.name(of: paths.archive))"
                texts[kind] = (leadsToArchive(relative, from: link) ? relative : paths.archive) + "/" + file
            }
        }
        return texts
    }

    private func leadsToArchive(_ directory: String, from link: String) -> Bool {
        let absolute = directory.hasPrefix("/") ? directory : "\(FileSystem.directory(of: link) ?? ".")/\(directory)"
        return FileSystem.resolved(absolute) == FileSystem.resolved(paths.archive)
    }

    /// Whether nothing would be lost or left behind if another directory took the place of live/NAME.
    private func isExchangeable() throws(FileError) -> Bool {
        let live = paths.live
        guard PEMKind.allCases.allSatisfy({ paths.link($0) == "\(live)/\($0.rawValue).pem" }),
            let status = try FileSystem.status(live), status.kind == .directory, !LiveSwitch.hasAttributes(live),
            // A confined service may not make a setgid directory.
            status.mode & 0o6000 == 0, !(isMounted ?? Mounts.pin(live))
        else { return false }
        for name in try FileSystem.entries(of: live) {
            let kind = try FileSystem.status("\(live)/\(name)")?.kind
            let isOurs = LiveSwitch.isLinkName(name) && (kind == .link || areCopiesKept && kind != .directory)
            guard isOurs || (name == "README" && kind == .file) else { return false }
        }
        return true
    }

    /// `cert.pem` and its like, and the `previous_cert.pem` that an update of certbot's leaves when it is cut short.
    private static func isLinkName(_ name: String) -> Bool {
        PEMKind.allCases.contains { name == "\($0.rawValue).pem" || name == "previous_\($0.rawValue).pem" }
    }

    /// Whether somebody gave the directory an access list or attributes, which a prepared one would not have.
    private static func hasAttributes(_ path: String) -> Bool {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = unsafe listxattr(path, &buffer, buffer.count)
        guard count >= 0 else { return errno == ERANGE }
        let names = buffer.prefix(count).split(separator: 0)
            .map { String(decoding: $0.map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self) }
        // A security module labels every file by its place.
        return names.contains { !$0.hasPrefix("security.") }
    }

    /// Exchanges live/NAME for a prepared directory; false where the file system cannot.
    ///
    /// The two stand side by side, so that relative links are good in both. The replaced one stays until the next run (or
    /// ``SwitchJournal/completeAll(in:)`` at the end of this one): a process that has it open goes on seeing its version.
    private func exchange(_ targets: [PEMKind: String]) throws(FileError) -> Bool {
        let live = paths.live
        guard let parent = FileSystem.directory(of: live) else { return false }
        let prepared = "\(parent)/.certctl-live-\(FileSystem.name(of: live))"
        do throws(FileError) {
            try LiveSwitch.removeDirectory(prepared)
        } catch {
            return false
        }
        let journal = SwitchJournal(paths, replaced: prepared, in: stateDirectory)
        try journal.write()
        do throws(FileError) {
            try prepare(prepared, targets)
            guard unsafe certctl_rename_exchange(prepared, live) == 0 else { throw FileError("exchange", live) }
        } catch {
            try? LiveSwitch.removeDirectory(prepared)
            try? journal.remove()
            guard [EXDEV, EINVAL, ENOSYS, EOPNOTSUPP, EBUSY, ENAMETOOLONG].contains(error.code) else { throw error }
            return false
        }
        try FileSystem.sync(directory: parent)
        return true
    }

    /// Makes a directory that differs from live/NAME in what its links say only.
    private func prepare(_ directory: String, _ targets: [PEMKind: String]) throws(FileError) {
        guard let old = try FileSystem.status(paths.live) else { throw FileError("look at", paths.live, code: ENOENT) }
        try FileSystem.makeDirectory(directory, mode: 0o700)
        for (kind, text) in targets { try FileSystem.makeLink("\(directory)/\(kind.rawValue).pem", to: text) }
        let readme = "\(paths.live)/README"
        if let status = try FileSystem.status(readme), unsafe link(readme, "\(directory)/README") != 0 {
            try NewFile(
                "\(directory)/README", FileSystem.read(readme), mode: status.mode, owner: status.owner,
                group: status.group
            ).commit()
        }
        try FileSystem.setMode(ofDirectory: directory, old.mode, owner: old.owner, group: old.group)
        try FileSystem.sync(directory: directory)
    }

    /// Removes a directory of links that was prepared or replaced; anything else in it is not ours, and stops it.
    static func removeDirectory(_ path: String) throws(FileError) {
        guard try FileSystem.status(path) != nil else { return }
        for name in try FileSystem.entries(of: path) where name == "README" || isLinkName(name) {
            try FileSystem.remove("\(path)/\(name)")
        }
        try FileSystem.removeDirectory(path)
    }
}

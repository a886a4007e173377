import Glibc
import PKI

/// Puts a checked set into a lineage: the next version in archive/, then all four links of live/ at once.
///
/// Every step is durable before the next begins. Killed before the switch, live/ is as it was; killed within a switch link
/// by link, ``SwitchJournal`` completes it; killed after it, the new version is live.
package struct Installation: Sendable {
    /// Where the lineage's files are.
    package let paths: LineagePaths
    /// Where the journal of an unfinished switch is kept.
    package let stateDirectory: String
    private let isMounted: Bool?

    /// - Parameter isMounted: whether a process has a mount of `live/NAME` itself, so that it has to stay; nil to look.
    package init(paths: LineagePaths, stateDirectory: String, isMounted: Bool? = nil) {
        (self.paths, self.stateDirectory, self.isMounted) = (paths, stateDirectory, isMounted)
    }

    private func liveSwitch(to version: Int) -> LiveSwitch {
        LiveSwitch(paths: paths, version: version, stateDirectory: stateDirectory, isMounted: isMounted)
    }

    /// How many versions before the live one are kept, as certbot does.
    static let priorVersionsKept = 5

    /// Installs a set as the next version and returns its number.
    ///
    /// A set that an earlier run archived and did not get to switch to is not archived twice. Where this throws, live/ is as
    /// it was, but for a switch link by link that ``SwitchJournal/completeAll(in:)`` has still to complete.
    ///
    /// - Parameter conf: the lineage's conf where it changes. An old one is rewritten before the switch; a new one comes after
    ///   it, since a conf without its links is a broken lineage to certbot, and links without a conf are none.
    package func install(_ set: CertificateSet, conf: (path: String, bytes: [UInt8])? = nil) throws(FileError) -> Int {
        try makeMissingDirectories()
        try removeLeftovers()
        guard let conf else {
            let version = try archive(set)
            try makeLive(version)
            return version
        }
        // A conf that is a link stays one: its target is what gets replaced.
        let path = FileSystem.resolved(conf.path)
        let old = try FileSystem.status(path)
        // On the disk before the archive gets its version, so that a full disk is noticed while nothing has changed.
        let new = try NewFile(path, conf.bytes, mode: old?.mode ?? 0o644, owner: old?.owner, group: old?.group)
        let version = try archive(set)
        if old != nil {
            try new.commit()
            try makeLive(version)
        } else {
            try makeLive(version)
            try new.commit()
        }
        return version
    }

    /// A lineage that lost its directory in archive/ or live/ gets it back, as certbot makes it.
    private func makeMissingDirectories() throws(FileError) {
        let parents = PEMKind.allCases.compactMap { FileSystem.directory(of: paths.link($0)) }
        for directory in Set(parents + [paths.archive])
        where try FileSystem.status(directory, followingLinks: true) == nil {
            try FileSystem.makeDirectories(directory, mode: 0o755)
            try FileSystem.sync(directory: FileSystem.directory(of: directory) ?? "/")
        }
    }

    /// Makes a version that is in archive/ live again. Its key gets the owner, the group and the mode of the live one: they may
    /// have been changed since the version was made, for a server that has to read it.
    package func show(_ version: Int) throws(FileError) {
        if let rights = try keyRights() { try OpenDirectory(paths.archive).give(rights, toKeyOf: version) }
        try liveSwitch(to: version).run()
    }

    /// Who may read the live key: what the next one gets, as certbot has it. Nil where there is none.
    private func keyRights() throws(FileError) -> KeyRights? {
        try KeyRights(ofKeyAt: paths.link(.privkey))
    }

    /// The version that live/ shows, going by its certificate; nil where that is no link to one.
    package var liveVersion: Int? {
        guard let target = try? FileSystem.linkText(paths.link(.cert)),
            let (kind, version) = Archive.parse(FileSystem.name(of: target)), kind == .cert
        else { return nil }
        return version
    }

    /// Copies the files of a version to a directory, which is made.
    package func copy(_ version: Int, to directory: String) throws(FileError) {
        try FileSystem.makeDirectories(directory, mode: 0o700)
        for kind in PEMKind.allCases {
            let bytes = try FileSystem.read(path(kind, version))
            try NewFile("\(directory)/\(kind.rawValue).pem", bytes, mode: 0o600).commit()
        }
    }

    /// Removes the files of a version from archive/, so that it is not taken for the newest good one; does nothing where another
    /// certificate has that number.
    ///
    /// - Parameter sha256: of the version's certificate, which is removed last.
    package func removeFromArchive(_ version: Int, sha256: String) throws(FileError) {
        let found = try? Certificate.chain(pem: FileSystem.read(path(.cert, version))).first?.sha256()
        guard found == sha256 else { return }
        for kind in [PEMKind.privkey, .chain, .fullchain, .cert] { try FileSystem.remove(path(kind, version)) }
        try FileSystem.sync(directory: paths.archive)
    }

    /// The number that ``install(_:conf:)`` will give a set.
    package func number(for set: CertificateSet) throws(FileError) -> Int {
        let archive = try Archive(directory: paths.archive)
        if let latest = archive.latestComplete, holds(set, latest) { return latest }
        return archive.next
    }

    private func makeLive(_ version: Int) throws(FileError) {
        try liveSwitch(to: version).run()
        // The new version is live, whatever becomes of old ones: the next installation tries again.
        try? prune(live: version)
    }

    /// Writes the four files under the next number: all of them durable before the first gets its name, none left behind if
    /// one fails. A half-written version would be taken for a whole one by certbot, and installed.
    private func archive(_ set: CertificateSet) throws(FileError) -> Int {
        let version = try number(for: set)
        if holds(set, version) { return version }
        let rights = try keyRights()
        let privkey = try NewFile(
            path(.privkey, version), set.bytes(.privkey), mode: rights?.mode ?? 0o600, owner: rights?.owner,
            group: rights?.group)
        let cert = try NewFile(path(.cert, version), set.bytes(.cert), mode: 0o644)
        let chain = try NewFile(path(.chain, version), set.bytes(.chain), mode: 0o644)
        let fullchain = try NewFile(path(.fullchain, version), set.bytes(.fullchain), mode: 0o644)
        var named: [PEMKind] = []
        do throws(FileError) {
            try privkey.commitAsNew()
            named.append(.privkey)
            try cert.commitAsNew()
            named.append(.cert)
            try chain.commitAsNew()
            named.append(.chain)
            try fullchain.commitAsNew()
            named.append(.fullchain)
            try FileSystem.sync(directory: paths.archive)
        } catch {
            for kind in named { try? FileSystem.remove(path(kind, version)) }
            throw error
        }
        return version
    }

    private func holds(_ set: CertificateSet, _ version: Int) -> Bool {
        PEMKind.allCases.allSatisfy { (try? FileSystem.read(path($0, version))) == set.bytes($0) }
    }

    private func path(_ kind: PEMKind, _ version: Int) -> String { Archive.path(kind, version, in: paths.archive) }

    private func removeLeftovers() throws(FileError) {
        for name in try FileSystem.entries(of: paths.archive)
        where name.hasPrefix(".") && name.hasSuffix(NewFile.suffix) {
            try FileSystem.remove("\(paths.archive)/\(name)")
        }
    }

    /// Removes versions that are older than the ones kept, but no key that a kept one is only a link to.
    private func prune(live version: Int) throws(FileError) {
        let archive = try Archive(directory: paths.archive)
        // Only a whole version is one to go back to.
        let prior = archive.versions.filter { $0.key < version && $0.value.count == PEMKind.allCases.count }.keys
            .sorted()
        guard let oldest = prior.suffix(Installation.priorVersionsKept).first else { return }
        let old = archive.versions.keys.filter { $0 < oldest }
        var needed: Set<String> = []
        for kept in archive.versions.keys where !old.contains(kept) {
            for kind in archive.versions[kept, default: []] {
                needed.insert(FileSystem.resolved(archive.path(kind, kept)))
            }
        }
        for number in old {
            for kind in archive.versions[number, default: []] {
                let path = archive.path(kind, number)
                if !needed.contains(FileSystem.resolved(path)) { try FileSystem.remove(path) }
            }
        }
    }
}

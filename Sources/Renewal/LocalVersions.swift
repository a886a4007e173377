import FoundationEssentials
package import Lineages
import PKI

/// The versions of a certificate on this host's disk: what live/ shows, what is in archive/, and what is to be installed.
extension LocalWorld {
    func paths(_ name: String) -> LineagePaths? {
        if let issuing, issuing.name == name { return issuing.paths }
        return lineages[name]?.paths
    }

    private func installation(_ name: String) async throws(FileError) -> Installation {
        let paths = try requiredPaths(name)
        return Installation(paths: paths, stateDirectory: store.root, isMounted: await isMounted(paths.live))
    }

    private func requiredPaths(_ name: String) throws(FileError) -> LineagePaths {
        guard let paths = paths(name) else {
            throw FileError("find", name, because: "its renewal config is not complete")
        }
        return paths
    }

    func certificate(of name: String) -> Certificate? { certificates(.cert, of: name).first }

    /// The installed chain, the leaf first; empty where there is none.
    func chain(of name: String) -> [Certificate] { certificates(.fullchain, of: name) }

    private func certificates(_ kind: PEMKind, of name: String) -> [Certificate] {
        paths(name).flatMap { try? FileSystem.read($0.link(kind)) }.flatMap { try? Certificate.chain(pem: $0) } ?? []
    }

    package func live(of name: String) -> (leaf: Leaf, number: Int?)? {
        guard let paths = paths(name), let leaf = certificate(of: name).flatMap({ try? Leaf($0) }) else { return nil }
        return (leaf, Installation(paths: paths, stateDirectory: store.root).liveVersion)
    }

    /// What is to be installed, read and checked.
    private func set(_ source: InstallSource, of name: String) throws -> CertificateSet {
        switch source {
        case .copy(let number, let isForced):
            let archive = try requiredPaths(name).archive
            return try CertificateSet(
                key: PrivateKey(pem: FileSystem.read("\(archive)/\(PEMKind.privkey.rawValue)\(number).pem")),
                chain: FileSystem.read("\(archive)/\(PEMKind.fullchain.rawValue)\(number).pem"),
                names: isForced ? [] : lineages[name]?.certificate?.names ?? [], after: nil, now: isForced ? nil : now)
        case .staged:
            let staging = store.staging(name)
            guard let key = staging.key, let chain = staging.chain else {
                throw FileError("read", "the staged certificate", because: "it is not there any more")
            }
            let set = try CertificateSet(
                key: PrivateKey(pem: key), chain: chain, names: orderedNames(of: name), after: certificate(of: name),
                now: now)
            if !isUrgent(name) { try set.requirePath(after: self.chain(of: name), trust: trust) }
            return set
        case .quarantine:
            let directory = store.quarantineDirectory(name)
            let set = try CertificateSet(
                key: PrivateKey(pem: FileSystem.read("\(directory)/privkey.pem")),
                chain: FileSystem.read("\(directory)/fullchain.pem"), names: lineages[name]?.certificate?.names ?? [],
                after: nil, now: now)
            let revoked = store.revoked()
            if let reason = revoked.damage ?? revoked.reason(against: set.leaf).map({ "the certificate is \($0)" }) {
                throw FileError("install", name, because: reason)
            }
            return set
        }
    }

    /// The names that a staged certificate has to be for.
    private func orderedNames(of name: String) -> [SubjectName] {
        let omitted = store.knowledge(of: name).state?.acquisition.savedOrder?.omitted?.names ?? []
        let wanted = issuing?.name == name ? issuing?.names : lineages[name]?.certificate?.names
        return (wanted ?? []).filter { !omitted.contains($0.description) }
    }

    /// Whether so little of the installed certificate's lifetime is left that a new one is installed whatever its chain leads to.
    private func isUrgent(_ name: String) -> Bool {
        guard let live = certificate(of: name) else { return true }
        return live.notAfter.timeIntervalSince(now) < live.validity.lifetime * Planner.shareThatEndsAQuarantine
    }

    package func warning(_ source: InstallSource, of name: String) -> String? {
        guard case .staged = source, isUrgent(name), let set = try? set(source, of: name) else { return nil }
        do throws(CertificateSet.Unfit) {
            try set.requirePath(after: chain(of: name), trust: trust)
            return nil
        } catch {
            return "\(error); it is installed all the same, since the one before is about to expire"
        }
    }

    package func candidate(_ source: InstallSource, of name: String) throws(InstallFailure) -> Leaf {
        do {
            return try Leaf(set(source, of: name).leaf)
        } catch CertificateSet.Unfit.notYetValid(let date) {
            // A clock that is wrong makes it no worse.
            throw InstallFailure(Cause(CertificateSet.Unfit.notYetValid(date)), .keeps)
        } catch CertificateSet.Unfit.leadsNowhere(let reason) {
            throw InstallFailure(Cause(.chain, "\(CertificateSet.Unfit.leadsNowhere(reason: reason))"), .keepsForADay)
        } catch let error as FileError where !error.isNotFound && error.code != 0 {
            throw InstallFailure(Cause(error), .keeps)
        } catch {
            throw InstallFailure(Cause(error), .drops)
        }
    }

    package func install(_ source: InstallSource, of name: String) async throws(FileError) -> Int {
        do {
            let set = try set(source, of: name)
            if let issuing, issuing.name == name {
                try issuing.newLineage?.makeDirectories()
                return try await installation(name).install(set, conf: issuing.conf)
            }
            return try await installation(name).install(set)
        } catch let error as FileError {
            throw error
        } catch {
            throw FileError("install", name, because: "\(error)")
        }
    }

    package func show(_ number: Int, of name: String) async throws(FileError) {
        try await installation(name).show(number)
    }

    package func fitVersion(_ number: Int, of name: String) -> Leaf? {
        guard let paths = paths(name) else { return nil }
        func bytes(_ kind: PEMKind) -> [UInt8]? {
            try? FileSystem.read("\(paths.archive)/\(kind.rawValue)\(number).pem")
        }
        guard let key = bytes(.privkey), let chain = bytes(.fullchain), bytes(.cert) != nil, bytes(.chain) != nil,
            let set = try? CertificateSet(key: PrivateKey(pem: key), chain: chain, names: [], after: nil, now: now),
            !store.revoked().bars(set.leaf)
        else { return nil }
        return try? Leaf(set.leaf)
    }

    package func quarantine(_ number: Int, sha256: String, of name: String) throws(FileError) {
        let directory = store.quarantineDirectory(name)
        if CertificateSet.isWhole(in: directory, sha256: sha256) { return }
        try Installation(paths: requiredPaths(name), stateDirectory: store.root).copy(number, to: directory)
    }

    package func removeFromArchive(_ number: Int, sha256: String, of name: String) throws(FileError) {
        try Installation(paths: requiredPaths(name), stateDirectory: store.root).removeFromArchive(
            number, sha256: sha256)
    }

    package func discardQuarantine(_ name: String) throws(FileError) {
        let directory = store.quarantineDirectory(name)
        for kind in PEMKind.allCases { try FileSystem.remove("\(directory)/\(kind.rawValue).pem") }
    }
}

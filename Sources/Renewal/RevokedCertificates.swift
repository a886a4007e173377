package import ACME
package import FoundationEssentials
package import Lineages
package import PKI

/// The certificates that were revoked from this host, as `revoked.json` of the state directory has them: none of them is installed
/// again, and no key that somebody else has is used again.
package struct RevokedCertificates: Codable, Equatable, Sendable {
    /// One of them.
    package struct Entry: Codable, Equatable, Sendable {
        /// Of its DER, in hex.
        package let sha256: String
        package let serial: String
        /// As RFC 5280 §5.3.1 spells it.
        package let reason: String
        package let at: Date
        /// The certificate in DER where its key is compromised: other certificates may be for the same key.
        let compromised: Data?

        package init(_ certificate: Certificate, _ reason: RevocationReason, at now: Date) throws(PKIError) {
            (sha256, serial) = (try certificate.sha256(), certificate.serial)
            (self.reason, at) = ("\(reason)", now)
            compromised = reason == .keyCompromise ? Data(certificate.der) : nil
        }
    }

    /// In the order in which they were revoked.
    package private(set) var certificates: [Entry] = []
    /// What is wrong with the list; nil where it can be read. Nothing is installed again then, and no key used again.
    package let damage: String?

    private enum CodingKeys: String, CodingKey { case certificates }

    package init() { damage = nil }

    fileprivate init(damage: String) { self.damage = damage }

    package init(from decoder: any Decoder) throws {
        certificates = try decoder.container(keyedBy: CodingKeys.self).decode([Entry].self, forKey: .certificates)
        damage = nil
    }

    mutating func add(_ entry: Entry) {
        // The first reason stays, unless a later one says that somebody has the key.
        if entry.compromised != nil { certificates.removeAll { $0.sha256 == entry.sha256 } }
        if !certificates.contains(where: { $0.sha256 == entry.sha256 }) { certificates.append(entry) }
    }

    private var compromised: [Certificate] {
        certificates.compactMap { $0.compromised }.compactMap { try? Certificate(der: Array($0)) }
    }

    /// Why a certificate is not to be installed: it is revoked, or another one for its key was, since somebody else has that.
    package func reason(against certificate: Certificate) -> Entry? {
        let sha256 = try? certificate.sha256()
        if let own = certificates.first(where: { $0.sha256 == sha256 }) { return own }
        return certificates.first { entry in
            entry.compromised.flatMap { try? Certificate(der: Array($0)) }?.hasKey(of: certificate) ?? false
        }
    }

    package func bars(_ certificate: Certificate) -> Bool { damage != nil || reason(against: certificate) != nil }

    /// Whether somebody else has the private key in a PEM file. One that cannot be read is not known.
    package func isCompromised(keyAt path: String) -> Bool {
        if damage != nil { return true }
        let compromised = compromised
        guard !compromised.isEmpty, let pem = try? FileSystem.read(path) else { return false }
        return compromised.contains { (try? PrivateKey.fits(pem: pem, $0)) ?? false }
    }

    /// The SHA-256 of those versions of an archive that are barred: revoked, or for a key that somebody else has.
    ///
    /// - Parameter directory: `archive/NAME`.
    package func barred(in directory: String) -> Set<String> {
        var barred = Set(certificates.map(\.sha256))
        guard !compromised.isEmpty, let archive = try? Archive(directory: directory) else { return barred }
        for version in archive.versions.keys {
            guard let pem = try? FileSystem.read(archive.path(.cert, version)),
                let leaf = try? Certificate.chain(pem: pem).first, bars(leaf), let sha256 = try? leaf.sha256()
            else { continue }
            barred.insert(sha256)
        }
        return barred
    }
}

extension RevokedCertificates.Entry: CustomStringConvertible {
    package var description: String { "revoked (\(reason))" }
}

extension StateStore {
    private var revokedPath: String { "\(root)/revoked.json" }

    /// What was revoked.
    package func revoked() -> RevokedCertificates {
        do throws(FileError) {
            let bytes = try FileSystem.read(revokedPath)
            return (try? JSONDecoder.state.decode(RevokedCertificates.self, from: Data(bytes)))
                ?? RevokedCertificates(damage: "\(revokedPath) is damaged")
        } catch {
            // Who may not read the state directory installs nothing either.
            return error.isNotFound || error.isPermission
                ? RevokedCertificates() : RevokedCertificates(damage: "\(error)")
        }
    }

    /// Notes that a certificate is revoked: in the list, in the state of every lineage that shows it or has its compromised key, and in
    /// the history. What an earlier run has staged for a key that somebody else has is forgotten.
    ///
    /// - Parameters:
    ///   - lineage: the lineage that it is of; nil where it is of none.
    ///   - all: the lineages of the config directory.
    ///   - initiator: who began it, for the history.
    /// - Throws: also where the list is there and damaged: what it says must not be lost.
    package func note(
        revoked certificate: Certificate, _ reason: RevocationReason, of lineage: Lineage?, among all: [Lineage],
        by initiator: Initiator, at now: Date
    ) throws(FileError) {
        let revoked = try adding(certificate, reason, at: now)
        try FileSystem.makeDirectories(root, mode: 0o755)
        try write(revoked, to: revokedPath)
        for lineage in all {
            try noteState(of: lineage, revoked, at: now)
            guard reason == .keyCompromise else { continue }
            let staging = staging(lineage.name)
            if let key = staging.key, (try? PrivateKey.fits(pem: key, certificate)) ?? false { try staging.clear() }
        }
        guard let lineage else { return }
        let event = HistoryEvent(
            at: now, by: initiator, lineage: lineage.name, event: .revoked, from: certificate.serial,
            error: "\(reason)")
        try History(stateDirectory: root).append([event])
    }

    private func adding(
        _ certificate: Certificate, _ reason: RevocationReason, at now: Date
    ) throws(FileError) -> RevokedCertificates {
        var revoked = RevokedCertificates()
        do throws(FileError) {
            let bytes = try FileSystem.read(revokedPath)
            guard let known = try? JSONDecoder.state.decode(RevokedCertificates.self, from: Data(bytes)) else {
                throw FileError("read", revokedPath, because: "it is damaged")
            }
            revoked = known
        } catch {
            guard error.isNotFound else { throw error }
        }
        do throws(PKIError) {
            revoked.add(try RevokedCertificates.Entry(certificate, reason, at: now))
        } catch {
            throw FileError("write", revokedPath, because: "\(error)")
        }
        return revoked
    }

    private func noteState(of lineage: Lineage, _ revoked: RevokedCertificates, at now: Date) throws(FileError) {
        guard lineage.original == nil, let entry = lineage.certificate.flatMap({ revoked.reason(against: $0) }),
            let leaf = lineage.certificate.flatMap({ try? Leaf($0) })
        else { return }
        let (known, unreadable) = stateIfReadable(of: lineage, at: now)
        // What is damaged is found out again by the next run.
        guard unreadable == nil else { return }
        let version = RevokedVersion(sha256: leaf.sha256, reason: entry.reason, at: now)
        let state =
            known
            ?? LineageState(name: lineage.name)
            .applying(.found(leaf, number: lineage.version, staged: nil), at: now).state
        try save(state.applying(.revoked(version), at: now).state)
    }
}

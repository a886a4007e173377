package import PKI

/// The files of a certificate without a renewal config: `live/NAME` is there, and no `renewal/NAME.conf` or another one leads to it,
/// so that nothing renews it.
package struct OrphanedFiles: Sendable {
    package let name: String
    /// Where its renewal config would be.
    package let confPath: String
    package let certificate: Certificate
}

extension Tree {
    /// Those of this tree, in the order of their names.
    package func orphanedFiles() throws(Failure) -> [OrphanedFiles] {
        let names = Set(try lineageNames())
        let candidates = ((try? FileSystem.entries(of: "\(path)/live")) ?? []).sorted().compactMap { name in
            names.contains(name) ? nil : orphan(name)
        }
        guard !candidates.isEmpty else { return [] }
        let used = Set(try mapLineages { $0.paths.map { FileSystem.resolved($0.live) } }.compactMap(\.self))
        return candidates.filter { !used.contains(FileSystem.resolved("\(path)/live/\($0.name)")) }
    }

    private func orphan(_ name: String) -> OrphanedFiles? {
        guard let bytes = try? FileSystem.read("\(path)/live/\(name)/fullchain.pem"),
            let leaf = try? Certificate.chain(pem: bytes).first
        else { return nil }
        return OrphanedFiles(name: name, confPath: confPath(name), certificate: leaf)
    }
}

import FoundationEssentials
import PKI

/// Which version a lineage is to show, of all that can be made from what is on the disk. Pure.
struct RepairChoice {
    /// A certificate with its key.
    struct Candidate {
        let leaf: Certificate
        /// The number it has in the archive; nil where it has to be added.
        let version: Int?
        let place: RepairMaterial.Place
        /// The four files of a candidate that has to be added.
        let files: [PEMKind: [UInt8]]?
    }

    let target: Candidate?
    /// Whether live/ shows the target already.
    let isSettled: Bool

    init(_ scan: RepairScan, barred: Set<String>, at now: Date) {
        let all = RepairChoice.candidates(scan)
        let candidates = all.filter { candidate in
            ((try? candidate.leaf.sha256()).map { !barred.contains($0) }) ?? false
        }
        func isValid(_ leaf: Certificate) -> Bool {
            leaf.notAfter > now && leaf.notBefore <= now.addingTimeInterval(CertificateSet.backdating)
        }
        let numbers = Set(PEMKind.allCases.map { scan.shown[$0] })
        let current = numbers.count == 1 ? numbers.first.flatMap(\.self) : nil
        if let current, let shown = all.first(where: { $0.version == current }) {
            // Nothing is wrong with it: only a newer version that was never installed comes before it.
            let newer = candidates.filter {
                $0.version ?? 0 > current && isValid($0.leaf) && $0.leaf.notBefore >= shown.leaf.notBefore
            }
            target = newer.max { $0.version ?? 0 < $1.version ?? 0 } ?? shown
            isSettled = newer.isEmpty
            return
        }
        isSettled = false
        let valid = candidates.filter { isValid($0.leaf) }
        target = RepairChoice.newest(valid) ?? RepairChoice.newest(candidates)
    }

    /// The newest by its certificate. A version with the certificate of one before it was made by a rollback, and comes after all
    /// that it was put on top of.
    private static func newest(_ candidates: [Candidate]) -> Candidate? {
        func rank(_ candidate: Candidate) -> (date: Date, version: Int) {
            // What is not in the archive would become its highest number.
            guard let version = candidate.version else { return (candidate.leaf.notBefore, .max) }
            let below = candidates.filter { $0.version ?? .max < version }
            let isCopy = below.contains { $0.leaf.der == candidate.leaf.der }
            let date = isCopy ? below.map(\.leaf.notBefore).max() ?? candidate.leaf.notBefore : candidate.leaf.notBefore
            return (max(date, candidate.leaf.notBefore), version)
        }
        return candidates.max { rank($0) < rank($1) }
    }

    private static func candidates(_ scan: RepairScan) -> [Candidate] {
        var found: [Candidate] = []
        let versions = scan.versions.sorted { $0.key < $1.key }
        for (number, material) in versions where material.isWhole {
            if let leaf = material.leaf {
                found.append(Candidate(leaf: leaf, version: number, place: material.place, files: nil))
            }
        }
        let keys = ([scan.live.key] + versions.reversed().map(\.value.key)).compactMap(\.self)
        let known = names(scan)
        for material in versions.map(\.value) + [scan.live] {
            for chain in material.chains where !found.contains(where: { $0.leaf.der == chain[0].der }) {
                guard isOwn(chain[0], material, scan, known),
                    let key = ([material.key].compactMap(\.self) + keys).first(where: { $0.fits(chain[0]) }),
                    let files = material.isWhole ? material.files : assembled(key, chain)
                else { continue }
                found.append(Candidate(leaf: chain[0], version: nil, place: material.place, files: files))
            }
        }
        return found
    }

    private static func assembled(_ key: PrivateKey, _ chain: [Certificate]) -> [PEMKind: [UInt8]]? {
        var pem: [UInt8] = []
        for certificate in chain { pem += (try? certificate.pem()) ?? [] }
        guard let set = try? CertificateSet(key: key, chain: pem, names: [], after: nil, now: nil) else { return nil }
        return Dictionary(uniqueKeysWithValues: PEMKind.allCases.map { ($0, set.bytes($0)) })
    }

    /// The names that the lineage's certificates are for: those of its newest whole version, else of its conf, else of what its
    /// archive has; nil where nothing tells.
    private static func names(_ scan: RepairScan) -> Set<SubjectName>? {
        let versions = scan.versions.sorted { $0.key > $1.key }.map(\.value)
        if let whole = versions.first(where: \.isWhole)?.leaf { return Set(whole.names) }
        if !scan.confNames.isEmpty { return scan.confNames }
        return versions.lazy.compactMap(\.leaf).first.map { Set($0.names) }
    }

    /// Whether a leaf is this lineage's: a file in live/ may be a dummy that nginx was to start with, a symlink may lead to another
    /// lineage's certificate, and somebody may have copied a wrong file into the archive.
    private static func isOwn(
        _ leaf: Certificate, _ material: RepairMaterial, _ scan: RepairScan, _ known: Set<SubjectName>?
    ) -> Bool {
        guard let known else { return material.place != .live || !scan.leadsElsewhere }
        // A version may have been for more names, or for fewer.
        return material.place == .live ? Set(leaf.names) == known : !known.isDisjoint(with: leaf.names)
    }
}

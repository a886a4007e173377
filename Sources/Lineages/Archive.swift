/// The four files that make a version of a lineage.
package enum PEMKind: String, CaseIterable, Sendable {
    case privkey, cert, chain, fullchain
}

/// `archive/NAME`: every version of a lineage that was kept.
package struct Archive: Sendable {
    /// Its directory.
    package let directory: String
    /// The kinds that each version number has.
    package let versions: [Int: Set<PEMKind>]

    /// Looks into an archive directory; one that is not there is empty.
    package init(directory: String) throws(FileError) {
        self.directory = directory
        var versions: [Int: Set<PEMKind>] = [:]
        do throws(FileError) {
            for name in try FileSystem.entries(of: directory) {
                guard let (kind, number) = Archive.parse(name) else { continue }
                versions[number, default: []].insert(kind)
            }
        } catch  where error.isNotFound {
        }
        self.versions = versions
    }

    /// The number for the next version: one above the highest of any kind.
    package var next: Int { (versions.keys.max() ?? 0) + 1 }

    /// The highest version that all four kinds have.
    package var latestComplete: Int? {
        versions.filter { $0.value.count == PEMKind.allCases.count }.keys.max()
    }

    /// The path of one file of a version.
    package func path(_ kind: PEMKind, _ version: Int) -> String { Archive.path(kind, version, in: directory) }

    static func path(_ kind: PEMKind, _ version: Int, in directory: String) -> String {
        "\(directory)/\(kind.rawValue)\(version).pem"
    }

    /// Kind and number of a file name such as `fullchain12.pem`.
    package static func parse(_ name: String) -> (kind: PEMKind, version: Int)? {
        guard name.utf8.count > 5, name.hasSuffix(".pem") else { return nil }
        let stem = name.utf8.dropLast(4)
        func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
        guard let first = stem.firstIndex(where: isDigit), stem[first...].allSatisfy(isDigit),
            let kind = PEMKind(rawValue: String(name[..<first])),
            // No certificate is renewed as often as that; an absurd number has no next one.
            let number = Int32(name[first..<stem.endIndex]), number < .max
        else { return nil }
        return (kind, Int(number))
    }
}

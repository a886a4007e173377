package import Deployment
import FoundationEssentials
package import Lineages

/// certctl's books: one file a lineage in `STATE/lineages/`, and what the run as a whole owes in `STATE/run.json`.
///
/// Written atomically and synced, 0600. To be written with the tree's lock held.
package struct Ledger: Sendable {
    private let root: String

    /// The books in a state directory; nothing is made before something is written.
    package init(stateDirectory: String) { root = stateDirectory }

    /// What the books say about a lineage.
    package enum Knowledge: Sendable {
        case known(LedgerEntry)
        /// Nothing: the lineage is new here.
        case unknown
        /// Nothing that can be used: why.
        case unreadable(reason: String)
    }

    /// Looks a lineage up. Books that cannot be read never stop anything: what they said can be found out again.
    package func knowledge(of name: String) -> Knowledge {
        let path = path(name)
        do throws(FileError) {
            let bytes = try FileSystem.read(path)
            do {
                let format = try JSONDecoder.ledger.decode(LedgerEntry.Format.self, from: Data(bytes))
                guard format.schema <= LedgerEntry.schema else {
                    return .unreadable(reason: "\(path) is from a newer certctl")
                }
                return .known(try JSONDecoder.ledger.decode(LedgerEntry.self, from: Data(bytes)))
            } catch {
                return .unreadable(reason: "\(path) is damaged")
            }
        } catch {
            return error.isNotFound ? .unknown : .unreadable(reason: "\(error)")
        }
    }

    /// Writes a lineage's entry down.
    package func save(_ entry: LedgerEntry) throws(FileError) {
        try FileSystem.makeDirectories("\(root)/lineages", mode: 0o700)
        try write(entry, to: path(entry.name))
    }

    /// Makes sure, before anything is ordered, that the books can be kept.
    package func requireWritable() throws(FileError) {
        try FileSystem.makeDirectories("\(root)/lineages", mode: 0o700)
        try FileSystem.requireWritable("\(root)/lineages")
    }

    private func path(_ name: String) -> String { "\(root)/lineages/\(name).json" }

    private func write(_ value: some Encodable, to path: String) throws(FileError) {
        let bytes: Data
        do {
            bytes = try JSONEncoder.ledger.encode(value)
        } catch {
            throw FileError("write", path, because: "\(error)")
        }
        try NewFile(path, Array(bytes), mode: 0o600).commit()
    }

    // MARK: What a run owes

    /// What the books say that is owed.
    package enum Debts: Sendable {
        case known([Hook])
        case unreadable(reason: String)
    }

    /// The post hooks of a run that has begun to run pre hooks; none where everything is paid.
    package func debts() -> Debts {
        let path = "\(root)/run.json"
        do throws(FileError) {
            let bytes = try FileSystem.read(path)
            do {
                return .known(try JSONDecoder.ledger.decode([Hook].self, from: Data(bytes)))
            } catch {
                return .unreadable(reason: "\(path) is damaged, or from a newer certctl")
            }
        } catch {
            return error.isNotFound ? .known([]) : .unreadable(reason: "\(error)")
        }
    }

    /// Writes down what is owed from now on.
    package func owe(_ hooks: [Hook]) throws(FileError) {
        if hooks.isEmpty {
            try FileSystem.remove("\(root)/run.json")
        } else {
            try FileSystem.makeDirectories(root, mode: 0o700)
            try write(hooks, to: "\(root)/run.json")
        }
    }

    // MARK: The last run

    /// How the last run ended; nil where that is not known.
    package var lastRun: LastRun? {
        guard let bytes = try? FileSystem.read("\(root)/last-run.json") else { return nil }
        return try? JSONDecoder.ledger.decode(LastRun.self, from: Data(bytes))
    }

    /// Writes down how a run ended.
    package func note(_ run: LastRun) throws(FileError) { try write(run, to: "\(root)/last-run.json") }

    /// Whether the books are there, and this process may not read them.
    package var isForbidden: Bool {
        do throws(FileError) {
            _ = try FileSystem.entries(of: "\(root)/lineages")
            return false
        } catch {
            return error.isPermission
        }
    }

    /// Where a certificate that was taken back is kept.
    package func heldDirectory(_ name: String) -> String { "\(root)/held/\(name)" }

    // MARK: Staging

    /// Where the key and the chain of a certificate in the making are kept.
    package func staging(_ name: String) -> Staging { Staging(directory: stagingDirectory(name)) }

    func stagingDirectory(_ name: String) -> String { "\(root)/staged/\(name)" }
}

/// The key and, once the CA has issued it, the chain of a certificate that is not installed yet.
package struct Staging: Sendable {
    fileprivate let directory: String

    /// The staged key in PEM; nil where there is none.
    package var key: [UInt8]? { try? FileSystem.read("\(directory)/privkey.pem") }

    /// The staged chain in PEM; nil where there is none.
    package var chain: [UInt8]? { try? FileSystem.read("\(directory)/fullchain.pem") }

    /// Keeps a key before it is ordered for.
    package func stage(key pem: [UInt8]) throws(FileError) {
        try clear()
        try FileSystem.makeDirectories(directory, mode: 0o700)
        try NewFile("\(directory)/privkey.pem", pem, mode: 0o600).commit()
    }

    /// Keeps a chain as soon as it is there.
    package func stage(chain pem: [UInt8]) throws(FileError) {
        try NewFile("\(directory)/fullchain.pem", pem, mode: 0o600).commit()
    }

    /// Keeps both.
    package func stage(_ set: CertificateSet) throws(FileError) {
        try stage(key: set.bytes(.privkey))
        try stage(chain: set.bytes(.fullchain))
    }

    /// Forgets what is staged.
    package func clear() throws(FileError) {
        for file in ["privkey.pem", "fullchain.pem"] { try FileSystem.remove("\(directory)/\(file)") }
    }
}

extension JSONDecoder {
    fileprivate static var ledger: JSONDecoder {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        return decoder
    }
}

extension JSONEncoder {
    fileprivate static var ledger: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        return encoder
    }
}

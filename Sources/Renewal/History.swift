package import FoundationEssentials
package import Lineages
import Text

/// One line of the history: something that changed.
package struct HistoryEvent: Codable, Equatable, Sendable {
    /// What happened.
    package enum Kind: String, Codable, Sendable {
        /// A certificate was installed.
        case installed
        /// Its hooks have exited with 0.
        case deployed
        /// An endpoint serves it.
        case verified
        /// A lineage without state was taken over.
        case adopted
        /// An earlier version was installed again.
        case rolledBack = "rolled-back"
        /// A certificate was revoked from this host.
        case revoked
        /// Something failed, or is still not right.
        case failed
    }

    package var at: Date
    package var by: Initiator
    package var lineage: String
    package var event: Kind
    /// The serial that was installed before.
    package var from: String?
    /// The serial that is installed now.
    package var to: String?
    /// What failed.
    package var error: String?
    /// How long it took, in seconds.
    package var seconds: Double?
}

/// `history.jsonl` in the state directory: append-only, one JSON object a line, 0600.
package struct History: Sendable {
    private let path: String

    /// At this size the file is renamed to `history.jsonl.1`, which takes the place of the one before.
    static let rotationSize = 1 << 20

    package init(stateDirectory: String) { path = stateDirectory + "/history.jsonl" }

    /// Appends events.
    ///
    /// - Parameter isDurable: whether the lines are on the disk when this returns.
    package func append(_ events: [HistoryEvent], isDurable: Bool = true) throws(FileError) {
        if let size = try FileSystem.status(path, followingLinks: true)?.size, size >= History.rotationSize {
            try FileSystem.rename(path, to: path + ".1")
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        var lines: [UInt8] = []
        do {
            for var event in events {
                event.error = event.error?.line(atMost: PlainText.longestSentence)
                lines += try encoder.encode(event) + [UInt8(ascii: "\n")]
            }
        } catch {
            throw FileError("write", path, because: "\(error)")
        }
        try FileSystem.append(line: lines.dropLast(), to: path, mode: 0o600, isDurable: isDurable)
    }

    /// Every event that is kept, the oldest first; a line that was cut short by a crash is ignored.
    ///
    /// - Parameter name: only this lineage's.
    package func events(of name: String? = nil) throws(FileError) -> [HistoryEvent] {
        var events: [HistoryEvent] = []
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        for file in [path + ".1", path] {
            guard try FileSystem.status(file, followingLinks: true) != nil else { continue }
            for line in try FileSystem.read(file, limit: History.rotationSize * 2).split(separator: UInt8(ascii: "\n"))
            {
                guard let event = try? decoder.decode(HistoryEvent.self, from: Data(line)) else { continue }
                if name == nil || event.lineage == name { events.append(event) }
            }
        }
        return events
    }
}

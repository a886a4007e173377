package import FoundationEssentials
package import Lineages

/// What there is to say about every lineage: the document of `status --format json`, and of the file that each run leaves.
package struct StatusReport: Codable, Equatable, Sendable {
    /// Within a number, fields are only ever added.
    package static let schema = 2

    package private(set) var schema = StatusReport.schema
    /// When it was true.
    package var generatedAt: Date
    /// How the last run ended; nil where none is known.
    package var lastRun: LastRun?
    package var lineages: [LineageStatus]
    /// What a reader of this very report should know: it is not part of the document.
    package private(set) var remarks: [String] = []

    private enum CodingKeys: String, CodingKey {
        case schema, generatedAt, lastRun, lineages
    }

    /// Reads a document of schema 1 as well, which certctl 0.1.0 has left: it becomes one of the present schema.
    ///
    /// - Throws: for a schema that this version does not know, whose fields may mean something else.
    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        let found = try values.decode(Int.self, forKey: .schema)
        guard (1...StatusReport.schema).contains(found) else {
            throw DecodingError.dataCorruptedError(
                forKey: .schema, in: values, debugDescription: "schema \(found) is not known")
        }
        generatedAt = try values.decode(Date.self, forKey: .generatedAt)
        lastRun = try values.decodeIfPresent(LastRun.self, forKey: .lastRun)
        lineages = try values.decode([LineageStatus].self, forKey: .lineages)
    }

    package init(_ lineages: [LineageStatus], lastRun: LastRun?, at now: Date) {
        (self.lineages, self.lastRun, generatedAt) = (lineages, lastRun, now)
    }

    /// The lineages of a tree as they are now, without a lock, a write or the network.
    ///
    /// - Parameters:
    ///   - wanted: only these.
    ///   - known: what was read before and has not changed: it is not read again.
    package init(
        _ tree: Tree, _ ledger: StateStore, wanted: Set<String>? = nil, known: [String: Known] = [:],
        detail: LineageStatus.Detail = .full, at now: Date
    ) throws(Tree.Failure) {
        var texts = SharedTexts()
        let isForbidden = ledger.isForbidden
        var remarks = isForbidden ? ["cannot read the state directory: pending work is not shown"] : []
        let rows = try tree.mapLineages(wanted, known: known.mapValues(\.lineage)) { lineage in
            let (state, unreadable): (LineageState?, String?)
            if let saved = known[lineage.name]?.state {
                (state, unreadable) = (saved, nil)
            } else {
                (state, unreadable) = ledger.stateIfReadable(of: lineage, at: now)
            }
            // Whatever is pending would not be seen.
            if !isForbidden, let unreadable {
                remarks.append("\(lineage.name): cannot read its state: \(unreadable)")
            }
            var row = LineageStatus(lineage, state: state, detail: detail, at: now)
            row.share(&texts)
            return row
        }
        self.init(rows, lastRun: ledger.lastRun, at: now)
        self.remarks = remarks
    }

    /// A lineage as a run has left it.
    package struct Known: Sendable {
        package let lineage: Lineage
        /// Nil where it has to be looked up.
        let state: LineageState?
    }

    /// What a run has read of lineages and left as it was.
    package static func known(_ lineages: [Lineage], _ run: RunReport) -> [String: Known] {
        let unchanged = lineages.filter { !run.changed.contains($0.name) }
        return Dictionary(
            unchanged.map { ($0.name, Known(lineage: $0, state: $0.original == nil ? run.states[$0.name] : nil)) }
        ) { first, _ in first }
    }

    /// Brings what depends on the time up to a moment.
    package mutating func refresh(at now: Date) {
        for index in lineages.indices { lineages[index].refresh(at: now) }
    }

    /// Writes the document a lineage at a time: that of ten thousand is not held in memory twice.
    ///
    /// - Parameter write: called with one part after the other.
    package func writeJSON(_ write: (String) -> Void) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        func text(_ value: some Encodable, indentedBy depth: Int) throws -> String {
            let lines = String(decoding: try encoder.encode(value), as: UTF8.self)
            return lines.replacing("\n", with: "\n" + String(repeating: " ", count: depth))
        }
        write("{\n  \"generatedAt\" : \(try text(generatedAt, indentedBy: 2)),\n")
        if let lastRun { write("  \"lastRun\" : \(try text(lastRun, indentedBy: 2)),\n") }
        write("  \"lineages\" : [\n")
        for (index, lineage) in lineages.enumerated() {
            write("    \(try text(lineage, indentedBy: 4))\(index == lineages.count - 1 ? "" : ",")\n")
        }
        write("  ],\n  \"schema\" : \(schema)\n}\n")
    }
}

/// Texts that many lineages have in common, kept once.
private struct SharedTexts {
    private var known: Set<String> = []

    mutating func shared(_ text: String?) -> String? { text.map { known.insert($0).memberAfterInsert } }
}

extension LineageStatus {
    fileprivate mutating func share(_ texts: inout SharedTexts) {
        issuer = texts.shared(issuer)
        issuerCommonName = texts.shared(issuerCommonName)
        keyType = texts.shared(keyType)
        renewal.reason = texts.shared(renewal.reason) ?? ""
        // The lineage has the name of its first domain, as a rule.
        if domains.first == name { domains[0] = name }
    }
}

/// How a run ended.
package struct LastRun: Codable, Equatable, Sendable {
    /// When it ended.
    package var at: Date
    package var by: Initiator
    /// `renew`, `issue`, `deploy` or `rollback`.
    package var command: String
    package var exitCode: Int32

    package init(at: Date, by: Initiator, command: String, exitCode: Int32) {
        (self.at, self.by, self.command, self.exitCode) = (at, by, command, exitCode)
    }
}

/// The report that each run leaves for those who may not read the tree: monitoring agents.
///
/// World-readable: names, dates and errors are in it, and no secrets.
package struct StatusFile: Sendable {
    package let path: String

    /// Where it is on a host that says nothing else; /run is empty after a boot.
    package static let defaultPath = "/run/certctl/status.json"

    /// Where the report of a state directory is: the host's setting `status_file`, else ``defaultPath`` for the host's own state
    /// directory, and `status.json` in any other.
    package init(setting: String?, stateDirectory: String, isDefault: Bool) {
        path = setting ?? (isDefault ? StatusFile.defaultPath : stateDirectory + "/status.json")
    }

    /// More than the report of any host has.
    static let largest = 64 << 20

    package func write(_ report: StatusReport) throws {
        var text: [UInt8] = []
        try report.writeJSON { text += $0.utf8 }
        try ReportFile.write(text, to: path, makingDirectories: true)
    }

    /// The report; nil where there is none.
    ///
    /// - Throws: what keeps it from being read.
    package func read() throws -> StatusReport? {
        let bytes: [UInt8]
        do throws(FileError) {
            bytes = try FileSystem.read(path, limit: StatusFile.largest)
        } catch {
            if error.isNotFound { return nil }
            throw error
        }
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        do {
            return try decoder.decode(StatusReport.self, from: Data(bytes))
        } catch {
            throw FileError("read", path, because: "it is not a certctl report")
        }
    }
}

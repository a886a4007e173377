package import FoundationEssentials

/// A record that not all servers of its zone had when the time for it was up: kept of the last run, for `doctor`.
package struct LateRecord: Codable, Hashable, Sendable {
    /// The name of the TXT record, behind all CNAMEs.
    package let record: String
    package let zone: String
    /// The servers that did not have it, each with its address.
    package let lacking: [String]
    /// How many servers were asked.
    package let servers: Int
    /// How long they were waited for, in seconds.
    package let waited: Int
    package let at: Date

    package init(record: String, zone: String, lacking: [String], servers: Int, waited: Int, at: Date) {
        (self.record, self.zone, self.lacking, self.servers) = (record, zone, lacking, servers)
        (self.waited, self.at) = (waited, at)
    }

    /// What there is to say of it, in a line.
    package var sentence: String {
        "after \(waited) s \(lacking.count) of \(servers) servers of the zone \(zone) did not have \(record): "
            + lacking.joined(separator: ", ")
    }
}

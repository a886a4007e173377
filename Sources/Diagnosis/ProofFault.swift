import Renewal

/// What keeps names from being proven in another way than by a webroot, or may do so: with its evidence.
enum ProofFault: Hashable, Sendable {
    case credentialsMissing(path: String, of: String)
    case credentialsReadable(path: String, mode: UInt32)
    /// In the program's own words, which name what to install.
    case pluginUnusable(String, of: String)
    case recordLoop(String)
    case zoneNotDelegated(record: String, String)
    case recordStale(record: String, values: Int, server: String)
    case serversDisagree(record: String, servers: [String])
    case portTaken(port: Int, holder: String?)
    /// In the system's words.
    case portUnusable(String)
    case statelessWrong(place: String, answer: String)
    case portNotOpened(lineages: [String])

    var id: CheckID {
        switch self {
        case .credentialsMissing: .credentialsMissing
        case .credentialsReadable: .credentialsReadable
        case .pluginUnusable: .pluginUnusable
        case .recordLoop: .challengeRecordLoop
        case .zoneNotDelegated: .zoneNotDelegated
        case .recordStale: .challengeRecordStale
        case .serversDisagree: .challengeRecordDiffers
        case .portTaken, .portUnusable: .standalonePortTaken
        case .statelessWrong: .statelessWrong
        case .portNotOpened: .sandboxOutdated
        }
    }

    /// Whether a renewal fails by it.
    var isFailure: Bool {
        switch self {
        case .credentialsReadable, .recordStale, .serversDisagree, .portNotOpened: false
        default: true
        }
    }

    /// What was seen, in a line.
    var evidence: String {
        switch self {
        case .credentialsMissing(let path, let plugin): "the credentials file \(path) of \(plugin) does not exist"
        case .credentialsReadable(let path, let mode):
            "\(path) can be read by every user (mode \(String(mode & 0o7777, radix: 8)))"
        case .pluginUnusable(let words, let plugin): "\(plugin) cannot be used: \(words)"
        case .recordLoop(let words): words
        case .zoneNotDelegated(let record, let words): "no authoritative server is found for \(record): \(words)"
        case .recordStale(let record, let values, let server):
            "\(server) has \(values == 1 ? "a record" : "\(values) records") \(record) although no order is in progress"
        case .serversDisagree(let record, let servers):
            "the zone's servers differ about \(record): \(servers.joined(separator: ", "))"
        case .portTaken(let port, let holder):
            "\(holder ?? "another program") listens on port \(port), which authenticator standalone needs, and no pre hook stops it"
        case .portUnusable(let words): "authenticator standalone cannot listen: \(words)"
        case .statelessWrong(let place, let answer): "\(place) answers \(answer), not for the account in use"
        case .portNotOpened(let lineages):
            "certctl.service \(lineages.isEmpty ? "may listen on port 80, which nothing needs" : "may not listen on port 80, which \(lineages.joined(separator: ", ")) needs")"
        }
    }

    /// The same with what its remedy depends on.
    private var fault: Fault {
        switch self {
        case .credentialsMissing(let path, _): .credentialsMissing(path)
        case .credentialsReadable(let path, _): .credentialsReadable(path)
        case .pluginUnusable: .pluginUnusable
        case .recordLoop: .challengeRecordLoop
        case .zoneNotDelegated: .zoneNotDelegated
        case .recordStale(let record, _, _): .challengeRecordStale(record)
        case .serversDisagree: .challengeRecordDiffers
        case .portTaken(let port, _): .standalonePortTaken(port)
        case .portUnusable: .standaloneAddressWrong
        case .statelessWrong: .statelessWrong
        case .portNotOpened: .sandboxOutdated
        }
    }

    /// Adds it to what was found of a lineage.
    func add(to findings: inout Findings, _ lineage: String?, at place: String) {
        if isFailure {
            findings.fail(id, lineage, at: place, evidence, fault)
        } else {
            findings.warn(id, lineage, at: place, evidence, fault)
        }
    }
}

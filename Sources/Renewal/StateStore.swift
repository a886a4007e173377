package import Challenges
package import Deployment
package import FoundationEssentials
package import Lineages

/// certctl's state directory: one file a lineage in `STATE/lineages/`, what the run as a whole owes in `STATE/run.json`, the keys and
/// chains of certificates in the making in `STATE/staged/`, and those of versions that were rolled back in `STATE/held/`.
///
/// Written atomically, 0600, with the config directory's lock held.
package struct StateStore: Sendable {
    let root: String

    /// The state in a directory; nothing is made before something is written.
    package init(stateDirectory: String) { root = stateDirectory }

    /// What is known of a lineage.
    package enum Knowledge: Sendable {
        case known(LineageState)
        /// Nothing: the lineage is new here.
        case unknown
        /// Nothing that can be used: why.
        case unreadable(reason: String)

        /// What is known; nil where nothing is that could be used.
        package var state: LineageState? { if case .known(let state) = self { state } else { nil } }
    }

    /// Looks a lineage up. A file that cannot be read never stops anything: what it said can be found out again.
    package func knowledge(of name: String) -> Knowledge {
        let path = path(name)
        do throws(FileError) {
            let bytes = Data(try FileSystem.read(path))
            do {
                switch try JSONDecoder.state.decode(Format.self, from: bytes).schema {
                case ...0: return .unreadable(reason: "\(path) is damaged")
                case SchemaOne.schema:
                    return .known(try JSONDecoder.state.decode(SchemaOne.self, from: bytes).state(name: name))
                case ...LineageState.schema: return .known(try JSONDecoder.state.decode(LineageState.self, from: bytes))
                default: return .unreadable(reason: "\(path) is from a newer certctl")
                }
            } catch {
                return .unreadable(reason: "\(path) is damaged")
            }
        } catch {
            return error.isNotFound ? .unknown : .unreadable(reason: "\(error)")
        }
    }

    /// What every version of the format has, whatever else is in it.
    private struct Format: Decodable {
        let schema: Int
    }

    /// What is known of a lineage, as it applies to what live/ shows now: the answer that every command gives. Nil where nothing is.
    package func state(of lineage: Lineage, at now: Date) -> LineageState? {
        stateIfReadable(of: lineage, at: now).state
    }

    /// The same, and why nothing is known where a file could not be read.
    package func stateIfReadable(of lineage: Lineage, at now: Date) -> (state: LineageState?, unreadable: String?) {
        let state: LineageState
        switch knowledge(of: lineage.name) {
        case .known(let known): state = known
        case .unknown: return (nil, nil)
        case .unreadable(let reason): return (nil, reason)
        }
        guard lineage.original == nil else { return (state, nil) }
        // What is known of a version that cannot be read any more is past.
        guard let leaf = lineage.certificate.flatMap({ try? Leaf($0) }) else {
            return (state.host.live.version == nil ? state : nil, nil)
        }
        let staged = state.acquisition.isIssued ? staging(lineage.name).leaf?.sha256 : nil
        return (state.applying(.found(leaf, number: lineage.version, staged: staged), at: now).state, nil)
    }

    /// Writes the state of a lineage.
    ///
    /// - Parameter isDurable: whether it must survive a power cut; what is only found out again need not.
    package func save(_ state: LineageState, isDurable: Bool = true) throws(FileError) {
        try FileSystem.makeDirectories("\(root)/lineages", mode: 0o700)
        try write(state, to: path(state.name), isDurable: isDurable)
    }

    /// Makes sure, before anything is ordered, that state can be written.
    package func requireWritable() throws(FileError) {
        try FileSystem.makeDirectories("\(root)/lineages", mode: 0o700)
        try FileSystem.requireWritable("\(root)/lineages")
    }

    private func path(_ name: String) -> String { "\(root)/lineages/\(name).json" }

    /// What a file says that can be done without; nil where it cannot be read.
    func read<Value: Decodable>(_ type: Value.Type, from path: String) -> Value? {
        guard let bytes = try? FileSystem.read(path) else { return nil }
        return try? JSONDecoder.state.decode(type, from: Data(bytes))
    }

    func write(_ value: some Encodable, to path: String, isDurable: Bool = true) throws(FileError) {
        let bytes: Data
        do {
            bytes = try JSONEncoder.state.encode(value)
        } catch {
            throw FileError("write", path, because: "\(error)")
        }
        try NewFile(path, Array(bytes), mode: 0o600, isDurable: isDurable).commit()
    }

    // MARK: What a run owes

    /// The post hooks that are owed, as far as they are known.
    package enum OwedHooks: Sendable {
        case known([Hook])
        case unreadable(reason: String)
    }

    /// The post hooks of a run that has begun to run pre hooks; none where all have run.
    package func owedHooks() -> OwedHooks {
        let path = "\(root)/run.json"
        do throws(FileError) {
            let bytes = try FileSystem.read(path)
            do {
                return .known(try JSONDecoder.state.decode([Hook].self, from: Data(bytes)))
            } catch {
                return .unreadable(reason: "\(path) is damaged, or from a newer certctl")
            }
        } catch {
            return error.isNotFound ? .known([]) : .unreadable(reason: "\(error)")
        }
    }

    /// Writes what is owed from now on.
    package func owe(_ hooks: [Hook]) throws(FileError) {
        if hooks.isEmpty {
            try FileSystem.remove("\(root)/run.json")
        } else {
            try FileSystem.makeDirectories(root, mode: 0o700)
            try write(hooks, to: "\(root)/run.json")
        }
    }

    // MARK: Answers to challenges

    /// What a run has shown and not taken away again, of a lineage.
    package func presented(_ name: String) -> [PresentedChallenge] {
        read([PresentedChallenge].self, from: presentedPath(name)) ?? []
    }

    /// Notes what is about to be shown; an empty list, that nothing is any more.
    package func save(_ challenges: [PresentedChallenge], presentedFor name: String) throws(FileError) {
        if challenges.isEmpty { return try FileSystem.remove(presentedPath(name)) }
        try FileSystem.makeDirectories("\(root)/presented", mode: 0o700)
        try write(challenges, to: presentedPath(name))
    }

    private func presentedPath(_ name: String) -> String { "\(root)/presented/\(name).json" }

    // MARK: What CAs have said of this host

    /// What is known of a CA, by its directory URL.
    func authorities() -> [String: AuthorityState] {
        read([String: AuthorityState].self, from: "\(root)/authorities.json") ?? [:]
    }

    func save(_ authorities: [String: AuthorityState]) throws(FileError) {
        try write(authorities, to: "\(root)/authorities.json", isDurable: false)
    }

    // MARK: The last run

    /// How the last run ended; nil where that is not known.
    package var lastRun: LastRun? { read(LastRun.self, from: "\(root)/last-run.json") }

    /// Writes how a run ended.
    package func note(_ run: LastRun) throws(FileError) { try write(run, to: "\(root)/last-run.json") }

    /// Whether state exists, and this process may not read it.
    package var isForbidden: Bool {
        do throws(FileError) {
            _ = try FileSystem.entries(of: "\(root)/lineages")
            return false
        } catch {
            return error.isPermission
        }
    }

    /// Where a version that was rolled back is kept.
    package func quarantineDirectory(_ name: String) -> String { "\(root)/held/\(name)" }

    /// Where the key and the chain of a certificate in the making are kept.
    package func staging(_ name: String) -> Staging { Staging(directory: "\(root)/staged/\(name)") }
}

extension JSONDecoder {
    static var state: JSONDecoder {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        return decoder
    }
}

extension JSONEncoder {
    static var state: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        return encoder
    }
}

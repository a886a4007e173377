/// What becomes of a lineage's renewal config in a repair. Pure.
package enum ConfRepair: Sendable {
    /// It can be worked with.
    case asItIs(ConfFile)
    case rewritten(ConfFile, [RepairStep])
    case refused(RepairRefusal)

    package init(_ scan: ConfScan) {
        switch ConfRepair.readable(scan) {
        case .failure(let refusal): self = .refused(refusal)
        case .success(let (conf, steps)):
            var (conf, steps) = (conf, steps)
            do throws(ConfError) {
                switch ConfRepair.movedPlaces(conf, scan) {
                case .failure(let refusal):
                    self = .refused(refusal)
                    return
                case .success(let places):
                    for place in places {
                        try ConfRepair.move(&conf, from: place, to: scan.tree)
                        steps.append(.pathsMoved(from: place))
                    }
                }
                let missing = try ConfRepair.completePaths(&conf, scan)
                if !missing.isEmpty { steps.append(.pathsAdded(missing)) }
            } catch {
                self = .refused(.confNeedsEditor(path: scan.path, error))
                return
            }
            self = steps.isEmpty ? .asItIs(conf) : .rewritten(conf, steps)
        }
    }

    package var conf: ConfFile? {
        switch self {
        case .asItIs(let conf), .rewritten(let conf, _): conf
        case .refused: nil
        }
    }

    /// The conf, or a copy of it where it is lost.
    private static func readable(_ scan: ConfScan) -> Result<(ConfFile, [RepairStep]), RepairRefusal> {
        let refusal: RepairRefusal
        switch scan.content {
        case .directory, .link: return .failure(.confIsNoFile(path: scan.path))
        case .nothing, .fifo: refusal = .confLost(path: scan.path)
        case .file(let file) where !file.bytes.contains(where: { $0 > UInt8(ascii: " ") }):
            refusal = .confLost(path: scan.path)
        case .file(let file):
            do throws(ConfError) {
                let conf = try ConfFile(bytes: file.bytes)
                if conf.hasSection(["renewalparams"]) { return .success((conf, [])) }
                // What it has may be all that was written before the disk was full.
                refusal = .confLost(path: scan.path)
            } catch {
                if let bytes = latin1Comments(file.bytes), let conf = try? ConfFile(bytes: bytes) {
                    return .success((conf, [.recoded]))
                }
                // What never says how it is renewed is no conf that an editor could correct.
                let text = String(decoding: file.bytes, as: UTF8.self)
                refusal =
                    text.contains("[renewalparams]")
                    ? .confNeedsEditor(path: scan.path, error) : .confLost(path: scan.path)
            }
        }
        for spare in scan.spares {
            if let conf = try? ConfFile(bytes: spare.bytes), conf.hasSection(["renewalparams"]),
                conf.value("authenticator", in: ["renewalparams"]) != nil, isOf(scan.name, conf)
            {
                return .success((conf, [.confRestored(from: spare.path)]))
            }
        }
        return .failure(refusal)
    }

    /// Whether a copy is of this lineage's conf.
    private static func isOf(_ name: String, _ conf: ConfFile) -> Bool {
        guard case .string(let path) = conf.value(PEMKind.fullchain.rawValue) else { return false }
        return FileSystem.directory(of: path).map(FileSystem.name) == name
    }

    /// The bytes as UTF-8 where all that is not is in comments, and so is no value; nil otherwise.
    private static func latin1Comments(_ bytes: [UInt8]) -> [UInt8]? {
        guard String(validating: bytes, as: UTF8.self) == nil else { return nil }
        var result: [UInt8] = []
        for line in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            if !result.isEmpty || line.startIndex > 0 { result.append(UInt8(ascii: "\n")) }
            if String(validating: line, as: UTF8.self) != nil {
                result += line
            } else if line.first(where: { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\t") }) == UInt8(ascii: "#") {
                for byte in line { result += Array(String(Unicode.Scalar(byte)).utf8) }
            } else {
                return nil
            }
        }
        return result
    }
}

// MARK: Paths

extension ConfRepair {
    /// Keys of the top level with a path of the tree.
    private static let pathKeys = ["archive_dir", "cert", "privkey", "chain", "fullchain"]

    /// Where paths of a conf have the tree: `/etc/letsencrypt` for `/etc/letsencrypt/live/NAME/cert.pem`.
    static func places(in conf: ConfFile) -> [(key: String, place: String)] {
        pathKeys.compactMap { key in
            guard case .string(let path) = conf.value(key), path.hasPrefix("/") else { return nil }
            var place = FileSystem.directory(of: path)
            if key != "archive_dir" { place = place.flatMap(FileSystem.directory) }
            guard let part = place, FileSystem.name(of: part) == (key == "archive_dir" ? "archive" : "live"),
                let root = FileSystem.directory(of: part)
            else { return nil }
            return (key, root)
        }
    }

    /// The places where the tree was, and is not any more.
    private static func movedPlaces(_ conf: ConfFile, _ scan: ConfScan) -> Result<[String], RepairRefusal> {
        var moved: [String] = []
        for (_, place) in places(in: conf) where !moved.contains(place) {
            guard let other = scan.otherPlaces.first(where: { $0.path == place }) else { continue }
            if other.isView { return .failure(.seenElsewhere(place: place, tree: scan.tree)) }
            // Another tree, or the half of this one that was left: which of the two cannot be seen from here.
            if other.exists { return .failure(.placeExists(place: place, tree: scan.tree)) }
            guard scan.hasFiles else { return .failure(.confLeadsNowhere(place: place)) }
            moved.append(place)
        }
        return .success(moved)
    }

    /// Puts the tree's path in place of another in every path of the conf that is known to be one of the tree.
    private static func move(_ conf: inout ConfFile, from old: String, to new: String) throws(ConfError) {
        func moved(_ value: ConfFile.Value?) -> ConfFile.Value? {
            guard case .string(let path) = value, path == old || path.hasPrefix(old + "/") else { return nil }
            return .string(new + path.dropFirst(old.count))
        }
        for key in pathKeys {
            if let value = moved(conf.value(key)) { try conf.set(key, to: value) }
        }
        let section = ["renewalparams"]
        for key in ["config_dir", "work_dir", "logs_dir"] {
            if let value = moved(conf.value(key, in: section)) { try conf.set(key, to: value, in: section) }
        }
    }

    /// Adds the lines that lead to the files, where a conf lacks some and the tree has them in the usual place.
    private static func completePaths(_ conf: inout ConfFile, _ scan: ConfScan) throws(ConfError) -> [String] {
        guard scan.hasFiles else { return [] }
        let usual = LineagePaths(configDirectory: scan.tree, name: scan.name)
        var added: [String] = []
        for kind in [PEMKind.cert, .privkey, .chain, .fullchain] where conf.value(kind.rawValue) == nil {
            try conf.set(kind.rawValue, to: .string(usual.link(kind)))
            added.append(kind.rawValue)
        }
        return added
    }
}

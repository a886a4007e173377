import FoundationEssentials
import PKI

extension Tree {
    /// Reads one lineage. Never fails: what cannot be read is among its problems.
    package func lineage(_ name: String) -> Lineage { lineage(name, TreeBounds(path)) }

    func lineage(_ name: String, _ bounds: TreeBounds) -> Lineage {
        let confPath = confPath(name)
        let conf: ConfFile
        do throws(LineageProblem) {
            conf = try Tree.conf(at: confPath)
        } catch {
            return Lineage(
                name: name, confPath: confPath, conf: nil, options: nil, paths: nil, certificate: nil, version: nil,
                problems: [error])
        }
        var problems: [LineageProblem] = []
        var options: RenewalOptions?
        var paths: LineagePaths?
        do throws(LineageProblem) {
            guard conf.hasSection(["renewalparams"]) else {
                throw LineageProblem(.confIncomplete, "\(confPath) has no section [renewalparams]")
            }
            options = try RenewalOptions(conf, defaults: defaults)
        } catch {
            problems.append(error)
        }
        var live = LiveFiles()
        do throws(LineageProblem) {
            let found = try LineagePaths(conf, configDirectory: path, name: name)
            paths = found
            if let problem = bounds.problem(with: found, of: name) { problems.insert(problem, at: 0) }
            live = LiveFiles(found)
        } catch {
            problems.append(error)
        }
        problems += live.problems
        problems += options?.remarks ?? []
        problems += ConfOptions.problems(in: conf)
        return Lineage(
            name: name, confPath: confPath, conf: conf, options: options, paths: paths, certificate: live.certificate,
            version: live.version, problems: problems.filter(\.isFatal) + problems.filter { !$0.isFatal })
    }

    private static func conf(at path: String) throws(LineageProblem) -> ConfFile {
        let bytes: [UInt8]
        do throws(FileError) {
            bytes = try FileSystem.read(path)
        } catch {
            throw LineageProblem(.confUnreadable, "\(error)")
        }
        guard bytes.contains(where: { $0 > UInt8(ascii: " ") }) else {
            throw LineageProblem(.confMalformed, "\(path) is empty")
        }
        do throws(ConfError) {
            return try ConfFile(bytes: bytes)
        } catch {
            let isConf = String(decoding: bytes, as: UTF8.self).contains("[renewalparams]")
            throw LineageProblem(.confMalformed, "\(path): \(error)", line: isConf ? error.line : nil)
        }
    }
}

/// What the four paths in live/ lead to.
private struct LiveFiles {
    var certificate: Certificate?
    var version: Int?
    var problems: [LineageProblem] = []

    init() {}

    init(_ paths: LineagePaths) {
        guard readLinks(paths), let bytes = read(paths.link(.cert)),
            let leaf = chain(bytes, paths.link(.cert))?.first
        else { return }
        certificate = leaf
        checkKey(paths, leaf)
        checkFullchain(paths, leaf, cert: bytes)
        if let version, let archive = try? Archive(directory: paths.archive), let latest = archive.latestComplete,
            latest > version
        {
            checkNewer(archive, latest, live: version)
        }
    }

    /// certbot makes the highest complete version live at its next renewal, whatever it holds.
    private mutating func checkNewer(_ archive: Archive, _ latest: Int, live version: Int) {
        var files: [PEMKind: [UInt8]] = [:]
        for kind in PEMKind.allCases {
            do throws(FileError) {
                files[kind] = try FileSystem.read(archive.path(kind, latest))
            } catch {
                // A user who may not read keys gets what the rest shows.
                if error.isPermission { files[kind] = try? FileSystem.read(archive.path(kind, version)) }
            }
        }
        let material = RepairMaterial(.version(latest), files)
        guard material.isWhole, let leaf = material.leaf else {
            let readsKeys = (try? FileSystem.read(archive.path(.privkey, latest))) != nil
            guard readsKeys || material.leaf == nil else { return }
            report(
                .archiveDamaged,
                "version \(latest) in \(archive.directory) is damaged, and certbot's next renewal would install it",
                isFatal: false)
            return
        }
        // One that has expired since is nothing that anybody waits for.
        guard leaf.notAfter > Date.now else { return }
        report(
            .newerVersion, "version \(latest) is in \(archive.directory), but live/ shows version \(version)",
            isFatal: false)
    }

    private mutating func report(_ code: LineageProblem.Code, _ message: String, isFatal: Bool = true) {
        problems.append(LineageProblem(code, message, isFatal: isFatal))
    }

    /// False when not even the links can be looked at.
    private mutating func readLinks(_ paths: LineagePaths) -> Bool {
        var versions: [PEMKind: Int] = [:]
        var archive = ArchiveDirectory(paths.archive)
        for kind in [PEMKind.cert, .privkey, .chain, .fullchain] {
            let link = paths.link(kind)
            do throws(FileError) {
                guard let text = try FileSystem.linkTextIfLink(link) else {
                    if try FileSystem.status(link) == nil {
                        report(.liveMissing, "\(link) is missing")
                    } else {
                        report(.liveNotALink, "\(link) is not a link into \(paths.archive)")
                    }
                    continue
                }
                guard try FileSystem.status(link, followingLinks: true) != nil else {
                    report(.liveMissing, "\(link) points to \(text), which is not there")
                    continue
                }
                guard let version = try LiveFiles.version(of: link, text, kind, &archive) else {
                    report(
                        .liveInconsistent,
                        "\(link) points to \(text), not to a \(kind.rawValue) in \(paths.archive)")
                    continue
                }
                versions[kind] = version
            } catch {
                report(.unreadable, "\(error)")
                return false
            }
        }
        guard let version = versions[.cert], versions.count == PEMKind.allCases.count else { return true }
        guard versions.values.allSatisfy({ $0 == version }) else {
            let list = versions.sorted { $0.key.rawValue < $1.key.rawValue }.map { "\($0.key.rawValue) \($0.value)" }
            report(
                .liveInconsistent,
                "the links in \(paths.live) show different versions: \(list.joined(separator: ", "))")
            return true
        }
        self.version = version
        return true
    }

    /// The version that a link shows, nil if it leads out of the archive or to another kind of file.
    private static func version(
        of link: String, _ text: String, _ kind: PEMKind, _ archive: inout ArchiveDirectory
    ) throws(FileError) -> Int? {
        let target = text.hasPrefix("/") ? text : "\(FileSystem.directory(of: link) ?? ".")/\(text)"
        guard let (found, version) = Archive.parse(FileSystem.name(of: target)), found == kind,
            let directory = FileSystem.directory(of: target), try archive.isAt(directory)
        else { return nil }
        return version
    }

    private mutating func read(_ path: String) -> [UInt8]? {
        do throws(FileError) {
            return try FileSystem.read(path)
        } catch {
            if !error.isNotFound { report(.unreadable, "\(error)") }
            return nil
        }
    }

    private mutating func chain(_ bytes: [UInt8], _ path: String) -> [Certificate]? {
        do throws(PKIError) {
            return try Certificate.chain(pem: bytes)
        } catch {
            report(.certificateMalformed, "\(path): \(error)")
            return nil
        }
    }

    private mutating func checkKey(_ paths: LineagePaths, _ leaf: Certificate) {
        let path = paths.link(.privkey)
        do throws(FileError) {
            let bytes = try FileSystem.read(path)
            do throws(PKIError) {
                guard try PrivateKey.fits(pem: bytes, leaf) else {
                    report(.keyMismatch, "the key in \(path) does not fit the certificate beside it")
                    return
                }
            } catch {
                report(.keyMalformed, "\(path): \(error)")
            }
        } catch {
            // A user who may not read keys can still see the certificates.
            if !error.isNotFound, !error.isPermission { report(.unreadable, "\(error)") }
        }
    }

    private mutating func checkFullchain(_ paths: LineagePaths, _ leaf: Certificate, cert: [UInt8]) {
        let path = paths.link(.fullchain)
        guard let bytes = read(path) else { return }
        // The usual case, and then there is only the rest to read.
        if bytes.starts(with: cert) {
            do throws(PKIError) {
                _ = try Certificate.chain(pem: Array(bytes[cert.count...]))
            } catch .noCertificate {
                // A chain may be empty.
            } catch {
                report(.certificateMalformed, "\(path), after its first certificate: \(error)")
            }
            return
        }
        guard let first = chain(bytes, path)?.first else { return }
        if first.der != leaf.der {
            report(.fullchainMismatch, "\(path) does not begin with the certificate of \(paths.link(.cert))")
        }
    }
}

/// The archive's directory, by whatever path: links lead to it by way of `live/NAME`.
private struct ArchiveDirectory {
    private let path: String
    /// The path that was last found to lead there: all four links have the same.
    private var known: String?

    init(_ path: String) { self.path = path }

    mutating func isAt(_ other: String) throws(FileError) -> Bool {
        if other == known { return true }
        guard try FileSystem.isSame(other, path) else { return false }
        known = other
        return true
    }
}

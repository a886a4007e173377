/// What a repair does, for people.
package enum RepairStep: Hashable, Sendable, CustomStringConvertible {
    /// The conf's paths led to where the tree was before.
    case pathsMoved(from: String)
    /// The conf lacked the lines of these keys.
    case pathsAdded([String])
    /// The conf was lost, and a copy stands beside it.
    case confRestored(from: String)
    /// Comments were in another encoding than UTF-8.
    case recoded
    /// The archive was renamed, and gets its name back.
    case archiveRenamed(from: String)
    /// Files that are in no version become the next one.
    case takenIn(version: Int, from: RepairMaterial.Place)
    /// The symlinks of `live/NAME` are set.
    case linked(version: Int)
    /// What an update of certbot's left when it was cut short.
    case leftoversRemoved([String])
    /// A damaged version that certbot would make live, removed from the archive.
    case versionRemoved(Int)
    /// A named pipe, which hangs a program that opens it.
    case pipeRemoved(path: String)

    package var description: String {
        switch self {
        case .pathsMoved(let place):
            "the renewal config's paths lead to \(place), where the directory was: rewrite them"
        case .pathsAdded(let keys): "the renewal config lacks \(keys.joined(separator: ", ")): add the usual paths"
        case .confRestored(let path): "the renewal config is lost: restore it from \(path)"
        case .recoded: "comments of the renewal config are not UTF-8: convert them from Latin-1"
        case .archiveRenamed(let path): "the archive was renamed, and is \(path) now: rename it back"
        case .takenIn(let version, let place): "add \(place) to the archive as version \(version)"
        case .linked(let version): "set the symlinks in live/ to version \(version)"
        case .leftoversRemoved(let names): "remove what an interrupted certbot left: \(names.joined(separator: ", "))"
        case .versionRemoved(let version):
            "remove version \(version) from the archive: it is damaged, and certbot would install it"
        case .pipeRemoved(let path): "remove the named pipe \(path)"
        }
    }
}

/// Why a lineage cannot be repaired from what is on the disk.
package enum RepairRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    /// The conf is empty or missing, and no copy of it stands beside it.
    case confLost(path: String)
    /// A directory stands in its place, or a symlink to nothing.
    case confIsNoFile(path: String)
    /// A line has to be corrected by hand.
    case confNeedsEditor(path: String, ConfError)
    /// The conf leads to a place that is not this tree, and is there.
    case placeExists(place: String, tree: String)
    /// The conf is right in a container, which has this tree at that path.
    case seenElsewhere(place: String, tree: String)
    /// The conf leads to what is not there, and this tree has no files of the lineage.
    case confLeadsNowhere(place: String)
    /// Another problem with what the conf says.
    case conf(LineageProblem)
    /// A file cannot be looked at.
    case file(FileError)
    /// `live/NAME` is no directory, or a directory stands in place of one of its symlinks.
    case notADirectory(path: String)
    /// No whole version is in the archive or in live/.
    case nothingFit
    /// Its archive was renamed, and more than one directory may be it.
    case archiveUnknown([String], should: String)
    /// A newer certificate than any on the disk is served: a reload would lose it.
    case olderThanServed(endpoint: String)

    package var description: String {
        switch self {
        case .confLost(let path): "\(path) is lost, and no copy of it is beside it"
        case .confIsNoFile(let path): "\(path) is not a regular file"
        case .confNeedsEditor(let path, let error): "\(path): \(error)"
        case .placeExists(let place, let tree):
            "the renewal config leads to \(place), which exists and is not \(tree)"
        case .seenElsewhere(let place, let tree):
            "the renewal config is right where \(tree) is mounted at \(place): in a container, say, that runs certbot"
        case .confLeadsNowhere(let place):
            "the renewal config leads to \(place), which does not exist, and no files of the certificate are here"
        case .conf(let problem): "\(problem)"
        case .file(let error): "\(error)"
        case .notADirectory(let path): "\(path) is not what belongs there, and is not touched"
        case .nothingFit: "no version with a certificate and its key is in the archive or in live/"
        case .archiveUnknown(let found, let path):
            "\(path) is missing, and each of \(found.joined(separator: ", ")) may be what it was before it was renamed"
        case .olderThanServed(let endpoint):
            "\(endpoint) serves a newer certificate than any on the disk, which a reload would lose"
        }
    }

    /// What helps instead.
    package enum Remedy: Hashable, Sendable {
        /// A new certificate under the same name.
        case issue
        /// The same, after the lost conf has been moved away.
        case issueWithoutConf
        /// A person corrects the file, at this line where it is known.
        case editor(path: String, line: Int?)
        /// A person has to look; this says at what.
        case person(String)
    }

    package var remedy: Remedy {
        switch self {
        case .confLost: .issueWithoutConf
        case .confIsNoFile(let path): .person("move \(path) away, and restore the file from a backup")
        case .confNeedsEditor(let path, let error): .editor(path: path, line: error.line)
        case .placeExists(let place, let tree):
            .person(
                "name the right one with --config-dir, or move away the one of \(place) and \(tree) that is not used")
        case .seenElsewhere(let place, _):
            .person("run the renewals where the directory is at \(place), or mount it at \(place) on this host, too")
        case .confLeadsNowhere, .nothingFit, .olderThanServed: .issue
        case .archiveUnknown(_, let path):
            .person("rename the right one to \(path); openssl x509 -noout -dates -in cert1.pem shows how old one is")
        case .conf: .person("correct the renewal config")
        case .file(let error): .person(error.isPermission ? "run it as root" : "look at \(error.path)")
        case .notADirectory(let path): .person("move \(path) away, and run certctl repair again")
        }
    }
}

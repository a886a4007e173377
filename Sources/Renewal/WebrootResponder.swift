import ACME
import Glibc
import Lineages
package import PKI
import Synchronization

/// Answers http-01 by a file that the web server shows: `WEBROOT/.well-known/acme-challenge/TOKEN` (RFC 8555 §8.3).
///
/// The file is 0644 and new directories 0755, owned like the webroot, so that a server in a container can read them.
package struct WebrootResponder: ChallengeResponder {
    /// Which directory is the web server's root for a name.
    private let webroots: [SubjectName: String]
    private let made = MadeDirectories()

    package let challengeType = "http-01"

    /// Why a name's challenge cannot be answered.
    package enum Failure: Error, Sendable, CustomStringConvertible {
        case noWebroot(SubjectName)
        case missing(String)
        case notADirectory(String)
        case notWritable(String, reason: String)

        package var description: String {
            switch self {
            case .noWebroot(let name):
                "no webroot is known for \(name): its conf has neither webroot_map nor webroot_path"
            case .missing(let path):
                "webroot \(path) does not exist: create it, and have nginx serve /.well-known/acme-challenge/ from it"
            case .notADirectory(let path): "webroot \(path) is not a directory"
            case .notWritable(let path, let reason): "webroot \(path) is not writable: \(reason)"
            }
        }
    }

    /// Checks, without writing anything, that every name has a webroot that can be written to.
    package init(webroots: [SubjectName: String], names: [SubjectName]) throws(Failure) {
        for name in names {
            guard let webroot = webroots[name] else { throw .noWebroot(name) }
            try WebrootResponder.check(webroot)
        }
        self.webroots = webroots
    }

    private static func check(_ webroot: String) throws(Failure) {
        let status: FileSystem.Status?
        do throws(FileError) {
            status = try FileSystem.status(webroot, followingLinks: true)
        } catch {
            throw .notWritable(webroot, reason: error.cause)
        }
        guard let status else { throw .missing(webroot) }
        guard status.kind == .directory else { throw .notADirectory(webroot) }
        // The deepest directory that is there is the one that has to be written to.
        let deepest = ["/.well-known/acme-challenge", "/.well-known", ""].lazy.map { webroot + $0 }
            .first { (try? FileSystem.status($0, followingLinks: true)) != nil }
        do throws(FileError) {
            if let deepest { try FileSystem.requireWritable(deepest) }
        } catch {
            throw .notWritable(webroot, reason: error.cause)
        }
    }

    package func present(token: String, keyAuthorization: String, for name: SubjectName) async throws {
        guard let webroot = webroots[name] else { throw Failure.noWebroot(name) }
        let root = try FileSystem.status(webroot, followingLinks: true)
        for directory in ["\(webroot)/.well-known", "\(webroot)/.well-known/acme-challenge"]
        where try FileSystem.status(directory, followingLinks: true) == nil {
            try FileSystem.makeDirectory(directory, mode: 0o755)
            made.paths.withLock { $0.append(directory) }
            // Where this is refused (not root), the directory is the caller's, which serves as well.
            if let root { unsafe _ = chown(directory, root.owner, root.group) }
        }
        if let thumbprint = keyAuthorization.split(separator: ".").last {
            removeLeftovers(of: String(thumbprint), in: "\(webroot)/.well-known/acme-challenge")
        }
        try NewFile(path(of: token, in: webroot), Array(keyAuthorization.utf8), mode: 0o644).commit()
    }

    package func cleanUp(token: String, for name: SubjectName) async {
        guard let webroot = webroots[name] else { return }
        try? FileSystem.remove(path(of: token, in: webroot))
        // The inner one was made last. One that is not empty yet stays for the next call.
        for directory in made.paths.withLock({ $0 }).reversed() { try? FileSystem.removeDirectory(directory) }
    }

    /// Removes what runs that were killed left behind: files with an answer of the same account, and halves of such files.
    ///
    /// Only old ones: another host may share the webroot and the account, and wait for an answer at this moment.
    private func removeLeftovers(of thumbprint: String, in directory: String) {
        let names = (try? FileSystem.entries(of: directory)) ?? []
        for name in names.prefix(WebrootResponder.mostLeftovers) {
            let path = "\(directory)/\(name)"
            var status = stat()
            guard unsafe lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
                time(nil) - status.st_mtim.tv_sec > WebrootResponder.oldAge
            else { continue }
            let isHalf = name.hasPrefix(".") && name.hasSuffix(NewFile.suffix)
            if isHalf || (try? FileSystem.read(path)) == Array("\(name).\(thumbprint)".utf8) {
                try? FileSystem.remove(path)
            }
        }
    }

    /// No CA looks at an answer for longer than this, in seconds.
    private static let oldAge = 3600
    /// A directory with more files than this is somebody else's store, not to be read through at every renewal.
    private static let mostLeftovers = 1000

    private func path(of token: String, in webroot: String) -> String {
        "\(webroot)/.well-known/acme-challenge/\(token)"
    }

    /// The directories that were not there before: they go with the last file in them.
    private final class MadeDirectories: Sendable {
        let paths = Mutex<[String]>([])
    }
}

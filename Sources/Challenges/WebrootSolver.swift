package import ACME
import Glibc
package import Lineages
package import PKI
import Synchronization

/// Answers http-01 by a file in a ``Webroot`` (RFC 8555 §8.3).
package struct WebrootSolver: ChallengeSolver {
    /// Which directory is the web server's root for a name.
    private let webroots: [SubjectName: String]
    private let made = MadeDirectories()

    /// Why a name's challenge cannot be answered.
    package enum Failure: Error, Sendable, CustomStringConvertible {
        case noWebroot(SubjectName)
        case missing(String)
        case notADirectory(String)
        case notWritable(String, reason: String)
        /// Something in the webroot is in the way: no directory, or a link that is not followed.
        case obstructed(String, by: FileError)

        fileprivate init(_ webroot: String, _ error: FileError) {
            self =
                error.code == 0
                ? .obstructed(webroot, by: error)
                : .notWritable(webroot, reason: error.path == webroot ? error.cause : "\(error)")
        }

        package var description: String {
            switch self {
            case .noWebroot(let name):
                "no webroot is known for \(name): its renewal config has neither webroot_map nor webroot_path"
            case .missing(let path):
                "webroot \(path) does not exist: create it, and have nginx serve /.well-known/acme-challenge/ from it"
            case .notADirectory(let path): "webroot \(path) is not a directory"
            case .notWritable(let path, let reason): "webroot \(path) is not writable: \(reason)"
            case .obstructed(let path, let error): "webroot \(path) takes no challenge files: \(error)"
            }
        }

        /// What clears the way; nil where something else is wrong.
        package var advice: String? {
            guard case .obstructed(_, let error) = self else { return nil }
            return
                "put a directory there, or a link of root's to one (chown -h root \(error.path), if it leads where it should)"
        }
    }

    /// Checks, without writing anything, that every name has a webroot that can be written to.
    package init(webroots: [SubjectName: String], names: [SubjectName]) throws(Failure) {
        for name in names {
            guard let webroot = webroots[name] else { throw .noWebroot(name) }
            try WebrootSolver.check(webroot)
        }
        self.webroots = webroots
    }

    private static func check(_ webroot: String) throws(Failure) {
        let status: FileSystem.Status?
        do throws(FileError) {
            status = try FileSystem.status(webroot, followingLinks: true)
        } catch {
            throw Failure(webroot, error)
        }
        guard let status else { throw .missing(webroot) }
        guard status.kind == .directory else { throw .notADirectory(webroot) }
        do throws(FileError) {
            try Webroot(webroot).requireWritable()
        } catch {
            throw Failure(webroot, error)
        }
    }

    /// Every name that has a webroot is proven by http-01; a whole level cannot be.
    package func challengeType(for name: SubjectName) -> String? {
        webroots[name] == nil || name.isWildcard ? nil : "http-01"
    }

    package func present(_ challenges: [PendingChallenge]) async throws {
        for challenge in challenges {
            do {
                try present(challenge)
            } catch {
                throw ChallengeFailure(challenge.name, reason: "\(error)")
            }
        }
    }

    private func present(_ challenge: PendingChallenge) throws {
        guard let path = webroots[challenge.name] else { throw Failure.noWebroot(challenge.name) }
        let webroot = Webroot(path)
        if let thumbprint = challenge.keyAuthorization.split(separator: ".").last {
            removeLeftovers(of: String(thumbprint), in: webroot)
        }
        try webroot.put(challenge.token, Array(challenge.keyAuthorization.utf8)) { part in
            made.parts.withLock { _ = $0[webroot, default: []].insert(part) }
        }
    }

    package func cleanUp(_ challenges: [PendingChallenge]) async {
        for challenge in challenges {
            guard let path = webroots[challenge.name] else { continue }
            let webroot = Webroot(path)
            // A directory that is not empty yet stays for the next call.
            webroot.remove(challenge.token, made: made.parts.withLock { $0[webroot] ?? [] })
        }
    }

    /// Removes what runs that were killed left behind: files with an answer of the same account, and halves of such files.
    ///
    /// Only old ones: another host may share the webroot and the account, and wait for an answer at this moment.
    private func removeLeftovers(of thumbprint: String, in webroot: Webroot) {
        guard let directory = try? webroot.challenges(), let names = try? directory.entries() else { return }
        for name in names.prefix(WebrootSolver.mostLeftovers) {
            guard let status = try? directory.status(name), status.kind == .file,
                time(nil) - status.modified > WebrootSolver.oldAge
            else { continue }
            let isHalf = name.hasPrefix(".") && name.hasSuffix(NewFile.suffix)
            if isHalf || (try? directory.read(name)) == Array("\(name).\(thumbprint)".utf8) {
                try? directory.remove(name)
            }
        }
    }

    /// No CA looks at an answer for longer than this, in seconds.
    private static let oldAge = 3600
    /// A directory with more files than this is somebody else's store, not to be read through at every renewal.
    private static let mostLeftovers = 1000

    /// The directories that were not there before: they go with the last file in them.
    private final class MadeDirectories: Sendable {
        let parts = Mutex<[Webroot: Set<Webroot.Part>]>([:])
    }
}

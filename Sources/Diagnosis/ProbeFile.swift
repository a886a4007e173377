import Glibc
import Lineages
import Synchronization

/// A file in a webroot's challenge directory, to see whether it comes back by http; it is gone when the value's user is done.
///
/// What had to be made for it goes as well. ``removeAll()`` takes away what is there at a signal.
package struct ProbeFile: Hashable, Sendable {
    let webroot: Webroot
    let token: String
    let content: String

    /// The files that are there or about to be, with the directories made for each; nil when no more may be made.
    private static let present = Mutex<[ProbeFile: Set<Webroot.Part>]?>([:])

    /// The files were taken away by ``removeAll()`` while this one was on its way.
    struct Interrupted: Error {}

    /// A name that no CA's token has, and a content that no other server returns.
    init(webroot: String) {
        self.webroot = Webroot(webroot)
        token = "certctl-doctor-\(UInt64.random(in: .min ... .max))"
        content = "certctl doctor looks at its own file \(UInt64.random(in: .min ... .max))\n"
    }

    var path: String { "\(webroot.path)/.well-known/acme-challenge/\(token)" }

    /// Puts the file there, readable for everybody, as a challenge's answer would be.
    ///
    /// - Throws: a ``FileError``, or ``Interrupted``; nothing is there then.
    func write() throws {
        // Noted before it is made: a signal may come at any moment, and the look at a webroot may hang.
        try note([], isNew: true)
        var made: Set<Webroot.Part> = []
        do {
            try webroot.put(token, Array(content.utf8)) { part in
                made.insert(part)
                try note(made)
            }
            // Another program that removed it meanwhile did not see it.
            try note(made)
        } catch {
            ProbeFile.present.withLock { _ = $0?.removeValue(forKey: self) }
            webroot.remove(token, made: made)
            throw error
        }
    }

    /// Takes the file away, and what was made for it.
    func remove() {
        let made = ProbeFile.present.withLock { $0?.removeValue(forKey: self) }
        if let made { webroot.remove(token, made: made) }
    }

    /// Gives up a file whose writing hangs: it goes when it comes.
    func abandon() { remove() }

    /// Takes away every file that is there now, at once, and the directories made for them; no more are made.
    package static func removeAll() {
        let files = present.withLock { present in
            defer { present = nil }
            return present ?? [:]
        }
        for (file, made) in files { file.webroot.remove(file.token, made: made) }
    }

    /// Notes what has been made for the file, unless it is abandoned.
    private func note(_ made: Set<Webroot.Part>, isNew: Bool = false) throws(Interrupted) {
        let isWanted = ProbeFile.present.withLock { present in
            guard present != nil, isNew || present?[self] != nil else { return false }
            present?[self] = made
            return true
        }
        if !isWanted { throw Interrupted() }
    }
}

extension ProbeFile {
    /// The first directory on the way to the file, or the file, that not everybody may enter or read; nil where there is none.
    static func obstacle(onWayTo path: String) -> String? {
        let resolved = FileSystem.resolved(path)
        var place = ""
        let parts = resolved.split(separator: "/")
        for part in parts {
            place += "/\(part)"
            guard let status = try? FileSystem.status(place, followingLinks: true) else { return nil }
            // Enter a directory, read a file.
            let needed: UInt32 = status.kind == .directory ? 0o001 : 0o004
            if status.mode & needed == 0 { return "\(place) has mode \(String(status.mode, radix: 8))" }
        }
        return nil
    }
}

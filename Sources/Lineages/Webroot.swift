import Glibc

/// A web server's root, of which challenges are shown: `WEBROOT/.well-known/acme-challenge/TOKEN` (RFC 8555 §8.3).
///
/// It may be another user's, who can put there what they like at any moment: see ``OpenDirectory``. The root itself may be a
/// link, as the conf has it.
package struct Webroot: Hashable, Sendable {
    package let path: String

    /// The directories in it, each in the one before.
    package enum Part: String, CaseIterable, Sendable {
        case wellKnown = ".well-known"
        case challenges = "acme-challenge"
    }

    /// So often it begins again where another program's clean-up removes a directory that a file is about to be put into.
    private static let mostTries = 5

    package init(_ path: String) { self.path = path }

    /// Where the challenges are; nil where that is not there yet.
    package func challenges() throws(FileError) -> OpenDirectory? {
        guard let wellKnown = try OpenDirectory(path).directory(Part.wellKnown.rawValue) else { return nil }
        return try wellKnown.directory(Part.challenges.rawValue)
    }

    /// Asks, without writing anything, whether challenges can be put there.
    package func requireWritable() throws(FileError) {
        // The deepest directory that is there is the one that has to be written to.
        var deepest = try OpenDirectory(path)
        for part in Part.allCases {
            guard let next = try deepest.directory(part.rawValue) else { break }
            deepest = next
        }
        try deepest.requireWritable()
    }

    /// Puts a file among the challenges, 0644, and makes the directories that are missing, 0755 and owned like the one that each
    /// is in: a server in a container can read them.
    ///
    /// - Parameter note: is called with a directory before it is made.
    package func put(_ name: String, _ bytes: [UInt8], making note: (Part) throws -> Void) throws {
        for _ in 1..<Webroot.mostTries {
            do {
                return try challenges(making: note).write(name, bytes, mode: 0o644)
            } catch let error as FileError where error.isNotFound {}
        }
        try challenges(making: note).write(name, bytes, mode: 0o644)
    }

    private func challenges(making note: (Part) throws -> Void) throws -> OpenDirectory {
        var place = try OpenDirectory(path)
        for part in Part.allCases {
            if let there = try place.directory(part.rawValue) {
                place = there
                continue
            }
            try note(part)
            try place.makeDirectory(part.rawValue, mode: 0o755)
            guard let made = try place.directory(part.rawValue) else {
                throw FileError("enter", "\(place.path)/\(part.rawValue)", code: ENOENT)
            }
            place = made
        }
        return place
    }

    /// Takes a file away, and the directories that were made for it unless they hold something else by now.
    package func remove(_ name: String, made: Set<Part> = []) {
        guard let root = try? OpenDirectory(path) else { return }
        if let wellKnown = try? root.directory(Part.wellKnown.rawValue) {
            if let challenges = try? wellKnown.directory(Part.challenges.rawValue) { try? challenges.remove(name) }
            if made.contains(.challenges) { try? wellKnown.removeDirectory(Part.challenges.rawValue) }
        }
        if made.contains(.wellKnown) { try? root.removeDirectory(Part.wellKnown.rawValue) }
    }
}

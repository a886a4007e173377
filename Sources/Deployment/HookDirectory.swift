import Glibc

/// Where directory hooks are found.
package protocol HookListing: Sendable {
    /// What exists of a kind now.
    func list(_ kind: Hook.Kind) -> HookDirectory.Listing
    /// The directory that holds the hooks of a kind.
    func path(of kind: Hook.Kind) -> String
}

/// The `renewal-hooks` of a tree.
package struct HookDirectory: HookListing, Hashable, Sendable {
    /// What was found for one kind of hook.
    package struct Listing: Hashable, Sendable {
        /// The hooks, in the order in which they run: by the bytes of their names.
        package let hooks: [Hook]
        /// What is there and is not run, by name.
        package let skipped: [Skipped]
        /// Why there may be hooks that were not found; nil when the directory was read, or does not exist.
        package let unreadable: Unreadable?

        /// A listing of what is there; without arguments, of nothing.
        package init(hooks: [Hook] = [], skipped: [Skipped] = [], unreadable: Unreadable? = nil) {
            self.hooks = hooks
            self.skipped = skipped
            self.unreadable = unreadable
        }
    }

    /// Something in a hook directory that is not run.
    package struct Skipped: Hashable, Sendable {
        /// Why it is not run.
        package enum Why: Hashable, Sendable {
            /// Its name ends in `~`.
            case backup
            case dangling
            /// In the system's words.
            case unreadable(String)
            case notExecutable
            case directory
            case notRegular
            case notUTF8
        }

        package let name: String
        package let why: Why

        /// A predicate, like "is not executable".
        package var reason: String {
            switch why {
            case .backup: "is a backup: its name ends in ~"
            case .dangling: "is a link to nothing"
            case .unreadable(let cause): "cannot be looked at: \(cause)"
            case .notExecutable: "is not executable"
            case .directory: "is a directory"
            case .notRegular: "is not a regular file"
            case .notUTF8: "has a name that is not UTF-8"
            }
        }
    }

    /// A hook directory that could not be read.
    package struct Unreadable: Error, Hashable, Sendable, CustomStringConvertible {
        package let path: String
        /// The system's words, like "Permission denied".
        package let cause: String

        package var description: String { "cannot read the hooks in \(path): \(cause)" }
    }

    private let root: String

    /// The hooks of the tree at a path like `/etc/letsencrypt`; a relative path is taken from the working directory.
    package init(configDirectory: String) {
        var path = configDirectory
        while path.count > 1 && path.hasSuffix("/") { path.removeLast() }
        // As certbot does: a conf's hook that is the path of a directory hook is recognized by the absolute path.
        if !path.hasPrefix("/"), let here = Self.workingDirectory { path = here + "/" + path }
        root = path + "/renewal-hooks"
    }

    /// The directory that holds the hooks of a kind.
    package func path(of kind: Hook.Kind) -> String { "\(root)/\(kind.rawValue)" }

    /// What is in the directory now.
    ///
    /// As with certbot, every executable regular file is a hook, also one whose name begins with a dot, unless its
    /// name ends in `~`. A name that is not UTF-8 is skipped, which certbot does not do.
    package func list(_ kind: Hook.Kind) -> Listing {
        let directory = path(of: kind)
        let names: [[UInt8]]
        do throws(Unreadable) {
            names = try Self.names(in: directory)
        } catch {
            return Listing(unreadable: error)
        }
        var hooks: [Hook] = []
        var skipped: [Skipped] = []
        for bytes in names.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            guard let name = String(validating: bytes, as: UTF8.self) else {
                let repaired = String(decoding: bytes, as: UTF8.self)
                skipped.append(Skipped(name: repaired, why: .notUTF8))
                continue
            }
            if let why = Self.reasonToSkip("\(directory)/\(name)") {
                skipped.append(Skipped(name: name, why: why))
            } else {
                hooks.append(Hook(kind, .directory(path: "\(directory)/\(name)")))
            }
        }
        return Listing(hooks: hooks, skipped: skipped)
    }

    private static func reasonToSkip(_ path: String) -> Skipped.Why? {
        if path.hasSuffix("~") { return .backup }
        var status = stat()
        guard unsafe stat(path, &status) == 0 else {
            let cause = errno
            return unsafe cause == ENOENT && lstat(path, &status) == 0
                ? .dangling : .unreadable(message(cause))
        }
        switch status.st_mode & S_IFMT {
        case S_IFREG: return unsafe access(path, X_OK) == 0 ? nil : .notExecutable
        case S_IFDIR: return .directory
        default: return .notRegular
        }
    }

    private static func names(in path: String) throws(Unreadable) -> [[UInt8]] {
        guard let stream = unsafe opendir(path) else {
            let cause = errno
            if cause == ENOENT { return [] }
            throw Unreadable(path: path, cause: message(cause))
        }
        defer { unsafe closedir(stream) }
        var names: [[UInt8]] = []
        while true {
            errno = 0
            guard let entry = unsafe readdir(stream) else { break }
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { unsafe Array($0.prefix { $0 != 0 }) }
            if name != Array(".".utf8) && name != Array("..".utf8) { names.append(name) }
        }
        let cause = errno
        if cause != 0 { throw Unreadable(path: path, cause: message(cause)) }
        return names
    }

    private static var workingDirectory: String? {
        guard let path = unsafe getcwd(nil, 0) else { return nil }
        defer { unsafe free(path) }
        return unsafe String(cString: path)
    }

    private static func message(_ code: Int32) -> String {
        unsafe strerror(code).map { unsafe String(cString: $0) } ?? "error \(code)"
    }
}

/// Which paths a service may write to, by its settings (systemd.exec(5)): what is mounted at the longest path decides.
package struct UnitSandbox: Equatable, Sendable {
    /// What systemctl is asked for.
    static let properties = [
        "ProtectSystem", "ProtectHome", "PrivateTmp", "ReadWritePaths", "ReadOnlyPaths", "InaccessiblePaths",
        "BindPaths",
        "TemporaryFileSystem", "StateDirectory", "RuntimeDirectory", "CacheDirectory", "LogsDirectory",
    ]

    /// A setting that closes a path.
    package struct Barrier: Hashable, Sendable {
        /// `ProtectSystem`, `ReadOnlyPaths` …
        package let key: String
        package let path: String
    }

    private struct Rule: Equatable {
        let path: String
        /// Nil for one that opens it.
        let barrier: Barrier?
    }

    private let rules: [Rule]

    init(_ values: [Substring: String]) {
        var rules: [Rule] = []
        func close(_ key: String, _ paths: [String]) {
            rules += paths.map { Rule(path: $0, barrier: Barrier(key: key, path: $0)) }
        }
        func list(_ key: String) -> [String] { UnitSandbox.words(values[key[...]] ?? "").map(UnitSandbox.path) }
        // Of two rules for one path the first one decides, as with systemd.
        for key in ["InaccessiblePaths", "TemporaryFileSystem"] { close(key, list(key)) }
        rules += list("BindPaths").map { Rule(path: $0, barrier: nil) }
        switch values["ProtectHome"] {
        case "yes", "read-only", "tmpfs": close("ProtectHome", ["/home", "/root", "/run/user"])
        default: break
        }
        if values["PrivateTmp"] == "yes" { close("PrivateTmp", ["/tmp", "/var/tmp"]) }
        close("ReadOnlyPaths", list("ReadOnlyPaths"))
        rules += list("ReadWritePaths").map { Rule(path: $0, barrier: nil) }
        for (key, directory) in [
            ("StateDirectory", "/var/lib"), ("RuntimeDirectory", "/run"), ("CacheDirectory", "/var/cache"),
            ("LogsDirectory", "/var/log"),
        ] {
            rules += list(key).map { Rule(path: "\(directory)/\($0)", barrier: nil) }
        }
        switch values["ProtectSystem"] {
        case "strict": close("ProtectSystem", ["/"])
        case "full": close("ProtectSystem", ["/usr", "/boot", "/efi", "/etc"])
        case "yes": close("ProtectSystem", ["/usr", "/boot", "/efi"])
        default: break
        }
        self.rules = rules
    }

    /// What keeps the service from writing below a path, its symlinks resolved; nil where nothing does.
    package func barrier(before path: String) -> Barrier? {
        let deciding = rules.filter { rule in
            rule.path == "/" || path == rule.path || path.hasPrefix(rule.path + "/")
        }
        let longest = deciding.map(\.path.utf8.count).max()
        return deciding.first { $0.path.utf8.count == longest }?.barrier
    }

    /// A path of a list: `-` for one that need not exist, `+` for one within RootDirectory=, `:` before what a bind mount or a file
    /// system has besides.
    private static func path(_ word: String) -> String {
        let plain = word.drop { $0 == "-" || $0 == "+" }
        let parts = plain.split(separator: ":", omittingEmptySubsequences: false)
        return String(parts.count > 1 && parts[1].hasPrefix("/") ? parts[1] : parts.first ?? "")
    }

    /// The words of a list as systemctl prints it: separated by blanks, special bytes as `\\x20`, or in quotes.
    static func words(_ text: String) -> [String] {
        var (words, word, isQuoted): ([String], [UInt8], Bool) = ([], [], false)
        var bytes = Array(text.utf8)[...]
        func isHex(_ bytes: ArraySlice<UInt8>) -> UInt8? { UInt8(String(decoding: bytes, as: UTF8.self), radix: 16) }
        while let byte = bytes.popFirst() {
            switch byte {
            case UInt8(ascii: "\""): isQuoted.toggle()
            case UInt8(ascii: " ") where !isQuoted:
                if !word.isEmpty { words.append(String(decoding: word, as: UTF8.self)) }
                word = []
            case UInt8(ascii: "\\"):
                if bytes.first == UInt8(ascii: "x"), bytes.count > 2, let code = isHex(bytes.dropFirst().prefix(2)) {
                    word.append(code)
                    bytes = bytes.dropFirst(3)
                } else if let next = bytes.popFirst() {
                    word.append(next)
                }
            default: word.append(byte)
            }
        }
        return word.isEmpty ? words : words + [String(decoding: word, as: UTF8.self)]
    }
}

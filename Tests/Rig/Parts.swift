import Glibc
package import Testing

/// The programs from outside that a suite needs.
package enum Parts {
    /// A sentence that says which of the commands this machine lacks and what to run, or nil when it has them all.
    package static func missing(_ commands: [String]) -> String? {
        let absent = commands.filter { !isInstalled($0) }
        guard !absent.isEmpty else { return nil }
        return "\(absent.joined(separator: ", ")) not found: run Tests/install test"
    }

    /// Throws the sentence of `missing`.
    static func require(_ commands: [String]) throws {
        if let sentence = missing(commands) { throw RigError(sentence) }
    }

    /// True under `CI=true`, where a part that is missing is a failure and no reason to skip.
    package static var mustBeThere: Bool { environmentVariable("CI") == "true" }

    private static func isInstalled(_ command: String) -> Bool {
        let path = environmentVariable("PATH") ?? "/usr/bin:/bin"
        let directories: [Substring] = path.split(separator: ":") + ["/usr/local/sbin", "/usr/sbin", "/sbin"]
        return directories.contains { access("\($0)/\(command)", X_OK) == 0 }
    }
}

extension Trait where Self == ConditionTrait {
    /// Skips the test or the suite where one of these commands is missing, and says what to install; under `CI=true`
    /// it runs, and fails.
    package static func parts(_ commands: String...) -> Self {
        let missing = Parts.missing(commands)
        return .enabled(if: missing == nil || Parts.mustBeThere, missing.map { Comment(rawValue: $0) })
    }

    /// `parts` for what `Rig.withStack` starts.
    package static var stack: Self {
        .parts("pebble", "pebble-challtestsrv", "nginx", "openssl", "curl", "setpriv")
    }
}

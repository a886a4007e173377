import Glibc
import Text

/// A command that an operator gave to be run at a point of a renewal.
package struct Hook: Hashable, Sendable, Codable {
    /// The point of a renewal at which a hook runs.
    package enum Kind: String, Hashable, Sendable, Codable, CaseIterable {
        /// Before a due lineage is renewed.
        case pre
        /// After a lineage was renewed.
        case deploy
        /// Once at the end of a run, whatever came of it.
        case post
        /// Before and after a new version is installed: whether the server accepts what is there.
        case check
        /// When a lineage has come into trouble.
        case failure
        /// When a lineage has come out of trouble.
        case recovered
    }

    /// Where a hook was found. It is all that it takes to run it again.
    package enum Source: Hashable, Sendable, Codable {
        /// An executable file of `renewal-hooks/`.
        case directory(path: String)
        /// A line for the shell, from a renewal conf (or a default that applies to all).
        case configuration(command: String)
    }

    package let kind: Kind
    package let source: Source
    /// The hook's environment variables.
    package let environment: [String: String]

    /// A hook of a kind, with its environment variables.
    package init(_ kind: Kind, _ source: Source, environment: [String: String] = [:]) {
        self.kind = kind
        self.source = source
        self.environment = environment
    }

    /// The file's name, or the command of a conf's hook.
    package var name: String {
        switch source {
        case .directory(let path): path.split(separator: "/").last.map(String.init) ?? path
        case .configuration(let command): command
        }
    }

    /// What is run.
    package var command: Command {
        var command: Command
        switch source {
        case .directory(let path): command = .program(path)
        case .configuration(let line): command = .shell(line)
        }
        command.environment = environment
        command.title = title
        return command
    }

    /// The hook in a few words, without the command of a conf.
    private var title: String {
        switch source {
        case .directory: "\(kind.rawValue) hook \(name)"
        case .configuration: "\(kind.rawValue) hook of the renewal config"
        }
    }

    /// What certbot tells hooks apart by: the path or the command, so that a conf's hook that names a file of the
    /// directory is that file's hook.
    package var identity: String {
        switch source {
        case .directory(let path): path
        case .configuration(let command): command
        }
    }

    /// Whether there is something to run: the file of a directory's hook may have been removed.
    package var exists: Bool {
        switch source {
        case .directory(let path): unsafe access(path, X_OK) == 0
        case .configuration: true
        }
    }

    func told(_ environment: [String: String]) -> Hook { Hook(kind, source, environment: environment) }
}

/// A hook that ran, and how it ended.
package struct HookResult: Hashable, Sendable {
    package let hook: Hook
    package let outcome: CommandOutcome

    package init(hook: Hook, outcome: CommandOutcome) { (self.hook, self.outcome) = (hook, outcome) }

    init(_ failure: HookFailure) { self.init(hook: failure.hook, outcome: failure.outcome) }

    /// Nil when it did its work.
    package var failure: HookFailure? { outcome.succeeded ? nil : HookFailure(hook: hook, outcome: outcome) }
}

extension [HookResult] {
    /// The hooks that did not do their work.
    package var failures: [HookFailure] { compactMap(\.failure) }
}

/// A hook that did not do its work, with what became of it.
package struct HookFailure: Error, Hashable, Sendable, CustomStringConvertible {
    package let hook: Hook
    package let outcome: CommandOutcome

    /// A failure as it was seen.
    package init(hook: Hook, outcome: CommandOutcome) {
        self.hook = hook
        self.outcome = outcome
    }

    /// The hook, how it ended, and the last line that it printed.
    package var description: String {
        let name = hook.name.line(atMost: Self.longestPart)
        let subject =
            switch hook.source {
            case .directory: "\(hook.kind.rawValue) hook \(name)"
            case .configuration: "\(hook.kind.rawValue) hook \"\(name)\""
            }
        return "\(subject) \(outcome)"
            + (outcome.lastLine.map { ": \(String($0.drop { $0 == " " }).line(atMost: Self.longestPart))" } ?? "")
    }

    /// Upper bound on a command and on a line of output in an error, in characters.
    private static let longestPart = 200
}

/// What happens while hooks run.
package enum HookEvent: Hashable, Sendable {
    case started(Hook)
    case finished(Hook, CommandOutcome)
}

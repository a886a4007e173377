import ArgumentParser
import Renewal
import Text

/// The command line as it was typed, before the parser reads its options: options of every command may stand before the command,
/// and what certbot has other words for is translated or answered.
struct TypedCommand {
    /// What the parser is given.
    private(set) var words: [String]
    /// The command's words without `certctl`, such as `hooks run`; empty if none was typed.
    private(set) var path: [String] = []

    /// Options of every command that have a value.
    private static let placeOptions = ["--config-dir", "--state-dir", "--config"]
    /// Flags that habit puts before the command.
    private static let leadingFlags: Set = [
        "-q", "--quiet", "-v", "--verbose", "-y", "--yes", "-n", "--non-interactive", "--noninteractive", "--dry-run",
        "--staging", "--test-cert", "--json",
    ]

    /// - Throws: a `CommandFailure` for a command that does not exist, and for a line that is certbot's.
    init(_ typed: [String]) throws(CommandFailure) {
        words = typed
        // The parser's own: completion scripts and its callbacks, the dump of the help.
        guard let first = typed.first, !first.hasPrefix("---"), !first.hasPrefix("--generate-completion-script"),
            first != "--experimental-dump-help"
        else { return }
        if first == "-V" {
            words = ["--version"] + typed.dropFirst()
            return
        }
        var (leading, rest) = TypedCommand.split(typed[...])
        guard let name = rest.first, !name.hasPrefix("-") else {
            if let answer = CertbotHabits.answer(toLineWithoutCommand: typed) { throw answer }
            guard leading.isEmpty else {
                throw CommandFailure(.usage, "no command after \(leading.joined(separator: " "))", next: "certctl help")
            }
            return
        }
        if name == "help" {
            _ = try TypedCommand.resolve(rest.dropFirst().filter { !$0.hasPrefix("-") }[...], after: leading)
            path = ["help"]
            words = Array(rest)
            return
        }
        var between: [String] = []
        (path, between, rest) = try TypedCommand.resolve(rest, after: leading)
        let arguments = try CertbotHabits.translated(leading + between + Array(rest), of: path)
        words = CertbotSpelling.translated(path + arguments)
    }

    /// Splits off the options that stand before a command.
    private static func split(_ typed: ArraySlice<String>) -> (leading: [String], rest: ArraySlice<String>) {
        var (leading, rest): ([String], ArraySlice<String>) = ([], typed)
        while let word = rest.first {
            if placeOptions.contains(word) {
                leading += rest.prefix(2)
                rest = rest.dropFirst(2)
            } else if leadingFlags.contains(word) || placeOptions.contains(where: { word.hasPrefix($0 + "=") }) {
                leading.append(word)
                rest = rest.dropFirst()
            } else {
                break
            }
        }
        return (leading, rest)
    }

    /// Finds the command, and in a group of commands the one of the group.
    private static func resolve(
        _ typed: ArraySlice<String>, after leading: [String]
    ) throws(CommandFailure) -> (path: [String], between: [String], rest: ArraySlice<String>) {
        var (path, between, rest): ([String], [String], ArraySlice<String>) = ([], [], typed)
        var commands = Certctl.configuration.subcommands
        while !commands.isEmpty {
            let options: [String]
            (options, rest) = path.isEmpty ? ([], rest) : split(rest)
            between += options
            guard let word = rest.first, !word.hasPrefix("-") else { break }
            guard let command = commands.first(where: { $0.configuration.commandName == word }) else {
                throw unknown(word, path, commands, words: leading + between + rest.dropFirst())
            }
            path.append(word)
            rest = rest.dropFirst()
            commands = command.configuration.subcommands
        }
        return (path, between, rest)
    }

    private static func unknown(
        _ word: String, _ path: [String], _ commands: [any ParsableCommand.Type], words: [String]
    ) -> CommandFailure {
        if path.isEmpty, let answer = CertbotHabits.answer(to: word, words) { return answer }
        let names = commands.compactMap { $0.configuration.commandName }
        let group = (["certctl"] + path).joined(separator: " ")
        // With more than a third of its letters wrong it is another word.
        let typed = word.lowercased()
        guard let nearest = typed.nearest(in: names, most: { max(1, max(typed.utf8.count, $0.utf8.count) / 3) }) else {
            return CommandFailure(
                .usage, "unknown command: \(word.line(atMost: 100))",
                next: path.isEmpty ? "certctl help" : "certctl help \(path.joined(separator: " "))")
        }
        let line = ([group, nearest] + words.map(\.shellWord)).joined(separator: " ")
        return CommandFailure(
            .usage, "unknown command: \(word.line(atMost: 100)) (nearest: \(nearest))", next: .run(line))
    }

    /// Ends the process with what the parser, or a command, could not accept: one line, and where its options are explained.
    ///
    /// As a monitoring plugin, `status --check` has UNKNOWN for it.
    func end(_ error: any Error) -> Never {
        let code = Certctl.exitCode(for: error)
        guard code != .success else {
            // The parser wraps help but for the synopsis. A script is printed as it is.
            guard let width = Screen.output.width, words.first?.hasPrefix("--generate") != true,
                words.first?.hasPrefix("---") != true
            else { Certctl.exit(withError: error) }
            for line in Certctl.fullMessage(for: error).split(separator: "\n", omittingEmptySubsequences: false) {
                for part in TextLayout.lines(String(line), to: width, hanging: 4) { print(part) }
            }
            Certctl.exit(withError: nil)
        }
        let text = Certctl.message(for: error).split(whereSeparator: \.isNewline)
            .map { $0.drop { $0 == " " } }.joined(separator: " ")
        if !text.isEmpty {
            var message = TypedCommand.sentence(text)
            if path.first == "status", words.contains("--check") {
                print(StatusCheck(unknown: message).line)
                Certctl.exit(withError: ExitCode(StatusCheck.Level.unknown.rawValue))
            }
            if !path.isEmpty { message = "\(path.joined(separator: " ")): \(message)" }
            StandardError.write(fault: message, next: .run((["certctl", "help"] + path).joined(separator: " ")))
        }
        Certctl.exit(withError: ExitCode(code.rawValue))
    }

    /// The parser's sentence as the second half of an error.
    private static func sentence(_ text: String) -> String {
        var text = text
        if text.last == "." { text.removeLast() }
        let isWord = text.dropFirst().first?.isLowercase ?? false
        return isWord ? text.prefix(1).lowercased() + text.dropFirst() : text
    }
}

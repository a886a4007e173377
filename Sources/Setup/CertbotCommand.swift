/// Finds what has certbot renew in a line of a crontab or of a script.
package enum CertbotCommand {
    private static let programs: Set<String> = ["certbot", "certbot-auto", "letsencrypt", "letsencrypt-auto"]
    private static let verbs: Set<String> = ["renew", "certonly"]
    /// What is not worth running a line for.
    private static let idle: Set<String> = [
        "set", "exit", "export", ":", "true", "sleep", "test", "[", "[[", "cd", "umask", "echo", "date", "fi", "done",
    ]
    /// What a command may stand behind.
    private static let openings: Set<String> = ["if", "then", "else", "elif", "do", "!"]

    /// Whether the line runs certbot to renew, also in a container.
    package static func isIn(_ line: String) -> Bool {
        let commands = ShellText(line).lines.flatMap { $0.text.split { [";", "|", "&"].contains($0) } }
        return commands.contains { command in
            guard let line = ShellText(String(command)).lines.first,
                let program = line.names.firstIndex(where: programs.contains)
            else { return false }
            return line.words[program...].contains(where: verbs.contains)
        }
    }

    /// Whether nothing is lost with a line that has certbot renew: what else it runs is idle, reloads nginx, or is joined to
    /// certbot and comes after it.
    ///
    /// - Parameter line: commands, without the times of a crontab.
    package static func isAlone(in line: String) -> Bool {
        var isJoined = false
        for command in ShellCommand.all(in: line) {
            isJoined = isJoined && command.joint == .joined
            if isIn(command.text) {
                // A shell's or a container's own commands.
                guard command.quoted.allSatisfy({ !isIn($0) || isAlone(in: $0) }) else { return false }
                isJoined = true
            } else if !isJoined, !isIdle(command), ReloadCommand.found(in: command.text) == nil {
                return false
            }
        }
        return true
    }

    /// Whether the line does nothing that is worth running it for.
    static func isIdle(_ line: String) -> Bool { ShellCommand.all(in: line).allSatisfy(isIdle) }

    private static func isIdle(_ command: ShellCommand) -> Bool {
        guard let line = ShellText(command.text).lines.first else { return true }
        let words = line.words.drop(while: openings.contains)
        guard let first = words.first, let name = line.names.dropFirst(words.startIndex).first else { return true }
        if first.contains("="), words.count == 1 { return true }
        // One way to wait for a random time.
        if name == "perl" || name.hasPrefix("python") { return command.quoted.contains(where: onlyWaits) }
        return idle.contains(name) || idle.contains(first)
    }

    /// Whether a script of perl's or python's only sleeps.
    private static func onlyWaits(_ script: String) -> Bool {
        script.split(separator: ";").allSatisfy { statement in
            ["import ", "from ", "use "].contains { statement.drop { $0 == " " }.hasPrefix($0) }
                || statement.contains("sleep")
        }
    }
}

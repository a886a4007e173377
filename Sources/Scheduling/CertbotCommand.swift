/// Finds what has certbot renew in a line of a crontab or of a script.
package enum CertbotCommand {
    private static let programs: Set<String> = ["certbot", "certbot-auto", "letsencrypt", "letsencrypt-auto"]
    private static let verbs: Set<String> = ["renew", "certonly"]

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

    /// Whether the line does anything at all that is worth running it for.
    static func isIdle(_ line: String) -> Bool {
        guard let line = ShellText(line).lines.first else { return true }
        guard let first = line.words.first else { return true }
        return ["set", "exit", "export", ":", "true", "sleep", "then", "fi", "else"].contains(first)
            || first.contains("=") && line.words.count == 1
    }
}

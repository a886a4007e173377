/// Finds what reloads nginx in the text of a hook.
package enum ReloadCommand {
    private static let verbs: Set<String> = [
        "reload", "restart", "try-restart", "reload-or-restart", "try-reload-or-restart", "force-reload",
    ]
    private static let services: Set<String> = ["systemctl", "service", "rc-service", "invoke-rc.d"]
    private static let engines: Set<String> = ["docker", "docker-compose", "podman", "podman-compose", "nerdctl"]
    private static let killers: Set<String> = ["kill", "pkill", "killall"]
    private static let hangups: Set<String> = [
        "-HUP", "-SIGHUP", "-1", "HUP", "SIGHUP", "--signal=HUP", "--signal=SIGHUP",
    ]

    /// The first line that has nginx read its certificates again; nil where there is none.
    package static func found(in text: String) -> String? {
        let lines = ShellText(text).lines
        let isAboutNginx = lines.contains { $0.words.contains(where: mentionsNginx) }
        return lines.first { reloads($0, isAboutNginx: isAboutNginx) }.map { line in
            String(line.text.drop { $0 == " " || $0 == "\t" })
        }
    }

    private static func reloads(_ line: ShellText.Line, isAboutNginx: Bool) -> Bool {
        let (words, names) = (line.words, line.names)
        let namesNginx = words.contains(where: mentionsNginx)
        // A container or a file with the process's number may be called by a variable.
        let isMeant = namesNginx || isAboutNginx && words.contains { $0.contains("$") }
        if namesNginx, zip(words, words.dropFirst()).contains(where: { $0 == ("-s", "reload") }) { return true }
        if namesNginx, words.contains("-sreload") { return true }
        // The shipped hook, called by another one.
        if names.contains(ShippedFile.reloadNginx.name) { return true }
        let hasVerb = !verbs.isDisjoint(with: words)
        if isMeant, hasVerb, !services.isDisjoint(with: names) { return true }
        if namesNginx, hasVerb, words.contains(where: { $0.hasPrefix("/etc/init.d/") }) { return true }
        guard isMeant else { return false }
        let signals = !hangups.isDisjoint(with: words)
        if !engines.isDisjoint(with: names) { return words.contains("restart") || words.contains("kill") && signals }
        return !killers.isDisjoint(with: names) && signals
    }

    private static func mentionsNginx(_ word: String) -> Bool { word.lowercased().contains("nginx") }
}

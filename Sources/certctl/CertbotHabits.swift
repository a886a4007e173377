import Lineages
import Renewal

/// certbot's commands and options. What means the same here is accepted; everything else is answered with certctl's line, ready to
/// be pasted.
enum CertbotHabits {
    // MARK: Commands

    /// certbot's commands with those that do the same here.
    private static let commands = [
        "certonly": ["issue"], "run": ["issue"], "auth": ["issue"], "certificates": ["status"],
        "reconfigure": ["issue"], "register": ["account", "register"], "unregister": ["account", "deactivate"],
        "update_account": ["account", "update"], "show_account": ["account", "show"], "install": ["deploy"],
        "enhance": ["deploy"], "update_symlinks": ["repair"], "config_changes": ["history"],
        "plugins": ["help", "issue"],
    ]

    /// What a command of certbot's is called here, with its options; nil if it is none.
    static func answer(to command: String, _ words: [String]) -> CommandFailure? {
        guard let path = commands[command] else { return nil }
        return answer("\(command) is a command of certbot", path, words)
    }

    /// A line with certbot's options and no command in front: certbot's default is `run`, and its command may stand anywhere.
    static func answer(toLineWithoutCommand words: [String]) -> CommandFailure? {
        if let index = words.firstIndex(where: { commands[$0] != nil }) {
            var rest = words
            return answer(to: rest.remove(at: index), rest)
        }
        guard words.contains(where: { ["-d", "--domain", "--domains", "--nginx", "--apache"].contains($0) }) else {
            return nil
        }
        return answer("no command before \(words[0])", ["issue"], words)
    }

    private static func answer(_ message: String, _ path: [String], _ words: [String]) -> CommandFailure {
        var line = Line(words)
        line.translate(for: path)
        line.drop(path)
        let lost = line.unknown.isEmpty ? "" : "; certctl has no \(line.unknown.joined(separator: ", "))"
        let arguments = path.first == "help" ? [] : line.words.map(\.shellWord)
        return CommandFailure(
            .usage, message + lost, next: .run((["certctl"] + path + arguments).joined(separator: " ")))
    }

    // MARK: Options

    /// The words of a certctl command, with certbot's names of options replaced.
    ///
    /// - Throws: the line without certbot's options that certctl has no use for.
    static func translated(_ words: [String], of path: [String]) throws(CommandFailure) -> [String] {
        var line = Line(words)
        line.translate(for: path)
        line.drop(path, onlyIgnored: true)
        guard !line.dropped.isEmpty else { return line.words }
        let list = line.dropped.joined(separator: ", ")
        throw CommandFailure(
            .usage, "\(list) \(line.dropped.count == 1 ? "is an option" : "are options") of certbot",
            next: .run((["certctl"] + path + line.words.map(\.shellWord)).joined(separator: " ")))
    }

    /// certbot's options that have a value, and those of certctl that a value may follow which looks like an option.
    fileprivate static let withValue: Set = [
        "-d", "--domain", "--domains", "-w", "--webroot-path", "-m", "--email", "--cert-name", "--server", "--key-type",
        "--rsa-key-size", "--elliptic-curve", "--deploy-hook", "--renew-hook", "--pre-hook", "--post-hook",
        "--preferred-chain", "--preferred-profile", "--required-profile", "--account", "--config-dir", "--state-dir",
        "--work-dir", "--logs-dir", "--eab-kid", "--eab-hmac-key", "--eab-hmac-alg", "--max-log-backups",
        "--http-01-port", "--http-01-address", "--preferred-challenges", "--manual-auth-hook", "--manual-cleanup-hook",
        "--cert-path", "--key-path", "--reason", "-a", "--authenticator", "-i", "--installer", "-c", "--config",
        "--name",
        "--ca-bundle",
    ]
    /// Those that mean nothing to certctl: what they ask for is what it does anyway, or has no like here.
    fileprivate static let ignored: Set = [
        "-n", "--non-interactive", "--noninteractive", "--staging", "--test-cert", "--eff-email", "--no-eff-email",
        "--work-dir", "--logs-dir", "--max-log-backups", "--register-unsafely-without-email", "--keep-until-expiring",
        "--keep", "--expand", "--no-random-sleep-on-renew", "--no-self-upgrade", "--nginx", "--apache", "-i",
        "--installer",
    ]
    /// Names of options that mean the same, by command.
    fileprivate static func synonyms(_ path: [String]) -> [String: String] {
        switch path {
        case ["issue"]:
            [
                "--cert-name": "--name", "-w": "--webroot", "--webroot-path": "--webroot", "-m": "--email",
                "--domains": "-d", "--renew-hook": "--deploy-hook",
            ]
        case ["names"]: ["-w": "--webroot", "--webroot-path": "--webroot"]
        case ["account", "register"], ["account", "update"]: ["-m": "--email"]
        case ["renew"]: ["--force-renewal": "--force", "--renew-by-default": "--force"]
        case ["revoke"]: ["--cert-path": "--cert", "--key-path": "--key"]
        default: [:]
        }
    }
    /// Commands whose argument is what `--cert-name` gives.
    fileprivate static let named: Set = [
        "renew", "status", "deploy", "rollback", "repair", "names", "revoke", "delete", "history", "doctor",
    ]
    /// What a command takes of those that certbot's have, for a line of certbot's.
    fileprivate static let kept: [String: Set<String>] = [
        "issue": [
            "-d", "--name", "--webroot", "--email", "--agree-tos", "--server", "--account", "--key-type", "--pre-hook",
            "--deploy-hook", "--post-hook", "--preferred-chain", "--preferred-profile", "--required-profile",
            "--reuse-key", "--allow-subset-of-names", "--config-dir", "--dry-run", "--standalone", "--manual-auth-hook",
            "--manual-cleanup-hook",
            "--preferred-challenges", "-q", "--quiet", "-v", "--verbose",
        ],
        "account": ["--server", "--account", "--email", "--agree-tos", "--eab-kid", "--eab-hmac-alg", "--config-dir"],
    ]
}

/// Words that are options with their values, or arguments.
private struct Line {
    private var parts: [(option: String?, value: String?)] = []
    /// certbot's options that were left out, since certctl needs none of them.
    private(set) var dropped: [String] = []
    /// Options that were left out, and that certctl does not have.
    private(set) var unknown: [String] = []

    init(_ words: [String]) {
        var rest = words[...]
        while let word = rest.popFirst() {
            if word == "--" {
                parts += ([word] + rest).map { (nil, $0) }
                return
            }
            let text = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            if !word.hasPrefix("-") {
                parts.append((nil, word))
            } else if word.hasPrefix("--"), text.count == 2 {
                parts.append((text[0], text[1]))
            } else if CertbotHabits.withValue.contains(word) || Line.isOfPlugin(word), let value = rest.first {
                parts.append((word, value))
                rest = rest.dropFirst()
            } else {
                parts.append((word, nil))
            }
        }
    }

    /// `--dns-cloudflare-credentials` and its like.
    private static func isOfPlugin(_ word: String) -> Bool {
        word.hasPrefix("--dns-") && (word.hasSuffix("-credentials") || word.hasSuffix("-propagation-seconds"))
    }

    var words: [String] {
        parts.flatMap { option, value in
            // A value that looks like an option is one with a sign of equality alone.
            if let option, let value, value.hasPrefix("-"), option.hasPrefix("--") { return ["\(option)=\(value)"] }
            return [option, value].compactMap(\.self)
        }
    }

    /// Replaces what means the same.
    mutating func translate(for path: [String]) {
        let synonyms = CertbotHabits.synonyms(path)
        for index in parts.indices {
            guard let option = parts[index].option else { continue }
            if let name = synonyms[option] { parts[index].option = name }
            if option == "--cert-name", CertbotHabits.named.contains(path[0]) { parts[index].option = nil }
        }
        // certbot's `--webroot` is a flag: the directory is that of -w.
        guard path == ["issue"] else { return }
        for index in parts.indices.reversed() where parts[index].option == "--webroot" && parts[index].value == nil {
            let next = parts[(index + 1)...].first
            if next == nil || next?.option != nil { parts.remove(at: index) }
        }
    }

    /// Leaves out what certctl has no use for, and says what it has instead of the staging environment.
    mutating func drop(_ path: [String], onlyIgnored: Bool = false) {
        let kept = onlyIgnored ? nil : CertbotHabits.kept[path[0], default: ["--config-dir"]]
        var wantsStaging = false
        parts.removeAll { option, _ in
            guard let option else { return false }
            if CertbotHabits.ignored.contains(option), path != ["account", "thumbprint"] {
                dropped.append(option)
                if option == "--staging" || option == "--test-cert" { wantsStaging = true }
                return true
            }
            guard let kept, !kept.contains(option), !(path == ["issue"] && option.hasPrefix("--dns-")) else {
                return false
            }
            unknown.append(option)
            return true
        }
        guard wantsStaging else { return }
        switch path {
        case ["issue"]: parts.append(("--server", RenewalOptions.stagingServer))
        case ["renew"]: if !parts.contains(where: { $0.option == "--dry-run" }) { parts.append(("--dry-run", nil)) }
        default: return
        }
    }
}

/// Options that apply as if they had been typed: the tree's `cli.ini` and the user's, whose values win.
package struct CLIDefaults: Sendable {
    private let files: [CLIFile]
    private let paths: [String]

    /// Defaults from files, each of which wins over those before it.
    ///
    /// - Parameter paths: where each is, as far as that is known.
    package init(_ files: [CLIFile] = [], paths: [String] = []) { (self.files, self.paths) = (files, paths) }

    /// The file that sets a key, `cli.ini` where its path is not known; nil where none does.
    package func source(of key: String) -> String? {
        guard let index = files.lastIndex(where: { !$0.values(key).isEmpty }) else { return nil }
        return paths.indices.contains(index) ? paths[index] : "cli.ini"
    }

    /// The last value of a key, its name written with underscores.
    package func value(_ key: String) -> String? { files.lazy.reversed().compactMap { $0.value(key) }.first }

    /// Every value of a key in the file that wins.
    package func values(_ key: String) -> [String] {
        files.last { !$0.values(key).isEmpty }?.values(key) ?? []
    }

    /// Whether a flag is set, nil where no file mentions it; throws where a value is neither yes nor no.
    package func flag(_ key: String) throws(ConfError) -> Bool? {
        for file in files.reversed() {
            if let flag = try file.flag(key) { return flag }
        }
        return nil
    }

    /// Keys that certctl neither acts on nor knows to have no bearing on a renewal.
    package var unsupportedKeys: [String] {
        Set(files.flatMap(\.keys)).subtracting(CLIDefaults.honoured).subtracting(CLIDefaults.irrelevant)
            .filter { !$0.hasPrefix("dns_") }.sorted()
    }

    /// The keys of all files that begin like this, as a plugin's options do.
    func keys(beginningWith prefix: String) -> [String] {
        Set(files.flatMap(\.keys)).filter { $0.hasPrefix(prefix) }.sorted()
    }

    private static let honoured: Set = [
        "server", "account", "authenticator", "webroot_path", "key_type", "rsa_key_size", "elliptic_curve", "reuse_key",
        "no_reuse_key", "must_staple", "allow_subset_of_names", "no_directory_hooks", "pre_hook", "deploy_hook",
        "post_hook",
        "http_01_port", "http_01_address", "preferred_challenges", "manual_auth_hook", "manual_cleanup_hook",
        "preferred_chain", "preferred_profile", "required_profile", "email", "agree_tos",
    ]

    private static let irrelevant: Set = [
        "max_log_backups", "preconfigured_renewal", "text", "non_interactive", "noninteractive", "quiet", "verbose",
        "config_dir", "work_dir", "logs_dir", "user_agent", "keep_until_expiring", "expand", "webroot",
        "no_eff_email", "eff_email", "random_sleep_on_renew", "no_random_sleep_on_renew", "no_self_upgrade",
        "no_autorenew",
        "disable_hook_validation", "no_bootstrap", "domains", "domain", "cert_name", "strict_permissions",
    ]
}

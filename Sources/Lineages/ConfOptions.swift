import Text

/// Which options a renewal config may have, and what to think of a key that stands where it means nothing.
///
/// certbot ignores such a key and deletes it at its next renewal; certctl says so, ignores it too, and keeps it.
enum ConfOptions {
    /// Keys above the first section.
    static let top: Set = [
        "version", "archive_dir", "cert", "privkey", "chain", "fullchain", "renew_before_expiry",
    ]

    /// Keys of `[renewalparams]`, but for those of plugins.
    static let params: Set = [
        "account", "allow_subset_of_names", "authenticator", "autorenew", "config_dir", "deploy_hook",
        "elliptic_curve", "http01_address", "http01_port", "installer", "key_type", "logs_dir", "must_staple",
        "post_hook", "pre_hook", "pref_challs", "preferred_chain", "preferred_profile", "renew_hook",
        "required_profile", "reuse_key", "rsa_key_size", "server", "user_agent", "webroot_path", "work_dir",
        // Of earlier certbots, which are still found.
        "auth_hook", "cleanup_hook", "manual_auth_hook", "manual_cleanup_hook", "manual_public_ip_logging_ok",
        "tls_sni_01_port", "tls_sni_01_address", "tls_alpn_01_port", "webroot_map", "domains", "email", "hsts",
        "redirect", "staple", "uir", "eff_email", "directory_hooks", "new_key", "csr", "agree_tos", "eab_kid",
        "disable_renew_updates", "standalone_supported_challenges", "strict_permissions",
    ]

    /// How names of plugins' options begin.
    private static let pluginPrefixes = ["dns_", "webroot_", "standalone_", "manual_", "nginx_", "apache_", "certbot_"]

    static let section = ["renewalparams"]
    static let webrootMap = ["renewalparams", "webroot_map"]

    /// Whether an entry of `[[webroot_map]]` is a name with its webroot, and not an option that was added below the last line.
    static func isWebroot(_ key: String, _ value: ConfFile.Value?) -> Bool {
        guard case .string(let path) = value, path.hasPrefix("/") else { return false }
        // No option has a dot, and one of several words is no host name.
        let plain = plain(key)
        return key.contains(".") || !plain.contains("_") || !(params.contains(plain) || top.contains(plain))
    }

    private static func plain(_ key: String) -> String {
        key.lowercased().replacing("-", with: "_").trimming { $0 == "_" }
    }

    /// What is wrong with the places and names of a conf's keys, in the file's order.
    static func problems(in conf: ConfFile) -> [LineageProblem] {
        conf.settings.compactMap { setting in
            // The usual case, and there are thousands.
            if setting.section == section, params.contains(setting.key) { return nil }
            if setting.section.isEmpty, top.contains(setting.key) { return nil }
            return problem(setting, conf)
        }
    }

    private static func problem(_ setting: ConfFile.Setting, _ conf: ConfFile) -> LineageProblem? {
        let (key, section, line) = (setting.key, setting.section, setting.line)
        func misplaced(_ should: String) -> LineageProblem {
            LineageProblem(
                .optionMisplaced, "line \(line): \(named(key)) in \(text(section)) is ignored: move it \(should)",
                isFatal: false, line: line)
        }
        func misspelled(_ known: String) -> LineageProblem {
            LineageProblem(
                .optionMisspelled, "line \(line): \(named(key)) is no option and is ignored: is \(known) meant?",
                isFatal: false, line: line)
        }
        let aboveMap =
            conf.hasSection(webrootMap) ? "into [renewalparams], above [[webroot_map]]" : "into [renewalparams]"
        switch section {
        case []:
            if top.contains(key) { return nil }
            if params.contains(key) { return misplaced(aboveMap) }
            return nearest(to: key, in: top.union(params)).map(misspelled)
        case ["renewalparams"]:
            if params.contains(key) { return nil }
            if top.contains(key) { return misplaced("above [renewalparams]") }
            if pluginPrefixes.contains(where: key.hasPrefix) || key.contains(":") { return nil }
            return nearest(to: key, in: params.union(top)).map(misspelled)
        case ["renewalparams", "webroot_map"]:
            if isWebroot(key, setting.value) { return nil }
            if params.contains(key) { return misplaced(aboveMap) }
            if top.contains(key) { return misplaced("above [renewalparams]") }
            if let known = nearest(to: key, in: params.union(top)) { return misspelled(known) }
            return LineageProblem(
                .optionMisplaced,
                "line \(line): \(named(key)) in [[webroot_map]] is no name with a webroot, and is ignored",
                isFatal: false, line: line)
        case ["acme_renewal_info"]:
            return params.contains(key)
                ? misplaced(aboveMap) : top.contains(key) ? misplaced("above [renewalparams]") : nil
        case ["certctl"]:
            let certbots = ["pre_hook", "post_hook", "renew_hook", "deploy_hook"]
            return certbots.contains(key) ? misplaced(aboveMap) : nil
        default: return nil
        }
    }

    private static func text(_ section: [String]) -> String {
        guard let name = section.last else { return "the part above [renewalparams]" }
        return String(repeating: "[", count: section.count) + named(name) + String(repeating: "]", count: section.count)
    }

    /// The option that a key is a misspelling of: with dashes, in other case, or with a letter or two wrong.
    private static func nearest(to key: String, in options: Set<String>) -> String? {
        let plain = plain(key)
        if options.contains(plain) { return plain }
        // Short words are near to too many things.
        let most = plain.utf8.count >= 8 ? 2 : plain.utf8.count >= 5 ? 1 : 0
        guard most > 0 else { return nil }
        return plain.nearest(in: options, most: most)
    }
}

extension ConfFile {
    /// The keys of `[[webroot_map]]` that are names with a webroot. An option that was added below the last line is none.
    package var webrootNames: [String] {
        keys(in: ConfOptions.webrootMap).filter {
            ConfOptions.isWebroot($0, value($0, in: ConfOptions.webrootMap))
        }
    }
}

extension String {
    fileprivate func trimming(_ isTrimmed: (Character) -> Bool) -> String {
        String(drop(while: isTrimmed).reversed().drop(while: isTrimmed).reversed())
    }
}

package import PKI

/// What a renewal of one lineage goes by: its conf's `[renewalparams]`, with `cli.ini` above it, certbot's defaults below.
package struct RenewalOptions: Sendable {
    /// The CA's directory URL.
    package let server: String
    /// The account's id, if the conf names one.
    package let account: String?
    /// The plugin of certbot's that proves names.
    package let authenticator: String?
    /// The `cli.ini` that names another authenticator than the conf does; nil where none does.
    package let authenticatorSource: String?
    /// How certctl proves them.
    package let proof: ProofPlan
    /// The webroot of each name, from `[[webroot_map]]`; names in lower case.
    package let webroots: [String: String]
    /// The webroot of names that the map lacks: the last of `webroot_path`.
    package let lastWebroot: String?
    /// The key that the next certificate gets.
    package let keyType: KeyType
    /// Whether the next version gets a copy of the live key.
    package let reuseKey: Bool
    /// Whether the request asks for the TLS feature extension.
    package let mustStaple: Bool
    /// Whether a certificate without the names that the CA refuses is better than none.
    package let allowsSubset: Bool
    /// False when the lineage is renewed by force only.
    package let autorenew: Bool
    /// Whether the hooks of `renewal-hooks/` run.
    package let directoryHooks: Bool
    /// Run by `/bin/sh -c` before the renewal.
    package let preHook: String?
    /// Run after the renewal (`renew_hook` in a conf).
    package let deployHook: String?
    /// Run once at the end of a run.
    package let postHook: String?
    /// How long before its expiry the certificate is renewed, in seconds, where the operator set it.
    package let renewBeforeExpiry: Double?
    /// The common name that the topmost certificate's issuer should have.
    package let preferredChain: String?
    /// SHA-256 of the root that the chain should lead to, in lower-case hex; certctl's own, and goes before ``preferredChain``.
    package let preferredChainRoot: String?
    /// The CA's profile to ask for if it has it.
    package let preferredProfile: String?
    /// The CA's profile without which nothing is ordered.
    package let requiredProfile: String?
    /// What was read and ignored, for the operator to know: unusable values that do not stop a renewal.
    package let remarks: [LineageProblem]

    /// Let's Encrypt's production directory.
    package static let defaultServer = "https://acme-v02.api.letsencrypt.org/directory"
    /// Let's Encrypt's staging environment, whose certificates no client trusts and whose limits are wide.
    package static let stagingServer = "https://acme-staging-v02.api.letsencrypt.org/directory"
    /// Where the webroot is when nothing says otherwise.
    package static let defaultWebroot = "/var/www/certbot"

    /// Reads the options of a conf.
    ///
    /// - Throws: the first value that certbot would refuse, too: a boolean that is neither True nor False, a number that is
    ///   none, an unknown key type.
    package init(_ conf: ConfFile, defaults: CLIDefaults) throws(LineageProblem) {
        let source = OptionSource(conf: conf, defaults: defaults)
        var remarks: [LineageProblem] = []
        let server = try source.string("server") ?? RenewalOptions.defaultServer
        // The directory of ACMEv1, which ended in 2021; certbot follows the move in the same way.
        self.server =
            server == "https://acme-v01.api.letsencrypt.org/directory" ? RenewalOptions.defaultServer : server
        // An account of one CA is none at another.
        let isConfsServer = if let typed = defaults.value("server") { try source.conf("server") == typed } else { true }
        let ofConf = isConfsServer ? try source.conf("account") : nil
        account = defaults.value("account") ?? ofConf
        authenticator = try source.string("authenticator")
        let ownAuthenticator = try source.conf("authenticator")
        authenticatorSource = authenticator == ownAuthenticator ? nil : defaults.source(of: "authenticator")
        proof = try ProofPlan(source)
        // A webroot_path that is typed puts the conf's map out of force.
        let typed = defaults.values("webroot_path")
        webroots = typed.isEmpty ? source.webrootMap() : [:]
        lastWebroot = typed.last ?? source.webrootPaths().last
        keyType = try RenewalOptions.keyType(source)
        reuseKey = try source.boolean("reuse_key", negation: "no_reuse_key") ?? false
        mustStaple = try source.boolean("must_staple") ?? false
        // The conf alone says, even to certbot.
        autorenew = try source.confBoolean("autorenew") ?? true
        directoryHooks = try source.flag("no_directory_hooks") != true
        preHook = try source.string("pre_hook")
        deployHook = try source.deployHook(&remarks)
        postHook = try source.string("post_hook")
        preferredChain = try source.string("preferred_chain")
        let root = try source.own("preferred_chain_root")
        preferredChainRoot = root.flatMap(RenewalOptions.digest)
        if let root, preferredChainRoot == nil {
            remarks.append(
                LineageProblem(
                    .optionIgnored, "preferred_chain_root = \(root) is not a SHA-256 of 64 hexadecimal digits",
                    isFatal: false))
        }
        preferredProfile = try source.string("preferred_profile")
        requiredProfile = try source.string("required_profile")
        allowsSubset = try source.boolean("allow_subset_of_names") ?? false
        let span: String? =
            switch conf.value("renew_before_expiry") {
            case .string(let text): text
            case .list(let parts): parts.joined(separator: ", ")
            case nil: nil
            }
        renewBeforeExpiry = span.flatMap(TimeSpan.seconds)
        if let span, renewBeforeExpiry == nil {
            remarks.append(
                LineageProblem(
                    .renewBeforeExpiry,
                    "renew_before_expiry = \(span) is not a time span of at most 100 years, so the default applies (say: 30 days)",
                    isFatal: false))
        }
        self.remarks = remarks
    }

    /// Where the challenge file of a name goes, nil if nothing says.
    package func webroot(for name: SubjectName) -> String? { webroots[name.description] ?? lastWebroot }

    /// A SHA-256 as certctl has it, of one as people copy it: `3A:BC…` or `3abc…`; nil for anything else.
    package static func digest(_ text: String) -> String? {
        let digits = text.lowercased().filter { $0 != ":" }
        return digits.utf8.count == 64 && digits.allSatisfy({ $0.isASCII && $0.isHexDigit }) ? digits : nil
    }

    private static func keyType(_ source: OptionSource) throws(LineageProblem) -> KeyType {
        // A conf without key_type is from before certbot 2.0, when keys were RSA.
        switch try source.string("key_type") ?? "rsa" {
        case "rsa":
            return .rsa(bits: try source.number("rsa_key_size", SettingBounds.rsaKeySize) ?? 2048)
        case "ecdsa":
            let name = try source.string("elliptic_curve") ?? "secp256r1"
            guard let curve = KeyType.Curve(named: name) else {
                throw LineageProblem(.optionInvalid, "elliptic_curve = \(name) is not a curve that certificates use")
            }
            return .ec(curve)
        case let other: throw LineageProblem(.optionInvalid, "key_type = \(other) is neither ecdsa nor rsa")
        }
    }
}

/// Looks a key up in cli.ini, as if it had been typed, then in the conf.
struct OptionSource {
    let conf: ConfFile
    let defaults: CLIDefaults

    func conf(_ key: String) throws(LineageProblem) -> String? {
        switch conf.value(key, in: ["renewalparams"]) {
        case .string("None"), nil: return nil
        case .string(let text): return text
        // What was meant can be guessed, but a hook is not to be guessed; certbot fails on it, too.
        case .list:
            throw LineageProblem(
                .optionInvalid, "\(key) has a comma outside quotes, which makes it a list: put its value in quotes")
        }
    }

    func string(_ key: String, cliName: String? = nil) throws(LineageProblem) -> String? {
        if let typed = defaults.value(cliName ?? key) { return typed }
        return try conf(key)
    }

    /// certbot 5.8 reads `deploy_hook` in a conf where there is no `renew_hook`; certbot 2.1 knows the latter alone.
    func deployHook(_ remarks: inout [LineageProblem]) throws(LineageProblem) -> String? {
        if let typed = defaults.value("deploy_hook") { return typed }
        let own = try conf("renew_hook")
        guard let newer = try conf("deploy_hook") else { return own }
        let line = conf.line(of: "deploy_hook", in: ConfOptions.section)
        let place = line.map { "line \($0): " } ?? ""
        if own == nil {
            remarks.append(
                LineageProblem(
                    .optionIgnored, "\(place)deploy_hook runs here, but older certbots ignore it: write renew_hook",
                    isFatal: false, line: line))
        } else if own != newer {
            remarks.append(
                LineageProblem(
                    .optionIgnored, "\(place)deploy_hook is ignored, since renew_hook is set too", isFatal: false,
                    line: line))
        }
        return own ?? newer
    }

    /// certctl's own setting, in the conf's section `[certctl]`.
    func own(_ key: String) throws(LineageProblem) -> String? {
        switch conf.value(key, in: ["certctl"]) {
        case .string(let text): return text
        case nil: return nil
        case .list: throw LineageProblem(.optionInvalid, "\(key) has a comma outside quotes, which makes it a list")
        }
    }

    /// The parts of a list, in lower case.
    func list(_ key: String, cliName: String) -> [String] {
        let typed = defaults.values(cliName).flatMap { $0.split(separator: ",").map(String.init) }
        let parts: [String] =
            switch conf.value(key, in: ["renewalparams"]) {
            case .string(let text): [text]
            case .list(let texts): texts
            case nil: []
            }
        return (typed.isEmpty ? parts : typed).map { $0.lowercased().replacing(" ", with: "") }
    }

    /// The options of a plugin: the keys that begin with its name.
    func options(of plugin: String) throws(LineageProblem) -> [String: String] {
        let prefix = plugin.replacing("-", with: "_") + "_"
        var options: [String: String] = [:]
        let ofConf = conf.keys(in: ["renewalparams"]).filter { $0.hasPrefix(prefix) }
        for key in ofConf + defaults.keys(beginningWith: prefix) {
            guard let value = try string(key) else { continue }
            // They go to the plugin line by line.
            guard !value.contains(where: \.isNewline) else {
                throw LineageProblem(.optionInvalid, "\(key) has a line break")
            }
            options[key] = value
        }
        return options
    }

    func flag(_ key: String) throws(LineageProblem) -> Bool? {
        do throws(ConfError) {
            return try defaults.flag(key)
        } catch {
            throw LineageProblem(.optionInvalid, "cli.ini: \(error)")
        }
    }

    func boolean(_ key: String, negation: String? = nil) throws(LineageProblem) -> Bool? {
        if let negation, let flag = try flag(negation) { return !flag }
        if let flag = try flag(key) { return flag }
        return try confBoolean(key)
    }

    func confBoolean(_ key: String) throws(LineageProblem) -> Bool? {
        guard let text = try conf(key) else { return nil }
        switch text.lowercased() {
        case "true": return true
        case "false": return false
        default: throw LineageProblem(.optionInvalid, "\(key) = \(text) is neither True nor False")
        }
    }

    func number(
        _ key: String, _ bounds: SettingBounds, cliName: String? = nil
    ) throws(LineageProblem) -> Int? {
        guard let text = try string(key, cliName: cliName) else { return nil }
        guard let number = bounds.number(text) else {
            throw LineageProblem(.optionInvalid, "\(key) = \(text) is not \(bounds)")
        }
        return number
    }

    func webrootMap() -> [String: String] {
        let section = ["renewalparams", "webroot_map"]
        var map: [String: String] = [:]
        for name in conf.keys(in: section) {
            let value = conf.value(name, in: section)
            if ConfOptions.isWebroot(name, value), case .string(let path) = value {
                map[SubjectName(name)?.description ?? name.lowercased()] = path
            }
        }
        return map
    }

    func webrootPaths() -> [String] {
        switch conf.value("webroot_path", in: ["renewalparams"]) {
        case .string("None"), nil: []
        case .string(let path): [path]
        case .list(let paths): paths
        }
    }
}

/// A span of time as confs write it: `30 days`, `2w`, `3 days 12 hours`, or a bare whole number of days.
package enum TimeSpan {
    /// Lengths in seconds. A month is 30 days, a year 365.
    private static let units: [(names: Set<Substring>, seconds: Double)] = [
        (["s", "sec", "secs", "second", "seconds"], 1), (["m", "min", "mins", "minute", "minutes"], 60),
        (["h", "hr", "hrs", "hour", "hours"], 3600), (["d", "day", "days"], 86_400),
        (["w", "wk", "wks", "week", "weeks"], 604_800), (["mon", "month", "months"], 2_592_000),
        (["y", "yr", "yrs", "year", "years"], 31_536_000),
    ]

    /// The span in seconds; nil for anything else.
    package static func seconds(in text: String) -> Double? {
        var rest = text.lowercased()[...]
        var sum: Double?
        while true {
            rest = rest.drop { $0 == " " || $0 == "," }
            if rest.isEmpty { return sum.flatMap { $0 <= SettingBounds.longestSpan ? $0 : nil } }
            let digits = rest.prefix { ("0"..."9").contains($0) || $0 == "." }
            rest = rest.dropFirst(digits.count).drop { $0 == " " }
            let unit = rest.prefix { ("a"..."z").contains($0) }
            rest = rest.dropFirst(unit.count)
            guard let number = Double(digits), number.isFinite else { return nil }
            if unit.isEmpty, rest.isEmpty, sum == nil, !digits.contains(".") {
                return number * 86_400 <= SettingBounds.longestSpan ? number * 86_400 : nil
            }
            guard let length = units.first(where: { $0.names.contains(unit) })?.seconds else { return nil }
            sum = (sum ?? 0) + number * length
        }
    }
}

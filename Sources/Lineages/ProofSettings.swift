package import PKI

/// What a renewal config is to say of how its names are proven: ``ProofPlan`` the other way round.
package struct ProofSettings: Sendable {
    /// In the order of preference: `solver` of `[certctl]` before the authenticator.
    package let methods: [ProofMethod]
    /// Each name and where its challenge files go; written where the authenticator is `webroot`.
    package let webroots: [(name: SubjectName, path: String)]

    package init(_ methods: [ProofMethod], webroots: [(name: SubjectName, path: String)] = []) {
        (self.methods, self.webroots) = (methods, webroots)
    }

    private static let section = ConfOptions.section
    private static let own = ["certctl"]

    /// The value of `authenticator`. certbot needs one beside `solver`, and can use the webroot there.
    package static func authenticator(_ methods: [ProofMethod]) -> String {
        for method in methods {
            switch method {
            case .webroot: return "webroot"
            case .standalone: return "standalone"
            case .certbotPlugin(let name, _): return name
            case .manualHooks: return "manual"
            case .stateless, .program: continue
            }
        }
        return "webroot"
    }

    /// Writes the settings. The options of an authenticator that is replaced are removed, as certbot removes them; what is there
    /// already and the same stays byte for byte.
    func write(to conf: inout ConfFile) throws(ConfError) {
        let authenticator = ProofSettings.authenticator(methods)
        let isSame = conf.value("authenticator", in: ProofSettings.section) == .string(authenticator)
        var wanted: [(key: String, value: ConfFile.Value)] = []
        var own: [(key: String, value: String)] = []
        for method in methods {
            wanted += ProofSettings.options(of: method)
            own += ProofSettings.ownOptions(of: method)
        }
        for key in conf.keys(in: ProofSettings.section) where !wanted.contains(where: { $0.key == key }) {
            let isStale =
                isSame ? ProofSettings.ownKeys(of: authenticator).contains(key) : ProofSettings.isProofKey(key)
            if isStale { conf.remove(key, in: ProofSettings.section) }
        }
        try conf.set("authenticator", to: .string(authenticator), in: ProofSettings.section)
        for option in wanted { try conf.set(option.key, to: option.value, in: ProofSettings.section) }
        if authenticator == "webroot" {
            try writeWebroots(to: &conf)
        } else {
            ProofSettings.removeWebroots(from: &conf)
        }
        for key in ["solver", "dns_program", "dns_credentials"] where !own.contains(where: { $0.key == key }) {
            conf.remove(key, in: ProofSettings.own)
        }
        for option in own { try conf.set(option.key, to: .string(option.value), in: ProofSettings.own) }
    }

    // MARK: Options of `[renewalparams]`

    private static func options(of method: ProofMethod) -> [(key: String, value: ConfFile.Value)] {
        switch method {
        case .webroot, .stateless, .program: return []
        case .standalone(let address, let port):
            return (port == 80 ? [] : [("http01_port", .string("\(port)"))])
                + (address.map { [("http01_address", .string($0))] } ?? [])
        case .certbotPlugin(_, let options):
            return options.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) }
        case .manualHooks(let auth, let cleanup, let types):
            return (types == ProofMethod.manualTypes ? [] : [("pref_challs", .list(types))])
                + [("manual_auth_hook", .string(auth))]
                + (cleanup.map { [("manual_cleanup_hook", .string($0))] } ?? [])
        }
    }

    private static func ownOptions(of method: ProofMethod) -> [(key: String, value: String)] {
        switch method {
        case .stateless: [("solver", "stateless")]
        case .program(let path, let credentials):
            [("solver", "program"), ("dns_program", path)] + (credentials.map { [("dns_credentials", $0)] } ?? [])
        default: []
        }
    }

    /// The keys of an authenticator that are written only where they differ from its defaults.
    private static func ownKeys(of authenticator: String) -> Set<String> {
        switch authenticator {
        case "standalone": ["http01_address", "http01_port"]
        case "manual": ["manual_cleanup_hook", "pref_challs"]
        default: []
        }
    }

    private static func isProofKey(_ key: String) -> Bool {
        ["http01_address", "http01_port", "pref_challs", "webroot_path"].contains(key)
            || key.hasPrefix("manual_") || key.hasPrefix("dns_")
    }

    // MARK: Webroots

    private func writeWebroots(to conf: inout ConfFile) throws(ConfError) {
        var paths: [String] = []
        for webroot in webroots where !paths.contains(webroot.path) { paths.append(webroot.path) }
        try conf.set("webroot_path", to: .list(paths), in: ProofSettings.section)
        let wanted = Set(webroots.map(\.name.description))
        // An option that stands among the names by mistake is somebody's hook.
        for name in conf.webrootNames where !wanted.contains(name.lowercased()) {
            conf.remove(name, in: ConfOptions.webrootMap)
        }
        let present = conf.keys(in: ConfOptions.webrootMap)
        for webroot in webroots {
            let key = present.first { $0.lowercased() == webroot.name.description } ?? webroot.name.description
            try conf.set(key, to: .string(webroot.path), in: ConfOptions.webrootMap)
        }
    }

    private static func removeWebroots(from conf: inout ConfFile) {
        for name in conf.webrootNames { conf.remove(name, in: ConfOptions.webrootMap) }
        if conf.hasSection(ConfOptions.webrootMap), conf.keys(in: ConfOptions.webrootMap).isEmpty {
            conf.removeSection(ConfOptions.webrootMap)
        }
    }
}

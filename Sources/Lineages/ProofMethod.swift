package import PKI

/// A way to prove control of names, as a conf asks for it.
package enum ProofMethod: Hashable, Sendable {
    /// A file in the web server's directory (certbot's `webroot`).
    case webroot
    /// certctl's own listener (certbot's `standalone`); nil is every address.
    case standalone(address: String?, port: Int)
    /// A rule of the web server that answers for every token: `solver = stateless`.
    case stateless
    /// One of certbot's DNS plugins (`dns-cloudflare`), with the options of the conf that begin with its name.
    case certbotPlugin(name: String, options: [String: String])
    /// certbot's `manual` with its hooks: commands for the shell. The types of challenges in the order of preference.
    case manualHooks(auth: String, cleanup: String?, types: [String])
    /// A program of the operator's that speaks the line protocol: `solver = program`; and the file that it is to read.
    case program(path: String, credentials: String?)

    /// The type of challenge with which it proves a name (RFC 8555 §8, RFC 8738 §4); nil where it cannot.
    package func challengeType(for name: SubjectName) -> String? {
        switch (self, name) {
        case (.webroot, _), (.standalone, _), (.stateless, _): name.isWildcard ? nil : "http-01"
        case (.certbotPlugin, .dns), (.program, .dns): "dns-01"
        case (.certbotPlugin, .ip), (.program, .ip): nil
        case (.manualHooks(_, _, let types), .dns):
            types.first { $0 == "dns-01" || !name.isWildcard }
        case (.manualHooks(_, _, let types), .ip): types.first { $0 == "http-01" }
        }
    }

    /// A type of challenge as `pref_challs` and `--preferred-challenges` have it: `dns` or `dns-01`; nil for another.
    package static func challengeType(_ text: String) -> String? {
        ["http": "http-01", "dns": "dns-01"][text] ?? (manualTypes.contains(text) ? text : nil)
    }

    /// certbot's own order for its manual hooks, where nothing is preferred.
    package static let manualTypes = ["http-01", "dns-01"]

    /// What it is called in messages.
    package var title: String {
        switch self {
        case .webroot: "webroot"
        case .standalone: "standalone"
        case .stateless: "stateless"
        case .certbotPlugin(let name, _): name
        case .manualHooks: "manual"
        case .program(let path, _): path
        }
    }

    /// The file with the credentials of a DNS provider; nil where none is named.
    package var credentials: String? {
        switch self {
        case .certbotPlugin(let name, let options):
            options["\(name.replacing("-", with: "_"))_credentials"].flatMap { $0 == "None" ? nil : $0 }
        case .program(_, let credentials): credentials
        default: nil
        }
    }
}

/// Which methods prove a lineage's names.
package struct ProofPlan: Hashable, Sendable {
    /// In the order of preference: what the first cannot prove is for the next. `solver` of `[certctl]` stands before the
    /// authenticator.
    package let methods: [ProofMethod]
    /// Why the authenticator cannot be used; nil where it can.
    package let obstacle: String?

    package init(methods: [ProofMethod], obstacle: String? = nil) {
        (self.methods, self.obstacle) = (methods, obstacle)
    }

    /// The method for a name.
    package func method(for name: SubjectName) -> ProofMethod? {
        methods.first { $0.challengeType(for: name) != nil }
    }

    /// The methods that are needed for some names, each with those that it proves.
    package func shares(of names: [SubjectName]) -> [(method: ProofMethod, names: [SubjectName])] {
        methods.map { method in (method, names.filter { self.method(for: $0) == method }) }.filter { !$0.1.isEmpty }
    }

    /// Whether some name is proven by certctl's own listener.
    package func needsListener(for names: [SubjectName]) -> Bool {
        names.contains { if case .standalone? = method(for: $0) { true } else { false } }
    }

    /// Why the names cannot all be proven; nil where they can.
    package func reasonUnproven(_ names: [SubjectName]) -> String? {
        guard let first = methods.first else { return obstacle ?? "its renewal config names no authenticator" }
        guard let name = names.first(where: { method(for: $0) == nil }) else { return nil }
        if let obstacle { return obstacle }
        if case .ip = name { return "\(name) needs http-01, which \(first.title) does not have" }
        return "\(name) needs dns-01, which the \(first.title) authenticator does not have"
    }
}

extension ProofPlan {
    /// Reads the methods of a conf.
    init(_ source: OptionSource) throws(LineageProblem) {
        var methods: [ProofMethod] = []
        switch try source.own("solver") {
        case nil: break
        case "stateless"?: methods.append(.stateless)
        case "program"?:
            guard let path = try source.own("dns_program"), path.hasPrefix("/") else {
                throw LineageProblem(
                    .optionInvalid, "solver = program needs dns_program = … beside it, the absolute path of a program")
            }
            methods.append(.program(path: path, credentials: try source.own("dns_credentials")))
        case let other?:
            throw LineageProblem(.optionInvalid, "solver = \(other) is neither stateless nor program")
        }
        let authenticator = try source.string("authenticator") ?? ""
        // Plugins before certbot 1.7 were named with their package.
        let name = authenticator.split(separator: ":").last.map(String.init) ?? ""
        switch name {
        case "webroot": methods.append(.webroot)
        case "standalone":
            let port = try source.number("http01_port", .port, cliName: "http_01_port") ?? 80
            let address = try source.string("http01_address", cliName: "http_01_address")
            methods.append(.standalone(address: address.flatMap { $0.isEmpty ? nil : $0 }, port: port))
        case "manual":
            guard let auth = try source.string("manual_auth_hook") else {
                self.init(methods: methods, obstacle: "authenticator manual without manual_auth_hook asks a person")
                return
            }
            methods.append(
                .manualHooks(auth: auth, cleanup: try source.string("manual_cleanup_hook"), types: try types(source)))
        case _ where name.hasPrefix("dns-") && name.count > 4:
            methods.append(.certbotPlugin(name: name, options: try source.options(of: name)))
        case "nginx", "apache":
            self.init(
                methods: methods,
                obstacle: "authenticator \(name) is certbot's own: certctl setup --webroot DIR converts it")
            return
        case "": break
        default:
            self.init(methods: methods, obstacle: "authenticator \(authenticator)")
            return
        }
        self.init(methods: methods)

        /// certbot's own order, narrowed by `pref_challs`.
        func types(_ source: OptionSource) throws(LineageProblem) -> [String] {
            let wanted = source.list("pref_challs", cliName: "preferred_challenges").compactMap(
                ProofMethod.challengeType)
            return wanted.isEmpty ? ProofMethod.manualTypes : wanted
        }
    }
}

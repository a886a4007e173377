import ArgumentParser
import Lineages

/// How `certctl issue` is to prove names. Given once, it is saved in the renewal config, in certbot's own words.
struct ProofOptions: ParsableArguments {
    @Option(
        name: .long, help: ArgumentHelp("The directory that nginx serves challenges from.", valueName: "dir"),
        completion: .directory)
    var webroot: OperatorPath?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Prove names by DNS records, made by certbot's plugin dns-NAME: cloudflare, route53 and others.",
            valueName: "name"), transform: ProofOptions.plugin)
    var dns: String?

    @Option(name: .long, help: ArgumentHelp("The file with the plugin's credentials, of mode 600.", valueName: "file"))
    var dnsCredentials: OperatorPath?

    @Option(
        name: .long,
        help: ArgumentHelp("How long the plugin waits for its records, in seconds.", valueName: "seconds"))
    var dnsPropagationSeconds: Int?

    @Option(
        name: .long, help: ArgumentHelp("Prove names by this command, certbot's manual hook.", valueName: "command"))
    var manualAuthHook: String?

    @Option(
        name: .long, help: ArgumentHelp("The command that removes what the other one made.", valueName: "command"))
    var manualCleanupHook: String?

    @Option(
        name: .long, help: ArgumentHelp("dns or http: what the manual hook does.", valueName: "types"),
        completion: .list(["dns", "http"]), transform: ProofOptions.types)
    var preferredChallenges: [String]?

    @Flag(name: .long, help: "Prove names by an HTTP server of its own, which needs the port for itself.")
    var standalone = false

    @Option(
        name: .customLong("http-01-port"), help: ArgumentHelp("The port of --standalone (default: 80).", valueName: "n")
    )
    var port: Int?

    @Option(
        name: .customLong("http-01-address"),
        help: ArgumentHelp("The IP address of --standalone (default: all).", valueName: "address"))
    var address: String?

    @Flag(name: .long, help: "Prove names by nginx itself, with what certctl account thumbprint --nginx prints.")
    var stateless = false

    /// certbot's word for its hooks, which `--manual-auth-hook` says already.
    @Flag(name: .long, help: .hidden)
    var manual = false

    func validate() throws {
        let ways = [webroot != nil, dns != nil, manualAuthHook != nil, standalone]
        guard ways.count(where: \.self) <= 1 else {
            throw ValidationError("give one of --webroot, --dns, --manual-auth-hook and --standalone")
        }
        if standalone, stateless { throw ValidationError("give either --standalone or --stateless") }
        if dns == nil, dnsCredentials != nil || dnsPropagationSeconds != nil {
            throw ValidationError("name the DNS plugin with --dns")
        }
        if let dnsPropagationSeconds, dnsPropagationSeconds < 0 {
            throw ValidationError("--dns-propagation-seconds \(dnsPropagationSeconds) is negative")
        }
        if manualAuthHook == nil, manual || manualCleanupHook != nil {
            throw ValidationError("name the command that proves a name with --manual-auth-hook: no person is asked")
        }
        if !standalone, port != nil || address != nil {
            throw ValidationError("--http-01-port and --http-01-address are for --standalone")
        }
        if let port, SettingBounds.port.number("\(port)") == nil {
            throw ValidationError("--http-01-port \(port) is not \(SettingBounds.port)")
        }
        if let preferredChallenges, manualAuthHook == nil,
            !preferredChallenges.contains(dns == nil ? "http-01" : "dns-01")
        {
            throw ValidationError(
                dns == nil
                    ? "give --dns or --manual-auth-hook for DNS records" : "a DNS plugin proves names by dns-01 alone")
        }
    }

    /// The methods that were asked for, in the order of preference; nil where none was.
    ///
    /// - Parameter plan: how the names are proven now: what is not given for the same plugin stays.
    func methods(changing plan: ProofPlan) -> [ProofMethod]? {
        let authenticator = authenticator(changing: plan)
        if stateless { return [.stateless, authenticator ?? .webroot] }
        return authenticator.map { [$0] }
    }

    private func authenticator(changing plan: ProofPlan) -> ProofMethod? {
        if let dns {
            let name = "dns-\(dns)"
            let key = name.replacing("-", with: "_")
            var options: [String: String] = [:]
            for case .certbotPlugin(name, let present) in plan.methods { options = present }
            if let dnsCredentials { options["\(key)_credentials"] = dnsCredentials.text }
            if let dnsPropagationSeconds { options["\(key)_propagation_seconds"] = "\(dnsPropagationSeconds)" }
            return .certbotPlugin(name: name, options: options)
        }
        if let manualAuthHook {
            return .manualHooks(
                auth: manualAuthHook, cleanup: manualCleanupHook, types: preferredChallenges ?? ProofMethod.manualTypes)
        }
        if standalone { return .standalone(address: address, port: port ?? 80) }
        return webroot == nil ? nil : .webroot
    }

    private static func plugin(_ text: String) throws -> String {
        let name = text.hasPrefix("dns-") ? String(text.dropFirst(4)) : text
        guard !name.isEmpty, name.utf8.allSatisfy({ $0 == 0x2D || 0x30...0x39 ~= $0 || 0x61...0x7A ~= $0 }) else {
            throw ValidationError("\(text) is not the name of a DNS plugin, such as cloudflare")
        }
        return name
    }

    private static func types(_ text: String) throws -> [String] {
        try text.lowercased().split(separator: ",").map { word in
            guard let type = ProofMethod.challengeType(String(word)) else {
                throw ValidationError("\(word) is neither dns nor http")
            }
            return type
        }
    }
}

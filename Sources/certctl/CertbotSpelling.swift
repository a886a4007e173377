/// certbot's names for the options of its DNS plugins, which are options of their own for each plugin: `--dns-cloudflare
/// --dns-cloudflare-credentials FILE` is `--dns cloudflare --dns-credentials FILE`.
enum CertbotSpelling {
    private static let prefix = "--dns-"
    /// certctl's own options, which begin in the same way.
    private static let own = ["credentials", "propagation-seconds"]

    /// A command line with the options of `certctl issue` in certctl's spelling; what is not known is left for the parser to refuse.
    static func translated(_ arguments: [String]) -> [String] {
        guard arguments.first == "issue" else { return arguments }
        let plugins = Set(arguments.compactMap(plugin))
        return arguments.flatMap { argument -> [String] in
            if let plugin = plugin(argument) { return ["--dns", plugin] }
            guard argument.hasPrefix(prefix) else { return [argument] }
            for plugin in plugins {
                for option in own {
                    let rest = argument.dropFirst("\(prefix)\(plugin)-\(option)".count)
                    if argument == "\(prefix)\(plugin)-\(option)\(rest)", rest.isEmpty || rest.hasPrefix("=") {
                        return ["\(prefix)\(option)\(rest)"]
                    }
                }
            }
            return [argument]
        }
    }

    /// The plugin that a flag such as `--dns-cloudflare` names.
    private static func plugin(_ argument: String) -> String? {
        guard argument.hasPrefix(prefix), !argument.contains("=") else { return nil }
        let name = argument.dropFirst(prefix.count)
        return name.isEmpty || own.contains { name == $0 || name.hasSuffix("-\($0)") } ? nil : String(name)
    }
}

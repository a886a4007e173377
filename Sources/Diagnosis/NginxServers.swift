/// Which server of a configuration answers for a name at a port, and which of its locations for a path
/// (https://nginx.org/en/docs/http/request_processing.html).
extension NginxConf {
    struct Server: Equatable, Sendable {
        let directive: Directive
        /// What it has from `http { }` around it, where it says nothing itself.
        let inherited: [Directive]

        var names: [String] { directive.all("server_name").flatMap(\.arguments) }

        /// The directives of a name, its own or those that it inherits.
        func effective(_ name: String) -> [Directive] {
            let own = directive.all(name)
            return own.isEmpty ? inherited.filter { $0.name == name } : own
        }

        /// The `listen` lines for a port; without any, port 80.
        func listens(at port: Int) -> [Directive] {
            directive.all("listen").filter { $0.arguments.first.flatMap(NginxConf.port) == port }
        }

        func isAt(_ port: Int) -> Bool {
            directive.all("listen").isEmpty ? port == 80 : !listens(at: port).isEmpty
        }

        /// Whether one of its names is this one, with the wildcards and regular expressions of nginx.
        func isNamed(_ name: String) -> Bool { names.contains { NginxConf.matches($0, name) > 0 } }
    }

    /// Every `server` of `http`.
    var servers: [Server] {
        directives.filter { $0.name == "http" }.flatMap { http in
            let inherited = (http.block ?? []).filter { $0.block == nil }
            return http.all("server").map { Server(directive: $0, inherited: inherited) }
        }
    }

    /// The one that answers; nil where none listens there.
    func server(for name: String, at port: Int) -> Server? {
        let there = servers.filter { $0.isAt(port) }
        let ranked = there.enumerated().map { index, server in
            (rank: server.names.map { NginxConf.matches($0, name) }.max() ?? 0, index: index, server: server)
        }
        if let best = ranked.filter({ $0.rank > 0 }).max(by: { ($0.rank, -$0.index) < ($1.rank, -$1.index) }) {
            return best.server
        }
        return there.first { server in
            server.listens(at: port).contains { listen in
                listen.arguments.contains { $0 == "default_server" || $0 == "default" }
            }
        } ?? there.first
    }

    /// How well a `server_name` fits: exact names before wildcards in front, those at the end, and regular expressions; 0 for none.
    private static func matches(_ pattern: String, _ name: String) -> Int {
        let (pattern, name) = (pattern.hasPrefix("~") ? pattern : pattern.lowercased(), name.lowercased())
        if pattern == name { return 1000 }
        if pattern.hasPrefix(".") {
            return name == pattern.dropFirst() ? 999 : name.hasSuffix(pattern) ? 500 + min(pattern.count, 99) : 0
        }
        if pattern.hasPrefix("*.") {
            return name.hasSuffix(pattern.dropFirst()) ? 500 + min(pattern.count, 99) : 0
        }
        if pattern.hasSuffix(".*") { return name.hasPrefix(pattern.dropLast()) ? 300 + min(pattern.count, 99) : 0 }
        if pattern.hasPrefix("~") { return isMatch(String(pattern.dropFirst()), name, ignoringCase: true) ? 100 : 0 }
        return 0
    }

    private static func isMatch(_ pattern: String, _ text: String, ignoringCase: Bool) -> Bool {
        guard var regex = try? Regex(pattern) else { return false }
        if ignoringCase { regex = regex.ignoresCase() }
        return (try? regex.firstMatch(in: text)) ?? nil != nil
    }

    /// The port of a `listen`'s first argument; nil for a socket in the file system.
    static func port(_ listen: String) -> Int? {
        if listen.hasPrefix("unix:") { return nil }
        if let port = Int(listen) { return port }
        guard let colon = listen.lastIndex(of: ":"), !listen.hasSuffix("]") else { return 80 }
        return Int(listen[listen.index(after: colon)...])
    }

    /// The location that nginx chooses for a path, and nested ones in it; nil where only the server itself answers.
    static func location(for path: String, in block: Directive) -> Directive? {
        let locations = block.all("location")
        var best: (location: Directive, length: Int, isFinal: Bool)?
        for location in locations {
            let (modifier, pattern) =
                location.arguments.count > 1
                ? (location.arguments[0], location.arguments[1]) : ("", location.arguments.first ?? "")
            if modifier == "=", pattern == path { return location }
            guard ["", "^~"].contains(modifier), !pattern.hasPrefix("@"), path.hasPrefix(pattern) else { continue }
            if pattern.count > best?.length ?? -1 { best = (location, pattern.count, modifier == "^~") }
        }
        if best?.isFinal != true {
            for location in locations where location.arguments.count > 1 {
                let (modifier, pattern) = (location.arguments[0], location.arguments[1])
                guard ["~", "~*"].contains(modifier), isMatch(pattern, path, ignoringCase: modifier == "~*") else {
                    continue
                }
                return location
            }
        }
        guard let found = best?.location else { return nil }
        return location(for: path, in: found) ?? found
    }
}

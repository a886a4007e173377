import Lineages

/// The settings of the shipped reload-nginx hook, as far as they say which container nginx is in.
struct ReloadSettings: Equatable, Sendable {
    var containers: [String] = []
    var composeFile: String?
    var services: [String] = []
    var isHost = false

    static let defaultPath = "/etc/certctl/reload-nginx.conf"

    init() {}

    /// Lines of `key = value`, as the hook reads them.
    init(_ text: String) {
        func words(_ value: String) -> [String] {
            value.split { $0 == " " || $0 == "\t" || $0 == "," }.map(String.init)
        }
        for line in text.split(whereSeparator: \.isNewline) {
            let pair = line.split(separator: "=", maxSplits: 1).map(ReloadSettings.trimmed)
            guard pair.count == 2, !pair[0].hasPrefix("#") else { continue }
            switch pair[0] {
            case "container": containers = words(pair[1])
            case "service": services = words(pair[1])
            case "compose_file": composeFile = pair[1].isEmpty ? nil : pair[1]
            case "host": isHost = pair[1] == "yes"
            default: break
            }
        }
    }

    /// The settings that the hook would take.
    static func found(environment: [String: String]) -> ReloadSettings {
        let path = environment["CERTCTL_RELOAD_NGINX_CONF"].flatMap { $0.isEmpty ? nil : $0 } ?? defaultPath
        guard let bytes = try? FileSystem.read(path) else { return ReloadSettings() }
        return ReloadSettings(String(decoding: bytes, as: UTF8.self))
    }

    private static func trimmed(_ text: Substring) -> String {
        var text = text
        while let first = text.first, first.isWhitespace { text.removeFirst() }
        while let last = text.last, last.isWhitespace { text.removeLast() }
        for quote in ["\"", "'"] where text.count > 1 && text.hasPrefix(quote) && text.hasSuffix(quote) {
            return String(text.dropFirst().dropLast())
        }
        return String(text)
    }
}

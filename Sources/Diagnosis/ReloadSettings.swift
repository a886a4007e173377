import Lineages
import Text

/// The settings of the shipped reload-nginx hook, as far as they say which container nginx is in.
struct ReloadSettings: Equatable, Sendable {
    var containers: [String] = []
    var composeFile: String?
    var services: [String] = []
    var isHost = false
    var project: String?
    var projectDirectory: String?
    /// The file that they are from.
    var path = ReloadSettings.defaultPath
    /// What the hook stops at, in its words; nil where it takes them.
    var problem: String?

    static let defaultPath = "/etc/certctl/reload-nginx.conf"

    init() {}

    /// Lines of `key = value`, as the hook reads them.
    init(_ text: String) {
        func words(_ value: String) -> [String] {
            value.split { $0 == " " || $0 == "\t" || $0 == "," }.map(String.init)
        }
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let trimmed = ReloadSettings.trimmed(line)
            if trimmed.isEmpty || trimmed.hasPrefix("#") { continue }
            let pair = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                .map(ReloadSettings.trimmed)
            guard pair.count == 2 else {
                problem = problem ?? "line \(index + 1) is not \"key = value\""
                continue
            }
            switch pair[0] {
            case "container": containers = words(pair[1])
            case "service": services = words(pair[1])
            case "compose_file": composeFile = pair[1].isEmpty ? nil : pair[1]
            case "host" where ["yes", "no"].contains(pair[1]): isHost = pair[1] == "yes"
            case "host": problem = problem ?? "line \(index + 1): host is neither yes nor no"
            case "project": project = pair[1].isEmpty ? nil : pair[1]
            case "project_directory": projectDirectory = pair[1].isEmpty ? nil : pair[1]
            default: problem = problem ?? "line \(index + 1): there is no setting \(pair[0])"
            }
            if ["compose_file", "project_directory"].contains(pair[0]), !pair[1].isEmpty, !pair[1].hasPrefix("/") {
                problem = problem ?? "line \(index + 1): \(pair[0]) is not an absolute path"
            }
        }
    }

    /// The settings that the hook would take.
    static func found(environment: [String: String]) -> ReloadSettings {
        let named = environment["CERTCTL_RELOAD_NGINX_CONF"].flatMap { $0.isEmpty ? nil : $0 }
        let path = named ?? defaultPath
        var settings = ReloadSettings()
        do throws(FileError) {
            settings = ReloadSettings(String(decoding: try FileSystem.read(path), as: UTF8.self))
        } catch {
            if !error.isNotFound || named != nil { settings.problem = error.cause }
        }
        settings.path = path
        return settings
    }

    /// Whether the hook cannot do without Docker.
    var needsDocker: Bool { !containers.isEmpty || composeFile != nil || !services.isEmpty || project != nil }

    /// The Compose project in which the hook looks for the services: its setting, the file's `name:`, the directory's name; nil
    /// where that depends on a variable (https://docs.docker.com/compose/how-tos/project-name/).
    var expectedProject: String? {
        if let project { return project }
        guard let composeFile else { return nil }
        if let bytes = try? FileSystem.read(composeFile) {
            for line in String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
            where line.hasPrefix("name:") {
                let value = ReloadSettings.trimmed(line.dropFirst("name:".count).prefix { $0 != "#" })
                return value.contains("$") ? nil : value
            }
        }
        let directory = projectDirectory ?? FileSystem.directory(of: composeFile) ?? "/"
        let name = FileSystem.name(of: directory).lowercased().filter {
            $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_")
        }
        return String(name.drop { $0 == "-" || $0 == "_" })
    }

    private static func trimmed(_ text: Substring) -> String {
        let text = text.trimmed
        for quote in ["\"", "'"] where text.count > 1 && text.hasPrefix(quote) && text.hasSuffix(quote) {
            return String(text.dropFirst().dropLast())
        }
        return text
    }
}

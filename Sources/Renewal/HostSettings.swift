package import Challenges
package import Lineages
import Text

/// Host-wide settings, `/etc/certctl/certctl.conf`: the dialect of renewal confs, keys at the top level.
package struct HostSettings: Sendable {
    /// Where they are when nothing else is said.
    package static let defaultPath = "/etc/certctl/certctl.conf"

    /// How long one hook may take (`hook_timeout`, seconds).
    package let hookTimeout: Duration
    /// A PEM file of the CAs that servers are verified by, instead of the system's (`ca_bundle`).
    package let caBundle: String?
    /// Where each run leaves its report (`status_file`); `none` for nowhere, nil for the default.
    package let statusFile: String?
    /// Where each run leaves its metrics for node_exporter's textfile collector (`metrics_file`); nil for nowhere.
    package let metricsFile: String?
    /// How many certificates for one set of names the CA makes in seven days (`duplicate_limit`); nil where the host does not say.
    package let duplicateLimit: Int?
    /// The port on which this host's web server answers challenges, 80 for every CA but one in a test (`http_port`).
    package let httpPort: Int
    /// The systemd timer that runs certctl; nil where something else does (`timer`).
    package let timer: String?
    /// How many lineages are renewed side by side (`jobs`).
    package let jobs: Int
    /// What solvers need of the host, as far as settings say (`dns_resolver`, `dns_port`, `propagation_timeout`,
    /// `dns_timeout`, `certbot_venv`).
    package let challenges: ChallengeSettings
    /// The file itself, for the settings that a lineage may have of its own.
    package let conf: ConfFile
    /// Keys that mean nothing to certctl, a slip of the pen perhaps.
    package let unknownKeys: [String]

    /// Why the settings cannot be used.
    package enum Failure: Error, Sendable, CustomStringConvertible {
        case unreadable(FileError)
        case malformed(path: String, ConfError)
        case invalid(path: String, key: String, value: String, expected: String)

        case malformedValue(path: String, LineageProblem)

        package var description: String {
            switch self {
            case .malformedValue(let path, let problem): "\(path): \(problem)"
            case .unreadable(let error): "\(error)"
            case .malformed(let path, let error): "\(path): \(error)"
            case .invalid(let path, let key, let value, let expected):
                "\(path): \(key) = \(value.line()) is not \(expected)"
            }
        }
    }

    /// Certbot runs hooks without a limit; a hook that hangs must not keep every later run from its work.
    package static let defaultHookTimeout: Duration = .seconds(600)

    /// Reads the settings.
    ///
    /// - Parameter path: nil reads ``defaultPath``, which need not be there; a path that the operator names has to be.
    package init(path: String?) throws(Failure) {
        let file = path ?? HostSettings.defaultPath
        let conf = try HostSettings.conf(at: file, mustExist: path != nil)
        var timeout = HostSettings.defaultHookTimeout
        if let value = HostSettings.text("hook_timeout", in: conf) {
            guard let seconds = SettingBounds.hookTimeout.number(value) else {
                throw .invalid(
                    path: file, key: "hook_timeout", value: value, expected: SettingBounds.hookTimeout.description)
            }
            timeout = .seconds(seconds)
        }
        hookTimeout = timeout
        caBundle = HostSettings.text("ca_bundle", in: conf)
        statusFile = try HostSettings.path("status_file", in: conf, at: file)
        let metrics = try HostSettings.path("metrics_file", in: conf, at: file)
        metricsFile = metrics == "none" ? nil : metrics
        // The collector reads no other names.
        if let path = metricsFile, !path.hasSuffix(".prom") {
            throw .invalid(path: file, key: "metrics_file", value: path, expected: "a name that ends in .prom")
        }
        if let value = HostSettings.text("duplicate_limit", in: conf) {
            guard let count = SettingBounds.duplicateLimit.number(value) else {
                throw .invalid(
                    path: file, key: "duplicate_limit", value: value, expected: SettingBounds.duplicateLimit.description
                )
            }
            duplicateLimit = count
        } else {
            duplicateLimit = nil
        }
        let port = HostSettings.text("http_port", in: conf)
        guard let number = SettingBounds.port.number(port ?? "80") else {
            throw .invalid(path: file, key: "http_port", value: port ?? "", expected: SettingBounds.port.description)
        }
        httpPort = number
        let unit = HostSettings.text("timer", in: conf) ?? HostSettings.defaultTimer
        guard unit == "none" || (unit.hasSuffix(".timer") && unit.count > ".timer".count) else {
            throw .invalid(path: file, key: "timer", value: unit, expected: "the name of a timer, or none")
        }
        timer = unit == "none" ? nil : unit
        let lanes = HostSettings.text("jobs", in: conf) ?? "\(HostSettings.defaultJobs)"
        guard let count = SettingBounds.jobs.number(lanes) else {
            throw .invalid(path: file, key: "jobs", value: lanes, expected: "\(SettingBounds.jobs)")
        }
        jobs = count
        challenges = try HostSettings.challenges(conf, at: file)
        self.conf = conf
        unknownKeys = conf.keys(in: []).filter { !HostSettings.knownKeys.contains($0) }
        do throws(LineageProblem) {
            _ = try VerificationSettings(lineage: nil, host: conf)
        } catch {
            throw .malformedValue(path: file, error)
        }
    }

    /// As many as a CA's validation keeps waiting without harm.
    package static let defaultJobs = 4

    /// The timer that comes with certctl.
    package static let defaultTimer = "certctl.timer"

    /// The keys that certctl acts on.
    package static let knownKeys: Set = [
        "hook_timeout", "ca_bundle", "http_port", "timer", "status_file", "metrics_file", "duplicate_limit",
        "dns_resolver", "dns_port", "propagation_timeout", "dns_timeout", "certbot_venv", "verify", "verify_names",
        "verify_timeout", "verify_recovery", "proxy_protocol", "jobs",
    ]

    private static func challenges(_ conf: ConfFile, at file: String) throws(Failure) -> ChallengeSettings {
        func number(_ key: String, _ range: ClosedRange<Int>, _ expected: String) throws(Failure) -> Int? {
            guard let value = text(key, in: conf) else { return nil }
            guard let number = Int(value), range.contains(number) else {
                throw .invalid(path: file, key: key, value: value, expected: expected)
            }
            return number
        }
        var settings = ChallengeSettings()
        if let value = text("dns_resolver", in: conf) {
            guard let server = DNSServer(value) else {
                throw .invalid(path: file, key: "dns_resolver", value: value, expected: "an address, with a port or 53")
            }
            settings.dns.resolver = server
        }
        if let port = try number("dns_port", 1...65_535, "a port") { settings.dns.port = port }
        if let seconds = try number("propagation_timeout", 0...86_400, "a number of seconds") {
            settings.propagationTimeout = .seconds(seconds)
        }
        if let seconds = try number("dns_timeout", 1...86_400, "a number of seconds") {
            settings.programTimeout = .seconds(seconds)
        }
        settings.certbotVenv = try path("certbot_venv", in: conf, at: file)
        return settings
    }

    private static func conf(at path: String, mustExist: Bool) throws(Failure) -> ConfFile {
        let bytes: [UInt8]
        do throws(FileError) {
            bytes = try FileSystem.read(path)
        } catch {
            if error.isNotFound, !mustExist { return ConfFile() }
            throw .unreadable(error)
        }
        do throws(ConfError) {
            return try ConfFile(bytes: bytes)
        } catch {
            throw .malformed(path: path, error)
        }
    }

    /// What each run writes outside of the tree and the books.
    package var reports: [String] { [statusFile, metricsFile].compactMap { $0 == "none" ? nil : $0 } }

    private static func path(_ key: String, in conf: ConfFile, at file: String) throws(Failure) -> String? {
        guard let path = text(key, in: conf) else { return nil }
        guard path == "none" || path.hasPrefix("/") else {
            throw .invalid(path: file, key: key, value: path, expected: "an absolute path")
        }
        return path
    }

    private static func text(_ key: String, in conf: ConfFile) -> String? {
        switch conf.value(key) {
        case .string(let text): text
        case .list(let parts): parts.joined(separator: ", ")
        case nil: nil
        }
    }
}

import FoundationEssentials

/// What the Docker Engine tells.
enum DockerFacts: Sendable {
    /// There is no Docker on this host, and no setting needs one.
    case absent(String)
    /// It cannot be asked from here, which is no fault: why.
    case notAsked(String)
    /// It should be there and does not answer: how. One that is hung takes connections, and says nothing.
    case unreachable(String, isHung: Bool)
    case present([ContainerFacts])
}

/// One container, as far as nginx and its files are concerned.
struct ContainerFacts: Equatable, Sendable {
    struct Mount: Equatable, Sendable {
        /// The path on the host.
        let source: String
        /// The path in the container.
        let destination: String
        /// The source as the engine has it, its symlinks not followed.
        let written: String

        init(source: String, destination: String, written: String? = nil) {
            (self.source, self.destination, self.written) = (source, destination, written ?? source)
        }
    }

    enum ConfigTest: Equatable, Sendable {
        case passed
        /// In nginx's words.
        case failed(String)
        case notRun(String)

        var wasRun: Bool { if case .notRun = self { false } else { true } }
    }

    let id: String
    let name: String
    let image: String
    /// Compose's name for it.
    let service: String?
    let project: String?
    let composeFile: String?
    /// `running`, `exited`, `restarting`, `created`, `paused`, `dead`.
    let status: String
    let exitCode: Int
    /// What the engine says of a start that failed.
    let error: String
    let finishedAt: String
    /// `healthy`, `unhealthy`, `starting`; nil without a health check.
    let health: String?
    /// What the last health check printed.
    let healthOutput: String?
    /// The host's pid of its first process; 0 when it does not run.
    let pid: Int32
    let mounts: [Mount]
    /// The ports of the host that it should have.
    let hostPorts: Set<Int>
    /// Whether it has the host's network, and so every port that it opens.
    let isOnHostNetwork: Bool
    /// The last line that its first process wrote, where it does not run as it should.
    var lastWords: String?
    var configTest: ConfigTest
    /// Whether nginx's master process is among its processes; only looked for where it may be the web server.
    var runsNginx = false
    /// What `nginx -T` prints; nil where it could not be run, or its test fails.
    var configuration: NginxConf?
    /// When its first process was started; nil where the engine does not say.
    var startedAt: Date?
    /// The container's port for each one of the host's; only those that are published.
    var publishedPorts: [Int: Int] = [:]
    /// Its mounts that show something else than the host has there now.
    var staleMounts: [StaleMount] = []
    /// What nginx says of the files that the host has in the place of those: another container of the image was asked.
    var hostTest = ConfigTest.notRun("no mount is stale")
    /// `NAME=value`.
    var environment: [String] = []

    /// Whether it ended with an error within seconds of its last start, as one does that is started in vain.
    var endedAtOnce = false
    /// Whether doctor itself has made it, for a test.
    var isOfDoctor = false

    /// The label of a container that doctor has made.
    static let doctorsLabel = "certctl.doctor"

    /// The network of another container that is to see what it sees: `host`, or `container:NAME`.
    var network: String { isOnHostNetwork ? "host" : "container:\(name)" }

    /// The port on which nginx in it listens for one of the host's.
    func port(for hostPort: Int) -> Int { publishedPorts[hostPort] ?? hostPort }

    var isRunning: Bool { status == "running" }

    /// Whether it is an nginx: one runs in it, or, where none does now, by what it is named.
    var isNginx: Bool {
        runsNginx || [name, image, service ?? ""].contains { $0.lowercased().contains("nginx") }
    }
}

extension ContainerFacts {
    /// The path in the container at which it sees a path of the host; nil where no mount shows it.
    func inside(_ path: String) -> String? {
        let mount = mounts.filter { ContainerFacts.covers($0.source, path) }.max { $0.source.count < $1.source.count }
        return mount.map { $0.destination + path.dropFirst($0.source == "/" ? 0 : $0.source.count) }
    }

    /// The path of the host that the container sees at a path of its own; nil for its own files.
    func outside(_ path: String) -> String? {
        let mount = mounts.filter { ContainerFacts.covers($0.destination, path) }
            .max { $0.destination.count < $1.destination.count }
        return mount.map { $0.source + path.dropFirst($0.destination == "/" ? 0 : $0.destination.count) }
    }

    /// Whether a path is a directory or below it.
    static func covers(_ directory: String, _ path: String) -> Bool {
        directory == "/" || path == directory || path.hasPrefix(directory + "/")
    }

    /// Mounts of something below a path.
    func mounts(below path: String) -> [Mount] {
        mounts.filter { $0.source != path && ContainerFacts.covers(path, $0.source) }
    }
}

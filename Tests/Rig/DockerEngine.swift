import FoundationEssentials
import Glibc
import Synchronization
package import Testing

/// A real Docker Engine with Compose and an image with nginx in it, one for all tests of the process.
///
/// The script `Tests/docker-engine` runs it as long as this process lives, and leaves nothing of it behind, however
/// the process ends.
package struct DockerEngine: Sendable {
    /// An image like Docker's own of nginx, of this machine's nginx.
    package static let image = "certctl-test/nginx"

    /// Where all of the engine is.
    package let directory: String
    /// The process that ends when the engine and everything of it has ended.
    package let pid: Int32

    /// Makes `docker` and `docker compose` talk to this engine, with no settings of the user's.
    package var environment: [String: String] {
        ["DOCKER_HOST": "unix://\(directory)/engine.sock", "DOCKER_CONFIG": "\(directory)/config"]
    }

    /// The engine, which the first call starts; that takes about three seconds.
    package static func shared() async throws -> DockerEngine { try await starting.value }

    /// `docker` with these arguments.
    package func docker(_ arguments: [String]) async throws -> Output {
        try await sh("docker", arguments, environment: environment)
    }

    /// What the machine lacks for an engine, or nil.
    package static var missing: String? {
        let commands = ["dockerd", "docker", "containerd", "nginx", "curl", "unshare", "ldd"]
        if let sentence = Parts.missing(commands) { return sentence.replacing("install test", with: "install docker") }
        if !hasCompose { return "Docker Compose not found: run Tests/install docker" }
        return geteuid() == 0 ? nil : "the tests with containers start a Docker Engine: run them as root"
    }

    private static var hasCompose: Bool {
        let home = environmentVariable("HOME") ?? "/root"
        let cache = environmentVariable("XDG_CACHE_HOME") ?? "\(home)/.cache"
        let system = ["/usr/lib", "/usr/libexec", "/usr/local/lib", "/usr/local/libexec"]
        let places = ["\(cache)/certctl-tests/compose"] + system.map { "\($0)/docker/cli-plugins" }
        return places.contains { access("\($0)/docker-compose", X_OK) == 0 }
    }

    private static let starting = Task.detached { try await start() }

    /// More than a start takes on a machine that is busy with other tests.
    private static let startLimit: Duration = .seconds(300)

    private static func start() async throws -> DockerEngine {
        if let missing { throw RigError(missing) }
        let directory = try TemporaryDirectory.make()
        // Read after the script has removed the file, when it could not start the engine.
        let log = open("\(directory)/log", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard log >= 0 else { throw RigError("\(directory)/log: \(String(cString: strerror(errno)))") }
        defer { close(log) }
        // In a session of its own: Ctrl-C is for the tests, and the engine ends because they do.
        let pid = try spawn(["setsid", script, directory], log: log)

        let deadline = ContinuousClock.now + startLimit
        while access("\(directory)/ready", F_OK) != 0 {
            guard Daemon.isRunning(pid), ContinuousClock.now < deadline else {
                throw RigError("the Docker Engine does not start; its log:\n\(text(of: log))")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
        return DockerEngine(directory: directory, pid: pid)
    }

    /// The program that runs an engine.
    package static var script: String {
        let tests = #filePath.split(separator: "/").dropLast(2)
        return "/" + tests.joined(separator: "/") + "/docker-engine"
    }

    private static func text(of log: Int32) -> String {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = pread(log, &bytes, bytes.count, 0)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }
}

/// Starts a program whose standard input ends with this process, and which this process waits for when it exits.
private func spawn(_ arguments: [String], log: Int32) throws -> Int32 {
    var ends: [Int32] = [-1, -1]
    // A pipe that is closed on exec from the beginning: no other program that is started now holds its end.
    let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
        throw RigError("socketpair: \(String(cString: strerror(errno)))")
    }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO)
    posix_spawn_file_actions_adddup2(&actions, log, STDOUT_FILENO)
    posix_spawn_file_actions_adddup2(&actions, log, STDERR_FILENO)
    var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    var pid: pid_t = 0
    let cause = posix_spawnp(&pid, arguments[0], &actions, nil, &words, environ)
    close(ends[0])
    guard cause == 0 else {
        close(ends[1])
        throw RigError("\(arguments[0]): \(String(cString: strerror(cause)))")
    }
    endingAtExit.withLock { $0.append((pid: pid, input: ends[1])) }
    atexit {
        for (pid, input) in endingAtExit.withLock({ $0 }) {
            close(input)
            var status: Int32 = 0
            while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
        }
    }
    return pid
}

private let endingAtExit = Mutex<[(pid: pid_t, input: Int32)]>([])

extension Trait where Self == ConditionTrait {
    /// Skips the test or the suite where no Docker Engine can be started, or a part of `Rig.withDockerStack` is missing,
    /// and says what to do; under `CI=true` it runs, and fails.
    package static var docker: Self {
        let missing = DockerEngine.missing ?? Parts.missing(["pebble", "pebble-challtestsrv", "openssl", "setpriv"])
        return .enabled(if: missing == nil || Parts.mustBeThere, missing.map { Comment(rawValue: $0) })
    }
}

package import Testing

/// A container with systemd as PID 1: a small Debian host of a test's own, on which units, packages and `setup` are tried.
///
/// It has certbot, nginx, OpenSSL and curl, none of them started, a journal in memory, and this machine's network: what
/// listens in it needs a port from `Ports`, and a CA on 127.0.0.1 is in its reach.
package struct SystemdHost: Sendable {
    /// The container's name.
    package let name: String
    private let engine: DockerEngine

    /// Starts a host, runs `body` and removes the host with everything in it.
    ///
    /// The first call on a machine makes the image, which takes minutes.
    ///
    /// - Parameter mounts: paths of this machine that the host has, too, read-only unless the place ends in `:rw`.
    package static func with<R: Sendable>(
        mounts: [(source: String, place: String)] = [], _ body: (SystemdHost) async throws -> R
    ) async throws -> R {
        let engine = try await DockerEngine.shared()
        let host = SystemdHost(name: "certctl-host-\(UInt32.random(in: 0 ... .max))", engine: engine)
        let outcome: Result<R, any Error>
        do {
            try await host.run("image", [], limit: imageLimit)
            let volumes = mounts.flatMap { source, place in
                ["--volume", "\(source):" + (place.hasSuffix(":rw") ? place : "\(place):ro")]
            }
            try await host.run("start", [host.name] + volumes, limit: startLimit)
            outcome = .success(try await body(host))
        } catch {
            outcome = .failure(error)
        }
        // Also for a test that was cancelled, whose commands would be ended at once.
        try await Task { try await host.run("end", [host.name], limit: startLimit) }.value
        return try outcome.get()
    }

    /// Runs a program in the host to its end, with nothing of the test's environment.
    package func exec(
        _ program: String, _ arguments: [String] = [], environment: [String: String] = [:], input: String = "",
        timeout: Duration = .seconds(120)
    ) async throws -> Output {
        let variables = environment.sorted { $0.key < $1.key }.flatMap { ["--env", "\($0)=\($1)"] }
        return try await sh(
            "docker", ["exec", "--interactive"] + variables + [name, program] + arguments,
            environment: engine.environment, input: input, timeout: timeout)
    }

    /// Runs lines of shell in the host, which end at the first that fails; a failure is an error. Gives the standard output.
    @discardableResult
    package func shell(_ script: String, timeout: Duration = .seconds(120)) async throws -> String {
        let output = try await exec("sh", ["-euc", script], timeout: timeout)
        guard output.status == 0 else {
            throw RigError("\(name): exit status \(output.status)\n\(script)\n\(output.stdout)\(output.stderr)")
        }
        return output.stdout
    }

    /// Writes a file of the host, with the directories it needs.
    package func write(_ text: String, to path: String, mode: String = "644") async throws {
        let line = "mkdir -p \"${1%/*}\" && cat >\"$1\" && chmod \"$2\" \"$1\""
        let output = try await exec("sh", ["-c", line, "sh", path, mode], input: text)
        guard output.status == 0 else { throw RigError("\(name): \(path) cannot be written: \(output.stderr)") }
    }

    /// Copies a file or a directory of this machine into the host.
    package func copy(_ source: String, to path: String) async throws {
        _ = try await check("docker", ["cp", source, "\(name):\(path)"], environment: engine.environment)
    }

    /// Waits until lines of shell succeed; throws what they print after `limit`.
    package func eventually(_ script: String, limit: Duration = .seconds(120)) async throws {
        let deadline = ContinuousClock.now + limit
        while true {
            let output = try await exec("sh", ["-euc", script])
            if output.status == 0 { return }
            guard ContinuousClock.now < deadline else {
                throw RigError("\(name): not within \(limit): \(script)\n\(output.stdout)\(output.stderr)")
            }
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    /// What the machine lacks for a host beyond a Docker Engine, or nil.
    package static var missing: String? {
        DockerEngine.missing
            ?? Parts.missing(["debootstrap", "dpkg", "flock", "unshare"])?
            .replacing("install test", with: "install docker")
    }

    /// More than debootstrap and apt take over a slow line.
    private static let imageLimit: Duration = .seconds(1200)
    /// More than a start takes on a machine that is busy with other tests.
    private static let startLimit: Duration = .seconds(180)

    private func run(_ verb: String, _ arguments: [String], limit: Duration) async throws {
        _ = try await check(
            Self.script, [verb] + arguments, environment: engine.environment, timeout: limit)
    }

    /// The program that makes and runs hosts.
    package static var script: String {
        let tests = #filePath.split(separator: "/").dropLast(2)
        return "/" + tests.joined(separator: "/") + "/systemd-host"
    }
}

extension Trait where Self == ConditionTrait {
    /// Skips the test or the suite where no host with systemd can be made, and says what to install; under `CI=true` it
    /// runs, and fails.
    package static var systemdHost: Self {
        let missing = SystemdHost.missing ?? Parts.missing(["pebble", "pebble-challtestsrv", "openssl", "setpriv"])
        return .enabled(if: missing == nil || Parts.mustBeThere, missing.map { Comment(rawValue: $0) })
    }
}

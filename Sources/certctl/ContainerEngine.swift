import Deployment
import FoundationEssentials
import Lineages

/// What containers of this host see and read, as the docker program tells. Where that is missing or does not answer, there are none.
struct ContainerEngine: Sendable {
    private let runner: any CommandRunner
    private let program: String?

    /// An engine answers in milliseconds, or is stuck; nginx -T reads every file of its configuration.
    private static let timeout: Duration = .seconds(10)

    init(runner: any CommandRunner = SubprocessRunner()) {
        self.runner = runner
        program = ["/usr/bin/docker", "/usr/local/bin/docker", "/bin/docker", "/snap/bin/docker"].first {
            (try? FileSystem.status($0, followingLinks: true))?.kind == .file
        }
    }

    /// One container, running or not.
    struct Container: Sendable {
        let name: String
        let isRunning: Bool
        /// Host path and path in the container of each mount.
        let mounts: [(source: String, destination: String)]

        /// Where it sees a path of the host; nil where it does not.
        func inside(_ path: String) -> String? {
            let real = FileSystem.resolved(path)
            for (source, destination) in mounts.sorted(by: { $0.source.count > $1.source.count }) {
                let source = FileSystem.resolved(source)
                if real == source { return destination }
                if real.hasPrefix(source + "/") { return destination + real.dropFirst(source.count) }
            }
            return nil
        }
    }

    func containers() async -> [Container] {
        guard let ids = await output(["ps", "--all", "--quiet", "--no-trunc"])?.split(whereSeparator: \.isNewline),
            !ids.isEmpty
        else { return [] }
        struct Inspected: Decodable {
            struct State: Decodable { let Running: Bool }
            struct Mount: Decodable {
                let Source: String?
                let Destination: String
            }
            let Name: String
            let State: State
            let Mounts: [Mount]?
        }
        // The last 64 KiB of an output are kept: a container at a time.
        var containers: [Container] = []
        for id in ids {
            guard let text = await output(["inspect", "--format", "{{json .}}", String(id)]),
                let found = try? JSONDecoder().decode(Inspected.self, from: Data(text.utf8))
            else { continue }
            containers.append(
                Container(
                    name: String(found.Name.drop { $0 == "/" }), isRunning: found.State.Running,
                    mounts: (found.Mounts ?? []).compactMap { mount in
                        mount.Source.map { ($0, mount.Destination) }
                    }))
        }
        return containers
    }

    /// The lines of a container's nginx configuration that have a text in them, with their place; nil where it has no nginx.
    func nginxLines(in container: String, mentioning text: String) async -> [String]? {
        guard let program else { return nil }
        // The host's grep: an image need not have one, nor a shell, and of a long output the beginning is not kept.
        let script = ##""$0" exec "$1" nginx -T 2>/dev/null | grep -F -e "# configuration file " -e "$2""##
        let outcome = await runner.run(
            Command.withoutErrors("/bin/sh", ["-c", script, program, container, text]), timeout: ContainerEngine.timeout
        )
        let dump = outcome.output
        guard outcome.succeeded, dump.contains("# configuration file ") else { return nil }
        return NginxDump.lines(in: dump, mentioning: text)
    }

    private func output(_ arguments: [String]) async -> String? {
        guard let program else { return nil }
        let outcome = await runner.run(Command.withoutErrors(program, arguments), timeout: ContainerEngine.timeout)
        return outcome.succeeded ? outcome.output : nil
    }
}

/// What `nginx -T` prints.
enum NginxDump {
    /// The lines with a text in them, each behind the file that it stands in; comments are left out.
    static func lines(in dump: String, mentioning text: String) -> [String] {
        let mark = "# configuration file "
        var file = ""
        var found: [String] = []
        for line in dump.split(whereSeparator: \.isNewline) {
            if line.hasPrefix(mark) {
                file = String(line.dropFirst(mark.count).prefix { $0 != ":" })
                continue
            }
            let plain = line.drop { $0 == " " || $0 == "\t" }
            guard !plain.hasPrefix("#"), plain.contains(text) else { continue }
            found.append("\(file): \(plain)")
        }
        return found
    }
}

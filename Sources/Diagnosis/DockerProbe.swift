import CLinux
import Challenges
import FoundationEssentials
import Glibc
import HTTP
import Renewal

/// Asks the Docker Engine (its API, version 1.41 and later) about the containers that may be the web server.
struct DockerProbe: Sendable {
    let endpoint: DockerEndpoint
    let transport: any HTTPTransport
    let budget: Budget

    /// An engine answers in milliseconds, or is stuck.
    static let timeout: Duration = .seconds(5)
    /// nginx -t looks up every upstream's name, and reads every certificate.
    static let configTestTimeout: Duration = .seconds(10)
    /// A container that runs is killed first, which a busy engine does in seconds.
    static let removalTimeout: Duration = .seconds(20)
    /// A host with more containers than this is asked about the first ones.
    static let mostContainers = 200

    /// - Parameter isCandidate: which containers are looked at closely.
    func facts(_ isCandidate: @escaping @Sendable (ContainerFacts) -> Bool) async -> DockerFacts {
        switch endpoint.address {
        case .unsupported(let reason): return .notAsked(reason)
        case .http: break
        case .socket(let path):
            var status = stat()
            if unsafe stat(path, &status) != 0 {
                let cause = unsafe String(cString: strerror(errno))
                guard let origin = endpoint.origin else { return .absent("there is no Docker here: \(path): \(cause)") }
                return .unreachable("\(origin) says \(path): \(cause)", isHung: false)
            }
            if unsafe access(path, R_OK | W_OK) != 0 {
                return .notAsked("\(path): \(unsafe String(cString: strerror(errno))): run it as root")
            }
        }
        do throws(Failure) {
            let listed = try await get(
                "/containers/json?all=1&limit=\(DockerProbe.mostContainers)", [ListedContainer].self)
            let inspected = await sideBySide(listed.map(\.Id)) { id in
                try? await get("/containers/\(id)/json", InspectedContainer.self)
            }
            let all = inspected.compactMap { $0?.facts }
            // What a doctor that was killed has left, and what another one is using.
            for left in all where left.isOfDoctor && !left.isRunning { await remove(left.id) }
            let facts = all.filter { !$0.isOfDoctor }
            return .present(await sideBySide(facts) { isCandidate($0) ? await completed($0) : $0 })
        } catch {
            let origin = endpoint.origin.map { "\($0): " } ?? ""
            return .unreachable(
                error.isTimeout
                    ? "\(origin)\(endpoint.description) takes connections, and has said nothing for \(DockerProbe.timeout.components.seconds) s"
                    : "\(origin)\(error.description)", isHung: error.isTimeout)
        }
    }

    private func completed(_ container: ContainerFacts) async -> ContainerFacts {
        async let isNginx = container.isRunning ? runsNginx(container.id) : false
        var container = await examined(container)
        let found = container
        container.staleMounts =
            await OffThread.value(within: budget.time(DockerProbe.timeout)) { StaleMount.all(of: found) } ?? []
        if container.staleMounts.contains(where: \.isOfServer), !container.staleMounts.contains(where: \.isGone) {
            container.hostTest = await hostTest(container)
        }
        // Where the host has no ps, an nginx that can be run says as much.
        container.runsNginx = await isNginx ?? container.configTest.wasRun
        return container
    }

    /// Whether nginx's master process runs in a container, by whatever name that goes; nil where the engine cannot tell.
    private func runsNginx(_ id: String) async -> Bool? {
        struct Processes: Decodable { let Processes: [[String]]? }
        let found = try? await get("/containers/\(id)/top", Processes.self)
        return found.map { ($0.Processes ?? []).joined().contains { $0.contains("nginx: master process") } }
    }

    private func examined(_ container: ContainerFacts) async -> ContainerFacts {
        var container = container
        // One that starts over and over may be caught between two falls.
        for _ in 0..<3 where container.isRunning {
            (container.configTest, container.configuration) = await configTest(container.id)
            guard case .notRun = container.configTest,
                let now = try? await get("/containers/\(container.id)/json", InspectedContainer.self).facts
            else { return container }
            let reason = container.configTest
            container = now
            container.configTest = reason
        }
        guard !container.isRunning else { return container }
        container.lastWords = await lastWords(container.id)
        container.configTest = .notRun("the container is \(container.status)")
        return container
    }

    /// `nginx -T` in a running container: the test, and where it passes the configuration.
    private func configTest(_ id: String) async -> (ContainerFacts.ConfigTest, NginxConf?) {
        do throws(Failure) {
            struct Created: Decodable { let Id: String }
            struct State: Decodable { let ExitCode: Int? }
            // With a terminal the two streams come as one and unframed.
            let exec = try await post(
                "/containers/\(id)/exec", #"{"Cmd":["nginx","-T"],"AttachStdout":true,"AttachStderr":true,"Tty":true}"#)
            let created = try decode(exec, Created.self)
            let output = try await post(
                "/exec/\(created.Id)/start", #"{"Detach":false,"Tty":true}"#, timeout: DockerProbe.configTestTimeout)
            let text = String(decoding: output, as: UTF8.self)
            let state = try await get("/exec/\(created.Id)/json", State.self)
            let complaint = NginxWords.complaint(in: text)
            guard let code = state.ExitCode, ![126, 127].contains(code) else {
                return (.notRun(complaint ?? "nginx -t could not be run in it"), nil)
            }
            guard code == 0 else { return (.failed(complaint ?? "nginx -t exited with \(code)"), nil) }
            return (.passed, NginxConf(dump: text))
        } catch {
            return (.notRun(error.description), nil)
        }
    }

    /// `nginx -t` on the files that the host has now: in another container of the same image with the same volumes, environment and
    /// network, which is removed again.
    private func hostTest(_ container: ContainerFacts) async -> ContainerFacts.ConfigTest {
        struct Created: Decodable { let Id: String }
        struct Ended: Decodable { let StatusCode: Int }
        do throws(Failure) {
            let created = try decode(
                try await post("/containers/create", NginxTestContainer(container).json, timeout: DockerProbe.timeout),
                Created.self)
            let result: Result<ContainerFacts.ConfigTest, Failure>
            do throws(Failure) {
                _ = try await post("/containers/\(created.Id)/start", "")
                let ended = try decode(
                    try await post("/containers/\(created.Id)/wait", "", timeout: DockerProbe.configTestTimeout),
                    Ended.self)
                let words = await lastWords(created.Id)
                result = .success(
                    ended.StatusCode == 0 ? .passed : .failed(words ?? "nginx -t exited with \(ended.StatusCode)"))
            } catch {
                result = .failure(error)
            }
            // Also for a doctor that is interrupted, or whose time is up.
            await Task { await remove(created.Id) }.value
            return try result.get()
        } catch {
            return .notRun(error.description)
        }
    }

    private func lastWords(_ id: String) async -> String? {
        guard let bytes = try? await send(HTTPRequest.Method.get, "/containers/\(id)/logs?stdout=1&stderr=1&tail=20")
        else { return nil }
        return NginxWords.complaint(in: DockerProbe.unframed(bytes))
    }

    /// The text of a log, whose pieces have a head of eight bytes unless the container has a terminal.
    static func unframed(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        var rest = bytes[...]
        while rest.count >= 8, case let head = Array(rest.prefix(8)), head[0] <= 2, head[1...3].allSatisfy({ $0 == 0 })
        {
            let length = head[4...].reduce(0) { $0 << 8 | Int($1) }
            rest = rest.dropFirst(8)
            text += rest.prefix(length)
            rest = rest.dropFirst(length)
        }
        return String(decoding: text + rest, as: UTF8.self)
    }
}

/// The body of a request for the container that tests what the host has now.
private struct NginxTestContainer: Encodable {
    struct Hosting: Encodable {
        let VolumesFrom: [String]
        let NetworkMode: String
    }
    let Image: String
    let Cmd = ["nginx", "-t"]
    let Labels = [ContainerFacts.doctorsLabel: "test"]
    let Env: [String]
    let HostConfig: Hosting

    init(_ container: ContainerFacts) {
        (Image, Env) = (container.image, container.environment)
        HostConfig = Hosting(VolumesFrom: [container.id], NetworkMode: container.network)
    }

    var json: String { (try? JSONEncoder().encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "" }
}

/// What of nginx's output names the cause.
enum NginxWords {
    /// The first line of the highest level there is, without its date; else the last line.
    static func complaint(in text: String) -> String? {
        let lines = text.split(whereSeparator: \.isNewline).map { line in
            var line = Substring(line)
            while line.last?.isWhitespace == true { line.removeLast() }
            return line
        }.filter { !$0.isEmpty }
        let line = lines.first { $0.contains("[emerg]") } ?? lines.first { $0.contains("[crit]") } ?? lines.last
        guard let line else { return nil }
        guard let level = line.firstRange(of: "[emerg] ") ?? line.firstRange(of: "[crit] ") else { return String(line) }
        // "12#12: " is the process and thread.
        let rest = line[level.upperBound...]
        if let colon = rest.firstRange(of: ": "), rest[..<colon.lowerBound].allSatisfy({ $0.isNumber || $0 == "#" }) {
            return String(rest[colon.upperBound...])
        }
        return String(rest)
    }
}

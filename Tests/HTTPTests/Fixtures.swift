import Glibc
import HTTP
import Testing

/// A directory that goes away, with what is in it, at the end of the test.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/certctl-http.XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SocketFailure() }
        path = String(decoding: template.dropLast().map(UInt8.init(truncatingIfNeeded:)), as: UTF8.self)
    }

    deinit {
        _ = try? ChildProcess("/bin/rm", ["-r", path]).wait()
    }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    @discardableResult func write(_ text: String, to name: String) throws -> String {
        guard let file = fopen(file(name), "we") else { throw SocketFailure() }
        fputs(text, file)
        fclose(file)
        return self.file(name)
    }
}

/// A program that a test started, with its output; killed with the last reference.
final class ChildProcess {
    private let pid: pid_t
    private let output: UnsafeMutablePointer<FILE>
    private var isRunning = true

    init(_ program: String, _ arguments: [String]) throws {
        var ends: [CInt] = [0, 0]
        let kind = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &ends) == 0, let output = fdopen(ends[0], "r") else { throw SocketFailure() }
        defer { close(ends[1]) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 2)
        var argv = ([program] + arguments).map { strdup($0) }
        defer { argv.forEach { free($0) } }
        argv.append(nil)
        var pid = pid_t()
        guard posix_spawnp(&pid, program, &actions, nil, argv, environ) == 0 else { throw SocketFailure() }
        self.pid = pid
        self.output = output
    }

    deinit {
        if isRunning {
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
        }
        fclose(output)
    }

    /// The next line of output, without its end; nil when there is no more.
    func readLine() -> String? {
        var line: UnsafeMutablePointer<CChar>?
        var capacity = 0
        defer { free(line) }
        guard getline(&line, &capacity, output) > 0, let line else { return nil }
        return String(String(cString: line).prefix { !$0.isNewline })
    }

    /// All output that is left, once the program succeeded; a failure of it otherwise.
    @discardableResult func wait() throws -> [String] {
        var lines: [String] = []
        while let line = readLine() { lines.append(line) }
        var status: CInt = 0
        waitpid(pid, &status, 0)
        isRunning = false
        guard status == 0 else { throw Failure(output: lines) }
        return lines
    }

    struct Failure: Error {
        let output: [String]
    }
}

extension CurlTransport {
    /// One for a test that does not care who it is.
    static func forTest() throws(HTTPError) -> CurlTransport {
        try CurlTransport(userAgent: "certctl-test/1")
    }

    /// The error that the request is expected to end in.
    func failure(
        of request: HTTPRequest, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> HTTPError {
        try await #require(throws: HTTPError.self, sourceLocation: sourceLocation) { try await self.send(request) }
    }
}

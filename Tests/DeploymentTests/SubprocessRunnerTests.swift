import Deployment
import FoundationEssentials
import Glibc
import Testing

@Suite(.timeLimit(.minutes(20)))
struct SubprocessRunnerTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    /// Far longer than anything here takes.
    static let ample: Duration = .seconds(600)

    private func run(_ line: String, timeout: Duration = ample) async -> CommandOutcome {
        await SubprocessRunner().run(.shell(line), timeout: timeout)
    }

    @Test(arguments: [0, 1, 3, 127, 255] as [Int32])
    func `an exit code is reported`(code: Int32) async {
        let outcome = await run("exit \(code)")
        #expect(outcome.status == .exited(code))
        #expect(outcome.succeeded == (code == 0))
    }

    @Test(arguments: [9, 15] as [Int32])
    func `a signal is reported`(signal: Int32) async {
        let outcome = await run("kill -\(signal) $$")
        #expect(outcome.status == .signalled(signal))
        #expect("\(outcome)" == "was ended by signal \(signal)")
    }

    @Test func `both streams come as they were written`() async {
        let outcome = await run("for i in 1 2 3; do echo out$i; echo err$i >&2; done")
        #expect(outcome.output == "out1\nerr1\nout2\nerr2\nout3\nerr3\n")
        #expect(!outcome.outputWasCut)
    }

    @Test func `output that is not UTF-8 is repaired`() async {
        #expect(await run(#"printf 'a\377b'"#).output == "a\u{FFFD}b")
    }

    @Test func `of much output the end is kept`() async throws {
        let before = try Self.peakMemory()
        let outcome = await run("head -c 400000000 /dev/zero | tr '\\0' x; echo end")
        #expect(outcome.status == .exited(0))
        #expect(outcome.outputWasCut)
        #expect(outcome.output.utf8.count == 65_536)
        #expect(outcome.output.hasSuffix("xxend\n"))
        #expect(try Self.peakMemory() - before < 200_000)
    }

    @Test(arguments: ["", "x", "xx"]) func `the cut goes through no character`(shift: String) async {
        let outcome = await run("printf '\(shift)'; i=0; while [ $i -lt 3000 ]; do printf €€€€€€€€€€; i=$((i+1)); done")
        #expect(outcome.outputWasCut)
        #expect(outcome.output.allSatisfy { $0 == "€" })
        #expect(outcome.output.utf8.count > 65_530)
    }

    @Test func `standard input is empty`() async {
        #expect(await run("wc -c").output.filter { !$0.isWhitespace } == "0")
        #expect(await run("readlink /proc/$$/fd/0").output == "/dev/null\n")
    }

    @Test func `no file of ours is open in a command`() async throws {
        let descriptor = open(scratch.path("lock"), O_CREAT | O_RDWR, 0o600)
        try #require(descriptor > 2)
        defer { close(descriptor) }
        #expect(fcntl(descriptor, F_GETFD) & FD_CLOEXEC == 0)
        #expect(await run("ls /proc/$$/fd").output == "0\n1\n2\n")
    }

    @Test func `signals are as the defaults have them`() async {
        signal(SIGUSR1, SIG_IGN)
        defer { signal(SIGUSR1, SIG_DFL) }
        let outcome = await run("grep -E '^Sig(Blk|Ign)' /proc/self/status")
        // Above 31 are the C library's own and the realtime signals.
        let sets = outcome.output.split(separator: "\n").map { UInt64($0.suffix(8), radix: 16) }
        #expect(sets.map { $0.map { $0 & 0x7fff_ffff } } == [0, 0])
    }

    @Test func `a command leads a session of its own`() async throws {
        let ids = await run("cut -d' ' -f1,5,6 /proc/$$/stat").output.split(whereSeparator: \.isWhitespace)
        #expect(ids.count == 3 && Set(ids).count == 1)
    }

    @Test func `the environment is ours with what was added`() async throws {
        setenv("CERTCTL_TEST_KEPT", "as it was", 1)
        setenv("CERTCTL_TEST_REPLACED", "old", 1)
        var command = Command.shell(#"printf '%s|' "$CERTCTL_TEST_KEPT" "$CERTCTL_TEST_REPLACED" "$ADDED""#)
        command.environment = ["CERTCTL_TEST_REPLACED": "new", "ADDED": "a b=c\n\"$HOME\""]
        let outcome = await SubprocessRunner().run(command, timeout: Self.ample)
        #expect(outcome.output == "as it was|new|a b=c\n\"$HOME\"|")
    }

    @Test func `the working directory is ours`() async {
        #expect(await run("pwd -P").output == FileManager.default.currentDirectoryPath + "\n")
    }

    @Test func `a script without an interpreter line is run`() async throws {
        let path = try await scratch.file("hook", "echo run by $0\n")
        let outcome = await SubprocessRunner().run(.program(path), timeout: Self.ample)
        #expect(outcome.status == .exited(0))
        #expect(outcome.output == "run by \(path)\n")
    }

    @Test func `an interpreter that is not there is named`() async throws {
        let path = try await scratch.file("hook", "#!/no/such/interpreter\n")
        let outcome = await SubprocessRunner().run(.program(path), timeout: Self.ample)
        #expect(outcome.status == .exited(127))
        #expect(outcome.output.contains(path))
    }

    @Test(arguments: ["644", "000"]) func `a file that is not executable is refused`(mode: String) async throws {
        let path = try await scratch.file("hook", mode: mode)
        let outcome = await SubprocessRunner().run(.program(path), timeout: Self.ample)
        #expect(outcome.status == .exited(126))
        #expect(outcome.output.contains(path))
    }

    @Test(arguments: ["two words", #"q"uo'te"#, "$HOME `id` $(id)", "a;b&c|d", "-c", "*", "Ä\nö"])
    func `nothing in a path is interpreted`(name: String) async throws {
        let path = try await scratch.file(name, "#!/bin/sh\nprintf %s \"$0\"\n")
        #expect(await SubprocessRunner().run(.program(path), timeout: Self.ample).output == path)
    }

    @Test func `a path without a slash is not looked up`() {
        #expect(Command.program("-ls").arguments.last == "./-ls")
    }

    @Test(arguments: [
        Command.shell("echo a\0b"), Command(executable: "/bin/true\0"),
        Command(executable: "/bin/true", environment: ["A": "\0"]),
        Command(executable: "/bin/true", environment: ["A=B": ""]), Command(executable: ""),
    ])
    func `what cannot be passed on is not started`(command: Command) async {
        let outcome = await SubprocessRunner().run(command, timeout: Self.ample)
        guard case .notStarted = outcome.status else {
            Issue.record("\(outcome)")
            return
        }
    }

    @Test func `a program that is not there is not started`() async {
        let outcome = await SubprocessRunner().run(Command(executable: "/no/such/program"), timeout: Self.ample)
        #expect("\(outcome)" == #"could not be started: No such file or directory"#)
    }

    @Test func `too much to pass on is not started`() async {
        var command = Command.shell("true")
        command.environment = ["BIG": String(repeating: "x", count: 200_000)]
        let outcome = await SubprocessRunner().run(command, timeout: Self.ample)
        #expect("\(outcome)" == "could not be started: Argument list too long")
    }

    private static func peakMemory() throws -> Int {
        let status = String(
            decoding: try #require(FileManager.default.contents(atPath: "/proc/self/status")), as: UTF8.self)
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM") })
        return try #require(Int(line.filter(\.isNumber)))
    }
}

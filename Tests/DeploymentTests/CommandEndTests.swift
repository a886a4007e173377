import Deployment
import Glibc
import Testing

/// Commands that do not end, or leave something behind.
@Suite(.timeLimit(.minutes(20)))
struct CommandEndTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    /// Long enough for a shell to start on a busy machine.
    static let short: Duration = .seconds(12)

    private func run(_ line: String, timeout: Duration = .seconds(600)) async -> CommandOutcome {
        await SubprocessRunner().run(.shell(line), timeout: timeout)
    }

    private func pids(_ outcome: CommandOutcome) -> [pid_t] {
        outcome.output.split(whereSeparator: \.isWhitespace).compactMap { pid_t($0) }
    }

    @Test func `a time-out ends what the command started too`() async throws {
        let outcome = await run("echo $$; sleep 1000 & echo $!; sh -c 'echo $$; sleep 1000; :'", timeout: Self.short)
        #expect(outcome.status == .timedOut(after: Self.short))
        #expect("\(outcome)" == "did not end within 12 s and was ended")
        // Nothing else ends it: each sleep is for a quarter of an hour.
        #expect(outcome.duration >= Self.short)
        let pids = pids(outcome)
        #expect(pids.count == 3)
        for pid in pids { #expect(try await ends(pid)) }
    }

    @Test func `a command may clean up after a time-out`() async {
        let outcome = await run("trap 'echo cleaned up; exit 0' TERM; sleep 1000 & wait", timeout: Self.short)
        #expect(outcome.status == .timedOut(after: Self.short))
        #expect(outcome.output == "cleaned up\n")
    }

    @Test(arguments: [
        "trap '' TERM; echo $$; sleep 1000 & echo $!; wait",
        "(trap '' TERM; echo go; sleep 1000; :) & echo $!; wait",
        "(trap '' TERM; exec sleep 1000) >/dev/null 2>&1 & echo $!; sleep 1000",
    ])
    func `what ignores a time-out is killed`(line: String) async throws {
        let outcome = await run(line, timeout: Self.short)
        #expect(outcome.status == .timedOut(after: Self.short))
        #expect(outcome.duration >= Self.short + .seconds(4))
        let pids = pids(outcome)
        #expect(!pids.isEmpty)
        for pid in pids { #expect(try await ends(pid)) }
    }

    @Test func `a child of the command may clean up after the command is gone`() async throws {
        let done = scratch.path("done")
        let line = "(trap 'echo yes > \(done); exit' TERM; sleep 1000 & wait) >/dev/null 2>&1 & sleep 1000"
        #expect(await run(line, timeout: Self.short).status == .timedOut(after: Self.short))
        #expect(scratch.text("done") == "yes\n")
    }

    @Test func `a child left behind is not waited for`() async throws {
        let outcome = await run("sleep 1000 & echo $!; exit 4")
        #expect(outcome.status == .exited(4))
        let pid = try #require(pids(outcome).first)
        #expect(isRunning(pid))
        kill(pid, SIGKILL)
    }

    @Test func `a child left behind that prints all the time is not waited for`() async throws {
        let outcome = await run("yes & echo $! > \(scratch.path("pid")); exit 0")
        #expect(outcome.status == .exited(0))
        #expect(try await ends(try #require(pid_t(scratch.line(of: "pid")))))
    }

    @Test func `all is read that was printed before the end`() async {
        let outcome = await run("sleep 1000 & head -c 60000 /dev/zero | tr '\\0' x; echo end; kill -9 $!")
        #expect(outcome.output.utf8.count == 60_004)
    }

    @Test func `a command that closed its output is waited for`() async {
        #expect(await run("exec >/dev/null 2>&1; sleep 1; exit 5").status == .exited(5))
        let outcome = await run("exec >/dev/null 2>&1; sleep 1000", timeout: .seconds(1))
        #expect(outcome.status == .timedOut(after: .seconds(1)))
    }

    @Test func `a cancellation ends the command and what it started`() async throws {
        let line =
            "sleep 1000 & echo $$ $! > \(scratch.path("pids.new")); mv \(scratch.path("pids.new")) "
            + "\(scratch.path("pids")); wait"
        let task = Task { await run(line) }
        let pids = try await scratch.line(of: "pids").split(separator: " ").compactMap { pid_t($0) }
        #expect(pids.count == 2)
        task.cancel()
        let outcome = await task.value
        #expect(outcome.status == .cancelled)
        for pid in pids { #expect(try await ends(pid)) }
    }

    @Test func `nothing is started for a cancelled task`() async {
        let marker = scratch.path("marker")
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return await run("echo > \(marker)")
        }
        #expect(await task.value.status == .cancelled)
        #expect(scratch.text("marker") == nil)
    }

    @Test func `many commands run at a time`() async {
        await withTaskGroup(of: CommandOutcome.self) { group in
            for number in 0..<40 { group.addTask { await run("sleep 0.2; echo \(number); exit \(number)") } }
            var codes: Set<String> = []
            for await outcome in group { codes.insert("\(outcome) \(outcome.output)") }
            #expect(codes == Set((0..<40).map { "exited with \($0) \($0)\n" }))
        }
    }
}

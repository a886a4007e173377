import Deployment
import Glibc
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(20)))
struct HookRunTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private func hookRun(
        directoryHooks: Bool = true, report: @escaping @Sendable (HookEvent) -> Void = { _ in }
    ) -> HookRun {
        HookRun(
            directory: HookDirectory(configDirectory: scratch.path), directoryHooks: directoryHooks,
            runner: SubprocessRunner(), timeout: .seconds(600), report: report)
    }

    /// A directory hook that logs its name, and a command that logs a word.
    private func hook(_ name: String, then line: String = "exit 0") async throws -> String {
        try await scratch.file(
            "renewal-hooks/\(name)", "#!/bin/sh\necho \(name) >> \(scratch.path("log"))\n\(line)\n")
    }

    private func command(_ word: String) -> String { "echo \(word) >> \(scratch.path("log"))" }

    private var log: [String] { scratch.text("log")?.split(separator: "\n").map(String.init) ?? [] }

    @Test func `pre hooks run once a run, the directory's first`() async throws {
        _ = try await hook("pre/20")
        _ = try await hook("pre/10")
        let run = hookRun()
        #expect(await run.pre(conf: command("one"), post: nil).isEmpty)
        #expect(await run.pre(conf: command("one"), post: nil).isEmpty)
        #expect(await run.pre(conf: command("two"), post: nil).isEmpty)
        #expect(log == ["pre/10", "pre/20", "one", "two"])
    }

    @Test func `a failed pre hook is not run again and fails each lineage`() async throws {
        _ = try await hook("pre/10", then: "echo port 80 is taken; exit 3")
        let run = hookRun()
        let first = await run.pre(conf: nil, post: nil)
        #expect(first.map { "\($0)" } == ["pre hook 10 exited with 3: port 80 is taken"])
        #expect(await run.pre(conf: nil, post: nil) == first)
        #expect(log == ["pre/10"])
    }

    @Test func `post hooks run once at the end, in the order noted`() async throws {
        _ = try await hook("post/10")
        let run = hookRun()
        _ = await run.pre(conf: nil, post: command("one"))
        _ = await run.pre(conf: nil, post: command("two"))
        _ = await run.pre(conf: nil, post: command("one"))
        #expect(log.isEmpty)
        #expect(await run.post(renewedDomains: [], failedDomains: []).failures.isEmpty)
        #expect(log == ["post/10", "one", "two"])
        #expect(await run.post(renewedDomains: [], failedDomains: []).failures.isEmpty)
        #expect(log.count == 3)
    }

    @Test func `post hooks run though the run is interrupted`() async throws {
        let run = hookRun()
        _ = await run.pre(conf: nil, post: command("post"))
        let interrupted = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            let deploy = await run.deploy(conf: command("deploy"), domains: [], lineage: "").failures
            _ = await run.pre(conf: command("late"), post: command("late"))
            return await deploy + run.post(renewedDomains: [], failedDomains: []).failures
        }
        #expect(await interrupted.value.map(\.outcome.status) == [.cancelled])
        #expect(log == ["post"])
    }

    @Test func `without a due lineage no post hook is owed`() async throws {
        _ = try await hook("post/10")
        #expect(await hookRun().post(renewedDomains: [], failedDomains: []).failures.isEmpty)
        #expect(log.isEmpty)
    }

    @Test func `a deploy hook is told the names and the lineage`() async throws {
        let facts = #"printf '%s|%s\n' "$RENEWED_DOMAINS" "$RENEWED_LINEAGE" >> "# + scratch.path("log")
        _ = try await hook("deploy/10", then: facts)
        let failures = await hookRun().deploy(
            conf: facts, domains: ["example.org", "*.example.org"], lineage: "/etc/letsencrypt/live/a b"
        ).failures
        #expect(failures.isEmpty)
        let line = "example.org *.example.org|/etc/letsencrypt/live/a b"
        #expect(log == ["deploy/10", line, line])
    }

    @Test func `a post hook is told what was renewed and what failed`() async throws {
        let run = hookRun()
        _ = await run.pre(
            conf: nil,
            post: #"echo "$RENEWED_DOMAINS|$FAILED_DOMAINS|${RENEWED_LINEAGE-unset}" > "# + scratch.path("log"))
        #expect(await run.post(renewedDomains: ["a.test", "b.test"], failedDomains: ["c.test"]).failures.isEmpty)
        #expect(log == ["a.test b.test|c.test|unset"])
    }

    @Test func `a long list of names is cut between names`() async throws {
        let run = hookRun()
        _ = await run.pre(conf: nil, post: #"printf %s "$RENEWED_DOMAINS" > "# + scratch.path("log"))
        let names = (10_000..<14_000).map { "host-\($0).example.org" }
        #expect(await run.post(renewedDomains: names, failedDomains: []).failures.isEmpty)
        let told = try #require(scratch.text("log")).split(separator: " ").map(String.init)
        #expect(told == Array(names.prefix(told.count)))
        #expect(told.count == 16_001 / 23)
    }

    @Test
    func `a deploy hook of a certificate for 20,000 names is told as many as the kernel takes, and how many more`()
        async throws
    {
        let names = (10_000..<30_000).map { "host-\($0).example.org" }
        let script = #"printf '%s\n%s' "$RENEWED_DOMAINS" "$CERTCTL_DOMAINS_OMITTED" > "# + scratch.path("log")
        let failures = await hookRun().deploy(conf: script, domains: names, lineage: "/live/a").failures
        #expect(failures.isEmpty, "\(failures)")
        let lines = try #require(scratch.text("log")).split(separator: "\n")
        let told = lines[0].split(separator: " ").map(String.init)
        #expect(told == Array(names.prefix(told.count)))
        #expect(told.count == (HookRunTests.mostOfAVariable + 1) / 23)
        #expect(lines[1] == "\(names.count - told.count)")
    }

    /// 128 KiB, less what is kept for the name.
    private static let mostOfAVariable = 131_072 - 256

    @Test func `what is no name is not told, and nothing is said to be left out where nothing is`() async throws {
        let script = #"printf '%s\n%s' "$RENEWED_DOMAINS" "${CERTCTL_DOMAINS_OMITTED-none}" > "# + scratch.path("log")
        for (names, told) in [
            (
                ["a.test", "*.b.test", "192.0.2.1", "2001:db8::1", "_c.test"],
                "a.test *.b.test 192.0.2.1 2001:db8::1 _c.test\nnone"
            ),
            (["a.test", "b c.test", "$(id).test", "d\n.test", "\u{1B}.test"], "a.test\n4"),
        ] {
            #expect(await hookRun().deploy(conf: script, domains: names, lineage: "").failures.isEmpty)
            #expect(scratch.text("log") == told)
        }
    }

    @Test func `a hook that is told of a megabyte of an error can be started`() async throws {
        try await scratch.file(
            "renewal-hooks/failure/10", "#!/bin/sh\nprintf %s \"$CERTCTL_ERROR\" > \(scratch.path("log"))\n")
        let error = String(repeating: "no \u{1B}[31m", count: 200_000)
        let results = await hookRun().tell(.failure, ["CERTCTL_ERROR": error])
        #expect(results.failures.isEmpty, "\(results.failures)")
        let told = try #require(scratch.text("log"))
        #expect(told.hasPrefix("no ?[31mno ?[31m"))
        #expect(told.unicodeScalars.count == 2_001)
    }

    @Test func `a last line of a megabyte is an error of a line`() async throws {
        let failure = try #require(
            await hookRun().deploy(
                conf: "head -c 60000 /dev/zero | tr '\\0' x; exit 1", domains: [], lineage: ""
            ).failures.first)
        #expect("\(failure)".utf8.count < 500)
        #expect(try #require(failure.outcome.lastLine).unicodeScalars.count == 501)
    }

    @Test func `a conf's hook that is a file of the directory runs once`() async throws {
        let pre = try await hook("pre/10")
        let deploy = try await hook("deploy/10")
        let post = try await hook("post/10")
        let run = hookRun()
        _ = await run.pre(conf: pre, post: post)
        _ = await run.deploy(conf: deploy, domains: [], lineage: "").failures
        _ = await run.post(renewedDomains: [], failedDomains: []).failures
        #expect(log == ["pre/10", "deploy/10", "post/10"])
    }

    @Test func `deploy hooks run for each lineage`() async throws {
        let path = try await hook("deploy/10")
        let run = hookRun()
        _ = await run.deploy(conf: nil, domains: [], lineage: "").failures
        _ = await run.deploy(conf: path, domains: [], lineage: "").failures
        #expect(log == ["deploy/10", "deploy/10"])
    }

    @Test func `without directory hooks only the conf's run`() async throws {
        for kind in ["pre", "deploy", "post"] { _ = try await hook("\(kind)/10") }
        let run = hookRun(directoryHooks: false)
        _ = await run.pre(conf: command("pre"), post: command("post"))
        _ = await run.deploy(conf: "", domains: [], lineage: "").failures
        _ = await run.post(renewedDomains: [], failedDomains: []).failures
        #expect(log == ["pre", "post"])
    }

    @Test func `a failure does not stop the next hook`() async throws {
        _ = try await hook("deploy/10", then: "kill -9 $$")
        _ = try await hook("deploy/20")
        let failures = await hookRun().deploy(conf: "exit 2", domains: [], lineage: "").failures
        #expect(
            failures.map { "\($0)" } == [
                "deploy hook 10 was ended by signal 9", #"deploy hook "exit 2" exited with 2"#,
            ])
        #expect(log == ["deploy/10", "deploy/20"])
    }

    @Test func `a directory that cannot be read is a failure`() async throws {
        try await scratch.file("renewal-hooks/deploy")
        let failures = await hookRun().deploy(conf: command("conf"), domains: [], lineage: "").failures
        #expect(failures.count == 1)
        #expect(failures.first?.description.contains("Not a directory") == true)
        #expect(log == ["conf"])
    }

    @Test func `hooks of lineages side by side never overlap`() async throws {
        let room = scratch.path("room")
        let alone = "mkdir \(room) || exit 1; sleep 0.02; rmdir \(room)"
        _ = try await hook("pre/10", then: alone)
        _ = try await hook("deploy/10", then: alone)
        _ = try await hook("deploy/20", then: alone)
        let run = hookRun()
        let failures = await withTaskGroup(of: [HookFailure].self) { group in
            for number in 0..<8 {
                group.addTask {
                    let pre = await run.pre(conf: "\(alone) # \(number)", post: nil)
                    return await pre + run.deploy(conf: alone, domains: [], lineage: "/live/\(number)").failures
                }
            }
            return await group.reduce(into: []) { $0 += $1 }
        }
        #expect(failures.isEmpty)
        #expect(log.count == 1 + 8 * 2)
        // A lineage's hooks run in one go.
        #expect(log.filter { $0 != "pre/10" } == (0..<8).flatMap { _ in ["deploy/10", "deploy/20"] })
    }

    @Test func `each hook is told about, and can be run again`() async throws {
        let events = Mutex<[HookEvent]>([])
        let run = hookRun { event in events.withLock { $0.append(event) } }
        let line = #"echo $RENEWED_LINEAGE; test -e "# + scratch.path("fixed")
        let failure = try #require(await run.deploy(conf: line, domains: ["a.test"], lineage: "/live/a").failures.first)
        #expect(failure.hook.source == .configuration(command: line))
        #expect(failure.outcome.output == "/live/a\n")
        #expect(events.withLock { $0 } == [.started(failure.hook), .finished(failure.hook, failure.outcome)])
        try await scratch.file("fixed")
        #expect(await run.pay([failure.hook]).failures.isEmpty)
        #expect(events.withLock { $0.count } == 4)
    }

    @Test func `an error shows no control characters`() async throws {
        let failure = try #require(
            await hookRun().deploy(conf: #"printf 'a\033[31mred\n \n'; exit 1"#, domains: [], lineage: "").failures
                .first)
        #expect("\(failure)".hasSuffix("exited with 1: a?[31mred"))
    }
}

import FoundationEssentials
import Lineages
import PKI
import Rig
import Synchronization
import Testing

@testable import Renewal

/// What is read off a listener, one answer after the other; the last one stays.
private final class Answers: Sendable {
    private let rest: Mutex<[ServedLeaf]>
    private let asked = Mutex(0)

    init(_ answers: [ServedLeaf]) { rest = Mutex(answers) }

    var count: Int { asked.withLock { $0 } }

    func next() -> ServedLeaf {
        asked.withLock { $0 += 1 }
        return rest.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] }
    }
}

/// Sleeps at once, and goes on by what was slept: a probe takes no time, however busy the machine is.
private final class NoTime: Clock {
    typealias Instant = ContinuousClock.Instant
    private let time = Mutex(ContinuousClock.now)
    var now: Instant { time.withLock(\.self) }
    var minimumResolution: Duration { .zero }
    func sleep(until deadline: Instant, tolerance: Duration?) async throws {
        time.withLock { $0 = max($0, deadline) }
        await Task.yield()
    }
}

@Suite(.parts("openssl"))
struct VerificationTests {
    private func settings(_ text: String) throws -> VerificationSettings {
        try VerificationSettings(lineage: nil, host: ConfFile(bytes: Array(text.utf8)))
    }

    private func wait(
        _ answers: Answers, for leaf: Certificate, _ settings: VerificationSettings,
        _ state: HostState = HostState()
    ) async -> ProbeReport {
        await Verification(clock: NoTime()) { _, _, _ in answers.next() }
            .wait(for: leaf, settings, state, nil, answeredBefore: [])
    }

    @Test func `one connection that meets a new worker does not prove that the old ones are gone`() async throws {
        try await Leaves.with { leaves in
            let (old, new) = (try await leaves.leaf("a.example", from: -60, to: 30), try await leaves.leaf("a.example"))
            let answers = Answers([
                .leaf(old, failure: nil), .leaf(new, failure: nil), .leaf(old, failure: nil), .leaf(new, failure: nil),
            ])
            let report = await wait(
                answers, for: new, try settings("verify = 127.0.0.1:443\nverify_names = a.example\n"))
            #expect(report.wrong == nil)
            #expect(answers.count == 5, "two looks in a row found it right")
        }
    }

    @Test func `a listener that stays stale is told when the time is up`() async throws {
        try await Leaves.with { leaves in
            let (old, new) = (try await leaves.leaf("a.example", from: -60, to: 30), try await leaves.leaf("a.example"))
            let answers = Answers([.leaf(old, failure: nil)])
            let report = await wait(
                answers, for: new,
                try settings("verify = 127.0.0.1:443\nverify_names = a.example\nverify_timeout = 1\n"))
            #expect(report.isStale)
            #expect(report.trouble?.message.contains("still serves the old certificate (serial \(old.serial))") == true)
            #expect(answers.count == 5, "four times a second")
        }
    }

    @Test func `of a server's two certificates the one with the lineage's kind of key is looked at`() async throws {
        try await Leaves.with { leaves in
            let (mine, other) = (try await leaves.leaf("a.example"), try await leaves.leaf("a.example", from: 0))
            let verification = Verification(clock: NoTime()) { _, keyType, _ in
                .leaf(keyType == mine.keyType ? mine : other, failure: nil)
            }
            let settings = try settings("verify = 127.0.0.1:443\nverify_names = a.example\n")
            let report = await verification.prober(for: mine, settings, HostState(), nil)()
            #expect(report.matches.count == 1 && report.wrong == nil)
        }
    }

    @Test func `where nobody listens and nobody has to, one look is enough`() async throws {
        try await Leaves.with { leaves in
            let answers = Answers([.unreachable("Connection refused")])
            let report = await wait(
                answers, for: try await leaves.leaf("a.example"), try settings("verify_names = a.example\n"))
            #expect(report.wrong == nil && report.matches.isEmpty)
            #expect(answers.count == 2, "one for each address family")
        }
    }

    @Test func `another certificate counts only where the operator or the past says so`() async throws {
        try await Leaves.with { leaves in
            let (mine, other) = (try await leaves.leaf("a.example"), try await leaves.leaf("b.example"))
            let free = try settings("verify_names = a.example\nverify_timeout = 0\n")
            let noted = await wait(Answers([.leaf(other, failure: nil)]), for: mine, free)
            #expect(noted.wrong == nil)
            #expect(noted.observations.allSatisfy { if case .other = $0.verdict { true } else { false } })
            var state = HostState()
            let place = try #require(free.targets(for: mine.names).first?.target)
            state.served = [place]
            let counted = await wait(Answers([.leaf(other, failure: nil)]), for: mine, free, state)
            #expect(counted.wrong?.target == place)
        }
    }
}

import FoundationEssentials
import Glibc
import Synchronization
import Testing

/// Years of hosts, on a virtual clock: the real engine, with everything around it simulated.
@Suite(.timeLimit(.minutes(Seeds.isCounted ? 20_000 : 120)))
struct YearTests {
    @Test func `a year of a host breaks no invariant, whatever goes wrong`() async throws {
        let seeds = Seeds()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<2 { group.addTask { try await onThread { seeds.run() } } }
            try await group.waitForAll()
        }
        let found = seeds.failures
        #expect(found.isEmpty, "make simulate SEED=… SEEDS=1 TRACE=1 shows one: \(found.joined(separator: "\n"))")
        print(seeds.summary)
    }
}

/// Which seeds are tried, and what was found.
private final class Seeds: Sendable {
    /// As many as the environment asks for (`make simulate SEEDS=…`), else at least this, and as many more as fit into the time.
    private static let fewest = 300
    private static let time: Duration = .seconds(100)

    /// Whether the environment asks for a number of them.
    static var isCounted: Bool { number("SEEDS") != nil }

    private let wanted = Seeds.number("SEEDS")
    private let first = Seeds.number("SEED") ?? 1
    private let start = ContinuousClock.now
    private let state = Mutex<(next: Int, failures: [String])>((0, []))

    private static func number(_ name: String) -> Int? {
        unsafe getenv(name).flatMap { unsafe Int(String(cString: $0)) }
    }

    var failures: [String] { state.withLock(\.failures) }
    var summary: String { "\(state.withLock(\.next)) years simulated in \(start.duration(to: .now))" }

    private func next() -> Int? {
        state.withLock { state in
            if state.failures.count > 4 { return nil }
            if let wanted {
                if state.next >= wanted { return nil }
            } else if state.next >= Seeds.fewest, start.duration(to: .now) > Seeds.time {
                return nil
            }
            defer { state.next += 1 }
            return first + state.next
        }
    }

    func run() {
        while let seed = next() {
            let found: [String]
            do {
                found = try Year(seed: UInt64(seed)).run()
            } catch {
                found = ["\(error)"]
            }
            state.withLock { state in state.failures += found.map { "seed \(seed): \($0)" } }
        }
    }
}

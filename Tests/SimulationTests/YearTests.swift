import FoundationEssentials
import Synchronization
import Testing

/// Years of hosts, on a virtual clock: the real engine, with everything around it simulated.
@Suite(.timeLimit(.minutes(30)))
struct YearTests {
    /// As many as the environment asks for (`make simulate SEEDS=…`), else at least this, and as many more as fit.
    private static let fewest = 300
    private static let time: Duration = .seconds(100)

    @Test func `a year of a host breaks no invariant, whatever goes wrong`() async throws {
        let wanted = ProcessInfo.processInfo.environment["SEEDS"].flatMap { Int($0) }
        let first = ProcessInfo.processInfo.environment["SEED"].flatMap { Int($0) } ?? 1
        let next = Mutex(first)
        let failures = Mutex<[String]>([])
        let start = ContinuousClock.now
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<2 {
                group.addTask {
                    while true {
                        let seed = next.withLock { seed in
                            defer { seed += 1 }
                            return seed
                        }
                        let count = seed - first
                        if let wanted { if count >= wanted { return } }
                        else if count >= YearTests.fewest, start.duration(to: .now) > YearTests.time { return }
                        if failures.withLock({ $0.count }) > 4 { return }
                        do {
                            for violation in try Year(seed: UInt64(seed)).run() {
                                failures.withLock { $0.append("seed \(seed): \(violation)") }
                            }
                        } catch {
                            failures.withLock { $0.append("seed \(seed): \(error)") }
                        }
                    }
                }
            }
        }
        let found = failures.withLock(\.self)
        #expect(found.isEmpty, "run it again with SEED=… SEEDS=1: \(found.joined(separator: "\n"))")
        print("\(next.withLock(\.self) - first) years simulated in \(start.duration(to: .now))")
    }
}

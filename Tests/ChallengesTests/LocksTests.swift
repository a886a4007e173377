import Challenges
import Synchronization
import Testing

/// Lanes that run side by side never change one record at once.
struct LocksTests {
    /// How many are in a place at once.
    private final class Inside: Sendable {
        private let count = Mutex((now: 0, most: 0))
        var most: Int { count.withLock { $0.most } }
        func enter() { count.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1)) } }
        func leave() { count.withLock { $0.now -= 1 } }
    }

    @Test func `two lanes with one record between them take turns`() async throws {
        let locks = ChallengeLocks()
        let inside = Inside()
        await withTaskGroup { lanes in
            for lane in 0..<8 {
                lanes.addTask {
                    // Each shares one of its two records with the next.
                    let records: Set = ["record \(lane)", "record \((lane + 1) % 8)", "all"]
                    guard (try? await locks.take(records)) != nil else { return }
                    inside.enter()
                    await Task.yield()
                    inside.leave()
                    await locks.release(records)
                }
            }
        }
        #expect(inside.most == 1)
    }

    @Test func `lanes without a record in common do not wait for each other`() async throws {
        let locks = ChallengeLocks()
        try await locks.take(["a"])
        try await locks.take(["b"])
        await locks.release(["a", "b"])
    }

    @Test func `a lane that is cancelled while it waits takes nothing`() async throws {
        let locks = ChallengeLocks()
        try await locks.take(["a"])
        let waiting = Task { try await locks.take(["a", "b"]) }
        await Task.yield()
        waiting.cancel()
        await #expect(throws: CancellationError.self) { try await waiting.value }
        try await locks.take(["b"])
        await locks.release(["a"])
        try await locks.take(["a"])
    }
}

import Glibc
import Renewal
import Synchronization
import Testing

/// What tasks on several threads count.
private final class Counts: Sendable {
    let running = Atomic(0)
    let peak = Atomic(0)
    let ends = Atomic(false)
    let threads = Mutex<Set<UInt>>([])
}

/// Work that blocks, on threads that are not Swift's.
@Suite(.timeLimit(.minutes(5)))
struct WorkerThreadsTests {
    @Test func `tasks that all block do not keep the pool from its work`() async throws {
        let threads = try WorkerThreads(most: 64)
        let counts = Counts()
        let blocked = (0..<64).map { _ in
            Task(executorPreference: threads) {
                counts.running.add(1, ordering: .relaxed)
                // As a disk that hangs would have it.
                while !counts.ends.load(ordering: .acquiring) { usleep(1000) }
            }
        }
        while counts.running.load(ordering: .relaxed) < 64 { try await Task.sleep(for: .milliseconds(1)) }
        // The pool, with its thread a core, goes on.
        #expect(await Task { 7 }.value == 7)
        counts.ends.store(true, ordering: .releasing)
        for task in blocked { await task.value }
    }

    @Test func `no more threads are used than were asked for, and work beyond them waits`() async throws {
        let threads = try WorkerThreads(most: 3)
        let counts = Counts()
        await withTaskExecutorPreference(threads) {
            await withTaskGroup { group in
                for _ in 0..<40 {
                    group.addTask {
                        let now = counts.running.add(1, ordering: .relaxed).newValue
                        _ = counts.peak.max(now, ordering: .relaxed)
                        usleep(2000)
                        counts.running.subtract(1, ordering: .relaxed)
                        _ = counts.threads.withLock { $0.insert(UInt(pthread_self())) }
                    }
                }
            }
        }
        #expect(counts.peak.load(ordering: .relaxed) <= 3)
        #expect(counts.threads.withLock(\.count) <= 3)
    }

    @Test func `what waits on a clock, and is cancelled, comes to its end there`() async throws {
        let threads = try WorkerThreads(most: 1)
        let task = Task(executorPreference: threads) {
            try? await Task.sleep(for: .seconds(600))
            return Task.isCancelled
        }
        // The one thread is free meanwhile.
        #expect(await Task(executorPreference: threads) { 7 }.value == 7)
        task.cancel()
        #expect(await task.value)
    }
}

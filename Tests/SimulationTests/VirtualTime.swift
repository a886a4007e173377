import Synchronization

/// Runs tasks one after the other on the thread that asks, and lets time go by only when all of them wait: whatever a seed does, it
/// does again.
final class VirtualTime: TaskExecutor {
    private struct Sleeper {
        let id: Int
        let deadline: Duration
        let continuation: CheckedContinuation<Void, any Error>
    }
    private struct State {
        var jobs: [UnownedJob] = []
        var sleepers: [Sleeper] = []
        var uptime = Duration.zero
        var nextID = 0
        var cancelled: Set<Int> = []
    }
    private let state = Mutex(State())

    var uptime: Duration { state.withLock(\.uptime) }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        state.withLock { $0.jobs.append(job) }
    }

    /// Lets time go by while nothing runs.
    func advance(by span: Duration) { state.withLock { $0.uptime += span } }

    private var nextDeadline: Duration? { state.withLock { $0.sleepers.map(\.deadline).min() } }

    /// Waits on the virtual clock.
    func sleep(for span: Duration) async throws {
        let (id, deadline) = state.withLock { state in
            state.nextID += 1
            return (state.nextID, state.uptime + span)
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let isCancelled = state.withLock { state in
                    if state.cancelled.remove(id) != nil { return true }
                    state.sleepers.append(Sleeper(id: id, deadline: deadline, continuation: continuation))
                    return false
                }
                if isCancelled { continuation.resume(throwing: CancellationError()) }
            }
        } onCancel: {
            let sleeper = state.withLock { state -> Sleeper? in
                guard let index = state.sleepers.firstIndex(where: { $0.id == id }) else {
                    state.cancelled.insert(id)
                    return nil
                }
                return state.sleepers.remove(at: index)
            }
            sleeper?.continuation.resume(throwing: CancellationError())
        }
    }

    /// Runs a task, and all that it starts, to its end.
    ///
    /// - Parameter limit: after how long it is asked to stop; nil for never.
    func run<Result: Sendable>(
        cancelledAfter limit: Duration? = nil, _ body: @escaping @Sendable () async -> Result
    ) -> Result {
        var cancellation = limit.map { uptime + $0 }
        let result = Mutex<Result?>(nil)
        let task = Task(executorPreference: self) {
            let value = await body()
            result.withLock { $0 = value }
        }
        while true {
            if let job = state.withLock({ $0.jobs.isEmpty ? nil : $0.jobs.removeFirst() }) {
                job.runSynchronously(on: asUnownedTaskExecutor())
                continue
            }
            if let value = result.withLock(\.self) {
                return value
            }
            if let date = cancellation, nextDeadline.map({ $0 >= date }) ?? true {
                state.withLock { $0.uptime = max($0.uptime, date) }
                cancellation = nil
                task.cancel()
                continue
            }
            let earliest = state.withLock { state -> Sleeper? in
                guard
                    let index = state.sleepers.indices.min(by: {
                        (state.sleepers[$0].deadline, state.sleepers[$0].id) < (
                            state.sleepers[$1].deadline, state.sleepers[$1].id
                        )
                    })
                else { return nil }
                state.uptime = max(state.uptime, state.sleepers[index].deadline)
                return state.sleepers.remove(at: index)
            }
            guard let earliest else { fatalError("every task waits, and none for the clock") }
            earliest.continuation.resume()
        }
    }
}

/// SplitMix64: a seed's numbers, everywhere the same.
struct Dice {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 0x1234_5678_9ABC_DEF0 }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// From 0 to 1.
    mutating func fraction() -> Double { Double(next() >> 11) / Double(1 << 53) }

    /// Once in so many times.
    mutating func once(in count: Double) -> Bool { fraction() < 1 / count }

    mutating func number(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + Int(next() % UInt64(range.count))
    }
}

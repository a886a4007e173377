import Glibc
package import PKI
import Synchronization

/// Threads of their own for the tasks of a run: it reads, writes and syncs files with calls that block, and Swift's cooperative pool
/// has as many threads as the machine has cores. A disk that hangs thus holds up the run, and no timer, signal or connection.
///
/// They live as long as the process; one is started when there is work and all others are busy.
package final class WorkerThreads: TaskExecutor {
    private struct State {
        var jobs: [UnownedJob] = []
        var idle = 0
        var started = 1
    }

    private let state = Mutex(State())
    private let work = Semaphore()
    private let most: Int

    /// Starts the first thread.
    ///
    /// - Parameter most: how many threads there are at most, 1 at least.
    /// - Throws: where the system gives no thread (pthread_create(3)).
    package init(most: Int) throws(SystemFailure) {
        self.most = most
        try startThread { [self] in run() }
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let needsThread = state.withLock { state in
            state.jobs.append(job)
            guard state.idle < state.jobs.count, state.started < most else { return false }
            state.started += 1
            return true
        }
        work.signal()
        guard needsThread else { return }
        do {
            try startThread { [self] in run() }
        } catch {
            // Those that there are do it.
            state.withLock { $0.started -= 1 }
        }
    }

    /// What a thread does for ever.
    private func run() {
        while true {
            state.withLock { $0.idle += 1 }
            work.wait()
            let job = state.withLock { state in
                state.idle -= 1
                return state.jobs.removeFirst()
            }
            unsafe job.runSynchronously(on: asUnownedTaskExecutor())
        }
    }
}

/// A counting semaphore (sem_overview(7)).
@safe private struct Semaphore: ~Copyable, @unchecked Sendable {
    private let pointer: UnsafeMutablePointer<sem_t>

    init() {
        unsafe pointer = .allocate(capacity: 1)
        unsafe sem_init(pointer, 0, 0)
    }

    deinit {
        unsafe sem_destroy(pointer)
        unsafe pointer.deallocate()
    }

    func signal() { unsafe _ = sem_post(pointer) }

    func wait() { while unsafe sem_wait(pointer) != 0 {} }
}

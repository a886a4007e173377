import Glibc
import PKI

/// Runs something on a separate thread: a simulation never waits, and would keep a thread of Swift's pool from all other tests.
func onThread<Result: Sendable>(_ body: @escaping @Sendable () -> Result) async throws -> Result {
    try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Result, any Error>) in
        do {
            try startThread {
                // The other tests go first: some of them wait for programs.
                _ = setpriority(Int32(PRIO_PROCESS.rawValue), 0, 10)
                continuation.resume(returning: body())
            }
        } catch {
            continuation.resume(throwing: error)
        }
    }
}

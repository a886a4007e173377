import PKI
import Synchronization

/// Work that cannot be interrupted, such as getaddrinfo(3) or a look at a file system that hangs: on a thread of its own, which
/// is left to itself when the time is up.
package enum OffThread {
    /// What the body returns; nil when it did not within the limit, or the calling task was cancelled.
    package static func value<T: Sendable>(within limit: Duration, _ body: @escaping @Sendable () -> T) async -> T? {
        let answer = Answer<T>()
        let alarm = Task {
            try? await Task.sleep(for: limit)
            answer.give(nil)
        }
        defer { alarm.cancel() }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                answer.wait(continuation)
                do {
                    try startThread { answer.give(body()) }
                } catch {
                    answer.give(nil)
                }
            }
        } onCancel: {
            answer.give(nil)
        }
    }

    /// A continuation that is resumed once, by the first value that it is given.
    private final class Answer<T: Sendable>: Sendable {
        private enum State {
            case open
            case waiting(CheckedContinuation<T?, Never>)
            case given(T?)
            case done
        }
        private let state = Mutex(State.open)

        func wait(_ continuation: CheckedContinuation<T?, Never>) {
            let given: T?? = state.withLock { state in
                if case .given(let value) = state {
                    state = .done
                    return .some(value)
                }
                state = .waiting(continuation)
                return nil
            }
            if let given { continuation.resume(returning: given) }
        }

        func give(_ value: T?) {
            let waiting = state.withLock { state -> CheckedContinuation<T?, Never>? in
                switch state {
                case .open: state = .given(value)
                case .waiting(let continuation):
                    state = .done
                    return continuation
                case .given, .done: break
                }
                return nil
            }
            waiting?.resume(returning: value)
        }
    }
}

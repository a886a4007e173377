package import Glibc

/// A failed system call, in the system's words.
package struct SystemFailure: Error, CustomStringConvertible {
    package let description: String

    /// - Parameter code: as in `errno`.
    package init(code: Int32) {
        description = unsafe String(cString: strerror(code))
    }
}

/// A flag that one thread raises and that others can wait for with poll(2).
package final class WakeUp: Sendable {
    /// Reads as at its end once the flag is up.
    package let descriptor: Int32
    private let other: Int32

    package init() throws(SystemFailure) {
        var ends: [Int32] = [-1, -1]
        // A pair of sockets in place of a pipe: close-on-exec from the start, without a moment for a fork in between.
        guard unsafe socketpair(AF_UNIX, socketKind(SOCK_STREAM), 0, &ends) == 0 else {
            throw SystemFailure(code: errno)
        }
        (descriptor, other) = (ends[0], ends[1])
    }

    deinit {
        close(descriptor)
        close(other)
    }

    package func raise() { shutdown(other, Int32(SHUT_WR)) }
}

/// A type of socket whose descriptor does not block and is not inherited.
package func socketKind(_ type: __socket_type) -> Int32 {
    Int32(type.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
}

/// Why a wait did not end as hoped.
enum WaitFailure: Error, CustomStringConvertible {
    /// Nothing happened for as long as was allowed.
    case timeout(Duration)
    case cancelled
    case failed(SystemFailure)

    var description: String {
        switch self {
        case .timeout(let time): "no answer within \(Self.text(time))"
        case .cancelled: "the probe was cancelled"
        case .failed(let failure): failure.description
        }
    }

    private static func text(_ time: Duration) -> String {
        let milliseconds = time / .milliseconds(1)
        // A share of the time is seldom a round number.
        let tenths = Int((milliseconds / 100).rounded())
        if tenths == 0 { return "\(Int(milliseconds)) ms" }
        return tenths.isMultiple(of: 10) ? "\(tenths / 10) s" : "\(tenths / 10).\(tenths % 10) s"
    }
}

/// How long a thread may wait, and for whom it stops before that.
struct TimeLimit: Sendable {
    private let time: Duration
    private let end: ContinuousClock.Instant
    private let cancellation: WakeUp

    /// A limit that begins now.
    init(_ time: Duration, cancellation: WakeUp) {
        self.time = time
        self.end = .now + time
        self.cancellation = cancellation
    }

    /// An equal share of the time that remains, beginning now.
    func share(of count: Int) -> TimeLimit {
        count <= 1 ? self : TimeLimit(max(.zero, end - .now) / count, cancellation: cancellation)
    }

    var isCancelled: Bool {
        var wait = pollfd(fd: cancellation.descriptor, events: Int16(POLLIN), revents: 0)
        return unsafe poll(&wait, 1, 0) > 0
    }

    var isOver: Bool { end <= .now || isCancelled }

    /// Waits until poll(2) reports something of a descriptor, an error included.
    func wait(for events: Int32, on descriptor: Int32) throws(WaitFailure) {
        var waits = [
            pollfd(fd: descriptor, events: Int16(events), revents: 0),
            pollfd(fd: cancellation.descriptor, events: Int16(POLLIN), revents: 0),
        ]
        while true {
            let (seconds, attoseconds) = max(.zero, end - .now).components
            // Rounded up: a wait must not end, and be begun again, in the last millisecond.
            let milliseconds =
                min(seconds, 1_000_000) * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
            let count = unsafe poll(&waits, nfds_t(waits.count), Int32(milliseconds))
            if waits[1].revents != 0 { throw .cancelled }
            if count > 0 { return }
            if count < 0, errno != EINTR { throw .failed(SystemFailure(code: errno)) }
            if count == 0, end <= .now { throw .timeout(time) }
        }
    }
}

/// Runs `body` on a new, detached thread.
///
/// There a write to a closed connection fails, in place of ending the process.
package func startThread(_ body: @escaping @Sendable () -> Void) throws(SystemFailure) {
    final class Start: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    let start = unsafe Unmanaged.passRetained(Start(body))
    let result = unsafe pthread_create(
        &thread, nil,
        { context in
            var signals = sigset_t()
            unsafe sigemptyset(&signals)
            unsafe sigaddset(&signals, SIGPIPE)
            unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
            if let context = unsafe context { unsafe Unmanaged<Start>.fromOpaque(context).takeRetainedValue().body() }
            return nil
        }, start.toOpaque())
    guard result == 0 else {
        unsafe start.release()
        throw SystemFailure(code: result)
    }
    pthread_detach(thread)
}

import CLinux
import Glibc
import PKI
import Synchronization

/// SIGINT, SIGTERM and SIGHUP as a request to stop in good order: the challenge files go, owed hooks run.
///
/// A handler that writes to a pipe: threads of libraries wait with signals unblocked, so that blocking and `sigwait(3)` would miss
/// some.
enum SignalTrap {
    private static let pipeEnd = Atomic<Int32>(-1)

    /// Calls `stop` at the first signal; the second one ends the process with 128 plus its number.
    static func install(_ stop: @escaping @Sendable () -> Void) {
        var ends: [Int32] = [-1, -1]
        guard unsafe certctl_pipe(&ends) == 0 else { return }
        pipeEnd.store(ends[1], ordering: .releasing)
        for number in [SIGINT, SIGTERM, SIGHUP] {
            _ = signal(number) { number in
                var byte = UInt8(truncatingIfNeeded: number)
                unsafe _ = write(SignalTrap.pipeEnd.load(ordering: .acquiring), &byte, 1)
            }
        }
        let readingEnd = ends[0]
        // Without a thread a signal is not heard, and the run goes on.
        try? startThread {
            var number: UInt8 = 0
            guard unsafe read(readingEnd, &number, 1) == 1 else { return }
            stop()
            guard unsafe read(readingEnd, &number, 1) == 1 else { return }
            _exit(128 + Int32(number))
        }
    }

    /// Sees to it that the system keeps the exit codes of hooks, at the start of the process: the parent may ignore SIGCHLD,
    /// a process inherits that, and then none are kept (wait(2)).
    static func keepExitCodes() { _ = signal(SIGCHLD, SIG_DFL) }

    /// From now on a closed output does not end the process: what was begun is brought to its end unheard.
    static func outliveOutputs() { _ = signal(SIGPIPE, SIG_IGN) }
}

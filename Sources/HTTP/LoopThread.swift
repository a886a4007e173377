import Glibc

/// The thread that runs a loop.
struct LoopThread: ~Copyable {
    private let loop: CurlLoop
    private let thread: pthread_t

    init(running loop: CurlLoop) throws(HTTPError) {
        self.loop = loop
        var thread = pthread_t()
        let retained = unsafe Unmanaged.passRetained(loop)
        let result = unsafe pthread_create(
            &thread, nil,
            { context in
                guard let context = unsafe context else { return nil }
                blockBrokenPipeSignal()
                unsafe Unmanaged<CurlLoop>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, retained.toOpaque())
        guard result == 0 else {
            unsafe retained.release()
            let cause = unsafe String(cString: strerror(result))
            throw HTTPError(kind: .other, host: "", detail: "cannot start a thread for HTTP: \(cause)")
        }
        self.thread = thread
    }

    /// Ends the loop and waits for its thread, so that no connection is in use when the process exits.
    deinit {
        loop.close()
        pthread_join(thread, nil)
    }
}

/// Has a write to a closed connection fail, in this thread, in place of ending the process: told to leave signals alone
/// (`CURLOPT_NOSIGNAL`), libcurl does not see to it.
private func blockBrokenPipeSignal() {
    var signals = sigset_t()
    unsafe sigemptyset(&signals)
    unsafe sigaddset(&signals, SIGPIPE)
    unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
}

import CCurl

/// libcurl's handle of all transfers that run side by side, and of the connections they share.
///
/// Sendable because `wakeUp` may be called on any thread. All else belongs to one thread at a time: the loop's.
@safe struct MultiHandle: ~Copyable, @unchecked Sendable {
    /// How many idle connections are kept: libcurl's own rule follows the number of running transfers, and would close
    /// some as soon as a burst is over.
    private static let mostIdleConnections = 32

    /// How many connections one server gets at most: requests beyond that wait for one of them. Over HTTP/2 one carries them all, up
    /// to the number of streams that the server allows.
    ///
    /// `CURLOPT_PIPEWAIT` is not set: it would have requests wait for a connection that is being made, and libcurl before 8.0 wakes one
    /// of them up for each that ends. A conversation with a CA begins with one request for its directory in any case.
    private static let mostConnectionsPerServer = 8

    /// The longest sleep without a reason to wake up while transfers are under way.
    ///
    /// libcurl before 8.4 forgets a timer that is less than a millisecond away when another of the same transfer's goes
    /// off, and would then wait for ever (curl#11937). `perform` compares all transfers with their time anyway.
    private static let longestPollWithTransfers: CInt = 1_000  // ms
    private static let longestPoll: CInt = 3_600_000  // ms

    private let pointer: UnsafeMutableRawPointer

    /// Nil when libcurl cannot be set up.
    init?() {
        guard globalInitialization == CURLE_OK, let pointer = unsafe curl_multi_init() else { return nil }
        unsafe self.pointer = unsafe pointer
        unsafe certctl_multi_setopt_long(pointer, CURLMOPT_MAXCONNECTS, Self.mostIdleConnections)
        unsafe certctl_multi_setopt_long(pointer, CURLMOPT_MAX_HOST_CONNECTIONS, Self.mostConnectionsPerServer)
    }

    /// Closes the connections.
    deinit {
        unsafe curl_multi_cleanup(pointer)
    }

    /// Ends a `poll`, or the next one if none is under way.
    func wakeUp() {
        unsafe curl_multi_wakeup(pointer)
    }

    /// Starts a transfer; a text says why not.
    func add(_ easy: borrowing EasyHandle) -> String? {
        unsafe Self.complaint(easy.add(to: pointer))
    }

    /// Stops a transfer wherever it is.
    func remove(_ easy: borrowing EasyHandle) {
        unsafe easy.remove(from: pointer)
    }

    /// Does all that can be done without waiting; a text says why it cannot go on.
    func perform() -> String? {
        var running: CInt = 0
        return unsafe Self.complaint(curl_multi_perform(pointer, &running))
    }

    /// Waits for a socket, a timeout or a `wakeUp`; a text says why it cannot.
    func poll(hasTransfers: Bool) -> String? {
        let longest = hasTransfers ? Self.longestPollWithTransfers : Self.longestPoll
        return unsafe Self.complaint(curl_multi_poll(pointer, nil, 0, longest, nil))
    }

    /// The next transfer that came to its end, by its ID, and with what result.
    func nextFinished() -> (id: Int, result: CURLcode)? {
        var left: CInt = 0
        while let message = unsafe curl_multi_info_read(pointer, &left) {
            guard unsafe certctl_message_kind(message) == CURLMSG_DONE else { continue }
            var id: UnsafeMutableRawPointer?
            unsafe certctl_getinfo_pointer(certctl_message_easy(message), CURLINFO_PRIVATE, &id)
            return unsafe (Int(bitPattern: id), certctl_message_result(message))
        }
        return nil
    }

    private static func complaint(_ code: CURLMcode) -> String? {
        code == CURLM_OK ? nil : unsafe String(cString: curl_multi_strerror(code))
    }
}

/// libcurl's set-up of the whole process, done once and kept to its end.
private let globalInitialization: CURLcode = curl_global_init(Int(CURL_GLOBAL_DEFAULT))

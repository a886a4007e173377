import CCurl

/// libcurl's handle of one transfer, with the memory that it refers to.
@safe struct EasyHandle: ~Copyable {
    private let pointer: UnsafeMutableRawPointer
    /// Where libcurl writes what went wrong.
    private let words: UnsafeMutablePointer<CChar>
    private var headers: UnsafeMutablePointer<curl_slist>?
    private var connectTo: UnsafeMutablePointer<curl_slist>?

    init() throws(OptionFailure) {
        guard let pointer = unsafe curl_easy_init() else {
            throw OptionFailure(code: CURLE_FAILED_INIT)
        }
        unsafe self.pointer = unsafe pointer
        unsafe words = .allocate(capacity: Int(CURL_ERROR_SIZE))
        unsafe words.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        unsafe certctl_setopt_pointer(pointer, CURLOPT_ERRORBUFFER, words)
    }

    deinit {
        unsafe curl_easy_cleanup(pointer)
        unsafe curl_slist_free_all(headers)
        unsafe curl_slist_free_all(connectTo)
        unsafe words.deallocate()
    }

    /// What libcurl wrote about the failure, or else its general text for the code.
    func words(for code: CURLcode) -> String {
        let words = unsafe String(cString: words)
        return words.isEmpty ? OptionFailure(code: code).words : words
    }

    func set(_ option: CURLoption, _ value: Int) throws(OptionFailure) {
        try OptionFailure.check(unsafe certctl_setopt_long(pointer, option, value))
    }

    /// libcurl copies the string; nil takes a default away.
    func set(_ option: CURLoption, _ value: String?) throws(OptionFailure) {
        try OptionFailure.check(unsafe certctl_setopt_string(pointer, option, value))
    }

    /// Makes the transfer a POST of these bytes, which libcurl copies.
    func setPostBody(_ bytes: [UInt8]) throws(OptionFailure) {
        try OptionFailure.check(
            unsafe certctl_setopt_off_t(pointer, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(bytes.count)))
        let result = unsafe bytes.withUnsafeBytes { bytes in
            var empty: UInt8 = 0
            return unsafe withUnsafeMutablePointer(to: &empty) { empty in
                let start = unsafe bytes.baseAddress.map { unsafe UnsafeMutableRawPointer(mutating: $0) }
                return unsafe certctl_setopt_pointer(pointer, CURLOPT_COPYPOSTFIELDS, start ?? .init(empty))
            }
        }
        try OptionFailure.check(result)
    }

    /// Sets the request's header lines, in libcurl's own notation.
    mutating func setHeaders(_ lines: [String]) throws(OptionFailure) {
        for line in lines {
            guard let longer = unsafe curl_slist_append(headers, line) else {
                throw OptionFailure(code: CURLE_OUT_OF_MEMORY)
            }
            unsafe headers = unsafe longer
        }
        try OptionFailure.check(unsafe certctl_setopt_pointer(pointer, CURLOPT_HTTPHEADER, headers))
    }

    /// Has connections go elsewhere than the URL says, in libcurl's own notation.
    mutating func setConnectTo(_ line: String) throws(OptionFailure) {
        guard let longer = unsafe curl_slist_append(connectTo, line) else {
            throw OptionFailure(code: CURLE_OUT_OF_MEMORY)
        }
        unsafe connectTo = unsafe longer
        try OptionFailure.check(unsafe certctl_setopt_pointer(pointer, CURLOPT_CONNECT_TO, connectTo))
    }

    /// Has a callback called with the context, which must outlive the transfer.
    func setCallback(
        _ option: CURLoption, _ callback: @escaping certctl_data_callback, contextOption: CURLoption,
        context: UnsafeMutableRawPointer
    ) throws(OptionFailure) {
        try OptionFailure.check(unsafe certctl_setopt_callback(pointer, option, callback))
        try OptionFailure.check(unsafe certctl_setopt_pointer(pointer, contextOption, context))
    }

    /// Keeps the transfer's connections from programs that the process starts: one of them would hold a connection open that
    /// is closed here.
    func closeOnExec() throws(OptionFailure) {
        try OptionFailure.check(unsafe certctl_setopt_close_on_exec(pointer))
    }

    /// Allows http and https only, with every libcurl from 7.81.
    func allowHTTPOnly() throws(OptionFailure) {
        try OptionFailure.check(unsafe certctl_setopt_http_only(pointer))
    }

    /// Keeps the end of a transfer from waiting for a name server, from libcurl 7.87; older ones wait.
    func quickExit() throws(OptionFailure) {
        try OptionFailure.check(unsafe certctl_setopt_quick_exit(pointer))
    }

    /// Marks the transfer, for `MultiHandle` to say which one is done.
    func setID(_ id: Int) throws(OptionFailure) {
        try OptionFailure.check(
            unsafe certctl_setopt_pointer(pointer, CURLOPT_PRIVATE, UnsafeMutableRawPointer(bitPattern: id)))
    }

    /// A number that libcurl noted about the transfer; 0 where it has none.
    func info(_ info: CURLINFO) -> Int {
        var value = 0
        return unsafe certctl_getinfo_long(pointer, info, &value) == CURLE_OK ? value : 0
    }

    func add(to multi: UnsafeMutableRawPointer) -> CURLMcode {
        unsafe curl_multi_add_handle(multi, pointer)
    }

    func remove(from multi: UnsafeMutableRawPointer) {
        unsafe curl_multi_remove_handle(multi, pointer)
    }
}

/// libcurl refused an option: it lacks it, the value is too long, or memory ran out.
struct OptionFailure: Error {
    let code: CURLcode

    var words: String {
        unsafe String(cString: curl_easy_strerror(code))
    }

    static func check(_ code: CURLcode) throws(OptionFailure) {
        guard code == CURLE_OK else { throw OptionFailure(code: code) }
    }
}

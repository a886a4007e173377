import CCurl
import Glibc

/// One request under way. It lives and dies on the loop's thread.
final class Transfer {
    /// The longest wait for a connection, TLS included, within the request's own timeout: a host that does not answer
    /// should be told from one that is slow.
    private static let longestConnect: Duration = .seconds(30)

    let submission: Submission
    private var easy: EasyHandle
    private var incoming: IncomingResponse

    init(_ submission: Submission, identity: ClientIdentity) throws(HTTPError) {
        let request = submission.request
        self.submission = submission
        incoming = IncomingResponse(largestBody: request.largestBody)
        do throws(OptionFailure) {
            easy = try EasyHandle()
        } catch {
            throw HTTPError(kind: .other, host: submission.host, detail: error.words)
        }
        let lines = try request.headerLines(host: submission.host)
        do throws(OptionFailure) {
            try easy.setID(submission.id)
            try set(request, headerLines: lines)
            try set(identity)
            if !request.verifiesServer {
                try easy.set(CURLOPT_SSL_VERIFYPEER, 0)
                try easy.set(CURLOPT_SSL_VERIFYHOST, 0)
            }
            try setCallbacks()
        } catch {
            throw HTTPError(kind: .other, host: submission.host, detail: error.words)
        }
    }

    func add(to multi: borrowing MultiHandle) throws(HTTPError) {
        if let complaint = multi.add(easy) {
            throw HTTPError(kind: .other, host: submission.host, detail: complaint)
        }
    }

    func remove(from multi: borrowing MultiHandle) {
        multi.remove(easy)
    }

    /// What the transfer came to.
    func outcome(_ code: CURLcode) -> Result<HTTPResponse, HTTPError> {
        if let excess = incoming.excess {
            return .failure(HTTPError(kind: .bodyTooLarge, host: submission.host, detail: excess))
        }
        guard code == CURLE_OK else {
            let failure = CurlFailure(
                code: code, words: easy.words(for: code), systemError: CInt(easy.info(CURLINFO_OS_ERRNO)),
                proxyStatus: easy.info(CURLINFO_HTTP_CONNECTCODE))
            let request = submission.request
            let isDirect = request.unixSocket != nil || request.connectTo != nil
            let scheme = request.url.prefix { $0 != ":" }.lowercased()
            return .failure(
                HTTPError(failure, host: submission.host, proxy: isDirect ? nil : ProxySetting(scheme: scheme)))
        }
        let status = easy.info(CURLINFO_RESPONSE_CODE)
        return .success(HTTPResponse(status: status, headers: incoming.headers, body: incoming.body))
    }

    private func set(_ request: HTTPRequest, headerLines: [String]) throws(OptionFailure) {
        try easy.set(CURLOPT_URL, request.url)
        try easy.set(CURLOPT_PATH_AS_IS, 1)
        try easy.allowHTTPOnly()
        try easy.set(CURLOPT_FOLLOWLOCATION, 0)
        switch request.method {
        case .get: try easy.set(CURLOPT_HTTPGET, 1)
        case .head: try easy.set(CURLOPT_NOBODY, 1)
        case .post: try easy.setPostBody(request.body)
        case .delete: try easy.set(CURLOPT_CUSTOMREQUEST, request.method.rawValue)
        }
        try easy.setHeaders(headerLines)
        try easy.set(CURLOPT_TIMEOUT_MS, request.timeout.curlMilliseconds)
        try easy.set(CURLOPT_CONNECTTIMEOUT_MS, min(request.timeout, Self.longestConnect).curlMilliseconds)
        try easy.set(CURLOPT_NOSIGNAL, 1)
        try easy.closeOnExec()
        // Without it, ending a transfer waits for a name server's answer, and all other transfers with it.
        try easy.quickExit()
        try easy.set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
        if request.hasProxyHeader {
            try easy.set(CURLOPT_HAPROXYPROTOCOL, 1)
            // libcurl sends it on new connections alone, and would lend this one to requests without.
            try easy.set(CURLOPT_FRESH_CONNECT, 1)
            try easy.set(CURLOPT_FORBID_REUSE, 1)
        }
        if let unixSocket = request.unixSocket {
            try easy.set(CURLOPT_UNIX_SOCKET_PATH, unixSocket)
            try easy.set(CURLOPT_PROXY, "")
        }
        if let connectTo = request.connectTo {
            // Of any host and any port.
            try easy.setConnectTo("::\(connectTo)")
            try easy.set(CURLOPT_PROXY, "")
        }
    }

    private func set(_ identity: ClientIdentity) throws(OptionFailure) {
        try easy.set(CURLOPT_USERAGENT, identity.userAgent)
        for option in [CURLOPT_SSL_VERIFYPEER, CURLOPT_PROXY_SSL_VERIFYPEER] { try easy.set(option, 1) }
        for option in [CURLOPT_SSL_VERIFYHOST, CURLOPT_PROXY_SSL_VERIFYHOST] { try easy.set(option, 2) }
        if let bundle = identity.caBundle {
            for option in [CURLOPT_CAINFO, CURLOPT_PROXY_CAINFO] { try easy.set(option, bundle) }
            // The directory is searched beside the bundle, and by default it is the system's.
            for option in [CURLOPT_CAPATH, CURLOPT_PROXY_CAPATH] { try easy.set(option, nil) }
        }
    }

    private func setCallbacks() throws(OptionFailure) {
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        try unsafe easy.setCallback(
            CURLOPT_HEADERFUNCTION,
            { unsafe Transfer.pass($0, $1, $2, to: $3) { unsafe $0.incoming.receive(headerLine: $1) } },
            contextOption: CURLOPT_HEADERDATA, context: context)
        try unsafe easy.setCallback(
            CURLOPT_WRITEFUNCTION,
            { unsafe Transfer.pass($0, $1, $2, to: $3) { unsafe $0.incoming.receive(body: $1) } },
            contextOption: CURLOPT_WRITEDATA, context: context)
    }

    /// Hands what libcurl received to the transfer that is the context; any count but that of all bytes ends it.
    private static func pass(
        _ data: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, to context: UnsafeMutableRawPointer?,
        _ receive: (Transfer, UnsafeRawBufferPointer) -> Bool
    ) -> Int {
        guard let context = unsafe context else { return 0 }
        let transfer = unsafe Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
        let bytes = unsafe UnsafeRawBufferPointer(start: data, count: size * count)
        if unsafe receive(transfer, bytes) { return size * count }
        return size * count == 0 ? 1 : 0
    }
}

extension HTTPRequest {
    /// The header lines as libcurl wants them: `Name;` stands for an empty value, `Name:` takes libcurl's own away.
    fileprivate func headerLines(host: String) throws(HTTPError) -> [String] {
        var lines: [String] = []
        for field in headers.fields {
            guard field.isWellFormed else {
                throw HTTPError(
                    kind: .other, host: host, detail: "the header \(field.name) has a character that may not be in it")
            }
            lines.append(field.value.isEmpty ? "\(field.name);" : "\(field.name): \(field.value)")
        }
        if method == .post {
            lines.append("Expect:")
            if headers["Content-Type"] == nil { lines.append("Content-Type:") }
        }
        return lines
    }
}

extension HTTPHeaders.Field {
    /// Whether the field can be sent: a line break in it would be the start of another one (RFC 9110 §5.1, §5.5).
    fileprivate var isWellFormed: Bool {
        !name.isEmpty && name.utf8.allSatisfy { (0x21...0x7E).contains($0) && !"\"(),/:;<=>?@[\\]{}".utf8.contains($0) }
            && value.utf8.allSatisfy { ![0x00, 0x0A, 0x0D].contains($0) }
    }
}

extension Duration {
    /// Whole milliseconds, rounded up and at least 1, because to libcurl 0 is for ever.
    fileprivate var curlMilliseconds: Int {
        let longest: Duration = .milliseconds(Int(CInt.max))
        let (seconds, attoseconds) = min(max(self, .milliseconds(1)), longest).components
        return Int(seconds) * 1000 + Int((attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }
}

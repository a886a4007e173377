import CCurl

/// Sends requests over libcurl, many at once, on a thread of its own.
///
/// Connections stay open for the requests to come, to the end of the transport's life. TLS certificates are always
/// verified, redirects are not followed, and the proxies of the environment (`https_proxy`, `no_proxy`, …) are used.
package final class CurlTransport: HTTPTransport {
    private let loop: CurlLoop
    private let thread: LoopThread

    /// libcurl's version, as in `7.88.1`.
    package static var libraryVersion: String {
        unsafe String(cString: curl_version_info(CURLVERSION_FIRST).pointee.version)
    }

    /// A transport that trusts the system's store, or only the certificates of `caBundle`, a PEM file.
    ///
    /// Throws `unreadableCABundle` when there is no such file or no certificate in it.
    package init(userAgent: String, caBundle: String? = nil) throws(HTTPError) {
        if let caBundle { try requireCertificates(inBundle: caBundle) }
        guard let loop = CurlLoop(identity: ClientIdentity(userAgent: userAgent, caBundle: caBundle)) else {
            throw HTTPError(kind: .other, host: "", detail: "libcurl cannot be set up")
        }
        self.loop = loop
        thread = try LoopThread(running: loop)
    }

    /// Sends a request; the calling task is suspended meanwhile, and no thread of Swift's pool waits.
    package func send(_ request: HTTPRequest) async throws(HTTPError) -> HTTPResponse {
        let target = try RequestTarget(url: request.url)
        let host = request.unixSocket ?? request.connectTo ?? target.hostAndPort
        guard !Task.isCancelled else { throw HTTPError(kind: .cancelled, host: host, detail: "") }
        let id = loop.makeID()
        return try await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                loop.submit(Submission(id: id, request: request, host: host, continuation: continuation))
                // The handler may have run before there was anything to cancel.
                if Task.isCancelled { loop.cancel(id) }
            }
        } onCancel: {
            loop.cancel(id)
        }.get()
    }
}

/// One request, complete with the limits it runs under.
package struct HTTPRequest: Sendable {
    /// What is asked of the server.
    package enum Method: String, Sendable {
        case get = "GET"
        case head = "HEAD"
        case post = "POST"
        case delete = "DELETE"
    }

    /// How long a request may take when it says nothing else.
    package static let defaultTimeout: Duration = .seconds(60)

    /// How many bytes of body a request accepts when it says nothing else: an ACME answer has a few kilobytes, the
    /// Docker Engine's longest lists some hundred.
    package static let defaultLargestBody = 1_048_576

    /// GET when nothing else is said.
    package var method: Method
    /// An absolute `http` or `https` URL, sent as written: no dot segments are taken out.
    package var url: String
    /// Sent beside `Host`, `Accept`, `User-Agent` and `Content-Length`, each of which a field of that name replaces.
    package var headers: HTTPHeaders
    /// What a POST carries; the other methods send none.
    package var body: [UInt8]
    /// The whole exchange's time, from looking up the name to the last byte of the body.
    package var timeout: Duration
    /// The most bytes of body that are accepted; one more and the transfer is ended.
    package var largestBody: Int
    /// The path of the socket to connect to in place of the URL's host, which then is only the `Host` header.
    ///
    /// No proxy is asked for it.
    package var unixSocket: String?
    /// The `address:port` to connect to in place of the URL's, an IPv6 address in brackets; `Host` and TLS keep the URL's name.
    ///
    /// No proxy is asked for it.
    package var connectTo: String?
    /// Whether an https server's certificate is verified. Not where a CA would not either: it follows redirects of a challenge to
    /// https without (RFC 8555 §8.3).
    package var verifiesServer = true
    /// Whether the connection begins with a header of the PROXY protocol (version 1). It is not shared with other requests.
    package var hasProxyHeader = false

    /// A request that differs from the defaults only where it says so.
    package init(
        method: Method = .get, url: String, headers: HTTPHeaders = [:], body: [UInt8] = [],
        timeout: Duration = defaultTimeout, largestBody: Int = defaultLargestBody, unixSocket: String? = nil,
        connectTo: String? = nil
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.timeout = timeout
        self.largestBody = largestBody
        self.unixSocket = unixSocket
        self.connectTo = connectTo
    }
}

/// A server's final answer, whatever its status: a 404 or a redirect is an answer too.
package struct HTTPResponse: Sendable {
    /// The status code, 200 to 599 from any sane server.
    package let status: Int
    /// The final response's fields, without those of interim (1xx) responses, of a proxy, and without trailers.
    package let headers: HTTPHeaders
    /// The whole body as it was sent: never cut short, never unpacked.
    package let body: [UInt8]

    /// A response as a test double would give it.
    package init(status: Int, headers: HTTPHeaders = [:], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

/// Whatever can carry a request to a server and its response back.
package protocol HTTPTransport: Sendable {
    /// Sends a request and waits for the whole response.
    ///
    /// A cancelled task gets an error of kind `cancelled`, at once.
    func send(_ request: HTTPRequest) async throws(HTTPError) -> HTTPResponse
}

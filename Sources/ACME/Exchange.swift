import HTTP

/// A request and its response, as `--verbose` shows them: no bodies, and of URLs no passwords, so no secrets.
package struct Exchange: Sendable, CustomStringConvertible {
    package let method: String
    /// Without user name and password.
    package let url: String
    package let status: Int
    /// Where the response leads, if it redirects a request that may be redirected. The operator should know: clients that do
    /// not follow stop renewing.
    package let redirect: String?
    /// What the CA calls the request in its own logs, where it says so.
    package let requestID: String?
    package let duration: Duration

    private static let idHeaders = ["Boulder-Request-Id", "X-Request-Id", "Request-Id", "CF-Ray"]
    private static let longestID = 100

    init(_ request: HTTPRequest, _ response: HTTPResponse, redirect: String? = nil, duration: Duration) {
        (method, status) = (request.method.rawValue, response.status)
        url = request.url.line(atMost: ServerURL.longest).withoutCredentials
        self.redirect = redirect?.line(atMost: 500).withoutCredentials
        requestID = Exchange.idHeaders.lazy.compactMap { response.headers[$0] }.first?.line(atMost: Exchange.longestID)
        self.duration = duration
    }

    package var description: String {
        let milliseconds = duration / .milliseconds(1)
        return "\(method) \(url) \(status) in \(Int(milliseconds.rounded())) ms"
            + (requestID.map { " (request \($0))" } ?? "") + (redirect.map { ", redirects to \($0)" } ?? "")
    }
}

/// Why a request has no response.
package struct HTTPError: Error, Sendable, CustomStringConvertible {
    /// What went wrong, as far as a caller may want to tell it apart.
    package enum Kind: Sendable {
        /// The URL cannot be read, or is neither `http` nor `https`.
        case invalidURL
        /// The host's name has no address, or no name server answered.
        case unresolvedHost
        /// Nothing accepts connections there, or no route leads there.
        case cannotConnect
        /// The server's certificate was refused: its chain, its dates or its names.
        case tlsNotTrusted
        /// No TLS connection came about, for another reason than the certificate.
        case tlsFailed
        /// The request's own time, or the shorter one for connecting, was over.
        case timedOut
        /// The body, or all headers together, passed its limit.
        case bodyTooLarge
        /// The task was cancelled.
        case cancelled
        /// A proxy that the environment names did not reach the server, or could not be reached itself.
        case proxy
        /// A proxy that the environment names does not let this host through: it wants a password, or forbids the server.
        case proxyRefused
        /// What the environment says about a proxy names none.
        case invalidProxy
        /// The file that holds the trusted certificates has none, or cannot be read.
        case unreadableCABundle
        /// The connection ended before the response did.
        case interrupted
        /// Anything else, such as an answer that is not HTTP or a header that cannot be sent.
        case other
    }

    /// The class of the failure.
    package let kind: Kind
    /// `host:port` of the URL, or the socket's path; empty when no server is concerned.
    package let host: String
    /// The cause in libcurl's or the system's own words.
    package let detail: String
    /// The proxy that is to blame, and where it is set.
    package let proxy: ProxySetting?

    /// An error from its parts; `detail` is printed as it stands.
    package init(kind: Kind, host: String, detail: String, proxy: ProxySetting? = nil) {
        self.kind = kind
        self.host = host
        self.detail = detail
        self.proxy = proxy
    }

    /// Whether the same request may well succeed later, with nothing changed on this host.
    package var isTemporary: Bool {
        switch kind {
        case .unresolvedHost, .cannotConnect, .tlsFailed, .timedOut, .proxy, .interrupted: true
        case .proxyRefused, .invalidProxy, .invalidURL, .tlsNotTrusted, .bodyTooLarge, .cancelled, .unreadableCABundle,
            .other:
            false
        }
    }

    /// One line in lower case that names the server and the cause.
    package var description: String {
        switch kind {
        case .invalidURL: "not a usable URL: \(detail)"
        case .unresolvedHost: "cannot find the address of \(host): \(detail)"
        case .cannotConnect: "cannot connect to \(host): \(detail)"
        case .tlsNotTrusted: "\(tlsName)'s TLS certificate is not trusted: \(detail)"
        case .tlsFailed: "no TLS connection to \(tlsName): \(detail)"
        case .timedOut: "\(host) took too long: \(detail)"
        case .bodyTooLarge: "the response of \(host) is too large: \(detail)"
        case .cancelled: "the request to \(host) was cancelled"
        case .proxy: "\(proxyName) did not reach \(host): \(detail)"
        case .proxyRefused: "\(proxyName) does not let this host through to \(host): \(detail)"
        case .invalidProxy: "\(proxyName) cannot be used: \(detail)"
        case .unreadableCABundle: "the CA bundle cannot be used: \(detail)"
        case .interrupted: "\(host) ended the connection too early: \(detail)"
        case .other: host.isEmpty ? detail : "the request to \(host) failed: \(detail)"
        }
    }

    private var proxyName: String {
        proxy.map { "the proxy \($0.value) (environment variable \($0.variable))" } ?? "the proxy"
    }

    /// The host as a certificate names it: the port is only worth saying when it is not the usual one.
    private var tlsName: Substring {
        host.hasSuffix(":443") ? host.dropLast(4) : host[...]
    }
}
